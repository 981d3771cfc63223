"""Counts how often each word that threads share is written, for each operation of the core workloads.

The instructions that write are found in the program itself, and callgrind counts how often each of them runs. So ferroc is
measured as it is, and exactly; only what goes by the clock is not as it would be on a machine of that speed."""

import os
import re

from runner import binary, callgrind, cores, parallel, process, programs, report, words

# Programs take so many times as long under callgrind.
SLOWDOWN = 50
# What waits some time before it goes back waits as long as it would in the program's own time.
SETTINGS = {"FERROC_PURGE_DELAY_MS": str(50 * SLOWDOWN)}
# Threads run one at a time under Valgrind; this has them take turns.
OPTIONS = callgrind.INSTRUCTIONS + ("--fair-sched=try",)

ENTRIES = frozenset(("fe_malloc", "fe_calloc", "fe_realloc", "fe_free"))
LARGE = frozenset(("fe_large_alloc", "fe_large_free"))

MOST = 1.0  # the most that an operation on small blocks may write to a word of all threads, per 1,000
LEAST_SHOWN = 0.01
START_UP = 10  # words that are written less often in a whole run are no matter
LINE_BYTES = 64
UNIT_KIB = 64
UNITS_PER_SLAB = 64
# Those that have memory of their own at the same time, where it is more than one.
THREADS = {"threads_come_and_go": 4, "server_threads": 4, "large_threads": 4}
STRUCTS = {"fe_arenas": {"figures": "fe_arenas_figures", "passing": "fe_passing"}}

_LOCKED = re.compile(r"^lock |^xchg +.*\(")
_MUTEX = re.compile(r"pthread_mutex_\w*lock\b")
# A move into memory that is not the stack.
_STORE = re.compile(r"^mov\w* .*,[^,()]*\((?!%rsp)[^()]*\)(?: +#.*)?$")


def writes_of(program):
    """[(address, words, frame)] of all instructions of ferroc that write a word which others look at."""
    instructions = binary.instructions(program)
    plain = {address: not _LOCKED.search(text) and not _MUTEX.search(text) for address, text in instructions
             if _LOCKED.search(text) or _MUTEX.search(text) or _STORE.search(text)}
    locked = {address for address, text in instructions if _LOCKED.search(text)}
    found = []
    for address, frames in binary.frames(program, plain).items():
        if address in locked or frames[0].file.startswith("core/"):
            found.append((address, words.written(frames, plain[address]), place(frames)))
    return found


def place(frames):
    """The innermost one that is no function of a header."""
    return next((frame for frame in frames if not frame.file.endswith(".h")), frames[-1])


def count_words(sites, counts):
    """{word: {"scope": whose, "writes": n, "where": the place of most of them}} of one run."""
    found = {}
    for address, written, frame in sites:
        for word in written:
            if word.scope not in words.SCOPES or not counts.get(address):
                continue
            places = found.setdefault(word, {})
            places[str(frame)] = places.get(str(frame), 0) + counts[address] / len(written)
    return {word.name: {"scope": word.scope, "writes": sum(places.values()), "where": max(places, key=places.get)}
            for word, places in found.items()}


