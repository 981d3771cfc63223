"""The module `ferroc`: in ferroc-lua, and loaded by the machine's own lua, before and after install()."""

import os
import pathlib
import subprocess

import pytest

from interpreters import FERROC_TEST_LUA, environment, reference_lua

FOLDER = pathlib.Path(os.environ["MODULE"]).parent

INSTALL = "local f = require 'ferroc' assert(f.install()) "


def run_lua(program, code, *, folder=None, options=()):
    return subprocess.run(
        [program, *options, "-e", code],
        capture_output=True,
        text=True,
        cwd=folder,
        env=environment({"LUA_CPATH": f"{FOLDER}/?.so"}),
    )


def run_ours(code, **more):
    outcome = run_lua(FERROC_TEST_LUA, "local f = require 'ferroc' " + code, **more)
    assert (outcome.returncode, outcome.stderr) == (0, "")
    return outcome.stdout


def run_theirs(code, **more):
    outcome = run_lua(reference_lua(), code, **more)
    assert (outcome.returncode, outcome.stderr) == (0, "")
    return outcome.stdout


# What holds wherever the state's memory is ferroc's.
CLAIMS = {
    "it has a version": "assert(f.version:match('^%d+%.%d+%.%d+$'))",
    "used memory follows the program": """
        local before = f.used_memory()
        local text = ('x'):rep(1000000)
        local during = f.used_memory()
        assert(during > before + 1000000 and during < before + 2500000)
        text = nil collectgarbage()
        assert(f.used_memory() < before + 100000)""",
    "the peak stays": """
        do local text = ('x'):rep(3000000) end collectgarbage()
        assert(f.peak_memory() > 3000000 and f.used_memory() < 1000000)""",
    "a limit can be met and lifted": """
        assert(f.memory_limit() == 0)
        assert(f.memory_limit(2000000) == 0 and f.memory_limit() == 2000000)
        local ok, message = pcall(string.rep, 'x', 3000000)
        assert(not ok and message == 'not enough memory')
        assert(f.memory_limit(0) == 2000000)
        assert(#('x'):rep(3000000) == 3000000)""",
    "stats have the figures": """
        local kept = {} for i = 1, 1000 do kept[i] = ('%d'):rep(100) .. i end
        local stats = f.stats()
        assert(stats.used_bytes >= 200000 and stats.committed_bytes >= stats.used_bytes)
        assert(stats.peak_used_bytes >= stats.used_bytes and stats.limit_bytes == 0)
        for name, figure in pairs(stats) do assert(math.type(figure) == 'integer', name) end""",
    "collect says what it freed": """
        local garbage = ('x'):rep(500000) garbage = nil
        assert(f.collect() >= 500000)
        assert(f.collect() < 10000)""",
    "trim says what went back": "assert(math.type(f.trim()) == 'integer')",
    "installing again changes nothing": """
        local before = f.memory_limit(12345678)
        assert(f.install(7) == true and f.memory_limit() == 12345678)""",
    "wrong arguments are errors": """
        for _, wrong in ipairs { -1, 'x', {}, 1.5 } do
          assert(not pcall(f.memory_limit, wrong) and not pcall(f.install, wrong))
        end
        assert(not pcall(f.heap_map) and not pcall(f.heap_map, {}))""",
    "coroutines ask for their state": """
        local inside = coroutine.wrap(function() return f.used_memory() end)()
        assert(inside > 1000)""",
}


@pytest.mark.parametrize("claim", CLAIMS)
def test_in_ferroc_lua(claim):
    run_ours(CLAIMS[claim])


@pytest.mark.parametrize("claim", CLAIMS)
def test_in_a_state_that_existed_already(claim):
    run_theirs(INSTALL + CLAIMS[claim])


def test_without_a_ferroc_heap_there_are_no_figures():
    run_theirs(
        """local f = require 'ferroc'
        assert(f.used_memory() == nil and f.peak_memory() == nil and f.stats() == nil)
        assert(f.memory_limit() == nil and f.collect() == nil)
        local ok, message = pcall(f.memory_limit, 1000)
        assert(not ok and message:find('ferroc.install', 1, true))"""
    )


WORK = """
    local log = {}
    local function gc(name) return setmetatable({}, { __gc = function() io.write(name, ' ') end }) end
    early = gc('early') early_text = ('early'):rep(1000) early_table = { 1, 2, 3 }
    %s
    for i = 1, 20000 do log[i] = { tostring(i) } early_table[i] = i end
    early_text = early_text .. 'late' late = gc('late')
    local co = coroutine.wrap(function() for i = 1, 100 do coroutine.yield(('x'):rep(i)) end end)
    for i = 1, 100 do io.write(#co(), ' ') end
    log = nil collectgarbage() collectgarbage('generational')
    for i = 1, 20000 do local t = { i } end
    io.write(#early_text, ' ', #early_table, ' ')
"""


