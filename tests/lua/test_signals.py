"""SIGINT is an error in the running program, as in lua; other signals do what they always do."""

import signal

import pytest

from interpreters import (
    FERROC_TEST_LUA,
    Background,
    reference_lua,
    wait_until_busy,
    wait_until_handled,
    wait_until_sleeping,
)

ENDLESS = "print('ready') io.stdout:flush() while true do end"

# The pattern keeps one C function busy for longer than anybody waits.
STUCK = "print('ready') io.stdout:flush() string.find(('a'):rep(500), ('a-'):rep(12) .. 'b')"

CAUGHT = (
    "print(pcall(function() print('ready') io.stdout:flush() while true do end end))"
    "print('goes on') io.stdout:flush() while true do end"
)

WAITING = "print('ready') io.stdout:flush() io.read()"


def interrupted(program, code, folder, number):
    process = Background(program, ["-e", code], folder)
    process.wait_for_line()
    wait_until_busy(process.pid)
    process.signal(number)
    return process.finish()


def both(code, folder, number):
    ferroc = interrupted(FERROC_TEST_LUA, code, folder, number)
    assert ferroc == interrupted(reference_lua(), code, folder, number)
    return ferroc


def test_sigint_is_an_error_with_a_traceback(tmp_path):
    outcome = both(ENDLESS, tmp_path, signal.SIGINT)
    assert outcome.exit_code == 1
    assert outcome.stderr.startswith("lua: interrupted!\nstack traceback:\n")


@pytest.mark.parametrize("program", [FERROC_TEST_LUA, reference_lua()], ids=["ferroc-lua", "lua"])
def test_sigint_can_be_caught_once(program, tmp_path):
    process = Background(program, ["-e", CAUGHT], tmp_path)
    process.wait_for_line()
    wait_until_busy(process.pid)
    process.signal(signal.SIGINT)
    assert process.process.stdout.readline() == "false\tinterrupted!\n"
    process.wait_for_line()
    wait_until_busy(process.pid)
    process.signal(signal.SIGINT)
    assert process.finish().exit_code == -signal.SIGINT


def test_a_second_sigint_ends_a_stuck_program(tmp_path):
    for program in FERROC_TEST_LUA, reference_lua():
        process = Background(program, ["-e", STUCK], tmp_path)
        process.wait_for_line()
        wait_until_busy(process.pid)
        process.signal(signal.SIGINT)
        wait_until_handled(process.pid, signal.SIGINT)
        process.signal(signal.SIGINT)
        assert process.finish().exit_code == -signal.SIGINT


def test_sigint_ends_a_pending_read(tmp_path):
    for program in FERROC_TEST_LUA, reference_lua():
        process = Background(program, ["-e", WAITING], tmp_path)
        process.wait_for_line()
        wait_until_sleeping(process.pid)
        process.signal(signal.SIGINT)
        process.process.wait()
        outcome = process.finish()
        assert outcome.exit_code == 1
        assert "interrupted!\nstack traceback:\n\t[C]: in function 'io.read'\n" in outcome.stderr


def test_sigterm_ends_the_program(tmp_path):
    assert both(ENDLESS, tmp_path, signal.SIGTERM).exit_code == -signal.SIGTERM


def test_finalizers_run_after_sigint(tmp_path):
    code = "x = setmetatable({}, { __gc = function() print('finalized') end }) " + ENDLESS
    assert both(code, tmp_path, signal.SIGINT).stdout == "finalized\n"
