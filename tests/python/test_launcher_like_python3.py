"""ferroc-python and python3 do the same with the same command line: output, messages, exit code."""

import os
import pty
import select
import re
import signal
import subprocess

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import FERROC_TEST_PYTHON, PYTHON, environment, run

REPORT = """
import sys, sysconfig
print(__name__, sys.argv, sys.flags, sys.warnoptions, sorted(sys._xoptions.items()))
print(sys.path, sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix)
print(sys.version, sys.implementation, sys.platform, sysconfig.get_paths())
print(sys.getfilesystemencoding(), sys.stdin.encoding, sys.stdout.encoding, sys.stdout.errors)
print(__debug__, sorted(globals()), sys.dont_write_bytecode, sys.stdout.line_buffering)
"""


def same_for_both(text):
    """Make output comparable: the program's own name, and addresses, which differ from run to run."""
    for name in (FERROC_TEST_PYTHON, os.path.realpath(FERROC_TEST_PYTHON), PYTHON):
        text = text.replace(name, "PROGRAM").replace(f"[{os.path.basename(name)}]", "[PROGRAM]")  # a thread's name
    return re.sub(r"0x[0-9a-f]+", "0x", text)


def outcomes(*arguments, **options):
    result = []
    for program in (PYTHON, FERROC_TEST_PYTHON):
        done = run(program, *arguments, **options)
        result.append((done.returncode, same_for_both(done.stdout), same_for_both(done.stderr)))
    return result


def assert_same(*arguments, **options):
    expected, actual = outcomes(*arguments, **options)
    assert actual == expected
    return expected


@pytest.fixture(name="folder")
def folder_with_programs(tmp_path):
    (tmp_path / "script.py").write_text(REPORT)
    (tmp_path / "broken.py").write_text("def f(:\n    pass\n")
    (tmp_path / "raises.py").write_text("def f():\n    1 / 0\n\n\nf()\n")
    (tmp_path / "program").mkdir()
    (tmp_path / "program" / "__main__.py").write_text(REPORT)
    (tmp_path / "empty").mkdir()
    (tmp_path / "link.py").symlink_to(tmp_path / "program" / "__main__.py")
    return tmp_path


@pytest.mark.parametrize(
    "arguments",
    [
        ["script.py", "a", "-b", "--c"],
        ["./script.py"],
        ["link.py"],
        ["program", "x"],
        ["-m", "program", "-v"],
        ["-m", "script"],
        ["-c", REPORT, "-x", "y"],
        ["-"],
        ["-", "argument"],
        [],
        ["-E", "script.py"],
        ["-I", "script.py"],
        ["-s", "script.py"],
        ["-S", "script.py"],
        ["-u", "script.py"],
        ["-O", "script.py"],
        ["-OO", "script.py"],
        ["-B", "script.py"],
        ["-b", "script.py"],
        ["-bb", "-c", "print(str(b'x'))"],
        ["-d", "script.py"],
        ["-q", "script.py"],
        ["-x", "script.py"],
        ["-R", "script.py"],
        ["-W", "error", "script.py"],
        ["-Wignore", "-Wdefault::UserWarning", "script.py"],
        ["-X", "utf8", "script.py"],
        ["-X", "utf8=0", "script.py"],
        ["-X", "faulthandler", "script.py"],
        ["-X", "a=b", "-Xc", "script.py"],
        ["-X", "int_max_str_digits=1000", "script.py"],
        ["-X", "pycache_prefix=/nowhere", "script.py"],
        ["--check-hash-based-pycs", "always", "script.py"],
        ["-IOBsq", "script.py"],
        ["-i", "raises.py"],
        ["-i", "-c", "x = 1"],
        ["-m", "platform"],
        ["-m", "json.tool", "script.py"],
        ["-m", "timeit", "--help"],
        ["-m", "this"],
    ],
    ids=" ".join,
)
def test_same_result(arguments, folder):
    exit_code = assert_same(*arguments, stdin=REPORT, cwd=folder)[0]
    assert exit_code in (0, 1)