@pytest.mark.parametrize("end", ["", "os.exit(0, true)", "os.exit(0)"])
def test_programs_do_the_same_after_install(end):
    plain = run_theirs(WORK % "" + end)
    assert run_theirs(WORK % (INSTALL) + end) == plain
    assert plain.endswith("5004 20000 " + ("" if end == "os.exit(0)" else "late early "))


def test_a_limit_may_come_with_install():
    run_theirs(
        """local f = require 'ferroc' assert(f.install(1000000))
        assert(f.memory_limit() == 1000000)
        assert(not pcall(string.rep, 'x', 1000000))
        local t = {} for i = 1, 100 do t[i] = i end"""
    )


def test_a_map_is_a_page(tmp_path):
    for run in (run_ours, lambda code, **more: run_theirs(INSTALL + code, **more)):
        assert run("print(f.heap_map('map.html'))", folder=tmp_path) == "true\n"
        text = (tmp_path / "map.html").read_text()
        assert text.startswith("<!doctype html>") and text.rstrip().endswith("</html>")
        (tmp_path / "map.html").unlink()
    assert run_ours("print(f.heap_map('no/map.html'))", folder=tmp_path) == "nil\tno/map.html: No such file or directory\t2\n"


# -- The options of ferroc-lua --


def run_options(*options, folder=None):
    return subprocess.run(
        [FERROC_TEST_LUA, *options], capture_output=True, text=True, cwd=folder, env=environment({}), stdin=subprocess.DEVNULL
    )


@pytest.mark.parametrize("size, number", [("1000000", 1000000), ("2000K", 2048000), ("64M", 64 << 20), ("1G", 1 << 30), ("0", 0)])
@pytest.mark.parametrize("separator", ["=", " "])
def test_a_limit_by_option(size, number, separator):
    option = f"--memory-limit{separator}{size}".split(" ")
    outcome = run_options(*option, "-e", "print(require 'ferroc'.memory_limit())")
    assert (outcome.returncode, outcome.stdout, outcome.stderr) == (0, f"{number}\n", "")


@pytest.mark.parametrize("size", ["", "x", "-1", "1X", "64MB", "1.5M", " 1", "99999999999999999999", "99999999999999G"])
def test_a_wrong_limit_is_refused(size):
    outcome = run_options(f"--memory-limit={size}", "-e", "print(1)")
    assert (outcome.returncode, outcome.stdout) == (1, "")
    assert outcome.stderr.startswith(f"ferroc-lua: --memory-limit: '{size}' is no size; allowed are")


def test_a_limit_that_is_too_small_for_lua():
    outcome = run_options("--memory-limit", "1000", "-e", "print(1)")
    assert (outcome.returncode, outcome.stdout) == (1, "")
    assert "not enough memory" in outcome.stderr


def test_figures_at_the_end():
    outcome = run_options("--stats", "--memory-limit", "1M", "-e", "print(pcall(string.rep, 'x', 2000000))", "-e", "print(2)")
    assert (outcome.returncode, outcome.stdout) == (0, "false\tnot enough memory\n2\n")
    assert outcome.stderr.startswith("ferroc: peak ")
    assert "limit 1024 KiB, met 1 times" in outcome.stderr


def test_a_map_at_the_end(tmp_path):
    script = tmp_path / "script.lua"
    script.write_text("print(...)")
    outcome = run_options("--heap-map", "map.html", "script.lua", "a", "--stats", folder=tmp_path)
    assert (outcome.returncode, outcome.stdout, outcome.stderr) == (0, "a\t--stats\n", "")
    assert (tmp_path / "map.html").read_text().startswith("<!doctype html>")
    outcome = run_options("--heap-map=no/map.html", "script.lua", folder=tmp_path)
    assert outcome.stdout == "\n"
    assert "--heap-map: no/map.html: No such file or directory" in outcome.stderr


def test_help_names_all_options():
    outcome = run_options("--help")
    assert (outcome.returncode, outcome.stderr) == (0, "")
    for option in ("-e", "-l", "-i", "-v", "-E", "-W", "--memory-limit SIZE", "--stats", "--heap-map FILE", "--help", "--"):
        assert f"\n  {option}" in outcome.stdout


@pytest.mark.parametrize("options", [["--bogus"], ["--stats=1"], ["--memory-limit"], ["--memory-limi", "1M"]])
def test_unknown_and_incomplete_options(options):
    outcome = run_options(*options)
    assert (outcome.returncode, outcome.stdout) == (1, "")
    assert "usage: " in outcome.stderr
