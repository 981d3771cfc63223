"""Programs that ask for more than the machine gives: Lua's own error, and a state that works on."""

import resource
import subprocess

import pytest

from interpreters import FERROC_TEST_LUA, PATIENCE_S, environment, reference_lua

ADDRESS_SPACE_BYTES = 200 << 20

SHORTAGES = {
    "one string": "local s = 'x' while true do s = s .. s end",
    "one table": "local t = {} for i = 1, 1e10 do t[i] = i end",
    "many tables": "local t = {} for i = 1, 1e10 do t[i] = { i } end",
    "many coroutines": "local t = {} for i = 1, 1e10 do t[i] = coroutine.create(print) end",
}


def run_in_little_memory(program, code, folder):
    limits = (ADDRESS_SPACE_BYTES, ADDRESS_SPACE_BYTES)
    return subprocess.run(
        ["lua", "-e", code],
        executable=program,
        capture_output=True,
        text=True,
        cwd=folder,
        env=environment({}),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, limits),
        timeout=PATIENCE_S,
    )


@pytest.mark.parametrize("code", SHORTAGES.values(), ids=SHORTAGES.keys())
def test_a_shortage_can_be_caught_and_the_program_goes_on(code, tmp_path):
    program = (
        f"for i = 1, 2 do print(pcall(load([[{code}]]))) end collectgarbage() "
        "local t = {} for i = 1, 100000 do t[i] = { i } end print(#t)"
    )
    ferroc = run_in_little_memory(FERROC_TEST_LUA, program, tmp_path)
    assert ferroc.stderr == ""
    assert ferroc.stdout == "false\tnot enough memory\n" * 2 + "100000\n"


@pytest.mark.parametrize("code", SHORTAGES.values(), ids=SHORTAGES.keys())
def test_an_uncaught_shortage_ends_the_program_with_a_message(code, tmp_path):
    for program in FERROC_TEST_LUA, reference_lua():
        outcome = run_in_little_memory(program, code, tmp_path)
        assert (outcome.returncode, outcome.stdout) == (1, "")
        assert outcome.stderr == "lua: not enough memory\n"
