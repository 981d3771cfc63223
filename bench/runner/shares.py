"""What part of each Lua program is spent in glibc's allocator: measured by callgrind, kept in lua/shares.json."""

import json
import os

from runner import callgrind, groups, programs

FILE = os.path.join("lua", "shares.json")
ALLOCATOR = frozenset(("malloc", "calloc", "realloc", "free"))


def read():
    """{program: share of its instructions}; nothing if it was never measured."""
    path = os.path.join(programs.BENCH, FILE)
    if not os.path.exists(path):
        return {}
    with open(path, encoding="utf-8") as file:
        return json.load(file)["shares"]


def measure():
    shares = {}
    for name in programs.scripts("lua"):
        command = [programs.built("lua-default"), programs.script("lua", name), str(groups.QUICK_SCALE)]
        text = callgrind.profile(command, {})
        shares[name] = round(callgrind.spent_in(text, ALLOCATOR) / callgrind.total(text), 4)
        print(f"{name:20} {100 * shares[name]:5.1f} %", flush=True)
    return shares


def write(shares, workspace):
    """Into the source tree if the user stands in it, else beside him."""
    bench = os.path.join(workspace, "bench")
    path = os.path.join(bench, FILE) if os.path.isdir(bench) else os.path.join(workspace, "shares.json")
    text = {"made_by": "bazel run //bench -- --share",
            "meaning": "instructions inside malloc, calloc, realloc and free of glibc as a part of all instructions of "
                       "lua-default, counted by callgrind at the scale of --quick",
            "shares": shares}
    with open(path, "w", encoding="utf-8") as file:
        json.dump(text, file, indent=2)
        file.write("\n")
    print(f"written to {path}")
