"""Dicts and lists: shortest paths over a road network, its components, and degrees of separation."""

import heapq
import random
import sys


def make_roads(rng, towns):
    roads = {town: {} for town in range(towns)}
    for town in range(towns):
        for _ in range(3):
            other = (town + rng.randint(1, 400)) % towns
            roads[town][other] = roads[other][town] = rng.randint(1, 90)
    return roads


def shortest(roads, start):
    distance, before, queue = {start: 0}, {}, [(0, start)]
    while queue:
        length, town = heapq.heappop(queue)
        if length > distance[town]:
            continue
        for other, step in roads[town].items():
            through = length + step
            if through < distance.get(other, 1 << 30):
                distance[other] = through
                before[other] = town
                heapq.heappush(queue, (through, other))
    return distance, before


def path(before, target):
    towns = [target]
    while towns[-1] in before:
        towns.append(before[towns[-1]])
    return towns


def rings(roads, start):
    seen, ring, result = {start}, [start], []
    while ring:
        result.append(len(ring))
        ring = sorted({other for town in ring for other in roads[town]} - seen)
        seen.update(ring)
    return result


def main(scale):
    rng, check = random.Random(12), 0
    roads = make_roads(rng, 9000)
    for _ in range(max(1, round(18 * scale))):
        distance, before = shortest(roads, rng.randrange(9000))
        check += sum(distance.values()) + sum(len(path(before, rng.randrange(9000))) for _ in range(200))
        check += sum(i * size for i, size in enumerate(rings(roads, rng.randrange(9000))))
    print(f"checksum road_graph {check}")


main(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0)
