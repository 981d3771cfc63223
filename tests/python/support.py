"""What the Python tests share: where the programs are, and how to run Python code in a new process."""

import os
import subprocess
import sys
import textwrap

#: The launcher under test, and the interpreter that it stands for.
FERROC_TEST_PYTHON = os.environ["FERROC_TEST_PYTHON"]
PYTHON = sys.executable


def environment(**changes):
    """Return this process's environment, changed; a variable set to None is left out.

    Variables that choose allocators or debugging are left out too, so that a test sees only its own.
    """
    result = {
        name: value
        for name, value in os.environ.items()
        if name not in ("PYTHONMALLOC", "PYTHONDEVMODE", "PYTHONTRACEMALLOC", "VIRTUAL_ENV")
    }
    result.update(changes)
    return {name: value for name, value in result.items() if value is not None}


def run(program, *arguments, stdin="", env=None, **options):
    """Run a program to its end, and return its CompletedProcess with text in it."""
    return subprocess.run(
        [program, *arguments],
        input=stdin,
        env=environment() if env is None else env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="backslashreplace",
        check=False,
        **options,
    )


def output_of(program, *arguments, **options):
    """Run a program that must succeed, and return what it prints."""
    done = run(program, *arguments, **options)
    assert done.returncode == 0, f"{done.returncode}: {done.stdout}{done.stderr}"
    return done.stdout


def output_of_code(program, code, *options, **keywords):
    """Run Python code that must succeed, and return what it prints."""
    return output_of(program, *options, "-c", textwrap.dedent(code), **keywords)
