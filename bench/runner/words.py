"""Which word an instruction of ferroc writes, and who else writes it.

The debug lines of an instruction lead to the atomic operation in the source; what that is given as its first argument names
the word: `slab->dirty`. Where it is a parameter of a function that was inlined, the call in the frame around has the argument."""

import functools
import os
import re
import typing

from runner import programs
from runner.process import BenchError

# Who writes.
ALL = "all threads"  # one word for everybody
SLAB = "a slab's"  # whoever takes, gives or purges units of the same 4 MiB
HEAP = "a heap's"  # its holder, and whoever frees there, or collects what it keeps
SHARD = "a shard's"  # the same
HOLDER = "the holder alone"  # and rare visitors inside of the gate; others read

SCOPES = (ALL, SLAB, HEAP, SHARD)


class Word(typing.NamedTuple):
    name: str
    scope: str
    variable: str = ""  # of those of all threads: where it lies
    member: str = ""


def _arenas(*members):
    return {member.rpartition(".")[2]: (Word(f"arenas.{member}", ALL, "fe_arenas_default", member),) for member in members}


def _of(scope, owner, *members):
    return {member: (Word(f"{owner}.{member}", scope),) for member in members}


def _single(name, variable):
    return (Word(name, ALL, variable),)


# Where the same name means several words, the file tells them apart.
WORDS = {
    **_arenas("dirty_unit_count", "lent_unit_count", "tick_ms", "unused_slab_count", "huge_tick_count", "spare",
              "is_census", "parked", "passing.begun", "passing.ended", "passing.lost",
              *("figures." + figure for figure in (
                  "open_units_taken", "open_units_given", "reserved_units", "peak_reserved_units", "committed_units",
                  "peak_committed_units", "open_units", "chunks_mapped", "chunks_released", "purges",
                  "decommitted_units"))),
    ("ended", "core/heap/counting.h"): (Word("arenas.figures.of_ended_heaps", ALL, "fe_arenas_default",
                                             "figures.of_ended_heaps"),),
    ("link", "core/arena/arenas.c"): (Word("arenas.first", ALL, "fe_arenas_default", "first"),),
    ("next", "core/arena/arenas.c"): (Word("arena.next", ALL),),
    # The process's budget has one, too, but nothing is charged there while it has no limit, as here.
    "charged": (Word("heap.budget.charged", HEAP),),
    # Not in the heap, but each heap has the same one for good; every sixteenth shares it.
    **{name: (Word("heap's fe_remote_leavers", HEAP),) for name in ("fe_remote_leavers_of", ("count", "core/thread/registry.c"))},
    "has_emptied": _single("has_emptied", "has_emptied"),
    "newcomers": _single("roll's newcomers", "newcomers"),
    ("mutex", "core/heap/roll.c"): _single("roll's lock", "mutex"),
    ("first", "core/thread/late.c"): _single("late heaps", "first"),
    ("ended", "core/thread/registry.c"): _single("registry's ended", "ended"),
    "idle_count": _single("registry's idle_count", "idle_count"),
    ("tick_ms", "core/thread/registry.c"): _single("registry's tick_ms", "tick_ms"),
    "has_exit_key": _single("has_exit_key", "has_exit_key"),
    "mood": _single("background's mood", "mood"),
    "is_ending": _single("background's is_ending", "is_ending"),
    "life_mutex": _single("background's life_mutex", "life_mutex"),
    "first_committed_bytes": _single("background's first_committed_bytes", "first_committed_bytes"),
    "first_waiting_bytes": _single("background's first_waiting_bytes", "first_waiting_bytes"),
    "fe_arenas_on_give": _single("fe_arenas_on_give", "fe_arenas_on_give"),
    "fe_heap_on_alloc": _single("fe_heap_on_alloc", "fe_heap_on_alloc"),
    "fe_heap_on_tick": _single("fe_heap_on_tick", "fe_heap_on_tick"),
    "fe_settings": _single("fe_settings", "fe_settings"),
    "fe_limits_are_set": _single("fe_limits_are_set", "fe_limits_are_set"),
    ("limit", "core/global/options.c"): _single("process budget.limit", "fe_budget_process"),
    "census_mutex": _single("census_mutex", "census_mutex"),
    "first_window": _single("first_window", "first_window"),
    "bytes": (Word("ownership's bits", ALL),),
    "region_count": _single("ownership's region_count", "region_count"),
    "fe_ownership_has_other_places": _single("fe_ownership_has_other_places", "fe_ownership_has_other_places"),
    **_of(ALL, "ownership's region", "version", "start", "end"),
    **_of(SLAB, "slab", "free", "dirty", "aged", "heads", "idle", "unused_since_ms", "is_huge", "presence",
          "taken_units", "given_units", "noted"),
    "room": (Word("arena.room", ALL),),
    ("word", "core/arena/room.c"): (Word("arena.room", ALL),),
    **_of(SHARD, "shard", "remote"),
    **_of(HEAP, "heap", "gate", "emptied_count", "child_count", "late_mutex", "has_rested"),
    **{(member, "core/heap/counting.h"): (Word(f"heap.large_freed.{member}", HEAP),) for member in ("bytes", "slack", "count")},
    "woken": (Word("heap.inbox", HEAP),),
    **_of(HOLDER, "shard", "used", "state", "owner", "published", "has_interior", "length"),
    **_of(HOLDER, "heap", "limit", "shard_count", "place", "holder", "has_more_figures", "peak_bytes", "mean",
          "fe_nursery_starts"),
    ("figure", "core/heap/counting.h"): (Word("heap.figures", HOLDER),),
    ("count", "core/heap/heap.h"): (Word("heap.watch.count", HOLDER),),
    "given_count": (Word("heap.kept.given_count", HOLDER),),
    ("count", "core/heap/mixed.c"): (Word("heap.bins.count", HOLDER),),
    ("bytes", "core/heap/mixed.c"): (Word("heap.bins.bytes", HOLDER),),
    **{(name, "core/heap/stock.c"): (Word(f"heap.stock.{name}", HOLDER),) for name in ("first", "count", "bytes")},
    ("state", "core/heap/account.c"): (Word("heap.account.state", HOLDER),),
}

