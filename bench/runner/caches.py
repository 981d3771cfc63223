"""Counts instructions and cache misses of whole programs with cachegrind: figures that repeat on a machine that does not."""

import dataclasses
import re

from runner import groups, parallel, rounds, valgrind
from runner.process import BenchError

# Of a full run's work; a program takes some fifty times as long as without cachegrind.
SCALE = 0.05
# First level: 48 KiB of data, 12 ways, and 32 KiB of instructions, 8 ways; last level: 2 MiB, 16 ways.
GEOMETRY = {"I1": "32768,8,64", "D1": "49152,12,64", "LL": "2097152,16,64"}
OPTIONS = ("--cache-sim=yes", *(f"--{name}={shape}" for name, shape in GEOMETRY.items()))

METRICS = (
    groups.Metric("instructions", "instructions", ""),
    groups.Metric("d1_misses", "misses of the first-level data cache (48 KiB)", ""),
    groups.Metric("ll_misses", "misses of the last-level cache (2 MiB)", ""),
)


def read_counts(text):
    """The sums of a file that cachegrind wrote: {metric: count}."""
    events = re.search(r"^events: *(.*)$", text, re.MULTILINE)
    summary = re.search(r"^summary: *(.*)$", text, re.MULTILINE)
    if not events or not summary:
        raise BenchError("cachegrind wrote a file without sums: is this Valgrind older than 3.10?")
    sums = dict(zip(events.group(1).split(), map(int, summary.group(1).split())))
    return {"instructions": sums["Ir"], "d1_misses": sums["D1mr"] + sums["D1mw"],
            "ll_misses": sums["ILmr"] + sums["DLmr"] + sums["DLmw"]}


def of_group(group):
    """The group with what is counted as its metrics."""
    return dataclasses.replace(group, metrics=METRICS)


def _counting(contender, workload):
    def task():
        command = contender.command(workload)
        text, printed = valgrind.run("cachegrind", command, contender.settings, OPTIONS)
        return read_counts(text), rounds.checksum(printed, command)

    return task


def count(made, progress):
    """{group: {workload: {contender: [counts]}}}, in the form of rounds.run, with one sample for each."""
    cells = [(group, workload, contender) for group in made for workload in group.workloads
             for contender in group.contenders]
    tasks = [(f"{group.name}/{workload} {contender.name}", _counting(contender, workload))
             for group, workload, contender in cells]
    results = {group.name: {workload: {} for workload in group.workloads} for group in made}
    checksums = rounds.Checksums()
    for (group, workload, contender), (counts, line) in zip(cells, parallel.run(tasks, progress)):
        checksums.check(f"{group.name}/{workload}", contender.name, line)
        results[group.name][workload][contender.name] = [counts]
    return results
