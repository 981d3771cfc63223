"""The workloads: each does its work at a small scale and says the same twice."""

import os
import subprocess
import sys

import pytest
from runner import groups, programs, shares

SCALE = "0.02"


def checksum(command):
    environment = dict(os.environ, PYTHONHASHSEED="random")
    answer = subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout
    lines = [line for line in answer.splitlines() if line.startswith("checksum ")]
    assert len(lines) == 1
    return lines[0]


@pytest.mark.parametrize("name", programs.scripts("lua"))
def test_a_lua_program_has_one_result(name):
    command = [programs.script("lua", name), SCALE]
    first = checksum([os.environ["LUA_DEFAULT"]] + command)
    assert first == checksum([os.environ["FERROC_TEST_LUA"]] + command)
    assert name in first


@pytest.mark.parametrize("name", programs.scripts("python"))
def test_a_python_program_has_one_result(name):
    command = [sys.executable, programs.script("python", name), SCALE]
    first = checksum(command)
    assert first == checksum(command)
    assert name in first


@pytest.mark.parametrize("name", groups.CORE_WORKLOADS)
def test_a_core_workload_has_one_result(name):
    assert checksum([os.environ["CORE_MALLOC"], name, SCALE]) == checksum([os.environ["CORE_FERROC"], name, SCALE])


def test_states_are_measured_on_both_allocators():
    assert checksum([os.environ["STATES_DEFAULT"], "5"]) == checksum([os.environ["STATES_FERROC"], "5"])


@pytest.mark.parametrize("program", ["CORE_MALLOC", "CORE_FERROC"])
def test_core_programs_say_which_version_they_measure(program):
    answer = subprocess.run([os.environ[program], "version"], capture_output=True, text=True, check=True).stdout
    assert all(part.isdigit() for part in answer.strip().split("."))


@pytest.mark.parametrize("arguments", [[], ["nothing"], ["mixed_sizes", "0"], ["mixed_sizes", "much"]])
def test_core_workloads_refuse_what_they_do_not_know(arguments):
    result = subprocess.run([os.environ["CORE_MALLOC"]] + arguments, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert result.stderr


def test_the_share_of_glibc_s_allocator_is_known_for_every_lua_program():
    assert sorted(shares.read()) == programs.scripts("lua")
