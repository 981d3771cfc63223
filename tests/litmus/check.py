"""Runs the litmus tests of this folder: check.py [--herd7 PROGRAM] [NAME...]

Each test must hold in all models: no execution ends as its `exists` says, and none has a data race. With the changes
of a case whose verdict is `fails`, it must not hold in one of them. NAME is the start of tests' names; without it, all run.
Prints `ok N - name` or `not ok N - name` for each; exit status 1 if one is not ok.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import litmus

# The first has no values out of thin air, and so no load that sees what only happens because of it; the second has,
# as the text of the standard; and the one that it has of sequential consistency is stronger.
MODELS = ("rc11.cat", "c11_partialSC.cat")

SECONDS_MAX = 600


def run_herd(herd7, model, path):
    """What is wrong with a test in a model; empty if it holds."""
    command = [herd7, "-optace", "true", "-model", model, str(path)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS_MAX, check=False)
    observation = re.search(r"^Observation \S+ (Never|Sometimes|Always) (\d+) (\d+)$", result.stdout, re.MULTILINE)
    if result.returncode != 0 or observation is None or "Warning" in result.stderr:
        raise litmus.Mistake(f"{' '.join(command)}\n{result.stdout}{result.stderr}")
    if observation[2] == "0" and observation[3] == "0":
        raise litmus.Mistake(f"{path.name} has no execution in {model}")
    name = model.removesuffix(".cat")
    wrong = []
    if observation[1] != "Never":
        wrong.append(f"seen in {name}")
    if re.search(r"^Flag \*undef\*$", result.stdout, re.MULTILINE):
        wrong.append(f"a race in {name}")
    return wrong


def check(herd7, work, number, test, case):
    """Whether one test, or one case of it, is as it should be; and the lines that tell so."""
    name = str(case) if case else test.name.split(".", 1)[1]
    name = f"{test.name.split('.', 1)[0]}: {name}"
    expected = case.verdict if case else "holds"
    if case:
        name += f" ({case.reason})"
    try:
        path = Path(work, f"{number}.litmus")
        path.write_text(litmus.changed(test, case) if case else test.text, encoding="utf-8")
        wrong = [text for model in MODELS for text in run_herd(herd7, model, path)]
    except (litmus.Mistake, subprocess.TimeoutExpired) as mistake:
        return False, f"not ok {number} - {name}\n    {mistake}"
    if (expected == "holds") == (not wrong):
        return True, f"ok {number} - {name}: {', '.join(wrong) or 'holds'}"
    return False, f"not ok {number} - {name}: expected that it {expected}: {', '.join(wrong) or 'it holds'}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--herd7", default="herd7", help="the program (default: the one on the PATH)")
    parser.add_argument("names", nargs="*", metavar="NAME", help="the start of tests' names")
    arguments = parser.parse_args()
    try:
        tests, cases = litmus.read_folder(Path(__file__).parent)
    except litmus.Mistake as mistake:
        print(f"not ok 1 - {mistake}")
        return 1
    chosen = [name for name in tests if not arguments.names or name.startswith(tuple(arguments.names))]
    jobs = [(tests[name], case) for name in chosen for case in [None, *cases[name]]]
    if not jobs:
        print(f"not ok 1 - no test's name starts with {' or '.join(arguments.names)}; there are: {' '.join(tests)}")
        return 1
    failures = 0
    with tempfile.TemporaryDirectory() as work, ThreadPoolExecutor(os.cpu_count()) as pool:
        results = [
            pool.submit(check, arguments.herd7, work, number, test, case)
            for number, (test, case) in enumerate(jobs, start=1)
        ]
        for result in results:
            is_ok, lines = result.result()
            print(lines, flush=True)
            failures += not is_ok
    counts = f"{len(chosen)} tests, {len(jobs) - len(chosen)} changes"
    print(f"{len(jobs) - failures} of {len(jobs)} as they should be: {counts}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
