"""Runs a program under one of Valgrind's tools that write what they counted into a file."""

import os
import shutil
import tempfile

from runner import process
from runner.process import BenchError


def find():
    """Where valgrind is; BenchError without it."""
    path = shutil.which("valgrind")
    if not path:
        raise BenchError("valgrind is not installed (Debian: apt-get install valgrind); it counts instructions and misses")
    return path


def run(tool, command, settings, options=()):
    """(what the tool wrote into its file, what the program printed) of one run of command, whose environment has the
    settings added."""
    with tempfile.TemporaryDirectory(prefix="ferroc-bench-") as folder:
        path = os.path.join(folder, "counts")
        printed = process.run([find(), f"--tool={tool}", f"--{tool}-out-file={path}", *options, *command], settings)
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(), printed
