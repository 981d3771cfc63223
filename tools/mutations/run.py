#!/usr/bin/env python3
"""Puts small mistakes into the core, one at a time, and tells which test finds each.

  ./bazelw run //tools/mutations                       all of them, each until one test finds it
  ./bazelw run //tools/mutations -- 'slab.*'           some, by their names
  ./bazelw run //tools/mutations -- --list             what there is

All is done in a copy of the tree, with the C compiler alone. The exit status is 0 if each mutation was found, or does
not compile; 1 if one was found by nothing; 2 if the run itself went wrong.
"""

import argparse
import fnmatch
import hashlib
import json
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import mutations
import program

SIZES = ("small", "medium", "large", "enormous")

# No test needs as much; a mutation may ask for memory without end.
DATA_MAX = 8 << 30


class Progress:
    """A line that is written over, on a terminal; else nothing."""

    def __init__(self):
        self.is_shown = sys.stderr.isatty()

    def show(self, text):
        if self.is_shown:
            sys.stderr.write(f"\r\033[K{text[:110]}")
            sys.stderr.flush()


@dataclass
class Outcome:
    """What became of a run of one test."""

    how: str  # "" if it passed
    seconds: float


def prepare_child():
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_DATA, (DATA_MAX, DATA_MAX))


def what_failed(output, status):
    """The failure in a few words: the test case, or what the program said last."""
    parts = []
    case = re.search(r"^\[  FAILED  \] (?!\d)(\S+)", output, re.MULTILINE)
    running = re.findall(r"^\[ RUN      \] (\S+)", output, re.MULTILINE)
    if case:
        parts.append(case[1])
    elif running:
        parts.append(f"in {running[-1]}")
    assertion = re.search(r"\S+: Assertion `(.*)' failed", output)
    if assertion:
        parts.append(f"assertion {assertion[1][:60]}")
    elif status < 0:
        parts.append(signal.Signals(-status).name)
    return ", ".join(parts) or f"exit status {status}"


def wait_for_end(child, end, is_over):
    """Whether the child ended by itself. It is not reaped."""
    while os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        if time.monotonic() > end or is_over.wait(0.01):
            return False
    return True


class Tests:
    """The test programs, the quick ones first, with the time that each takes without a mutation."""

    def __init__(self, tree, chosen, time_limit, progress):
        self.tree = tree
        self.programs = chosen
        self.time_limit = time_limit
        self.progress = progress
        self.seconds = {}

    def limit_of(self, label):
        if self.time_limit is not None:
            return self.time_limit
        return 20 + 10 * self.seconds[label] if label in self.seconds else 900

    def run(self, one, mutated=(), is_over=None):
        """Runs one test, until it ends, its time is over, or is_over is set."""
        path = self.tree.link(one, mutated)
        limit = self.limit_of(one.label)
        with tempfile.TemporaryFile(mode="w+", errors="replace") as output:
            begin = time.monotonic()
            child = subprocess.Popen(  # pylint: disable=consider-using-with,subprocess-popen-preexec-fn
                [str(path)],
                cwd=self.tree.root,
                env={"FERROC_TEST_SEED": "1", **os.environ},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=prepare_child,
            )
            try:
                has_ended = wait_for_end(child, begin + limit, is_over or threading.Event())
            finally:
                # With whatever it started. As long as nobody waited for it, its number is no other group's.
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()
            seconds = time.monotonic() - begin
            output.seek(0)
            if not has_ended:
                return Outcome(f"time limit of {limit:.0f} s", seconds)
            return Outcome("" if child.returncode == 0 else what_failed(output.read(), child.returncode), seconds)

    def run_all(self, mutated, stops_at_first, tell):
        """The tests that fail, as (label, how)."""
        found = []
        is_over = threading.Event()

        def run_one(one):
            return None if is_over.is_set() else self.run(one, mutated, is_over)

        concerned = [one for one in self.programs if not mutated or mutated & set(self.tree.sources_of(one))]
        with ThreadPoolExecutor(self.tree.jobs) as pool:
            waiting = {pool.submit(run_one, one): one for one in concerned}
            for done, future in enumerate(as_completed(waiting)):
                one = waiting[future]
                outcome = future.result()
                if outcome is None or is_over.is_set():
                    continue
                tell(f"{done + 1} of {len(waiting)} tests")
                if outcome.how:
                    found.append((one.label, outcome.how))
                    if stops_at_first:
                        is_over.set()
                elif not mutated:
                    self.seconds[one.label] = outcome.seconds
        return found

    def run_without(self, notes):
        """Only tests that pass as the core is can find something; from then on the quick ones come first.

        What passed as the very same program before is not run again: notes is the file that says so.
        """
        passed = json.loads(notes.read_text(encoding="utf-8")) if notes.exists() else {}
        digests = {one.label: hashlib.sha256(self.tree.link(one).read_bytes()).hexdigest() for one in self.programs}
        known = [one for one in self.programs if digests[one.label] in passed]
        self.seconds = {one.label: passed[digests[one.label]] for one in known}
        self.programs = [one for one in self.programs if one not in known]
        for label, how in self.run_all((), False, lambda text: self.progress.show(f"without a mutation: {text}")):
            self.progress.show("")
            print(f"{label} fails without a mutation and is left out: {how}", file=sys.stderr)
        self.programs = [one for one in known + self.programs if one.label in self.seconds]
        self.programs.sort(key=lambda one: self.seconds[one.label])
        passed.update({digests[label]: seconds for label, seconds in self.seconds.items()})
        notes.write_text(json.dumps(passed), encoding="utf-8")

    def how_surely(self, label, mutated):
        """A second run tells luck from certainty: of the test, or of a machine that is busy."""
        (one,) = [one for one in self.programs if one.label == label]
        return "" if self.run(one, mutated).how else " (not each time)"

    def leave_out_slower(self, seconds):
        self.programs = [one for one in self.programs if self.seconds[one.label] <= seconds]


