"""python3 -m ferroc: runs programs as python3 does, with ferroc installed, and says what it cannot do."""

import re

import pytest
from support import PYTHON, environment, run

REPORT = """
import sys
print(__name__, sys.argv, sys.path, sys.flags, sys.warnoptions)
print(sorted((name, repr(value)) for name, value in globals().items() if name != "sys"))
print(sys.modules["__main__"].__dict__ is globals())
"""


@pytest.fixture(name="folder")
def folder_with_programs(tmp_path):
    (tmp_path / "script.py").write_text(REPORT)
    (tmp_path / "latin.py").write_bytes(b"# coding: latin-1\nprint(ascii('\xe4'))\n")
    (tmp_path / "raises.py").write_text("def f():\n    1 / 0\n\n\nf()\n")
    (tmp_path / "broken.py").write_text("def f(:\n")
    (tmp_path / "program").mkdir()
    (tmp_path / "program" / "__main__.py").write_text(REPORT)
    (tmp_path / "link.py").symlink_to(tmp_path / "program" / "__main__.py")
    (tmp_path / "empty").mkdir()
    run(
        PYTHON,
        "-c",
        "import py_compile; py_compile.compile('script.py', 'compiled.pyc')",
        cwd=tmp_path,
    )
    run(PYTHON, "-m", "zipapp", "program", "-o", "archive.pyz", cwd=tmp_path)
    return tmp_path


def outcomes(*arguments, options=(), **keywords):
    results = []
    for prefix in ([], ["-m", "ferroc"]):
        done = run(PYTHON, *options, *prefix, *arguments, **keywords)
        results.append((done.returncode, re.sub("0x[0-9a-f]+", "0x", done.stdout), done.stderr))
    return results


@pytest.mark.parametrize(
    "arguments",
    [
        ["script.py", "a", "-b", "--help", "-m"],
        ["./script.py"],
        ["link.py"],
        ["latin.py"],
        ["compiled.pyc"],
        ["program", "x"],
        ["archive.pyz", "x"],
        ["-m", "script", "-c", "y"],
        ["-m", "program"],
        ["-c", REPORT, "-x", "--", "y"],
        ["-", "x"],
        ["-m", "timeit", "-n", "1", "-r", "1", "--help"],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("options", [[], ["-O", "-W", "ignore", "-X", "utf8"]], ids=" ".join)
def test_same_result(arguments, options, folder):
    expected, actual = outcomes(*arguments, options=options, stdin=REPORT, cwd=folder)
    assert actual == expected
    assert expected[0] == 0


@pytest.mark.parametrize(
    "code",
    [
        "import sys; sys.exit(3)",
        "import sys; sys.exit('reason')",
        "raise SystemExit",
        "import os; os._exit(9)",
        "import os, signal; os.kill(os.getpid(), signal.SIGTERM)",
        "import atexit; atexit.register(print, 'end'); print('begin')",
        "import threading, time; threading.Thread(target=lambda: (time.sleep(0.2), print('end'))).start()",
        "import pickle\nclass C: pass\nprint(type(pickle.loads(pickle.dumps(C()))) is C)",
    ],
)
def test_same_end(code):
    expected, actual = outcomes("-c", code)
    assert actual == expected


@pytest.mark.parametrize(
    "arguments",
    [
        ["raises.py"],
        ["broken.py"],
        ["-m", "missing"],
        ["-m", "empty"],
        ["-c", "1 / 0"],
        ["-c", "raise KeyboardInterrupt"],
    ],
    ids=" ".join,
)
def test_same_exit_code_and_last_line(arguments, folder):
    """Tracebacks begin with the lines of the package that started the program."""
    expected, actual = outcomes(*arguments, cwd=folder)
    assert actual[:2] == expected[:2]
    assert actual[2].splitlines()[-1] == expected[2].splitlines()[-1]


@pytest.mark.parametrize("arguments", [["script.py"], ["-c", REPORT], ["program"]], ids=" ".join)
def test_safe_path(arguments, folder):
    variables = environment(PYTHONSAFEPATH="1")
    expected, actual = outcomes(*arguments, cwd=folder, env=variables)
    assert actual == expected


def test_it_is_installed_when_the_program_starts():
    done = run(
        PYTHON,
        "-m",
        "ferroc",
        "-c",
        "import ferroc; print(ferroc.domains(), ferroc.owns(bytes(99)))",
    )
    assert done.stdout == "('raw', 'mem', 'obj') True\n"


@pytest.mark.parametrize("option", [["--domains", "raw,obj"], ["--domains=raw,obj"]], ids=" ".join)
def test_domains(option):
    done = run(PYTHON, "-m", "ferroc", *option, "-c", "import ferroc; print(ferroc.domains())")
    assert done.stdout == "('raw', 'obj')\n"


def test_a_program_that_installs_itself():
    done = run(
        PYTHON, "-m", "ferroc", "-c", "import ferroc; ferroc.install(); print(ferroc.domains())"
    )
    assert done.stdout == "('raw', 'mem', 'obj')\n"


def test_multiprocessing_from_a_script(tmp_path):
    script = tmp_path / "script.py"
    script.write_text("""
import multiprocessing

def work(number):
    return number * 2

if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        print(pool.map(work, range(5)))
""")
    done = run(PYTHON, "-m", "ferroc", str(script))
    assert (done.stdout, done.stderr) == ("[0, 2, 4, 6, 8]\n", "")


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help(option):
    done = run(PYTHON, "-m", "ferroc", option)
    assert done.returncode == 0
    assert done.stdout.startswith("usage: python3 -m ferroc") and "--domains" in done.stdout


def test_version():
    assert re.fullmatch(r"ferroc \d+\.\d+\.\d+\n", run(PYTHON, "-m", "ferroc", "--version").stdout)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ([], "no program given (see python3 -m ferroc --help)"),
        (["-m"], "-m needs an argument (see python3 -m ferroc --help)"),
        (["-c"], "-c needs an argument (see python3 -m ferroc --help)"),
        (["-q", "script.py"], "unknown option -q (see python3 -m ferroc --help)"),
        (
            ["--domain=raw", "script.py"],
            "unknown option --domain=raw (see python3 -m ferroc --help)",
        ),
        (["--domains"], "--domains needs a list, for instance --domains mem,obj"),
        (["--domains", "heap", "-c", ""], "unknown domain 'heap': allowed are 'raw', 'mem', 'obj'"),
        (["--domains", "", "-c", ""], "unknown domain '': allowed are 'raw', 'mem', 'obj'"),
        (["/nowhere/x.py"], "can't open file '/nowhere/x.py': [Errno 2] No such file or directory"),
    ],
    ids=str,
)
def test_bad_command_lines(arguments, message):
    done = run(PYTHON, "-m", "ferroc", *arguments)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"python3 -m ferroc: {message}\n")


def test_reasons_against_installing():
    done = run(PYTHON, "-X", "dev", "-m", "ferroc", "-c", "print('never')")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("python3 -m ferroc: Python's debug hooks are active")