@pytest.mark.parametrize(
    "arguments",
    [
        ["-V"],
        ["-VV"],
        ["--version"],
        ["-h"],
        ["-?"],
        ["--help-env"],
        ["--help-xoptions"],
        ["--help-all"],
        ["-z"],
        ["--nonsense"],
        ["-c"],
        ["-m"],
        ["-W"],
        ["-X", "int_max_str_digits=wrong"],
        ["--check-hash-based-pycs", "sometimes"],
        ["missing.py"],
        ["empty"],
        ["broken.py"],
        ["raises.py"],
        ["-m", "missing"],
        ["-m", "empty"],
        ["-m", "raises"],
        ["-m", "os.path"],
        ["-c", "def"],
        ["-Werror", "-c", "import warnings; warnings.warn('x')"],
        ["-Wnonsense", "-c", "pass"],
    ],
    ids=" ".join,
)
def test_same_messages(arguments, folder):
    assert_same(*arguments, cwd=folder)


@pytest.mark.parametrize(
    "code",
    [
        "import sys; sys.exit()",
        "import sys; sys.exit(0)",
        "import sys; sys.exit(3)",
        "import sys; sys.exit(255)",
        "import sys; sys.exit(256)",
        "import sys; sys.exit(-1)",
        "import sys; sys.exit(1 << 40)",
        "import sys; sys.exit('reason')",
        "import sys; sys.exit((1, 2))",
        "raise SystemExit",
        "raise ValueError('reason')",
        "raise KeyboardInterrupt",
        "raise BaseException",
        "import os; os._exit(9)",
        "import os; os.abort()",
        "import os, signal; os.kill(os.getpid(), signal.SIGTERM)",
        "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
        "import os, signal; os.kill(os.getpid(), signal.SIGINT)",
        "import atexit, os; atexit.register(print, 'end'); print('begin')",
        "import atexit; atexit.register(lambda: 1 / 0)",
        "import threading; threading.Thread(target=lambda: 1 / 0).start()",
        "import sys; sys.stdout.close()",
        "import os; os.close(1); print('lost')",
        "import os; os.write(2, b'raw'); print('text', flush=True)",
        "class C:\n    def __del__(self): 1 / 0\nC()",
        "f = lambda: f()\nf()",
        "import faulthandler, sys, signal; signal.raise_signal(signal.SIGSEGV)",
    ],
)
def test_same_end(code):
    assert_same("-c", code)


@pytest.mark.parametrize(
    "variables",
    [
        {"PYTHONPATH": "/nowhere"},
        {"PYTHONOPTIMIZE": "2"},
        {"PYTHONVERBOSE": "0"},
        {"PYTHONWARNINGS": "error"},
        {"PYTHONUTF8": "1"},
        {"PYTHONIOENCODING": "latin-1:replace"},
        {"PYTHONHASHSEED": "7"},
        {"PYTHONHASHSEED": "wrong"},
        {"PYTHONUNBUFFERED": "1"},
        {"PYTHONNOUSERSITE": "1"},
        {"PYTHONSAFEPATH": "1"},
        {"PYTHONHOME": "/nowhere"},
        {"PYTHONMALLOC": "wrong"},
        {"LC_ALL": "C"},
        {"LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0"},
        {"PATH": "/nowhere"},
    ],
    ids=str,
)
def test_same_with_variables(variables, folder):
    assert_same("script.py", env=environment(**variables), cwd=folder)


def test_found_on_the_path_by_its_name(folder):
    path = os.pathsep.join([os.path.dirname(FERROC_TEST_PYTHON), os.environ["PATH"]])
    name = os.path.basename(FERROC_TEST_PYTHON)
    done = run(
        name, "-c", "import sys; print(sys.executable)", env=environment(PATH=path), cwd=folder
    )
    assert done.stdout == FERROC_TEST_PYTHON + "\n"


