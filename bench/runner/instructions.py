"""Counts instructions: one turn of a loop is the difference of two runs under callgrind, one twice as long."""

import dataclasses
import typing

from runner import callgrind, programs

TURNS = 100000
OPTIONS = ("--toggle-collect=counted_loop",)


@dataclasses.dataclass(frozen=True)
class Operation:
    """A loop that is counted: which programs run it, and the most that ferroc allows itself."""

    title: str
    word: str
    default_program: str
    ferroc_program: str
    limit: int
    calls_per_turn: int = 1
    peer_settings: typing.Mapping = dataclasses.field(default_factory=dict)


OPERATIONS = (
    Operation("malloc and free", "pair", "count-malloc", "count-ferroc", 42),
    Operation("Lua: create and free", "pair", "count-lua-default", "count-lua-ferroc", 46),
    Operation("Lua: resize in class", "resize", "count-lua-default", "count-lua-ferroc", 16, calls_per_turn=2),
    Operation("Python: obj malloc and free", "pair", "count-python-default", "count-python-ferroc", 40,
              peer_settings={"PYTHONMALLOC": "malloc"}),
)


def per_turn(single, double, turns):
    """single and double: the instructions of runs with `turns` turns and with twice as many."""
    return (double - single) / turns


def _count(program, word, settings, calls_per_turn):
    def run(turns):
        return callgrind.total(callgrind.profile([programs.built(program), word, str(turns)], settings, OPTIONS))

    return round(per_turn(run(TURNS), run(2 * TURNS), TURNS) / calls_per_turn, 2)


def count(peers, progress):
    """{operation: {"limit": n, "ferroc": n, "default": n, peer: n, ...}}"""
    table = {}
    for operation in OPERATIONS:
        row = {"limit": operation.limit}
        contenders = {"ferroc": (operation.ferroc_program, {}), "default": (operation.default_program, {})}
        for peer, library in peers.items():
            contenders[peer] = (operation.default_program, dict(operation.peer_settings, LD_PRELOAD=library))
        for name, (program, settings) in contenders.items():
            progress.show(f"{operation.title}: {name}")
            row[name] = _count(program, operation.word, settings, operation.calls_per_turn)
            progress.advance()
        table[operation.title] = row
    progress.finish()
    return table


def report(table):
    columns = list(next(iter(table.values())))
    rows = [["instructions, 48-byte block"] + columns]
    for title, row in table.items():
        rows.append([title] + [f"{row[column]:.1f}" if column != "limit" else str(row[column]) for column in columns])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["  ".join([row[0].ljust(widths[0])] + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])])
             for row in rows]
    lines.insert(1, "-" * len(lines[0]))
    over = [title for title, row in table.items() if row["ferroc"] > row["limit"]]
    lines.append("ferroc keeps all limits" if not over else "ferroc is over the limit in: " + ", ".join(over))
    lines.append("default: glibc; for Python pymalloc. The loop and its calls are counted in.")
    return "\n".join(lines) + "\n"
