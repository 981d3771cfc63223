"""The installer, and trees that it made."""

import os
import subprocess
from pathlib import Path

import pytest


class Installer:
    """Runs the installer as `bazel run //:install --` does for somebody who stands in a folder."""

    def __init__(self, standing):
        self.standing = standing

    def run(self, *options):
        return subprocess.run(
            [os.environ["INSTALL"], *map(str, options)],
            env=dict(os.environ, BUILD_WORKING_DIRECTORY=str(self.standing)),
            capture_output=True,
            text=True,
        )

    def install(self, *options):
        done = self.run(*options)
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        return done.stdout


@pytest.fixture
def installer(tmp_path):
    return Installer(tmp_path)


@pytest.fixture(scope="session")
def moved_tree(tmp_path_factory):
    """A tree that lies elsewhere than where it was installed, with a libdir that is two folders deep."""
    folder = tmp_path_factory.mktemp("tree")
    Installer(folder).install("--prefix", folder / "first", "--libdir", "lib/here")
    Path(folder / "first").rename(folder / "second")
    return folder / "second"
