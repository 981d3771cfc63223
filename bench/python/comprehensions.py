"""Comprehensions and generator expressions over the sales of a year: lists, sets and dicts of tuples."""

import random
import sys


def make_sales(rng, count):
    return [
        (rng.randrange(365), rng.randrange(400), rng.randrange(60), rng.randint(1, 9), rng.random() * 100)
        for _ in range(count)
    ]


def turnover_by_day(sales):
    totals = {day: 0.0 for day in range(365)}
    for day, value in ((sale[0], sale[3] * sale[4]) for sale in sales):
        totals[day] += value
    return totals


def baskets(sales):
    pairs = {(day, shop) for day, _, shop, _, _ in sales}
    by_pair = {pair: [] for pair in pairs}
    for day, item, shop, count, _ in sales:
        by_pair[day, shop].append((item, count))
    return {pair: sorted(items) for pair, items in by_pair.items() if len(items) > 1}


def rectangle(rows, columns, seed):
    matrix = [[(row * column + seed) % 97 for column in range(columns)] for row in range(rows)]
    turned = [[row[column] for row in matrix] for column in range(columns)]
    return sum(max(row) for row in turned)


def main(scale):
    sales = make_sales(random.Random(3), 25000)
    check = 0
    for turn in range(max(1, round(9 * scale))):
        daily = turnover_by_day([sale for sale in sales if sale[1] % 9 != turn])
        found = baskets(sales)
        names = [f"{shop:02d}/{day:03d}:{len(items)}" for (day, shop), items in sorted(found.items())]
        lengths = {name: len(name) for name in names}
        squares = [[n * n for n in range(30)] for _ in range(1200)]
        check += int(sum(daily.values())) + sum(lengths.values()) + rectangle(120, 150, turn)
        check += sum(row[-1] for row in squares) + len({items[0] for items in found.values()})
    print(f"checksum comprehensions {check}")


main(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0)
