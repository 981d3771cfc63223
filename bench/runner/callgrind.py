"""Runs programs under Valgrind's callgrind, and reads what it counted."""

import re

from runner import valgrind
from runner.process import BenchError

# Counts of single instructions, with addresses and names in full.
INSTRUCTIONS = ("--dump-instr=yes", "--compress-pos=no", "--compress-strings=no")


def profile(command, settings, options=()):
    """The text of callgrind's profile of one run of command, whose environment has the settings added."""
    return valgrind.run("callgrind", command, settings, options)[0]


def total(text):
    """All instructions that a profile counted."""
    found = re.search(r"^(?:totals|summary): *(\d+)", text, re.MULTILINE)
    if not found:
        raise BenchError("callgrind wrote a profile without a total: is this Valgrind older than 3.10?")
    return int(found.group(1))


def spent_in(text, functions):
    """Instructions spent in the named functions and all that they call.

    A profile names a function as (number) name where it first occurs and as (number) later; a line
    `calls=` is followed by a line whose last number is what the call cost with everything in it."""
    names, caller, callee, spent, is_call = {}, None, None, 0, False
    for line in text.splitlines():
        if is_call:
            is_call = False
            if callee in functions and caller not in functions:
                spent += int(line.split()[-1])
            continue
        key, _, value = line.partition("=")
        if key in ("fn", "cfn"):
            number, _, name = value.partition(" ")
            # Callgrind adds 'N to a function that is deeper in a recursion.
            name = names.setdefault(number, re.sub(r"'\d+$", "", name)) if name else names[number]
            if key == "fn":
                caller = name
            else:
                callee = name
        is_call = key == "calls"
    return spent


def instruction_counts(text, program):
    """{address: how often it ran} of the program's own instructions, in a profile made with INSTRUCTIONS."""
    counts, is_own, is_call = {}, False, False
    for line in text.splitlines():
        if line.startswith("ob="):
            is_own = line[len("ob="):] == program
        elif line.startswith("0x") and is_own and not is_call:
            address, _, count = line.split()
            counts[int(address, 16)] = counts.get(int(address, 16), 0) + int(count)
        is_call = line.startswith("calls=")
    return counts


def calls_to(text, functions):
    """How often the named functions were called by others than themselves, in such a profile."""
    caller, callee, count = None, None, 0
    for line in text.splitlines():
        key, _, value = line.partition("=")
        if key == "fn":
            caller = value
        elif key == "cfn":
            callee = value
        elif key == "calls" and callee in functions and caller not in functions:
            count += int(value.split()[0])
    return count
