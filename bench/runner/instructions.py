"""Counts instructions: one turn of a loop is the difference of two runs under callgrind, one twice as long."""

import dataclasses
import typing

from runner import callgrind, parallel, programs, report

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


def per_turn_of(command, settings, turns):
    """Instructions of one turn: command, which takes the number of turns as its last word, is run twice."""
    def run(count):
        return callgrind.total(callgrind.profile([*command, str(count)], settings, OPTIONS))

    return per_turn(run(turns), run(2 * turns), turns)


def _counting(program, operation, settings):
    command = [programs.built(program), operation.word]
    return lambda: round(per_turn_of(command, settings, TURNS) / operation.calls_per_turn, 2)


def count(peers, progress):
    """{operation: {"limit": n, "ferroc": n, "default": n, peer: n, ...}}"""
    tasks, cells = [], []
    for operation in OPERATIONS:
        contenders = {"ferroc": (operation.ferroc_program, {}), "default": (operation.default_program, {})}
        for peer, library in peers.items():
            contenders[peer] = (operation.default_program, dict(operation.peer_settings, LD_PRELOAD=library))
        for name, (program, settings) in contenders.items():
            cells.append((operation.title, name))
            tasks.append((f"{operation.title}: {name}", _counting(program, operation, settings)))
    table = {operation.title: {"limit": operation.limit} for operation in OPERATIONS}
    for (title, name), value in zip(cells, parallel.run(tasks, progress)):
        table[title][name] = value
    return table


def table_text(table):
    columns = list(next(iter(table.values())))
    rows = [["instructions, 48-byte block"] + columns]
    for title, row in table.items():
        rows.append([title] + [f"{row[column]:.1f}" if column != "limit" else str(row[column]) for column in columns])
    lines = report.lay_out(rows)
    over = [title for title, row in table.items() if row["ferroc"] > row["limit"]]
    lines.append("ferroc keeps all limits" if not over else "ferroc is over the limit in: " + ", ".join(over))
    lines.append("default: glibc; for Python pymalloc. The loop and its calls are counted in.")
    return "\n".join(lines) + "\n"
