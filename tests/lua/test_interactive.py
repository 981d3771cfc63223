"""The interactive mode at a terminal: prompts, results, errors and Ctrl-C come as they do from lua.

Both interpreters run the same session, and the screens must be equal in the end. Where lua shows
"(null)" for lack of a message, ferroc-lua has one: those cases are compared with a text.
"""

import pytest

from interpreters import FERROC_TEST_LUA, VERSION_LINE, Terminal, reference_lua, run_ferroc, wait_until_busy

# Sessions: arguments, the first prompt, and pairs of what is typed and the prompt that follows.
SESSIONS = {
    "expressions": (
        [],
        [("1 + 1", "> "), ("'a', nil, 2.5", "> "), ("nil", "> "), ("", "> "), ("f and 1 or 2", "> ")],
    ),
    "old way to print": ([], [("=1 + 1", "> "), ("= 'a', 'b'", "> "), ("=", "> "), ("= 1 2", "> ")]),
    "old way over two lines": ([], [("= {", ">> "), ("}, 2 ) 3", "> "), ("= (", ">> "), ("1)", "> ")]),
    "statements": (
        [],
        [("x = 5", "> "), ("x", "> "), ("local y = 1", "> "), ("y", "> "), ("return 1, 2", "> ")],
    ),
    "statements over many lines": (
        [],
        [
            ("for i = 1, 3 do", ">> "),
            ("  print(i)", ">> "),
            ("end", "> "),
            ("x = [[", ">> "),
            ("a]]", "> "),
            ("x", "> "),
        ],
    ),
    "calls are expressions": ([], [("print('once')", "> "), ("(function() return 1, 2 end)()", "> ")]),
    "syntax errors": (
        [],
        [("x y", "> "), ("1 +", "> "), ("do", ">> "), ("end end", "> "), ("'open", ">> "), ("", "> ")],
    ),
    "errors": (
        [],
        [
            ("error('oops')", "> "),
            ("local function f() error('deep') end f()", "> "),
            ("error({})", "> "),
            ("error(setmetatable({}, { __tostring = function() return 'described' end }))", "> "),
            ("nil + 1", "> "),
        ],
    ),
    "comments": ([], [("-- nothing", "> "), ("--[[", ">> "), ("]] 1", "> "), ("   ", "> ")]),
    "prompts": (
        [],
        [
            ("_PROMPT = 'a? '", "a? "),
            ("_PROMPT2 = 'more? '", "a? "),
            ("do", "more? "),
            ("end", "a? "),
            ("_PROMPT = 12", "12"),
            ("_PROMPT = setmetatable({}, { __tostring = function() return 'made: ' end })", "made: "),
            ("_PROMPT = nil", "> "),
        ],
    ),
    "print is the global one": (
        [],
        [
            ("print = function(...) io.write('<', ..., '>\\n') end", "> "),
            ("1", "> "),
            ("print = nil", "> "),
            ("2", "> "),
            ("print = error", "> "),
            ("3", "> "),
        ],
    ),
    "varargs of the session": (["-e", "x = 1", "-i"], [("...", "> "), ("#arg, arg[0]", "> "), ("x", "> ")]),
    "after a script": (["-i", "script.lua", "a"], [("from_script", "> "), ("arg[1]", "> ")]),
    "with warnings": (["-W"], [("warn('careful')", "> ")]),
    "without environment": (["-E"], [("1", "> ")]),
}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "script.lua").write_text("print('script', ...) from_script = 'kept'")
    return tmp_path


def play(program, arguments, steps, folder, end="\x04"):
    """The screen and the exit code of a session."""
    terminal = Terminal(program, arguments, folder)
    terminal.wait_for("> ")
    for line, prompt in steps:
        terminal.send(line + "\n")
        terminal.wait_for("\n" + prompt)
    terminal.send(end)
    exit_code = terminal.finish()
    return terminal.screen.replace(VERSION_LINE, "", 1), exit_code


@pytest.mark.parametrize("session", SESSIONS.values(), ids=SESSIONS.keys())
def test_sessions_look_as_in_lua(session, folder):
    arguments, steps = session
    ferroc = play(FERROC_TEST_LUA, arguments, steps, folder)
    assert ferroc == play(reference_lua(), arguments, steps, folder)


def test_exit_codes_are_those_of_os_exit(folder):
    assert play(FERROC_TEST_LUA, [], [], folder, end="os.exit(7)\n")[1] == 7
    assert play(FERROC_TEST_LUA, [], [], folder, end="os.exit(8, true)\n")[1] == 8


def test_a_bad_prompt_ends_the_session(folder):
    bad_prompt = "_PROMPT = setmetatable({}, { __tostring = function() error('no prompt') end })\n"
    for program in FERROC_TEST_LUA, reference_lua():
        screen, exit_code = play(program, [], [], folder, end=bad_prompt)
        assert exit_code == 1
        assert screen.endswith("stdin:1: no prompt\n")


def test_an_unfinished_statement_at_the_end_is_an_error(folder):
    screen, exit_code = play(FERROC_TEST_LUA, [], [("do", ">> ")], folder, end="\x04\x04")
    assert exit_code == 0
    assert "stdin:1: 'end' expected near <eof>\n" in screen


@pytest.mark.parametrize("program", [FERROC_TEST_LUA, reference_lua()], ids=["ferroc-lua", "lua"])
def test_ctrl_c_interrupts_what_runs(program, folder):
    terminal = Terminal(program, [], folder)
    terminal.wait_for("> ")
    terminal.send("print('running') while true do end\n")
    terminal.wait_for("\nrunning\n")
    wait_until_busy(terminal.pid)
    terminal.send("\x03")
    terminal.wait_for("interrupted!\nstack traceback:\n\tstdin:1: in main chunk\n\t[C]: in ?\n> ")
    terminal.send("1 + 1\n")
    terminal.wait_for("\n2\n> ")
    terminal.send("\x04")
    assert terminal.finish() == 0


@pytest.mark.parametrize("program", [FERROC_TEST_LUA, reference_lua()], ids=["ferroc-lua", "lua"])
def test_ctrl_c_ends_the_session_at_the_prompt(program, folder):
    terminal = Terminal(program, [], folder)
    terminal.wait_for("> ")
    terminal.send("\x03")
    assert terminal.finish() == -2


@pytest.mark.parametrize("program", [FERROC_TEST_LUA, reference_lua()], ids=["ferroc-lua", "lua"])
def test_lines_can_be_edited_and_called_up_again(program, folder):
    terminal = Terminal(program, [], folder)
    terminal.wait_for("> ")
    terminal.send("x = 4\x7f5\n")  # a backspace
    terminal.wait_for("\n> ")
    terminal.send("x + 1\n")
    terminal.wait_for("\n6\n> ")
    terminal.send("\x10\n")  # Ctrl-P: the previous line
    terminal.wait_for("\n6\n> ")
    terminal.send("\x04")
    assert terminal.finish() == 0


def test_input_that_is_no_terminal_is_read_plainly(folder):
    lines = "x = {1,\n2}\n#x\nerror('oops')\n=x[1]\n'" + "long" * 5000 + "' == 1\n'no newline'"
    outcome = run_ferroc(["-i"], folder, stdin=lines)
    assert outcome.exit_code == 0
    assert outcome.stdout.split("\n", 1)[1] == "> >> > 2\n> > 1\n> false\n> no newline\n> \n"
    assert outcome.stderr.startswith("stdin:1: oops\nstack traceback:\n")
