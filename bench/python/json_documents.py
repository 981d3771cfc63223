"""Reads and writes JSON: the orders of a web shop, about 3 MiB of text, loaded, changed and dumped."""

import json
import random
import sys


def make_order(rng, number):
    return {
        "id": number,
        "customer": {"name": f"Customer {rng.randrange(5000)}", "email": f"c{number}@example.org"},
        "lines": [
            {
                "sku": f"SKU-{rng.randrange(40000):05d}",
                "quantity": rng.randint(1, 12),
                "price": rng.randint(100, 99999) / 100,
                "options": {"gift": rng.random() < 0.5, "note": 'at the "back" door\n№ %d' % line},
            }
            for line in range(rng.randint(1, 8))
        ],
        "tags": ["new", "web", f"country-{rng.randrange(30)}"],
        "paid": rng.random() < 0.5,
        "voucher": None,
    }


def main(scale):
    rng = random.Random(1)
    text = json.dumps([make_order(rng, number) for number in range(4000)])
    total = length = 0
    for turn in range(max(1, round(9 * scale))):
        orders = json.loads(text)
        for order in orders:
            order["total"] = sum(line["price"] * line["quantity"] for line in order["lines"])
            order["turn"] = turn
            total += order["total"]
        length += len(json.dumps(orders, sort_keys=True))
        length += sum(len(json.dumps(order, indent=2)) for order in orders[:150])
    print(f"checksum json_documents {length} {total:.2f}")


main(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0)
