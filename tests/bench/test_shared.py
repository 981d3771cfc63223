"""Counting the writes to shared words: in the real program, and what is made of the counts."""

import os

import pytest
from conftest import SilentProgress
from runner import binary, callgrind, process, programs, results, shared, words
from runner.binary import Frame

SLAB_FREE, CHARGED = words.WORDS["free"], words.WORDS["charged"]
DATA = {
    "kind": "shared",
    "workloads": {
        "small": {"operations": 1_000_000, "large": 0, "instructions": 60_000_000, "units_per_thread": 8, "words": {
            "process budget.charged": {"scope": words.ALL, "writes": 1500, "where": "charge (core/budget.c:1)"},
            "arenas.tick_ms": {"scope": words.ALL, "writes": 3, "where": "tick (core/tick.c:1)"},
            "slab.free": {"scope": words.SLAB, "writes": 2000, "where": "take (core/arena.c:1)"}}},
        "large": {"operations": 1000, "large": 1000, "instructions": 1_000_000, "units_per_thread": 1, "words": {
            "process budget.charged": {"scope": words.ALL, "writes": 1000, "where": "charge (core/budget.c:1)"},
            "fe_remote_leavers": {"scope": words.ALL, "writes": 20, "where": "leave (core/remote.c:1)"}}},
    },
    "lines": [{"words": ["process budget.charged", "background's mood"], "variables": ["fe_budget_process", "mood"]}],
}


@pytest.fixture(scope="module")
def program():
    return os.path.realpath(os.environ["CORE_FERROC_LINES"])


@pytest.fixture
def real_sources(monkeypatch):
    monkeypatch.setattr(programs, "ROOT", os.getcwd())
    words.source.cache_clear()
    yield
    words.source.cache_clear()


def test_each_atomic_write_in_the_program_has_a_name(program, real_sources):
    found = {word.name for _, written, _ in shared.writes_of(program) for word in written}
    assert {"heap.gate", "shard.remote", "slab.free", "heap.budget.charged", "slab.taken_units",
            "heap's fe_remote_leavers", "has_emptied", "roll's lock", "shard.used"} <= found


def test_each_name_of_the_table_is_in_the_source(real_sources):
    files = [os.path.join(folder, file) for folder, _, files in os.walk("core") for file in files]
    text = "".join(map(words.source, files))
    for key in words.WORDS:
        name, file = key if isinstance(key, tuple) else (key, "")
        assert name in (words.source(file) if file else text), key


def test_the_words_of_all_threads_have_their_place(program):
    lines = shared.lines_of(program)
    placed = {name: line["variables"] for line in lines for name in line["words"]}
    assert "mood" in placed["background's mood"]
    assert placed["arenas.dirty_unit_count"] == []  # a line of its own
    units = [line["words"] for line in lines if "arenas.figures.committed_units" in line["words"]]
    assert len(units) == 1


def test_another_machines_program_is_refused(monkeypatch, refused):
    monkeypatch.setattr(binary, "_run", lambda command: "core: file format elf64-littleaarch64\n")
    with refused("x86-64 only"):
        binary.instructions("core")


def test_writes_are_added_by_word_and_what_only_the_holder_writes_is_left_out():
    here, there = Frame("take", "core/a.c", 1), Frame("give", "core/a.c", 2)
    sites = [(1, SLAB_FREE, here), (2, SLAB_FREE, there), (3, CHARGED, here), (4, words.WORDS["used"], here),
             (5, words.WORDS["dirty"], here)]
    assert shared.count_words(sites, {1: 10, 2: 30, 3: 8, 4: 99}) == {
        "slab.free": {"scope": words.SLAB, "writes": 40, "where": "give (core/a.c:2)"},
        "heap.budget.charged": {"scope": words.HEAP, "writes": 8, "where": "take (core/a.c:1)"}}


def test_a_write_is_shown_where_a_source_file_asks_for_it():
    frames = [Frame("fe_bitmap_take", "core/bitmap.h", 5), Frame("take", "core/a.c", 1), Frame("all", "core/a.c", 9)]
    assert shared.place(frames) == frames[1] and shared.place(frames[:1]) == frames[0]


def test_counts_become_rates_without_what_only_start_up_writes():
    run = DATA["workloads"]["small"]
    assert shared.rates(run) == {"slab.free": 2.0, "process budget.charged": 1.5}
    assert shared.line_rates(run, DATA["lines"]) == {"process budget.charged": 1.5}
    assert shared.line_rates(DATA["workloads"]["large"], []) == {"process budget.charged": 1000, "fe_remote_leavers": 20}


def test_the_more_memory_threads_have_the_more_slabs_there_are():
    run = dict(DATA["workloads"]["small"], words={"slab.free": {"scope": words.SLAB, "writes": 10_000, "where": ""}})
    shares = [shared.forecasts(dict(run, units_per_thread=units), [])[1].share for units in (1, 8, 64)]
    assert shares[0] < shares[1] < shares[2]


def test_words_of_one_line_are_one_server():
    lines = [{"words": ["process budget.charged", "fe_remote_leavers"], "variables": []}]
    assert shared.line_rates(DATA["workloads"]["large"], lines) == {"process budget.charged": 1020}


def test_the_report_names_what_is_written_too_often():
    text = results.text(DATA)
    assert "small: 1,000,000 operations of 60 instructions" in text
    assert "\nsmall: process budget.charged 1.50, charge (core/budget.c:1)\n" in text
    assert "\nlarge (large blocks): fe_remote_leavers 20.00, leave (core/remote.c:1)\n" in text
    assert "beside fe_budget_process mood" in text


def test_the_report_says_when_nothing_is():
    quiet = {"operations": 1_000_000, "large": 0, "instructions": 60_000_000, "units_per_thread": 1, "words": {}}
    assert shared.text({"workloads": {"quiet": quiet}, "lines": []}).endswith("1,000 operations:\nnone\n")


def test_workloads_are_counted_with_a_delay_that_fits_their_speed(monkeypatch):
    def profile(command, settings, options):
        assert command[1:] == ["buffers", "0.25"] and settings == {"FERROC_PURGE_DELAY_MS": "2500"}
        assert "--dump-instr=yes" in options
        return f"ob={command[0]}\nfn=main\ncfn=fe_malloc\ncalls=20 0x10 1\n0x30 1 900\n0x40 5 7\ntotals: 1000\n"

    monkeypatch.setattr(programs, "built", lambda name: "/built/" + name)
    monkeypatch.setattr(shared, "writes_of", lambda program: [(0x40, SLAB_FREE, Frame("take", "core/a.c", 1))])
    monkeypatch.setattr(shared, "lines_of", lambda program: [])
    monkeypatch.setattr(callgrind, "profile", profile)
    monkeypatch.setattr(process, "measure", lambda launcher, command, settings: process.Cost(1, 1, 6400, 1, ""))
    found = shared.count(("buffers",), 0.25, SilentProgress())
    assert found["workloads"]["buffers"] == {
        "operations": 20, "large": 0, "instructions": 1000, "units_per_thread": 100,
        "words": {"slab.free": {"scope": words.SLAB, "writes": 7, "where": "take (core/a.c:1)"}}}
