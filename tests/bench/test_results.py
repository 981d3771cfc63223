"""A run's results: what is saved, read again, and said of it."""

import json

import pytest
from runner import groups, machine, results

X = groups.Metric("x", "amount of x", "ms")
DESCRIPTION = {"kind": "programs", "date": "2026-01-02 03:04", "versions": {"ferroc": "0.1"}, "peers": {}, "rounds": 2,
               "machine": {"processor": "Abacus", "processors": 2, "memory": "1 kB", "distribution": "Debian",
                           "kernel": "6.1", "libc": "glibc 2.36", "load_before": [0.5, 1, 2]}}


@pytest.fixture
def data(make_results):
    found = make_results({"one": {"glibc": [10, 10], "ferroc": [5, 5]}})
    group = groups.Group("fake", "Fake programs", ("one",),
                         tuple(groups.Contender(name, None, {}) for name in ("glibc", "ferroc")), (X,))
    made = dict(DESCRIPTION)
    results.add_groups(made, [group], {"fake": found})
    return made


def test_what_was_saved_gives_the_same_report(data, tmp_path):
    path = str(tmp_path / "results.json")
    results.write(path, data)
    assert results.text(results.read(path)) == results.text(data)
    assert "Fake programs: amount of x, median of 2" in results.text(data) and "0.500" in results.text(data)


def test_a_map_and_instructions_are_reported_from_their_results():
    cell = {"glibc": 100.0, "ferroc": 50.0}
    samples = {name: [{"ns_per_turn": value}] for name, value in cell.items()}
    text = results.text(dict(DESCRIPTION, kind="map", instructions={"malloc-48-1": cell}, results={"malloc-48-1": samples}))
    assert text.count("0.50") >= 4
    table = {"malloc": {"limit": 42, "ferroc": 38.0, "default": 137.0}}
    assert "keeps all limits" in results.text(dict(DESCRIPTION, kind="instructions", instructions=table))


def test_facts_are_for_people(data):
    facts = dict(results.facts(data))
    assert facts["Machine"].startswith("Abacus, 2 processors") and facts["Versions"] == "ferroc 0.1"
    assert facts["Rounds"] == "2" and "Quick" not in facts


@pytest.mark.parametrize("text", ["", "no JSON", "[]", json.dumps({"rounds": 3}), json.dumps({"kind": "else"})])
def test_what_no_run_wrote_is_refused(text, tmp_path, refused):
    (tmp_path / "results.json").write_text(text)
    with refused("--from", "results.json"):
        results.read(str(tmp_path / "results.json"))


def test_a_missing_file_is_refused(refused):
    with refused("--from", "missing.json"):
        results.read("missing.json")


def test_a_library_of_no_package_has_its_name_as_version(tmp_path):
    (tmp_path / "libmine.so.1.2").write_bytes(b"")
    assert machine.version_of_library(str(tmp_path / "libmine.so.1.2")) == "libmine.so.1.2"