_OPERATION = re.compile(r"\b(atomic_(?:store|exchange|fetch_\w+|compare_exchange_\w+?)_explicit|pthread_mutex_\w*lock)\(")


@functools.lru_cache(maxsize=None)
def source(file):
    """The text of a file, named from the workspace's root; nothing for one that is not there."""
    try:
        with open(os.path.join(programs.ROOT, file), encoding="utf-8") as text:
            return text.read()
    except OSError:
        return ""


def statement(frame):
    """The text from the frame's line on, as long as its parentheses are open."""
    text = ""
    for line in source(frame.file).splitlines()[max(frame.line - 1, 0):][:8]:
        text += line.strip() + " "
        if text.count("(") <= text.count(")"):
            break
    return text


def arguments(text, start):
    """The arguments of a call, from behind its opening parenthesis on."""
    depth, found = 0, [""]
    for letter in text[start:]:
        if letter == ")" and depth == 0:
            break
        depth += (letter in "([{") - (letter in ")]}")
        if letter == "," and depth == 0:
            found.append("")
        else:
            found[-1] += letter
    return [argument.strip() for argument in found]


def parameters(frame):
    """The names of the parameters of the frame's function."""
    match = re.search(rf"\b{re.escape(frame.function)}\(([^;{{}}]*)\)\s*{{", source(frame.file))
    return [re.findall(r"\w+", parameter)[-1] for parameter in match.group(1).split(",")] if match else []


def last_name(expression):
    """Of what is given as `&arenas->figures.units_taken`, `&bytes[i]` or `starts(nursery, word)`, the last member's name."""
    while True:
        shorter = re.sub(r"(\[[^\[\]]*\]|\([^()]*\))$", "", expression)
        if shorter == expression or not shorter:
            break
        expression = shorter
    names = re.findall(r"\w+", expression)
    return names[-1] if names else ""


def written(frames, is_plain):
    """The words that an instruction writes; BenchError for one that has no name here. A plain one, a move, writes none
    unless its line is an atomic store."""
    operation = _OPERATION.search(statement(frames[0]))
    if is_plain and not (operation and operation.group(1).startswith("atomic_store")):
        return ()
    if not operation:
        raise unnamed(frames)
    operand = arguments(statement(frames[0]), operation.end())[0]
    for frame, around in zip(frames, [*frames[1:], None]):
        name = last_name(operand)
        found = WORDS.get((name, frame.file)) or WORDS.get(name)
        if found:
            return found
        call = around and re.search(rf"\b{re.escape(frame.function)}\(", statement(around))
        if not call or name not in parameters(frame):
            break
        operand = arguments(statement(around), call.end())[parameters(frame).index(name)]
    raise unnamed(frames)


def unnamed(frames):
    return BenchError("an atomic write is not named in bench/runner/words.py: "
                      f"{' in '.join(map(str, frames[:3]))}: {statement(frames[0]).strip()}")
