"""Measuring: turns, checksums, and costs that are the program's own."""

import os

import pytest
from runner import process, rounds


def echo(text):
    return lambda workload: f"echo {text}"


def test_every_contender_runs_once_a_round_and_another_one_begins_each_time(fake_group, run_rounds, tmp_path):
    log = tmp_path / "log"
    lines = {name: (lambda workload, name=name: f"echo {name}-{workload} >> {log}; echo checksum same")
             for name in ("a", "b", "c")}
    results = run_rounds(fake_group(lines, workloads=("x", "y")), 2)
    assert log.read_text().split() == ["a-x", "b-x", "c-x", "a-y", "b-y", "c-y",
                                       "b-x", "c-x", "a-x", "b-y", "c-y", "a-y"]
    assert {len(samples) for workload in results["fake"].values() for samples in workload.values()} == {2}


def test_a_different_checksum_is_refused(fake_group, run_rounds, refused):
    group = fake_group({"glibc": echo("checksum 17"), "ferroc": echo("checksum 18")})
    with refused("fake/first", "glibc", "checksum 17", "ferroc", "checksum 18"):
        run_rounds(group, 1)


def test_a_checksum_that_changes_from_round_to_round_is_refused(fake_group, run_rounds, refused, tmp_path):
    group = fake_group({"glibc": lambda _: f"echo x >> {tmp_path}/n; echo checksum $(wc -l < {tmp_path}/n)"})
    with refused("checksum 1", "checksum 2"):
        run_rounds(group, 2)


@pytest.mark.parametrize("output", ["hello", "checksum 1; echo checksum 1"])
def test_a_program_must_print_one_checksum(output, fake_group, run_rounds, refused):
    with refused("checksum lines instead of one"):
        run_rounds(fake_group({"glibc": echo(output)}), 1)


@pytest.mark.parametrize("line, words", [
    ("echo checksum 1; echo out of luck >&2; exit 3", ["exit code 3", "out of luck"]),
    ("kill -9 $$", ["signal 9"]),
])
def test_a_program_that_fails_is_refused_with_its_own_words(line, words, fake_group, run_rounds, refused):
    with refused(*words):
        run_rounds(fake_group({"glibc": lambda _: line}), 1)


def test_figures_of_the_program_itself_are_kept(fake_group, run_rounds):
    group = fake_group({"glibc": echo("checksum 1; echo figure open_us 12.5")})
    assert run_rounds(group, 1)["fake"]["first"]["glibc"][0]["open_us"] == 12.5


def measure(line):
    return process.measure(os.environ["LAUNCHER"], ["/bin/sh", "-c", line], {"MARK": "set"})


def test_peak_memory_is_the_program_s_own_not_the_runner_s():
    ballast = bytearray(200 << 20)
    for page in range(0, len(ballast), 4096):
        ballast[page] = 1
    assert measure("true").peak_kib < 20 << 10


def test_peak_memory_grows_with_the_program():
    assert measure("head -c 60000000 /dev/zero | tail -c 50000000 >/dev/null").peak_kib > 40 << 10


def test_cpu_time_counts_work_and_not_waiting():
    idle = measure("sleep 0.3")
    assert idle.wall_ms >= 300 and idle.cpu_ms <= idle.wall_ms - 290
    assert measure("i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done").cpu_ms > idle.cpu_ms


def test_settings_reach_the_program_and_the_caller_s_do_not(monkeypatch):
    monkeypatch.setenv("PYTHONMALLOC", "debug")
    monkeypatch.setenv("MALLOC_ARENA_MAX", "1")
    assert measure('echo "$MARK $PYTHONMALLOC$MALLOC_ARENA_MAX$LD_PRELOAD."').output == "set .\n"
