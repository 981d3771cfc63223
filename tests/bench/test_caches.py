"""Counting whole programs with cachegrind: what is read from its files, and the form of the results."""

import pytest
from conftest import SilentProgress
from runner import caches, groups, report, valgrind

COUNTS = """\
desc: I1 cache: 32768 B, 64 B, 8-way associative
cmd: program
events: Ir I1mr ILmr Dr D1mr DLmr Dw D1mw DLmw
fl=main.c
fn=main
1 900 0 0 0 0 0 0 0 0
summary: {instructions} 40 3 400 30 20 300 12 7
"""


def test_misses_of_reads_and_writes_are_added():
    assert caches.read_counts(COUNTS.format(instructions=1000)) == {
        "instructions": 1000, "d1_misses": 42, "ll_misses": 30}


@pytest.mark.parametrize("text", ["", "events: Ir\n", "summary: 5\n"])
def test_a_file_without_sums_is_refused(text, refused):
    with refused("without sums"):
        caches.read_counts(text)


@pytest.fixture
def counted(fake_group, monkeypatch):
    """Counts a group of contenders {name: (instructions, checksum line)}."""

    def count(contenders, progress):
        def run(tool, command, settings, options):
            assert tool == "cachegrind" and "--LL=2097152,16,64" in options
            instructions, line = contenders[command[-1]]
            return COUNTS.format(instructions=instructions), line

        monkeypatch.setattr(valgrind, "run", run)
        group = caches.of_group(fake_group({name: lambda workload, name=name: name for name in contenders}))
        return group, caches.count([group], progress)

    return count


def test_everybody_is_counted_and_compared(counted):
    group, results = counted({"glibc": (2_000_000, "checksum 1"), "ferroc": (1_500_000, "checksum 1")}, SilentProgress())
    assert results["fake"]["first"]["ferroc"] == [{"instructions": 1_500_000, "d1_misses": 42, "ll_misses": 30}]
    text = report.tables(group, results["fake"], {}, "counted once")
    assert [line.split() for line in text.splitlines() if line.startswith("first")][0] == ["first", "2.00", "M", "0.750"]


def test_another_result_is_refused(counted, refused):
    with refused("fake/first", "checksum 2"):
        counted({"glibc": (1, "checksum 1"), "ferroc": (1, "checksum 2")}, SilentProgress())


def test_the_caches_have_the_shape_that_is_said():
    sizes = {name: [int(number) for number in shape.split(",")] for name, shape in caches.GEOMETRY.items()}
    assert sizes["D1"] == [48 << 10, 12, 64] and sizes["LL"] == [2 << 20, 16, 64]
    assert [metric.name for metric in caches.of_group(groups.Group("x", "X", (), (), ())).metrics] == [
        "instructions", "d1_misses", "ll_misses"]
