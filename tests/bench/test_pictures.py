"""Charts and pages: what is in them, that they load nothing, and what is said without matplotlib."""

import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import bench
import pytest
from runner import charts, groups, maps, pictures, results

DESCRIPTION = {"date": "2026-01-02 03:04", "versions": {"ferroc": "0.1", "mine": "<2>"}, "peers": {}, "rounds": 2,
               "machine": {"processor": "Abacus & Sons", "processors": 2, "memory": "1 kB", "distribution": "Debian",
                           "kernel": "6.1", "libc": "glibc 2.36", "load_before": [0.5, 1, 2]}}
NAMES = ("glibc", "ferroc", "mimalloc", "mine")


@pytest.fixture
def programs(make_results):
    found = make_results({workload: {name: [10 + i, 12 + i] for i, name in enumerate(NAMES)}
                          for workload in ("one", "two")})
    group = groups.Group("fake", "Fake programs", ("one", "two"),
                         tuple(groups.Contender(name, None, {}) for name in NAMES), (groups.Metric("x", "amount", "ms"),))
    data = dict(DESCRIPTION, kind="programs")
    results.add_groups(data, [group], {"fake": found})
    return data


@pytest.fixture
def single_operations():
    cells = {operation: {name: 50.0 * (i + 1) for i, name in enumerate(NAMES)} for operation in maps.OPERATIONS}
    return dict(DESCRIPTION, kind="map", instructions=cells, results={
        operation: {name: [{"ns_per_turn": value}] for name, value in row.items()} for operation, row in cells.items()})


def texts(chart):
    """All text of a chart, which must be well-formed."""
    root = ElementTree.fromstring(chart.svg)
    return {text for element in root.iter() if element.tag.endswith("}text") for text in element.itertext()}


def test_programs_have_a_chart_for_each_group_and_metric_and_one_of_means(programs):
    drawn = {chart.name: chart for chart in charts.draw(programs)}
    assert list(drawn) == ["programs-overview", "fake-x"]
    assert {"ferroc", "mimalloc", "mine", "one  (11.0 ms)", "two  (11.0 ms)", "geometric mean"} <= texts(drawn["fake-x"])
    assert "fake, amount" in texts(drawn["programs-overview"])


def test_a_map_has_heat_maps_and_the_other_operations(single_operations):
    drawn = {chart.name: chart for chart in charts.draw(single_operations)}
    assert list(drawn) == ["map-instructions", "map-others-instructions", "map-time", "map-others-time"]
    assert {"ferroc: ratio to the best of all others", "2.00", "glibc", "0.50", "64 KiB", "2,000"} <= texts(
        drawn["map-instructions"])
    assert any(text.startswith("eighth-4000-1 ") for text in texts(drawn["map-others-time"]))


def test_a_part_of_a_map_is_drawn_too(single_operations):
    for chosen in (["malloc-48-8"], ["calloc-1000-1"]):
        part = dict(single_operations, **{key: {operation: single_operations[key][operation] for operation in chosen}
                                          for key in ("instructions", "results")})
        assert len(charts.draw(part)) == 2


def test_instructions_have_a_chart():
    table = {"malloc": {"limit": 42, "ferroc": 38.0, "default": 137.0, "mine": 99.0}}
    chart, = charts.draw(dict(DESCRIPTION, kind="instructions", instructions=table))
    assert {"malloc  (137)", "mine"} <= texts(chart)


def test_the_default_alone_can_be_drawn(programs):
    for found in programs["results"]["fake"].values():
        for name in NAMES[1:]:
            del found[name]
    programs["groups"]["fake"]["contenders"] = ["glibc"]
    programs["summary"]["fake"]["x"] = {}
    assert [chart.name for chart in charts.draw(programs)] == ["fake-x"]


def test_the_same_results_give_the_same_file(programs):
    assert charts.draw(programs) == charts.draw(programs)


def test_a_page_holds_its_charts_and_facts_and_loads_nothing(programs, single_operations):
    for data in (programs, single_operations):
        drawn = charts.draw(data)
        page = pictures.page(data, drawn)
        assert page.count("<svg") == len(drawn)
        for words in ("Abacus &amp; Sons", "2026-01-02", "mine &lt;2&gt;", "Rounds", "Linux 6.1"):
            assert words in page
        assert not re.search(r"<(script|img|link|iframe|image)|\bsrc=|href=\"(?!#)|url\((?!#)|@import", page)


def test_shared_words_have_a_page_of_tables():
    data = dict(DESCRIPTION, kind="shared", workloads={
        "small": {"operations": 1000, "large": 0, "instructions": 60000, "units_per_thread": 1, "words": {}}}, lines=[])
    assert charts.draw(data) == []
    assert "small: 1,000 operations" in pictures.page(data, [])


def test_files_are_named_for_their_charts(programs, tmp_path):
    pictures.write_files(str(tmp_path), charts.draw(programs))
    assert sorted(os.listdir(tmp_path)) == ["fake-x.svg", "programs-overview.svg"]
    ElementTree.parse(tmp_path / "fake-x.svg")


@pytest.fixture
def run(tmp_path, programs):
    results.write(str(tmp_path / "old.json"), programs)

    def run_bench(*words, **environment):
        return subprocess.run([sys.executable, os.path.abspath(bench.__file__), "--peer", "none", *words],
                              capture_output=True, text=True, check=False,
                              env=dict(os.environ, BUILD_WORKING_DIRECTORY=str(tmp_path), **environment))

    return run_bench


def test_an_earlier_run_is_printed_and_drawn(run, tmp_path):
    result = run("--from", "old.json", "--html", "page.html", "--svg", "new/folder")
    assert result.returncode == 0, result.stderr
    assert "Fake programs: amount, median of 2" in result.stdout
    assert "Fake programs: amount" in (tmp_path / "page.html").read_text()
    assert (tmp_path / "new" / "folder" / "fake-x.svg").exists()


def test_without_matplotlib_it_says_what_to_install_before_it_measures(run, tmp_path):
    (tmp_path / "without").mkdir()
    (tmp_path / "without" / "matplotlib.py").write_text("raise ImportError('no such thing')")
    path = os.pathsep.join([str(tmp_path / "without"), os.environ["PYTHONPATH"]])
    for words in (["--from", "old.json", "--html", "page.html"], ["--svg", "charts"]):
        result = run(*words, PYTHONPATH=path)
        assert result.returncode == 1
        assert "apt-get install python3-matplotlib" in result.stderr and "pip install matplotlib" in result.stderr


@pytest.mark.parametrize("words", [["--html", "missing/page.html"], ["--html", "."], ["--svg", "old.json"],
                                   ["--from", "missing.json"]])
def test_a_place_that_cannot_be_is_refused(words, run):
    result = run("--from", "old.json", *words)
    assert result.returncode == 1 and words[0] in result.stderr
