"""Every command of the READMEs runs as it stands, in a fresh copy of the tree, or is listed here with the reason why not."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from fnmatch import fnmatchcase

import pytest
from conftest import examples, run

READMES = ["README.md", "bindings/lua/README.md", "bindings/python/README.md", "core/README.md", "core/ENVIRONMENT.md",
           "core/bare_metal/README.md", "tools/README.md", "bench/README.md", "tests/fuzz/README.md",
           "tests/litmus/README.md", "tests/model/README.md"]

COMMAND = re.compile(r"""(\w+=("[^"]*"|\S+)\ )*
                     ((\./bazelw|bazel|bazel-bin/\S+|tests/\S+\.sh|pip|python3|lua5\.4|cc|cmake|export)\ .*|tools/\S+\.sh|\.ci/run)
                     |LD_PRELOAD=\S+\ .*""", re.VERBOSE)

#: What commands must print, if it matters. The copy has script.lua, script.py and program.c.
PRINTS = {
    "./bazelw run -c opt //bindings/lua:ferroc-lua -- script.lua": "run by Lua",
    "./bazelw run -c opt //bindings/python:ferroc-python -- script.py": "run by Python",
    "bazel-bin/bindings/python/ferroc-python script.py": "run by Python",
    "./bazelw run //:install -- --prefix *": "is installed in ",
    "python3 -m ferroc script.py": "run by Python",
    "./bazelw run //bench -- --help": "usage:",
    "./bazelw run //tools/mutations -- --help": "usage:",
}

TAKES_LONG = "takes many minutes; .ci/run runs the tests, and people the rest"
NEEDS_MORE = "needs what is not on every machine"

#: Patterns of commands that are not run, and why.
NOT_RUN = {
    "./bazelw COMMAND": "stands for all of them",
    "./bazelw test *": TAKES_LONG,
    "bazel test *": TAKES_LONG,
    ".ci/run": TAKES_LONG,
    "./bazelw run //bench": TAKES_LONG,
    "./bazelw run //bench -- --quick": TAKES_LONG,
    "./bazelw run //bench -- --instructions": "takes minutes, and needs valgrind; //tests/bench covers it",
    "./bazelw run //bench -- --cache": "takes many minutes, and needs valgrind; //tests/bench covers it",
    "./bazelw run //bench -- --html page.html": TAKES_LONG,
    "./bazelw run //bench -- --json *": TAKES_LONG,
    "./bazelw run //bench -- --map --json *": TAKES_LONG,
    "./bazelw run //bench -- --map": "takes many minutes, and needs valgrind; //tests/bench covers it",
    "./bazelw run //bench -- --share": "takes minutes, and needs valgrind; //tests/bench covers it",
    "./bazelw run --config=pgo-*": TAKES_LONG + "; //tools/pgo:train_test covers the training",
    "tools/pgo/check.sh": TAKES_LONG,
    "./bazelw run //tools/foreign:debian*": NEEDS_MORE + " (another Debian, which it fetches), and takes minutes",
    "./bazelw run --config=aarch64 //tools/foreign:boot*": NEEDS_MORE + " (a kernel, which it fetches), and takes many minutes",
    "./bazelw run //tools/mutations": TAKES_LONG,
    "./bazelw run //tools/mutations -- '*": TAKES_LONG,
    "./bazelw run //tools/mutations -- --test *": TAKES_LONG,
    "./bazelw run //tests/litmus*": "fetches herd7; //tests/litmus:all are its tests",
    "./bazelw run //tools:compile_commands": "asks for the actions of all targets, which takes minutes",
    "./bazelw run //tools:format": NEEDS_MORE + " (clang-format 14); //tools:format_test covers it",
    "./bazelw build --config=release //core:bare_metal_arm": NEEDS_MORE + " (a cross compiler); //tests/bare_metal builds it",
    "./bazelw build --config=asan //bindings/lua:ferroc-lua": "test_configurations.py looks whether it builds something",
    "bazel run //tests/fuzz*": "runs for as long as one likes; //tests/fuzz:fuzz_test is a short run",
    "*bazel run //tests/fuzz*": "runs for as long as one likes, or needs a file that a run found",
    "tests/model/check_model.sh *": NEEDS_MORE + " (spin); //tests/model/... run it",
    "LD_PRELOAD=/path/to/libferroc.so program": "stands for any path and program; //tests/override covers it",
    "python3 -S -c pass": "says what was measured",
    "python3 python/pickling.py": "says what was measured",
    "lua5.4 lua/json.lua 0.5": "says what was measured",
    "pip install ./bindings/python": "needs a network; //tests/python:test_pip_install runs it",
    "cmake -DCMAKE_PREFIX_PATH=DIR": "a part of a command; //tests/install:programs_test covers it",
    "bazel test": "a part of a command",
    "python3 -m ferroc": "needs a script", "python3 -m venv": "needs a folder; //tests/python:test_launcher_environments",
}


def commands(text):
    """Commands of a README in their order, each with the lines that it is said to print."""
    found = []
    is_fenced = False
    for line in text.splitlines():
        if line.startswith("```"):
            is_fenced = not is_fenced
        if is_fenced:
            continue
        if line.startswith("    "):
            shown = re.sub(r"\s+#.*$", "", line[4:])
            if COMMAND.fullmatch(shown):
                found.append((shown, []))
            elif found and shown and is_below_command:
                found[-1][1].append(shown)
            is_below_command = bool(COMMAND.fullmatch(shown)) or (shown and is_below_command)
            continue
        is_below_command = False
        found += [(code, []) for code in re.findall(r"`([^`]+)`", line) if COMMAND.fullmatch(code)]
    return found


def reason_not_to_run(command):
    return next((reason for pattern, reason in NOT_RUN.items() if fnmatchcase(command, pattern.replace("[", "[[]"))), None)


@pytest.fixture(scope="module")
def user(checkout, tmp_path_factory):
    """Runs commands for somebody who stands in the copy; a prefix is a folder of his."""
    home = tmp_path_factory.mktemp("user")
    (home / "bin").mkdir()
    shutil.copytree("tests/checkout/scripts", checkout, dirs_exist_ok=True)
    bazel = shutil.which("bazel") or shutil.which("bazelisk")
    if not bazel:
        pytest.skip("bazel is missing (Debian: bazel-bootstrap)")
    (home / "bin/bazel").write_text(
        f'#!/bin/sh\nexec {bazel} --output_user_root={home}/bazel --max_idle_secs=60 "$@"\n')
    (home / "bin/bazel").chmod(0o755)
    for name in ("python3", "python"):
        (home / "bin" / name).symlink_to(sys.executable)
    common = {"BAZELW_NO_INSTALL": "1", "HOME": str(home), "PATH": f"{home}/bin:{os.environ['PATH']}",
                "PKG_CONFIG_PATH": f"{home}/prefix/lib/pkgconfig", "PYTHON": sys.executable}
    # For `pip install ./bindings/python`, which needs a network.
    run("./bazelw", "build", "--config=release", "//bindings/python:package", cwd=checkout, **common)
    shutil.copytree(checkout / "bazel-bin/bindings/python/package", home / "site")

    def run_for_user(command, settings):
        if command.startswith("export "):
            name, value = command.split(" ", 1)[1].split("=")
            settings[name] = value
            return ""
        command = re.sub(r"--prefix (/usr/local|DIR)\b", f"--prefix {home}/prefix", command)
        return run("bash", "-euc", command, cwd=checkout, **common, **{"PYTHONPATH": f"{home}/site", **settings})

    yield run_for_user
    subprocess.run([home / "bin/bazel", "shutdown"], cwd=checkout, check=False)
    subprocess.run(["chmod", "-R", "u+w", home / "bazel"], check=False)


def test_every_pattern_of_what_is_not_run_is_still_needed(checkout):
    shown = [command for readme in READMES for command, _ in commands((checkout / readme).read_text())]
    for pattern in NOT_RUN:
        assert any(fnmatchcase(command, pattern.replace("[", "[[]")) for command in shown), pattern
    for pattern in PRINTS:
        assert any(fnmatchcase(command, pattern) for command in shown), pattern


def test_every_readme_is_looked_at(checkout):
    known = {checkout / readme for readme in READMES}
    for readme in checkout.rglob("README.md"):
        assert readme in known or not commands(readme.read_text()), readme


@pytest.mark.parametrize("readme", READMES)
def test_the_commands_of(readme, checkout, user):
    settings = {}
    for command, lines in commands((checkout / readme).read_text()):
        if reason_not_to_run(command):
            continue
        said = user(command, settings)
        print(shlex.quote(command), "said:", said)
        expected = [text for pattern, text in PRINTS.items() if fnmatchcase(command, pattern)] + lines
        for text in expected:
            assert text in said, command


def test_the_python_example_says_what_stands_behind_it(checkout, user):
    (example,) = [text for text in examples(checkout / "bindings/python/README.md", "python")]
    (checkout / "example.py").write_text(example)
    said = user("python3 example.py", {}).splitlines()
    expected = re.findall(r"^print\(.*\) +# (.*)$", example, re.MULTILINE)
    assert len(said) == len(expected) > 0
    for shown, text in zip(said, expected):
        assert re.split(": ", text)[0] == shown


#: What stands around the pieces of C in core/README.md.
AROUND = """
#include <stdio.h>
#include "core/ferroc.h"
extern fe_heap_t *heap, *heaps[2];
extern fe_arenas_t *arenas;
extern fe_write_t write;
extern FILE *file;
"""


def test_the_pieces_of_c_in_the_core_s_readme_compile(checkout, tmp_path):
    text = (checkout / "core/README.md").read_text()
    pieces = re.findall(r"(?:^    .*\n|^\n(?=    ))+", text, re.MULTILINE)
    code = [[line for line in piece.splitlines() if re.search(r";( +/[/*].*)?$", line)] for piece in pieces]
    code = [lines for lines in code if any("fe_" in line for line in lines)]
    assert len(code) >= 2
    functions = [f"void piece_{i}(void) {{\n" + "\n".join(lines) + "\n}\n" for i, lines in enumerate(code)]
    (tmp_path / "pieces.c").write_text(AROUND + "\n".join(functions))
    run("gcc", "-std=c11", "-fsyntax-only", f"-I{checkout}", tmp_path / "pieces.c", cwd=tmp_path)
