"""The map of operations: its cells, its arithmetic, and the program that runs them."""

import os
import subprocess

import pytest
from runner import groups, instructions, maps, options, process

ROW = {"glibc": 100.0, "ferroc": 60.0, "mimalloc": 50.0}


def test_every_operation_says_what_it_is():
    assert len(set(maps.OPERATIONS)) == len(maps.OPERATIONS)
    assert maps.parts("aligned64-1000-40") == ("aligned64", 1000, 40)
    for operation in maps.OPERATIONS:
        kind, size, live = maps.parts(operation)
        assert kind.isalnum() and size * live <= maps.MOST_BYTES
        assert maps.counted_turns(operation) % live == 0 or kind not in maps.GROWTHS
        assert maps.timed_turns(operation, 0.25) * 4 == maps.timed_turns(operation, 1)


def test_the_loop_is_taken_off_all_but_growth():
    assert maps.without_loop({"malloc-48-1": {"glibc": 120.0}, "eighth-4000-1": {"glibc": 900.0}}, 17.5) == {
        "malloc-48-1": {"glibc": 102.5}, "eighth-4000-1": {"glibc": 900.0}}


def test_the_least_time_of_all_rounds_counts():
    samples = [{"ns_per_turn": 12.0}, {"ns_per_turn": 9.5}, {"ns_per_turn": 30.0}]
    assert maps.least_times({"malloc-48-1": {"glibc": samples}}) == {"malloc-48-1": {"glibc": 9.5}}


def test_the_best_is_the_best_of_all_others():
    assert maps.ratio_to_best(ROW) == pytest.approx(1.2)
    assert maps.ratio_to_best(ROW, "mimalloc") == pytest.approx(50 / 60)
    assert maps.ratio_to_best({"ferroc": 60.0}) is None


def test_a_table_has_a_row_for_each_operation():
    text = maps.table_text("instructions", {"malloc-48-1": ROW, "eighth-4000-1": dict(ROW, glibc=10.0)})
    assert [line.split() for line in text.splitlines()] == [
        ["instructions", "glibc", "ferroc", "mimalloc", "ferroc/best"], [text.splitlines()[1]],
        ["malloc-48-1", "100", "60.0", "50.0", "1.20"], ["eighth-4000-1", "10.0", "60.0", "50.0", "6.00"]]


def test_a_grid_has_sizes_down_and_live_blocks_across():
    text = maps.grid_text("ratios", {"malloc-4096-8": ROW, "malloc-48-1": dict(ROW, ferroc=25.0), "calloc-48-1": ROW})
    assert [line.split() for line in text.splitlines()][2:4] == [["48", "0.50"], ["4", "KiB", "1.20"]]
    assert "1 live" in text and "ahead in 1 of 2, median 0.85" in text


def test_without_others_there_is_no_grid():
    assert maps.grid_text("ratios", {"malloc-48-1": {"ferroc": 60.0}}) == ""
    assert maps.grid_text("ratios", {"eighth-4000-1": ROW}) == ""


def test_operations_can_be_chosen():
    assert options.chosen_workloads(["map/malloc-48-?"], quick=False) == {"map": ("malloc-48-1", "malloc-48-8")}


def test_ferroc_is_preloaded_as_the_others_are(monkeypatch):
    monkeypatch.setattr("runner.programs.built", lambda name: "/built/" + name)
    group = groups.make("map", ("malloc-48-1",), {"mine": "/lib/mine.so"}, scale=0.25)
    assert {contender.name: contender.settings for contender in group.contenders} == {
        "glibc": {}, "ferroc": {"LD_PRELOAD": "/built/libferroc"}, "mine": {"LD_PRELOAD": "/lib/mine.so"}}
    assert len({tuple(contender.command("malloc-48-1")) for contender in group.contenders}) == 1


def run(*words, preloaded=""):
    environment = process.clean_environment()
    if preloaded:
        environment["LD_PRELOAD"] = preloaded
    return subprocess.run([os.environ["COUNT_MAP"], *words], capture_output=True, text=True, check=False, env=environment)


@pytest.mark.parametrize("operation", ["malloc-48-1", "malloc-1048576-8", maps.LOOP, *maps.OTHERS])
def test_an_operation_has_one_result_and_a_time(operation):
    first, second = run(operation, "160"), run(operation, "160", preloaded=os.environ["LIBFERROC"])
    assert first.returncode == second.returncode == 0, first.stderr + second.stderr
    assert first.stdout.splitlines()[0] == second.stdout.splitlines()[0]
    assert first.stdout.splitlines()[0].startswith("checksum " + operation)
    assert first.stdout.splitlines()[1].startswith("figure ns_per_turn ")


@pytest.mark.parametrize("words", [[], ["malloc-48-1"], ["malloc-48-1", "0"], ["malloc-48", "5"], ["malloc-48-1-1", "5"],
                                   ["malloc-4-1", "5"], ["free-48-1", "5"], ["malloc-48-0", "5"], ["eighth-4000", "5"]])
def test_what_is_no_operation_is_refused(words):
    result = run(*words)
    assert result.returncode == 2
    assert "KIND-SIZE-LIVE COUNT" in result.stderr and "aligned4096" in result.stderr


def test_a_turn_costs_the_same_however_many_there_are(monkeypatch):
    """With callgrind's total of a run with n turns: a start-up of 1,000 and 46 a turn."""
    monkeypatch.setattr("runner.callgrind.profile",
                        lambda command, settings, options: f"totals: {1000 + 46 * int(command[-1])}\n")
    assert instructions.per_turn_of(["count-map", "malloc-48-1"], {}, 100) == 46
