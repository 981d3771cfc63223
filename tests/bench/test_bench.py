"""The command as a whole, on programs that are shell scripts: what it prints, writes, and refuses."""

import json
import os
import subprocess
import sys

import bench
import pytest

BENCH = os.path.abspath(bench.__file__)

WORKLOAD = "#!/bin/sh\necho checksum $1\n"
# Says that malloc is ferroc's where that is preloaded.
OWNERS = '#!/bin/sh\ncase $LD_PRELOAD in *libferroc.so) echo $LD_PRELOAD ;; *) echo checksum $1 ;; esac\n'


@pytest.fixture
def root(tmp_path):
    """A folder as Bazel would make it: the real launcher, and scripts instead of interpreters and workloads."""
    scripts = {
        "bench/lua-default": WORKLOAD,
        "bindings/lua/ferroc-lua": WORKLOAD,
        "bench/core-malloc": OWNERS,
        "bench/core-ferroc": '#!/bin/sh\n[ "$1" = build ] && echo release || echo checksum $1\n',
        "bench/count-map": '#!/bin/sh\necho checksum $1\necho figure ns_per_turn 12.5\n',
        "libferroc.so": "",
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
def valgrind(tmp_path):
    """Makes a stand-in for valgrind: a shell script that finds the path of its output in $out."""

    def make(script):
        path = tmp_path / "bin" / "valgrind"
        path.parent.mkdir()
        path.write_text("#!/bin/sh\nfor word; do case $word in --*-out-file=*) out=${word#*=} ;; esac; done\n" + script)
        path.chmod(0o755)
        return str(path.parent)

    return make


@pytest.fixture
def run(root):
    def run_bench(*words, path=os.environ["PATH"]):
        environment = dict(os.environ, PATH=path, BENCH_ROOT=str(root), BUILD_WORKING_DIRECTORY=str(root),
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


def test_a_map_counts_and_times_its_operations(run, root, valgrind):
    path = valgrind('for turns; do :; done\n[ "$LD_PRELOAD" ] && cost=60 || cost=140\ncase "$*" in *nothing*) cost=10;; esac\n'
                    'echo "totals: $((5000 + cost * turns))" >"$out"\n')
    result = run("--map", "--only", "map/malloc-48-8,map/eighth-4000-1", "--rounds", "2", "--json", "map.json",
                 path=path + ":" + os.environ["PATH"])
    assert result.returncode == 0, result.stderr
    rows = {tuple(line.split()) for line in result.stdout.splitlines()}
    assert {("malloc-48-8", "130", "50.0", "0.38"), ("eighth-4000-1", "140", "60.0", "0.43"),
            ("malloc-48-8", "12.5", "12.5", "1.00")} <= rows
    data = json.loads((root / "map.json").read_text())
    assert data["instructions"]["malloc-48-8"] == {"glibc": 130, "ferroc": 50}
    assert len(data["results"]["malloc-48-8"]["ferroc"]) == 2


def test_a_map_without_valgrind_says_what_to_install(run):
    result = run("--map", "--only", "map/malloc-48-1", "--rounds", "1", path="/nowhere")
    assert result.returncode == 1 and "apt-get install valgrind" in result.stderr


def test_a_map_of_programs_is_refused(run):
    result = run("--map", "--only", "lua")
    assert result.returncode == 1 and "--map" in result.stderr


def test_misses_are_counted(run, root, valgrind):
    path = valgrind('printf "events: Ir ILmr D1mr DLmr D1mw DLmw\\nsummary: 3000000 5 6 7 8 9\\n" >"$out"\n'
                    'shift 6; exec "$@"\n')
    result = run("--cache", "--only", "lua", "--json", "misses.json", path=path + ":" + os.environ["PATH"])
    assert result.returncode == 0, result.stderr
    assert "Lua programs: instructions, counted once" in result.stdout and "3.00 M" in result.stdout
    data = json.loads((root / "misses.json").read_text())
    assert data["caches"]["LL"] == "2097152,16,64"
    assert data["results"]["lua"]["second"]["ferroc"] == [{"instructions": 3000000, "d1_misses": 14, "ll_misses": 21}]


@pytest.mark.parametrize("words", [["--cache", "--only", "lua"], ["--instructions"], ["--shared"]])
def test_counting_without_valgrind_says_what_to_install(words, run):
    result = run(*words, path="/nowhere")
    assert result.returncode == 1 and "apt-get install valgrind" in result.stderr
