"""Runs programs twice, as they are and with ferroc preloaded, and compares what they say."""

import os
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest

# How long a single program may take; a program that hangs fails its test.
TIMEOUT_S = 170


def need(program, package):
    """Skip the test, with a message that names the package, when the program is not on this machine."""
    if shutil.which(program) is None:
        pytest.skip(f"{program} was not found: install {package} (apt-get install {package})")


class Runner:
    """Runs programs in a folder of their own; called with a command, it returns what that wrote to stdout."""

    def __init__(self, folder, preload):
        self.folder = folder
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
        }
        self.witness_file = folder.parent / "witness"
        if preload:
            self.environment["LD_PRELOAD"] = f"{os.environ['LIBFERROC']} {os.environ['WITNESS']}"
            self.environment["FERROC_TEST_WITNESS"] = str(self.witness_file)

    def write(self, name, text):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def __call__(self, *command, **options):
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment | options.pop("env", {}),
            capture_output=True,
            timeout=TIMEOUT_S,
            check=False,
            **options,
        )
        said = done.stderr.decode(errors="replace")
        assert done.returncode == 0, f"{command} ended with {done.returncode}: {said}{done.stdout[-2000:]!r}"
        assert "ferroc:" not in said, f"{command}: {said}"
        return done.stdout

    def background(self, *command):
        """Start a program that the caller ends; its output goes to the file `background.log`."""
        with open(self.folder / "background.log", "wb") as log:
            return subprocess.Popen(
                command, cwd=self.folder, env=self.environment, stdout=log, stderr=subprocess.STDOUT
            )

    def witnessed(self):
        """Return how often each program was started, and fail if one had another malloc. x86_64-linux-gnu-as is as."""
        lines = self.witness_file.read_text().split("\n")[:-1]
        others = [line for line in lines if not line.endswith(" ferroc")]
        assert not others, f"not every program had ferroc's malloc: {others}"
        return Counter(line.rsplit(" ", 1)[0].rpartition("-linux-gnu-")[2] for line in lines)


def compare(tmp_path, work, programs):
    """Do work(run) without and with ferroc: both must return the same, and `programs` must have used ferroc."""
    results = []
    for preload in (False, True):
        # The folder has the same name both times, for programs that print it.
        folder = Path(tmp_path) / ("with" if preload else "without") / "work"
        folder.mkdir(parents=True)
        run = Runner(folder, preload)
        results.append(work(run))
    started = run.witnessed()
    missing = [program for program in programs if program not in started]
    assert not missing, f"{missing} did not load ferroc; these did: {dict(started)}"
    assert results[0], "the work says nothing that could be compared"
    assert results[0] == results[1]
