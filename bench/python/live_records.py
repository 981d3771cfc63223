"""Builds 120,000 small live records under the cyclic collector, and asks for groups and totals of them."""

import dataclasses
import random
import sys
from collections import defaultdict, namedtuple

Position = namedtuple("Position", "x y")


@dataclasses.dataclass
class Shipment:
    number: int
    origin: Position
    target: Position
    weight: float
    tags: list = dataclasses.field(default_factory=list)


class Stop:
    __slots__ = ("shipment", "previous", "hour")

    def __init__(self, shipment, previous, hour):
        self.shipment = shipment
        self.previous = previous
        self.hour = hour


def build(rng, count):
    shipments, stops, last_stop = [], [], None
    for number in range(count):
        shipment = Shipment(number, Position(rng.randrange(900), number % 77), Position(3, 4),
                            rng.random() * 40)
        shipment.tags.append(number % 11)
        last_stop = Stop(shipment, last_stop if number % 50 else None, number % 24)
        shipments.append(shipment)
        stops.append(last_stop)
    return shipments, stops


def main(scale):
    rng, check = random.Random(7), 0
    for _ in range(max(1, round(3 * scale))):
        shipments, stops = build(rng, 60000)
        by_hour = defaultdict(list)
        for stop in stops:
            by_hour[stop.hour].append(stop.shipment.weight)
        heaviest = sorted(shipments, key=lambda shipment: -shipment.weight)[:1000]
        check += int(sum(shipment.weight for shipment in heaviest))
        check += sum(len(weights) for weights in by_hour.values())
        check += sum(shipment.origin.x + shipment.tags[0] for shipment in shipments)
    print(f"checksum live_records {check}")


main(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0)
