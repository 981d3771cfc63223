"""The map: what one operation of malloc costs, by the size of its blocks and by how many are live, for every allocator.

Each operation is run by the same program (count-map) with each allocator's library preloaded, ferroc's as well. Its
instructions are the difference of two runs under callgrind, one twice as long; its CPU time is the least of all rounds."""

import statistics

from runner import instructions, parallel, programs, report

SIZES = (48, 128, 520, 1000, 4096, 16384, 30000, 65536, 262144, 1048576)
LIVE_COUNTS = (1, 8, 40, 200, 2000)
# Larger cells would measure how the kernel hands out memory.
MOST_BYTES = 256 << 20
OTHERS = ("calloc-1000-1", "calloc-1000-40", "aligned64-1000-40", "aligned4096-10000-40", "eighth-4000-1", "eighth-4000-8",
          "eighth-30000-1", "eighth-30000-8", "double-8192-1", "double-8192-8")
OPERATIONS = tuple(f"malloc-{size}-{live}" for size in SIZES for live in LIVE_COUNTS
                   if size * live <= MOST_BYTES) + OTHERS

GROWTHS = ("eighth", "double")
# The loop with its choice of block and size, without the calls.
LOOP = "nothing-48-40"


def parts(operation):
    """malloc-48-40 as ("malloc", 48, 40): its kind, its size and how many blocks are live."""
    kind, size, live = operation.split("-")
    return kind, int(size), int(live)


def counted_turns(operation):
    """How many turns callgrind counts, and then twice as many."""
    kind, size, _ = parts(operation)
    if kind in GROWTHS:
        return 800
    return 10000 if size <= 65536 else 2000


def timed_turns(operation, scale):
    """As many as take a few tens of milliseconds."""
    kind, size, _ = parts(operation)
    if kind in GROWTHS:
        turns = 8000
    else:
        turns = 200000 if size <= 4096 else 20000 if size <= 65536 else 4000
    return int(turns * scale)


def count(group, progress):
    """{operation: {contender: instructions of one turn, without the loop}}"""
    def counting(operation, settings):
        command = [programs.built("count-map"), operation]
        return lambda: instructions.per_turn_of(command, settings, counted_turns(operation))

    cells = [(operation, contender) for operation in group.workloads for contender in group.contenders]
    tasks = [(f"instructions: {operation} {contender.name}", counting(operation, contender.settings))
             for operation, contender in cells]
    *found, loop = parallel.run(tasks + [("instructions: the loop", counting(LOOP, {}))], progress)
    table = {operation: {} for operation in group.workloads}
    for (operation, contender), value in zip(cells, found):
        table[operation][contender.name] = value
    return without_loop(table, loop)


def without_loop(table, loop):
    """Takes the loop's own instructions off what was counted, but for growth, whose loop is another and small."""
    return {operation: {name: round(found if parts(operation)[0] in GROWTHS else found - loop, 1)
                        for name, found in row.items()} for operation, row in table.items()}


def least_times(results):
    """{operation: {contender: ns}} of a group's results."""
    return {operation: {name: min(sample["ns_per_turn"] for sample in samples) for name, samples in row.items()}
            for operation, row in results.items()}


def ratio_to_best(row, name="ferroc"):
    """What `name` takes as a ratio to the best of all others; None without others."""
    others = [value for other, value in row.items() if other != name]
    return row[name] / max(min(others), 0.1) if others else None


def _amount(value):
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}"


def table_text(title, table):
    """All operations with what everybody takes, and ferroc's ratio to the best of the others."""
    names = list(next(iter(table.values())))
    rows = [[title] + names + ["ferroc/best"]]
    for operation, row in table.items():
        ratio = ratio_to_best(row)
        rows.append([operation] + [_amount(row[name]) for name in names] + ["" if ratio is None else f"{ratio:.2f}"])
    return "\n".join(report.lay_out(rows)) + "\n"


def grid(table):
    """(sizes, live counts, {(size, live): row}) of the operations that replace a block of malloc."""
    cells = {parts(operation)[1:]: row for operation, row in table.items() if operation.startswith("malloc-")}
    return sorted({size for size, _ in cells}), sorted({live for _, live in cells}), cells


def size_text(size):
    for unit, bytes_of_unit in (("MiB", 1 << 20), ("KiB", 1 << 10)):
        if size % bytes_of_unit == 0:
            return f"{size // bytes_of_unit} {unit}"
    return str(size)


def grid_text(title, table, name="ferroc"):
    """The ratios to the best of the others by size and live blocks; nothing where there are no such cells."""
    sizes, lives, cells = grid(table)
    if not cells or len(next(iter(cells.values()))) < 2:
        return ""
    rows = [[title] + [f"{live} live" for live in lives]]
    rows += [[size_text(size)] + [f"{ratio_to_best(cells[size, live], name):.2f}" if (size, live) in cells else ""
                                  for live in lives] for size in sizes]
    ratios = [ratio_to_best(row, name) for row in cells.values()]
    closing = f"ahead in {sum(ratio < 1 for ratio in ratios)} of {len(ratios)}, median {statistics.median(ratios):.2f}"
    return "\n".join(report.lay_out(rows) + [closing]) + "\n"


def text(counts, times):
    """The whole report."""
    return "\n".join([
        table_text("instructions", counts),
        table_text("ns of CPU time", times),
        grid_text("ferroc's instructions to the best", counts),
        grid_text("ferroc's time to the best", times),
        "malloc-SIZE-LIVE: one of LIVE blocks is replaced by one of SIZE bytes ± 3 %; calloc, aligned64 and aligned4096 the\n"
        "same by calloc and aligned_alloc. eighth-SIZE-LIVE, double-SIZE-LIVE: a block grows by an eighth, or to its double,\n"
        "from 16 bytes to SIZE beside LIVE - 1 others. Instructions are without the loop around and without the kernel's;\n"
        "times are with both. The best is the best of all others.",
        ""])
