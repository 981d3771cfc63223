"""Runs modules of Python's own test suite on ferroc."""

import pytest
from support import FERROC_TEST_PYTHON, PYTHON, run

pytest.importorskip("test.libregrtest", reason="this Python is installed without its tests")

#: How a module is run: the program and its options.
WAYS = {
    "launcher": [FERROC_TEST_PYTHON],
    "install": [PYTHON, "-m", "ferroc"],
}


def assert_passes(way, module, folder):
    """Run a module's tests; what fails in python3 itself on this machine may fail here too."""
    done = run(*WAYS[way], "-m", "test", "-q", module, cwd=folder)
    if done.returncode != 0 and run(PYTHON, "-m", "test", "-q", module, cwd=folder).returncode == 0:
        pytest.fail(done.stdout[-3000:] + done.stderr[-3000:])
