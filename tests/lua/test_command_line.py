"""ferroc-lua does with a command line what lua does: exit code, output, messages."""

import os
import shutil

import pytest

from interpreters import FERROC_TEST_LUA, VERSION_LINE, run, run_both, run_ferroc

FILES = {
    "args.lua": 'print(#arg, ...) for i = -6, 6 do io.write(i, "=", tostring(arg[i]), " ") end print()',
    "fails.lua": 'local function inner() error("told to") end\nfunction outer() inner() end\nouter()',
    "syntax.lua": "x = = 1",
    "empty.lua": "",
    "shebang.lua": "#!/usr/bin/env lua\nprint(debug.traceback('here'))",
    "bom.lua": "\ufeff#!x\nprint('after a byte order mark')",
    "module.lua": "print('loading', ...) return { name = 'module' }",
    "fails_in_module.lua": "error('not today')",
    "returns.lua": "return 1, 2",
    "reads.lua": "print(io.read('n', 'l', 'a'))",
    "folder/init.lua": "return 'the folder'",
}

# One case is: arguments, and what else run_both takes.
CASES = {
    # Scripts and their arguments.
    "script": (["args.lua"], {}),
    "script with arguments": (["args.lua", "a", "", "-v", "--", "c d"], {}),
    "options before the script": (["-W", "-e", "x = 1", "args.lua", "a"], {}),
    "end of options": (["--", "args.lua", "a"], {}),
    "nothing after the end of options": (["--"], {"stdin": "print('from stdin')"}),
    "missing script": (["missing.lua"], {}),
    "folder as script": (["."], {}),
    "empty name": ([""], {}),
    "script that raises": (["fails.lua"], {}),
    "script with a syntax error": (["syntax.lua"], {}),
    "empty script": (["empty.lua"], {}),
    "first line with a #": (["shebang.lua"], {}),
    "byte order mark": (["bom.lua"], {}),
    "script that returns": (["returns.lua"], {}),
    "script that reads": (["reads.lua"], {"stdin": "12 rest of line\nmore\nlines"}),
    "minus after end of options": (["--", "-"], {}),
    # Standard input.
    "standard input": ([], {"stdin": "print(arg[0], arg[1], ...)"}),
    "standard input by name": (["-"], {"stdin": "print(arg[0], arg[1], ...)"}),
    "standard input with arguments": (["-", "a", "b"], {"stdin": "print(arg[0], arg[1], arg[2], ...)"}),
    "standard input with #": (["-"], {"stdin": "#!shebang\nprint(debug.traceback('here'))"}),
    "error in standard input": ([], {"stdin": "error('oops')"}),
    "error in standard input by name": (["-"], {"stdin": "error('oops')"}),
    "syntax error in standard input": (["-"], {"stdin": "x = ="}),
    "standard input after options": (["-l", "string", "-W", "-E"], {"stdin": "print('from stdin')"}),
    "-e leaves standard input alone": (["-e", "print(1)"], {"stdin": "print('from stdin')"}),
    "-v leaves standard input alone": (["-v"], {"stdin": "print('from stdin')"}),
    "end of standard input": (["-e", "print(io.read())"], {}),
    # Options.
    "-e": (["-e", "print(1)"], {}),
    "-e attached": (["-eprint(1)"], {}),
    "-e twice": (["-e", "x = 1", "-e", "print(x)"], {}),
    "-e and arg": (["-e", "print(#arg, arg[0], arg[1], arg[-1], ...)"], {}),
    "-e with nothing": (["-e", ""], {}),
    "-e with a syntax error": (["-e", "x ="], {}),
    "-e with #": (["-e", "#!x"], {}),
    "-e stops at an error": (["-e", "error('first')", "-e", "print('second')", "args.lua"], {}),
    "-e, then a script": (["-e", "print('first')", "args.lua"], {}),
    "-e may change arg": (["-e", "arg = { 'x', 'y' }", "args.lua", "a"], {}),
    "-e may make arg a proxy": (
        ["-e", "arg = setmetatable({}, { __len = function() return 2 end })", "args.lua", "a"],
        {},
    ),
    "-e may spoil arg": (["-e", "arg = nil", "args.lua"], {}),
    "-e may make arg too long": (
        ["-e", "arg = setmetatable({}, { __len = function() return 2000000 end })", "args.lua"],
        {},
    ),
    "-l": (["-l", "module", "-e", "print(module.name)"], {}),
    "-l attached": (["-lmodule", "-e", "print(module.name)"], {}),
    "-l into another global": (["-l", "m=module", "-e", "print(m.name, module)"], {}),
    "-l into another global, attached": (["-lm=module", "-e", "print(m.name, module)"], {}),
    "-l with two =": (["-l", "a=b=c"], {}),
    "-l with nothing after =": (["-l", "m="], {}),
    "-l with nothing before =": (["-l", "=module", "-e", "print(_G[''].name)"], {}),
    "-l of a library": (["-l", "string", "-l", "t=table", "-e", "print(t == table)"], {}),
    "-l of a package": (["-l", "folder", "-e", "print(folder)"], {}),
    "-l of a missing module": (["-l", "missing_module"], {}),
    "-l of a module that raises": (["-l", "fails_in_module", "-e", "print('not reached')"], {}),
    "-l of a module with a syntax error": (["-l", "syntax"], {}),
    "-l calls the global require": (
        ["-e", "function require(n) return n .. '!' end", "-l", "m", "-e", "print(m)"],
        {},
    ),
    "-l without require": (["-e", "require = nil", "-l", "module"], {}),
    "-l sets globals by assignment": (
        ["-e", "setmetatable(_G, { __newindex = function(t, k, v) print(k) end })", "-l", "module"],
        {},
    ),
    "-v": (["-v"], {}),
    "-v and -e": (["-v", "-e", "print(1)"], {}),
    "-v and a script": (["-v", "args.lua"], {}),
    "-v twice": (["-v", "-v"], {}),
    "-W": (["-W", "-e", "warn('one') warn('two', ' ', 'three') warn('@off') warn('four')"], {}),
    "-W in order": (["-e", "warn('one')", "-W", "-e", "warn('two')"], {}),
    "without -W": (["-e", "warn('one') warn('@on') warn('two')"], {}),
    "-W shows errors in finalizers": (
        ["-W", "-e", "x = setmetatable({}, { __gc = function() error('in finalizer') end })"],
        {},
    ),
    "-E and LUA_INIT": (["-E", "-e", "print(1)"], {"env": {"LUA_INIT": "print('init')"}}),
    "-E and LUA_PATH": (["-E", "-e", "print(package.path)"], {"env": {"LUA_PATH": "elsewhere"}}),
    "-E after -e": (["-e", "print(package.path)", "-E"], {"env": {"LUA_PATH": "elsewhere"}}),
    "-E in the registry": (["-E", "-e", "print(debug.getregistry().LUA_NOENV)"], {}),
    "-i with -e": (["-i", "-e", "print(1)"], {}),
    "-i stops at an error": (["-i", "-e", "error('oops')"], {}),
    "-i stops at a missing script": (["-i", "missing.lua"], {}),
    # Environment.
    "LUA_PATH": (["-e", "print(package.path)"], {"env": {"LUA_PATH": "elsewhere;;"}}),
    "LUA_INIT": (["args.lua", "a"], {"env": {"LUA_INIT": "print('init', arg[0], ...)"}}),
    "LUA_INIT for the version": (
        ["args.lua"],
        {"env": {"LUA_INIT": "print('no')", "LUA_INIT_5_4": "print('yes')"}},
    ),
    "LUA_INIT with a file": (["-e", "print(1)"], {"env": {"LUA_INIT": "@module.lua"}}),
    "LUA_INIT with a missing file": (["-e", "print(1)"], {"env": {"LUA_INIT": "@missing"}}),
    "LUA_INIT that raises": (["-v", "-e", "print(1)"], {"env": {"LUA_INIT": "error('oops')"}}),
    "LUA_INIT_5_4 that raises": (["-e", "print(1)"], {"env": {"LUA_INIT_5_4": "error('oops')"}}),
    "LUA_INIT with a syntax error": (["-e", "print(1)"], {"env": {"LUA_INIT": "x ="}}),
    "empty LUA_INIT": (["-e", "print(1)"], {"env": {"LUA_INIT": ""}}),
    # Error objects and tracebacks.
    "error with a table": (["-e", "error({})"], {}),
    "error with nil": (["-e", "error()"], {}),
    "error with true": (["-e", "error(true)"], {}),
    "error with a function": (["-e", "error(print)"], {}),
    "error with a number": (["-e", "error(12)"], {}),
    "error with a float": (["-e", "error(1.5)"], {}),
    "error without position": (["-e", "error('here', 0)"], {}),
    "error at level 2": (["-e", "local function f() error('here', 2) end f()"], {}),
    "error with __tostring": (
        ["-e", "error(setmetatable({}, { __tostring = function() return 'described' end }))"],
        {},
    ),
    "error with __tostring that gives no string": (
        ["-e", "error(setmetatable({}, { __tostring = function() return 1 end }))"],
        {},
    ),
    "error with __tostring that raises": (
        ["-e", "error(setmetatable({}, { __tostring = function() error('again') end }))"],
        {},
    ),
    "error with __name": (["-e", "error(setmetatable({}, { __name = 'My type' }))"], {}),
    "error with __metatable": (["-e", "error(setmetatable({}, { __metatable = 1 }))"], {}),
    "error in a coroutine": (["-e", "coroutine.wrap(function() error('inside') end)()"], {}),
    "error of an operation": (["-e", "local t = {} t.x.y = 1"], {}),
    "yield outside": (["-e", "coroutine.yield()"], {}),
    "long traceback": (["-e", "local function f(n) if n == 0 then error('x') end f(n - 1) f() end f(50)"], {}),
    "stack overflow": (["-e", "local function f() return f() + 1 end f()"], {}),
    "stack overflow in C": (["-e", "local function f() string.gsub('a', 'a', f) end f()"], {}),
    "error in a message handler": (["-e", "print(xpcall(error, error, 'x'))"], {}),
    "variables are closed": (
        ["-e", "local x <close> = setmetatable({}, { __close = print }) error('oops')"],
        {},
    ),
    # The end.
    "os.exit": (["-e", "os.exit()"], {}),
    "os.exit with true": (["-e", "os.exit(true)"], {}),
    "os.exit with false": (["-e", "os.exit(false)"], {}),
    "os.exit with a number": (["-e", "os.exit(7)"], {}),
    "os.exit does not close": (
        ["-e", "x = setmetatable({}, { __gc = function() print('gc') end }) os.exit(7)"],
        {},
    ),
    "os.exit closes": (
        ["-e", "x = setmetatable({}, { __gc = function() print('gc') end }) os.exit(7, true)"],
        {},
    ),
    "os.exit in a coroutine": (
        ["-e", "x = setmetatable({}, { __gc = print }) coroutine.wrap(function() os.exit(3, true) end)()"],
        {},
    ),
    "os.exit in a finalizer": (
        ["-e", "x = setmetatable({}, { __gc = function() os.exit(5) end })"],
        {},
    ),
    "finalizers run at the end": (
        ["-e", "for i = 1, 3 do _G[i] = setmetatable({}, { __gc = function() print(i) end }) end"],
        {},
    ),
    "finalizers run after an error": (
        ["-e", "x = setmetatable({}, { __gc = function() print('gc') end }) error('oops')"],
        {},
    ),
    "output is flushed": (["-e", "io.write('no newline')"], {}),
    "files are flushed": (
        ["-e", "f = io.popen('cat', 'w') f:write('through a pipe')"],
        {},
    ),
    "standard output may be closed": (["-e", "io.stdout:close() print(1)"], {}),
    # How programs run.
    "collector": (["-e", "print(collectgarbage('incremental'), collectgarbage('isrunning'))"], {}),
    "chunk names": (["-e", "print(debug.getinfo(1, 'S').source)"], {}),
    "chunk name of standard input": ([], {"stdin": "print(debug.getinfo(1, 'S').source)"}),
    "globals": (
        ["-e", "local n = {} for k in pairs(_G) do n[#n + 1] = k end table.sort(n) print(table.concat(n, ' '))"],
        {},
    ),
    "levels of the stack": (["-e", "for i = 0, 9 do print(i, debug.getinfo(i) and debug.getinfo(i).what) end"], {}),
}

