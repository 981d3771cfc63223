"""A fresh copy of the tree, as `git clone` makes one, and what is run there."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

#: The tree itself: Bazel's tests run among links to it.
TREE = Path(os.path.realpath("README.md")).parent

PROGRAM = """
#include {header}
#include <stdio.h>
#include <stdlib.h>

int main(void) {{
  void *block = fe_malloc(100);
  void *other = malloc(100);
  puts(!fe_owns(block) ? "not served" : fe_owns(other) ? "and malloc" : "served");
  free(other);
  fe_free(block);
  return 0;
}}
"""

PROGRAM_IN_CXX = """
#include {header}
#include <iostream>
#include <memory_resource>
#include <vector>

int main() {{
  ferroc::heap heap;
  ferroc::heap_resource resource(heap);
  std::pmr::vector<int> numbers(100, &resource);
  std::cout << (fe_heap_contains(heap.get(), numbers.data()) ? "served" : "not served") << std::endl;
}}
"""


def run(*command, cwd, with_errors=False, **changes):
    """Runs a program that must succeed, outside of what Bazel tells its tests, and returns what it prints."""
    env = {name: value for name, value in os.environ.items() if not re.match("TEST_|RUNFILES|BUILD_|PYTHON", name)}
    env.update(changes)
    done = subprocess.run([str(word) for word in command], cwd=cwd, env=env, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout + (done.stderr if with_errors else "")


def files_of_the_tree():
    """What git has, or would have; where there is no git, all but what Bazel left."""
    try:
        listed = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=TREE).split("\0")
        return [name for name in listed if name and (TREE / name).exists()]
    except (AssertionError, FileNotFoundError):
        found = []
        for folder, folders, names in os.walk(TREE):
            folders[:] = [name for name in folders if name != ".git" and not name.startswith("bazel-")]
            found += [os.path.relpath(os.path.join(folder, name), TREE) for name in names]
        return found


@pytest.fixture(scope="session")
def checkout(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fresh") / "ferroc"
    for name in files_of_the_tree():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(TREE / name, folder / name)
    return folder


def examples(readme, language):
    """The README's code blocks in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", readme.read_text(), re.MULTILINE | re.DOTALL)


class Bazel:
    """Bazel with an output folder of its own."""

    def __init__(self, folder, cwd):
        self.program = shutil.which("bazel") or shutil.which("bazelisk")
        self.cwd = cwd
        self.startup = [f"--output_user_root={folder}", "--max_idle_secs=60"]

    def __call__(self, command, *arguments, **options):
        return run(self.program, *self.startup, command, "--color=no", "--curses=no", *arguments, cwd=self.cwd, **options)


@pytest.fixture(scope="module")
def bazel_in(tmp_path_factory):
    """A function that makes a Bazel of a workspace."""
    made = []

    def make(cwd):
        made.append(Bazel(tmp_path_factory.mktemp("bazel"), cwd))
        if not made[-1].program:
            pytest.skip("bazel is missing (Debian: bazel-bootstrap)")
        return made[-1]

    yield make
    for bazel in made:
        bazel("shutdown")
        # Bazel makes its outputs unwritable, which pytest could not remove.
        subprocess.run(["chmod", "-R", "u+w", bazel.startup[0].split("=")[1]], check=False)
