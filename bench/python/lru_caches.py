"""LRU caches, one of linked nodes and one on OrderedDict, asked for skewed keys."""

import collections
import random
import sys


class Node:
    __slots__ = ("key", "value", "previous", "next")

    def __init__(self, key, value):
        self.key = key
        self.value = value


class LinkedCache:
    def __init__(self, capacity):
        self.capacity = capacity
        self.index = {}
        self.head = Node(None, None)
        self.head.previous = self.head.next = self.head

    def _push(self, node):
        node.previous, node.next = self.head, self.head.next
        node.next.previous = self.head.next = node

    def _drop(self, node):
        node.previous.next, node.next.previous = node.next, node.previous

    def get(self, key, make):
        node = self.index.get(key)
        if node is None:
            if len(self.index) == self.capacity:
                oldest = self.head.previous
                self._drop(oldest)
                del self.index[oldest.key]
            node = self.index[key] = Node(key, make(key))
        else:
            self._drop(node)
        self._push(node)
        return node.value


class OrderedCache:
    def __init__(self, capacity):
        self.capacity = capacity
        self.items = collections.OrderedDict()

    def get(self, key, make):
        if key in self.items:
            self.items.move_to_end(key)
            return self.items[key]
        if len(self.items) == self.capacity:
            self.items.popitem(last=False)
        value = self.items[key] = make(key)
        return value


def make(key):
    return {"key": key, "parts": key.split(":"), "size": len(key)}


def main(scale):
    rng, check = random.Random(10), 0
    caches = [LinkedCache(12000), OrderedCache(9000)]
    for request in range(int(280000 * scale)):
        item = int(60000 * rng.random() ** 3)
        value = caches[request & 1].get(f"user:{item % 1000}:item:{item}", make)
        check += value["size"]
    print(f"checksum lru_caches {check} {len(caches[0].index)} {len(caches[1].items)}")


main(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0)
