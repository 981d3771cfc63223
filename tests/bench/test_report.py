"""The tables and their summary."""

import pytest
from runner import groups, instructions, report

X = groups.Metric("x", "amount of x", "ms")


def group_of(*names):
    contenders = tuple(groups.Contender(name, None, {}) for name in names)
    return groups.Group("fake", "Fake programs", ("one", "two"), contenders, (X,))


@pytest.fixture
def results(make_results):
    return make_results({"one": {"glibc": [10, 10, 20], "ferroc": [5, 5, 10]},
                         "two": {"glibc": [4, 4, 4], "ferroc": [8, 8, 2]}})


def test_a_summary_has_the_mean_the_worst_and_the_means_of_subsets(results):
    found = report.summary(group_of("glibc", "ferroc"), results, {"some": ["one"]})["x"]["ferroc"]
    assert found["mean"] == pytest.approx(1)
    assert found["worst"] == ["two", pytest.approx(2)]
    assert found["subsets"] == {"some": pytest.approx(0.5)}


def test_a_table_shows_medians_ratios_and_spreads(results):
    text = report.tables(group_of("glibc", "ferroc"), results, {"mean of some": ["one"]}, "median of 3")
    rows = {line.split("  ")[0]: line.split() for line in text.splitlines()}
    assert rows["one"] == ["one", "10.0", "ms", "±50%", "0.500", "±50%"]
    assert rows["two"] == ["two", "4.0", "ms", "±0%", "2.000", "±38%"]
    assert rows["geometric mean"][-1] == "1.000"
    assert rows["mean of some"][-1] == "0.500"
    assert rows["highest ratio"][-1] == "2.000"


def test_a_table_of_the_default_alone_has_no_ratios(results):
    assert "10.0 ms" in report.tables(group_of("glibc"), results, {}, "median of 3")
    assert report.overview([group_of("glibc")], {}) == ""


def test_the_overview_has_every_mean_of_every_group(results):
    group = group_of("glibc", "ferroc")
    text = report.overview([group], {"fake": report.summary(group, results, {"mean of some": ["one"]})})
    assert [line.split()[-1] for line in text.splitlines()] == ["ferroc", text.splitlines()[1], "1.000", "0.500"]


def test_programs_that_allocate_a_lot_are_those_over_five_percent():
    shares = {"trees": 0.3, "edge": 0.05, "numbers": 0.0, "unchosen": 0.5}
    assert report.lua_subsets(("trees", "edge", "numbers", "unmeasured"), shares) == {
        "mean of the 1 that allocate a lot": ["trees"]}
    assert report.lua_subsets(("numbers",), shares) == {}


def test_a_turn_is_the_difference_of_two_runs():
    assert instructions.per_turn(5_000_036, 5_000_072, 1) == 36
    assert instructions.per_turn(1_000_000, 5_600_000, 100_000) == 46


@pytest.mark.parametrize("counted, verdict", [(46.0, "keeps all limits"), (46.1, "over the limit in: malloc")])
def test_counts_are_held_against_their_limit(counted, verdict):
    assert verdict in instructions.table_text({"malloc": {"limit": 46, "ferroc": counted, "default": 137.0}})