# The first line of the message is lua's, the list of options is in ferroc-lua's own words.
USAGE_ERRORS = {
    "unknown option": ["-x"],
    "unknown long option": ["--helpful"],
    "unknown option after a good one": ["-v", "-x", "args.lua"],
    "unknown option after text": ["-e", "print(1)", "-x"],
    "letters after -v": ["-vv"],
    "letters after -i": ["-iv"],
    "letters after -E": ["-Ex"],
    "letters after -W": ["-Wx"],
    "minus after an option": ["-v-"],
    "-e without argument": ["-e"],
    "-l without argument": ["-l"],
    "-e before an option": ["-e", "-v"],
    "-l before an option": ["-l", "-v", "args.lua"],
    "-e before a minus": ["-e", "-"],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("scripts")
    for name, text in FILES.items():
        (path / name).parent.mkdir(exist_ok=True)
        (path / name).write_text(text)
    return path


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_ferroc_lua_does_what_lua_does(case, folder):
    arguments, options = case
    ferroc, lua = run_both(arguments, folder, **options)
    assert ferroc == lua


@pytest.mark.parametrize("arguments", USAGE_ERRORS.values(), ids=USAGE_ERRORS.keys())
def test_a_wrong_option_is_explained(arguments, folder):
    ferroc, lua = run_both(arguments, folder)
    assert (ferroc.exit_code, ferroc.stdout) == (lua.exit_code, lua.stdout) == (1, "")
    first_line, usage = ferroc.stderr.split("\n", 1)
    assert first_line == lua.stderr.split("\n", 1)[0]
    assert usage.startswith("usage: lua [options] [script [arg")
    for option in ("-e", "-i", "-l", "-v", "-E", "-W", "--", "-"):
        assert f"\n  {option} " in usage


def test_precompiled_scripts_run(folder):
    run_ferroc(["-e", "io.open('args.luac', 'wb'):write(string.dump(loadfile('args.lua')))"], folder)
    ferroc, lua = run_both(["args.luac", "a"], folder)
    assert ferroc == lua
    assert ferroc.exit_code == 0


def test_the_version_begins_with_lua_s_own_line(folder):
    outcome = run(FERROC_TEST_LUA, ["-v"], folder)
    assert outcome.stdout.startswith("Lua 5.4.")
    assert outcome.stdout.endswith(f"PUC-Rio\n{VERSION_LINE}")


def test_c_modules_find_lua_in_the_program(folder):
    env = {"LUA_CPATH": os.environ["C_MODULE"]}
    ferroc, lua = run_both(["-e", "print(require('c_module').add(2, 3))"], folder, env=env)
    assert ferroc == lua
    assert ferroc.stdout == "5\n"


def test_under_bazel_run_paths_are_those_of_the_user_s_folder(folder, tmp_path):
    """`bazel run` starts a program in the folder of its runfiles; a child that stands elsewhere stays there."""
    program = tmp_path / "ferroc-lua"
    shutil.copy(FERROC_TEST_LUA, program)
    runfiles = tmp_path / "ferroc-lua.runfiles" / "ferroc"
    runfiles.mkdir(parents=True)
    script = ["args.lua", "a"]
    env = {"BUILD_WORKING_DIRECTORY": str(folder)}
    expected = run(program, script, folder)
    assert expected.exit_code == 0
    assert run(program, script, runfiles, env=env) == expected
    assert run(program, script, tmp_path, env=env).exit_code == 1
    assert run(program, script, runfiles, env={"BUILD_WORKING_DIRECTORY": "/no/folder"}).exit_code == 1