def lines_of(program):
    """[{"words": [...], "variables": [...]}]: the words of all threads by cache lines, and what else lies there."""
    symbols = binary.symbols(program)
    offsets = binary.members(program, {"fe_arenas", *STRUCTS["fe_arenas"].values()})
    lines = {}
    for word in {word for found in words.WORDS.values() for word in found if word.variable in symbols}:
        address = symbols[word.variable] + _offset(offsets, word.member)
        lines.setdefault(address // LINE_BYTES, set()).add(word.name)
    return [{"words": sorted(names), "variables": sorted(name for name, address in symbols.items()
                                                         if address // LINE_BYTES == line)}
            for line, names in sorted(lines.items())]


def _offset(offsets, member):
    """Of a member of fe_arenas, such as figures.units_taken."""
    outer, _, inner = member.partition(".")
    found = offsets["fe_arenas"][outer] if outer else 0
    return found + offsets[STRUCTS["fe_arenas"][outer]][inner] if inner else found


def _counting(program, sites, workload, scale):
    def task():
        command = [program, workload, str(scale)]
        text = callgrind.profile(command, SETTINGS, OPTIONS)
        peak_kib = process.measure(programs.built("launcher"), command, {}).peak_kib
        return {"units_per_thread": max(1, peak_kib / UNIT_KIB / THREADS.get(workload, 1)),
                "operations": callgrind.calls_to(text, ENTRIES), "large": callgrind.calls_to(text, LARGE),
                "instructions": callgrind.total(text),
                "words": count_words(sites, callgrind.instruction_counts(text, program))}

    return task


def count(workloads, scale, progress):
    """{"workloads": {workload: what was counted}, "lines": cache lines}"""
    program = os.path.realpath(programs.built("core-ferroc-lines"))
    sites = writes_of(program)
    tasks = [(workload, _counting(program, sites, workload, scale)) for workload in workloads]
    return {"workloads": dict(zip(workloads, parallel.run(tasks, progress))), "lines": lines_of(program)}


def rates(run, scopes=words.SCOPES):
    """{word: writes per 1,000 operations}, the most written first."""
    found = {name: 1000 * word["writes"] / run["operations"] for name, word in run["words"].items()
             if word["scope"] in scopes and word["writes"] >= START_UP}
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def line_rates(run, lines):
    """{line: writes per 1,000 operations} of the lines that all threads write. A line is called by its most written word."""
    left = rates(run, (words.ALL,))
    found = {}
    for line in lines:
        own = {name: left.pop(name) for name in line["words"] if name in left}
        if own:
            found[max(own, key=own.get)] = sum(own.values())
    return {**found, **left}


def forecasts(run, lines):
    """[forecast of each number of threads]. A slab's words are one line, and the more memory each thread has, the more slabs
    there are."""
    found = {line: cores.Line(rate / 1000) for line, rate in line_rates(run, lines).items()}
    found["a slab's words"] = cores.Line(sum(rates(run, (words.SLAB,)).values()) / 1000, UNITS_PER_SLAB / run["units_per_thread"])
    return [cores.forecast(run["instructions"] / run["operations"], found, threads) for threads in cores.THREAD_COUNTS]


def _workload_text(workload, run):
    rows = [[workload, "whose", "per 1,000", "most of them in"]]
    rows += [[name, run["words"][name]["scope"], f"{rate:.3f}", run["words"][name]["where"]]
             for name, rate in rates(run).items() if rate >= LEAST_SHOWN]
    title = (f"{workload}: {run['operations']:,} operations of {run['instructions'] / run['operations']:.0f} instructions; "
             f"of 1,000, {1000 * run['large'] / run['operations']:.1f} make or free a large block")
    return "\n".join([title] + report.lay_out(rows)) + "\n"


def _lines_text(data):
    """For each cache line what is written there, in the workload that does it most, and what lies beside."""
    found = []
    for line in data["lines"]:
        sums = {workload: {name: rate for name, rate in rates(run).items() if name in line["words"] and rate >= LEAST_SHOWN}
                for workload, run in data["workloads"].items()}
        workload = max(sums, key=lambda name: sum(sums[name].values()))
        if sums[workload]:
            found.append(f"{sum(sums[workload].values()):9.3f} in {workload}: "
                         + ", ".join(f"{name} {rate:.3f}" for name, rate in sums[workload].items())
                         + f"\n          beside {' '.join(line['variables'])}" * bool(line["variables"]))
    return "\n".join(["writes per 1,000 operations to cache lines that all threads write, where they are most:", *found]) + "\n"


def _model_text(data):
    rows = [["", "worst word of all threads", "per 1,000",
             *(f"{threads} threads" for threads in cores.THREAD_COUNTS), "busiest line then", "busy"]]
    for workload, run in data["workloads"].items():
        worst, rate = next(iter(rates(run, (words.ALL,)).items()), ("none", 0))
        found = forecasts(run, data["lines"])
        rows.append([workload, worst, f"{rate:.3f}", *(f"{forecast.share:.3f}" for forecast in found),
                     found[-1].busiest, f"{100 * found[-1].busy:.0f} %"])
    title = "forecast: work done, as a part of what as many threads do that share nothing"
    return "\n".join([title, *report.lay_out(rows)]) + "\n"


def over(run):
    """The words of all threads that are written too often."""
    return [name for name, rate in rates(run, (words.ALL,)).items() if rate > MOST]


def _findings_text(data):
    title = f"words of all threads that are written more than {MOST:g} times in 1,000 operations:"
    found = []
    for workload, run in data["workloads"].items():
        kind = " (large blocks)" if 1000 * run["large"] > MOST * run["operations"] else ""
        found += [f"{workload}{kind}: {name} {rates(run)[name]:.2f}, {run['words'][name]['where']}" for name in over(run)]
    return "\n".join([title, *(found or ["none"])]) + "\n"


def text(data):
    """The whole report."""
    return "\n".join([*(_workload_text(workload, run) for workload, run in data["workloads"].items()),
                      _lines_text(data), _model_text(data), _findings_text(data)])
