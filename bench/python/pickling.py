"""Pickles and unpickles an address book of objects that refer to each other, and copies of lists."""

import pickle
import random
import sys


class Person:
    def __init__(self, number, name):
        self.number = number
        self.name = name
        self.friends = []
        self.address = {"street": f"Street {number % 400}", "town": f"Town {number % 90}"}


class Company:
    __slots__ = ("name", "staff", "accounts")

    def __init__(self, name, staff):
        self.name = name
        self.staff = staff
        self.accounts = [(f"{name}-{i}", i * 1.25) for i in range(6)]


def make_world(rng):
    people = [Person(number, f"Person {number}") for number in range(5000)]
    for person in people:
        person.friends = [people[min(person.number + rng.randint(1, 40), 4999)] for _ in range(4)]
    companies = [Company(f"Company {i}", rng.sample(people, 30)) for i in range(300)]
    history = [(i, f"event {i}", {"kind": i % 7, "weights": [i, i + 0.5]}) for i in range(12000)]
    return {"people": people, "companies": companies, "history": history}


def main(scale):
    world = make_world(random.Random(2))
    # Friends have higher numbers: pickled from the last to the first, no chain of them nests deeply.
    world["people"].reverse()
    length = check = 0
    for turn in range(max(1, round(10 * scale))):
        data = pickle.dumps(world, protocol=4)
        length += len(data)
        world = pickle.loads(data)
        for person in world["people"]:
            check = (check * 31 + person.number + len(person.friends)) % 1000003
            person.address["turn"] = turn
        check += sum(len(company.staff) for company in world["companies"])
    print(f"checksum pickling {length} {check}")


main(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0)
