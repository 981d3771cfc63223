"""Copies nested configurations deeply, changes the copies and merges them, as settings and undo do."""

import copy
import sys


class Widget:
    def __init__(self, name, depth):
        self.name = name
        self.style = {"color": [depth, 20, 30], "margin": (1, 2, 3, 4), "font": {"size": 10 + depth}}
        self.children = [Widget(f"{name}.{i}", depth - 1) for i in range(3)] if depth else []
        self.parent = None
        for child in self.children:
            child.parent = self


def count(widget):
    return 1 + sum(count(child) for child in widget.children)


def merge(base, extra):
    merged = dict(base)
    for key, value in extra.items():
        if isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] = merge(merged[key], value)
        else:
            merged[key] = copy.deepcopy(value)
    return merged


def main(scale):
    document = Widget("root", 5)
    settings = {f"section{i}": {"paths": [f"/a/{i}/{j}" for j in range(8)], "on": True, "limits": {"n": i}}
                for i in range(60)}
    undo, check = [], 0
    for turn in range(max(2, round(80 * scale))):
        snapshot = copy.deepcopy(document)
        snapshot.name = f"root {turn}"
        undo.append(snapshot)
        undo = undo[-8:]
        changed = copy.deepcopy(settings)
        for section in changed.values():
            section["limits"]["n"] += turn
        merged = merge(settings, changed)
        check += count(snapshot) + sum(section["limits"]["n"] for section in merged.values())
    print(f"checksum deep_copies {check} {len(undo)}")


main(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0)