def matches(name, patterns):
    return any(fnmatch.fnmatchcase(name, pattern) or name == pattern for pattern in patterns)


def choose(all_names, patterns, what):
    for pattern in patterns:
        if not any(matches(name, [pattern]) for name in all_names):
            raise mutations.Mistake(f"there is no {what} that {pattern} names")
    return [name for name in all_names if not patterns or matches(name, patterns)]


def choose_programs(tree, patterns, sizes, floor_has_override):
    """The test programs that were asked for; those of override only where a mutation is there."""
    labels = choose([one.label for one in tree.programs], patterns, "test")
    chosen = [one for one in tree.programs if one.label in labels]
    if not patterns:
        chosen = [one for one in chosen if floor_has_override or not one.is_override]
        chosen = [one for one in chosen if SIZES.index(one.size) <= SIZES.index(sizes)]
    return sorted(chosen, key=lambda one: SIZES.index(one.size))


def table(rows):
    lines = ["| mutation | found by | how |", "|---|---|---|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def short(label):
    return label.replace("//tests/", "").replace(":", "/")


def run_mutation(tree, tests, mutation, stops_at_first, tell):
    """The rows of the table for one mutation, and whether something found it."""
    try:
        mutated = tree.mutate(mutation)
        found = tests.run_all(mutated, stops_at_first, tell)
    except program.DoesNotCompile as mistake:
        error = re.search(r"error: (.*)", str(mistake))
        return [(mutation.name, "the compiler", error[1] if error else "")], True
    if not found:
        return [(mutation.name, "**nothing**", mutation.why)], False
    return [(mutation.name, short(label), how + tests.how_surely(label, mutated)) for label, how in found], True


def run(arguments, folder):
    progress = Progress()
    all_mutations = mutations.read_folder(Path(__file__).resolve().parent)
    names = choose(list(all_mutations), arguments.mutations, "mutation")
    if arguments.list:
        for name in names:
            print(f"{name}: {all_mutations[name].why}")
        return 0
    progress.show("a copy of the tree")
    tree = program.Tree(arguments.workspace, folder, arguments.jobs)
    for name in names:
        path = tree.root / all_mutations[name].file
        all_mutations[name].put_into(path.read_text(encoding="utf-8"))
    has_override = any("/override/" in all_mutations[name].file for name in names)
    chosen = choose_programs(tree, arguments.test, arguments.sizes, has_override)
    progress.show(f"{len(chosen)} test programs are compiled")
    tree.make_objects(chosen)
    tests = Tests(tree, chosen, arguments.time_limit, progress)
    tests.run_without(Path(folder) / "passed.json")
    if arguments.seconds is not None:
        tests.leave_out_slower(arguments.seconds)
    rows, lost = [], []
    for number, name in enumerate(names):
        head = f"{number + 1} of {len(names)}, {name}"
        progress.show(head)
        more, is_found = run_mutation(
            tree, tests, all_mutations[name], not arguments.all, lambda text, head=head: progress.show(f"{head}: {text}")
        )
        rows += more
        lost += [] if is_found else [name]
        if arguments.table:
            Path(arguments.table).write_text(table(rows) + "\n", encoding="utf-8")
    progress.show("")
    print(table(rows))
    print(f"\n{len(names)} mutations, {len(names) - len(lost)} found" + (f"; not: {', '.join(lost)}" if lost else ""))
    return 1 if lost else 0


def parse(arguments):
    parser = argparse.ArgumentParser(
        prog="bazelw run //tools/mutations --", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    workspace = os.environ.get("BUILD_WORKSPACE_DIRECTORY", str(Path(__file__).resolve().parents[2]))
    parser.add_argument("mutations", nargs="*", metavar="NAME", help="a mutation, or a pattern such as 'heap.*'; all if none")
    parser.add_argument("--list", action="store_true", help="say what the mutations are, and run nothing")
    parser.add_argument(
        "--test", action="append", default=[], metavar="LABEL", help="a test or a pattern, as //tests/core:free_test"
    )
    parser.add_argument("--sizes", choices=SIZES, default="large", help="no tests of a larger size than this")
    parser.add_argument(
        "--seconds", type=float, metavar="SECONDS", help="no tests that take longer than this without a mutation"
    )
    parser.add_argument("--all", action="store_true", help="run all tests for each mutation, not only until one finds it")
    parser.add_argument(
        "--time-limit",
        type=float,
        metavar="SECONDS",
        help="for each test; else 20 seconds and ten times what it takes without a mutation",
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="so many compilers, or tests, at a time")
    parser.add_argument("--table", metavar="FILE", help="write the table there as well, while it grows")
    parser.add_argument("--folder", metavar="DIR", help="keep the copy and its objects there for the next time")
    parser.add_argument("--workspace", default=workspace, metavar="DIR", help="the tree to copy")
    return parser.parse_args(arguments)


def main():
    arguments = parse(sys.argv[1:])
    here = os.environ.get("BUILD_WORKING_DIRECTORY")
    if here:
        os.chdir(here)
    try:
        if arguments.folder:
            return run(arguments, os.path.abspath(arguments.folder))
        with tempfile.TemporaryDirectory(prefix="ferroc-mutations-") as folder:
            return run(arguments, folder)
    except (mutations.Mistake, program.DoesNotCompile) as mistake:
        print(f"mutations: {mistake}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
