"""The command as a whole, on programs that are shell scripts: what it prints, writes, and refuses."""

import json
import os
import subprocess
import sys

import bench
import pytest

BENCH = os.path.abspath(bench.__file__)

WORKLOAD = "#!/bin/sh\necho checksum $1\n"


@pytest.fixture
def root(tmp_path):
    """A folder as Bazel would make it: the real launcher, and scripts instead of interpreters and workloads."""
    scripts = {
        "bench/lua-default": WORKLOAD,
        "bindings/lua/ferroc-lua": WORKLOAD,
        "bench/core-malloc": WORKLOAD,
        "bench/core-ferroc": '#!/bin/sh\n[ "$1" = build ] && echo release || echo checksum $1\n',
        "bench/lua/first.lua": "",
        "bench/lua/second.lua": "",
        "bench/lua/shares.json": '{"shares": {"first": 0.2, "second": 0.01}}',
    }
    (tmp_path / "bench" / "python").mkdir(parents=True)
    for path, text in scripts.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
        (tmp_path / path).chmod(0o755)
    os.symlink(os.environ["LAUNCHER"], tmp_path / "bench" / "launcher")
    return tmp_path


@pytest.fixture
def run(root):
    def run_bench(*words):
        environment = dict(os.environ, BENCH_ROOT=str(root), BUILD_WORKING_DIRECTORY=str(root),
                           XDG_CACHE_HOME=str(root / "cache"))
        return subprocess.run([sys.executable, BENCH, "--peer", "none", *words], capture_output=True, text=True,
                              check=False, env=environment)

    return run_bench


def test_a_run_prints_tables_and_writes_every_sample(run, root):
    result = run("--only", "lua,core/mixed_sizes", "--rounds", "2", "--json", "results.json")
    assert result.returncode == 0, result.stderr
    for words in ("Lua programs: CPU time", "Lua programs: peak resident memory", "geometric mean",
                  "mean of the 1 that allocate a lot", "Core workloads (C): time on the clock",
                  str(root / "results.json")):
        assert words in result.stdout
    data = json.loads((root / "results.json").read_text())
    assert data["rounds"] == 2 and data["machine"]["kernel"]
    assert list(data["results"]) == ["lua", "core"]
    for contender in ("glibc", "ferroc"):
        samples = data["results"]["lua"]["second"][contender]
        assert len(samples) == 2 and samples[0]["peak_kib"] > 0
    assert data["summary"]["lua"]["peak_kib"]["ferroc"]["mean"] > 0


def test_progress_is_silent_where_nobody_watches(run):
    assert run("--only", "lua", "--rounds", "1").stderr == ""


def test_rounds_are_three_in_a_quick_run(run, root):
    assert run("--only", "lua/first", "--quick", "--json", "results.json").returncode == 0
    data = json.loads((root / "results.json").read_text())
    assert data["rounds"] == 3 and data["quick"] is True


def test_a_debug_build_is_refused(run, root):
    (root / "bench" / "core-ferroc").write_text("#!/bin/sh\necho debug\n")
    result = run("--only", "lua")
    assert result.returncode == 1
    assert "debug build" in result.stderr and "bazel run //bench" in result.stderr


def test_a_wrong_result_ends_the_run_without_a_table(run, root):
    (root / "bindings" / "lua" / "ferroc-lua").write_text("#!/bin/sh\necho checksum wrong\n")
    result = run("--only", "lua/first", "--rounds", "1")
    assert result.returncode == 1
    assert "lua/first" in result.stderr and "checksum wrong" in result.stderr
    assert "geometric mean" not in result.stdout


def test_a_peer_that_does_not_load_ends_the_run(run, root):
    (root / "libmine.so").write_bytes(b"no library")
    result = run("--only", "lua/first", "--peer", "mine=libmine.so")
    assert result.returncode == 1
    assert "peer 'mine' did not load" in result.stderr


def test_a_list_shows_what_there_is(run):
    result = run("--list")
    assert "lua: first second" in result.stdout and "peers: none" in result.stdout