def test_interactive_mode_reads_the_startup_file(tmp_path):
    startup = tmp_path / "startup.py"
    startup.write_text("print('started')\n")
    result = assert_same("-i", stdin="1 + 1\nx\n", env=environment(PYTHONSTARTUP=str(startup)))
    assert "started" in result[1] and "2" in result[1] and "NameError" in result[2]


def terminal_session(program, lines):
    """Run a program in a terminal of its own, type a line at each prompt, and read to the end.

    Returns the exit code and what the terminal showed.
    """
    ours, its = pty.openpty()
    env = environment(TERM="dumb", PYTHON_BASIC_REPL="1")
    shown = b""
    with subprocess.Popen([program, "-q"], stdin=its, stdout=its, stderr=its, env=env) as process:
        os.close(its)
        waiting = list(lines)
        typed = b""
        for _ in range(MOST_PIECES):
            # What is typed while the terminal changes its mode can be lost: type it again.
            if not select.select([ours], [], [], SILENCE_SECONDS)[0]:
                os.write(ours, typed)
                continue
            piece = read_from_terminal(ours)
            if not piece:
                break
            shown += piece
            if waiting and shown.endswith(b">>> "):
                typed = waiting.pop(0)
                os.write(ours, typed)
        else:
            process.kill()
    os.close(ours)
    return process.returncode, shown.decode(errors="replace")


SILENCE_SECONDS = 10
MOST_PIECES = 200


def read_from_terminal(terminal):
    """Read what is there; b"" at the end, which Linux tells by an error."""
    try:
        return os.read(terminal, 4096)
    except OSError:
        return b""


@pytest.mark.parametrize("end, exit_code", [(b"import sys; sys.exit(7)\n", 7), (b"\x04", 0)])
def test_interactive_mode_in_a_terminal(end, exit_code):
    for program in (PYTHON, FERROC_TEST_PYTHON):
        lines = [b"x = 6\n", b"print(x * 7)\n", b"1 / 0\n", end]
        actual, shown = terminal_session(program, lines)
        assert actual == exit_code, shown
        assert "42" in shown and "ZeroDivisionError" in shown


SAFE_OPTIONS = [
    "-E",
    "-I",
    "-s",
    "-S",
    "-u",
    "-O",
    "-OO",
    "-B",
    "-b",
    "-q",
    "-Wignore",
    "-Xutf8",
    "-Xa=b",
]


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    options=st.lists(st.sampled_from(SAFE_OPTIONS), max_size=5),
    arguments=st.lists(
        st.text(st.characters(min_codepoint=1, max_codepoint=0xD7FF), max_size=8), max_size=4
    ),
)
def test_same_for_any_options_and_arguments(options, arguments):
    assert_same(*options, "-c", REPORT, *arguments)


def interrupted(program, code, signal_number):
    """Start a program, send it a signal once it says that it is ready, and return how it ended."""
    with subprocess.Popen(
        [program, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    ) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal_number)
        output, errors = process.communicate()
        return process.returncode, output, errors


@pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1]
)
@pytest.mark.parametrize(
    "code",
    [
        "import time; print('ready', flush=True); time.sleep(60)",
        "print('ready', flush=True)\nwhile True: [object() for _ in range(1000)]",
        """
import signal, sys, time
def handle(number, frame):
    print('got', number)
    sys.exit(5)
for name in ('SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1'):
    signal.signal(getattr(signal, name), handle)
print('ready', flush=True)
time.sleep(60)
""",
    ],
    ids=["sleeping", "allocating", "handling"],
)
def test_same_end_by_signal(code, number):
    expected = interrupted(PYTHON, code, number)
    actual = interrupted(FERROC_TEST_PYTHON, code, number)
    assert actual[:2] == expected[:2]
    assert actual[2].splitlines()[-1:] == expected[2].splitlines()[-1:]
