"""The command line: what is understood, and what is refused in which words."""

import os

import pytest
from runner import options, peers, programs


@pytest.fixture
def library(tmp_path):
    path = tmp_path / "libmine.so"
    path.write_bytes(b"")
    return path


def test_nothing_said_means_everything():
    chosen = options.chosen_workloads(None, quick=False)
    assert list(chosen) == ["lua", "python", "core", "states"]
    assert options.chosen_workloads(["python-mixed"], quick=False) == {"python-mixed": chosen["python"]}
    assert len(chosen["lua"]) >= 10 and len(chosen["python"]) >= 10


def test_quick_opens_fewer_states():
    assert options.chosen_workloads(["states"], quick=True) == {"states": ("1000",)}


@pytest.mark.parametrize("only, wanted", [
    (["lua/json"], {"lua": ("json",)}),
    (["core/mixed_sizes,lua/json"], {"lua": ("json",), "core": ("mixed_sizes",)}),
    (["lua/json", "states"], {"lua": ("json",), "states": ("1000", "10000")}),
    (["lua/*_cache"], {"lua": ("lru_cache",)}),
])
def test_only_chooses_groups_and_workloads(only, wanted):
    assert options.chosen_workloads(only, quick=False) == wanted


@pytest.mark.parametrize("word", ["ruby", "lua/nothing", "json"])
def test_only_refuses_what_does_not_exist(word, refused):
    with refused(word, "lua, python, core, states, python-mixed, map", "--list"):
        options.chosen_workloads(["core", word], quick=False)


def of_mode(*words):
    return options.workloads_of_mode(options.parser().parse_args(words))


def test_a_map_is_of_its_own_operations(refused):
    assert list(of_mode("--map")) == ["map"]
    assert of_mode("--map", "--only", "map/malloc-48-1") == of_mode("--only", "map/malloc-48-1")
    with refused("--map", "not of lua", "--only"):
        of_mode("--map", "--only", "lua,map")


def test_caches_are_of_whole_programs(refused):
    assert list(of_mode("--cache")) == ["lua", "python", "core"]
    assert list(of_mode("--cache", "--only", "core/buffers")) == ["core"]
    with refused("--cache", "not of states"):
        of_mode("--cache", "--only", "states")


def test_shared_words_are_of_the_core_workloads(refused):
    assert list(of_mode("--shared")) == ["core"]
    with refused("--shared", "not of lua"):
        of_mode("--shared", "--only", "lua")


@pytest.mark.parametrize("words", [["--rounds", "0"], ["--rounds", "-1"], ["--rounds", "many"], ["--rounds"]])
def test_rounds_are_a_whole_number_from_one_up(words, capsys):
    with pytest.raises(SystemExit) as ended:
        options.parser().parse_args(words)
    assert ended.value.code == 2
    assert "--rounds" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--fast"], ["--quic"], ["lua"], ["--instructions", "--share"],
                                   ["--map", "--instructions"], ["--map", "--cache"], ["--share", "--shared"]])
def test_unknown_and_contradictory_options_are_refused(words, capsys):
    with pytest.raises(SystemExit) as ended:
        options.parser().parse_args(words)
    assert ended.value.code == 2
    assert words[-1] in capsys.readouterr().err


def test_a_peer_is_a_name_and_a_library_seen_from_where_the_user_stands(library):
    assert peers.parse("mine=libmine.so", str(library.parent)) == ("mine", str(library))


@pytest.mark.parametrize("text, words", [
    ("mine", ["name=library.so"]),
    ("=libmine.so", ["name=library.so"]),
    ("mine=", ["name=library.so"]),
    ("mine=missing.so", ["no file", "missing.so"]),
    ("my peer=libmine.so", ["letters, digits"]),
    ("ferroc=libmine.so", ["another name"]),
])
def test_a_peer_that_cannot_be_is_refused(text, words, library, refused):
    with refused("--peer " + text, *words):
        peers.parse(text, str(library.parent))


def test_a_library_that_the_loader_would_split_in_two_is_refused(tmp_path, refused):
    path = tmp_path / "lib my.so"
    path.write_bytes(b"")
    with refused("blanks"):
        peers.parse(f"mine={path}")


def test_given_peers_join_those_that_are_installed(library, monkeypatch):
    monkeypatch.setattr(peers, "detect", lambda: {"mimalloc": "/installed"})
    assert options.chosen_peers([f"mine={library}"], "/") == {"mimalloc": "/installed", "mine": str(library)}
    assert options.chosen_peers([f"mimalloc={library}"], "/") == {"mimalloc": str(library)}
    assert options.chosen_peers(["none"], "/") == {}


def test_one_name_cannot_mean_two_peers(library, refused):
    with refused("twice"):
        options.chosen_peers([f"mine={library}", f"mine={library}"], "/")


def test_results_go_beside_the_user_or_into_his_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert options.json_path("results.json", str(tmp_path)) == str(tmp_path / "results.json")
    assert options.json_path(None, str(tmp_path)).startswith(str(tmp_path / "cache" / "ferroc"))


def test_a_place_where_no_results_can_be_written_is_refused_beforehand(tmp_path, refused):
    with refused("--json", "missing"):
        options.json_path("missing/results.json", str(tmp_path))
    with refused("--json"):
        options.json_path(str(tmp_path), os.getcwd())


def test_a_program_that_was_not_built_is_named(monkeypatch, refused):
    monkeypatch.setattr(programs, "ROOT", "/nowhere")
    with refused("/nowhere/bench/launcher", "bazel run //bench"):
        programs.built("launcher")
