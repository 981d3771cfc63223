"""Counts the test cases of `bazel test` runs: count_tests.py NAME.json...

Each file is what one run wrote by --build_event_json_file. The cases are read from the tests' logs: cmocka, LuaUnit,
pytest, and `ok - text` / `not ok - text` lines. Prints a line for each run and problem, then `N passed, N failed`.
Exit status 1 if a case or a run failed, a test ended without naming a failed case, or nothing ran.
"""

import json
import os
import re
import sys
from dataclasses import dataclass
from urllib.parse import unquote, urlparse


@dataclass
class Count:
    """Test cases by how they ended."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped

    def is_empty(self):
        return self.passed + self.failed + self.skipped == 0

    def __str__(self):
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        return f"{self.passed} passed, {self.failed} failed{skipped}"


def count_cmocka(log):
    """Each case's own line; after `N test(s) run.` cmocka names the failed ones once more."""
    count = Count()
    in_group = False
    for line in log.splitlines():
        if line.startswith("[==========]"):
            in_group = "Running " in line
        elif in_group and line.startswith("[       OK ]"):
            count.passed += 1
        elif in_group and line.startswith("[  FAILED  ]"):
            count.failed += 1
        elif in_group and line.startswith("[  SKIPPED ]"):
            count.skipped += 1
    return count


def sum_of(numbers_by_word, *words):
    return sum(int(number) for number, word in numbers_by_word if word in words)


def count_luaunit(log):
    count = Count()
    for line in re.findall(r"^Ran \d+ tests? in [\d.]+ seconds, (.*)$", log, re.MULTILINE):
        numbers = re.findall(r"(\d+) (\w+)", line)
        count.passed += sum_of(numbers, "success", "successes")
        count.failed += sum_of(numbers, "failure", "failures", "error", "errors")
        count.skipped += sum_of(numbers, "skipped")
    return count


def count_pytest(log):
    count = Count()
    for line in re.findall(r"^=+ (.*\d+ \w+.*) in [\d.]+s.* =+$", log, re.MULTILINE):
        numbers = re.findall(r"(\d+) (\w+)", line)
        count.passed += sum_of(numbers, "passed", "xpassed")
        count.failed += sum_of(numbers, "failed", "error", "errors")
        count.skipped += sum_of(numbers, "skipped", "xfailed")
    return count


def count_shell(log):
    count = Count()
    for line in log.splitlines():
        if re.match(r"ok\b.*# SKIP", line):
            count.skipped += 1
        elif re.match(r"ok( \d+)? - ", line):
            count.passed += 1
        elif re.match(r"not ok( \d+)? - ", line):
            count.failed += 1
    return count


def count_log(log):
    """The cases that a test's log names, whichever tool wrote it."""
    count = Count()
    for counter in (count_cmocka, count_luaunit, count_pytest, count_shell):
        count.add(counter(log))
    return count


def read_log(result):
    for output in result.get("testActionOutput", []):
        if output.get("name") == "test.log":
            path = unquote(urlparse(output["uri"]).path)
            with open(path, encoding="utf-8", errors="replace") as log:
                return log.read()
    return ""


def count_test(label, result):
    """The cases of one test, and what is wrong with it, if anything."""
    count = count_log(read_log(result))
    status = result.get("status", "NO_STATUS")
    if status != "PASSED" and count.failed == 0:
        count.failed = 1
        return count, f"{label}: {status} without naming a failed case"
    if status == "PASSED" and count.is_empty():
        count.failed = 1
        return count, f"{label}: passed without naming a case"
    if count.failed:
        return count, f"{label}: {count.failed} failed"
    return count, None


def read_events(path):
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file if line.strip()]


def count_run(events):
    """The cases of one `bazel test`, and a list of what is wrong with it."""
    count = Count()
    problems = []
    last_results = {}
    status = "did not end"
    for event in events:
        if "testResult" in event:
            test = event["id"]["testResult"]
            last_results[test["label"], test.get("run"), test.get("shard")] = event["testResult"]
        elif "finished" in event:
            status = event["finished"].get("exitCode", {}).get("name", status)
    for (label, _, _), result in sorted(last_results.items(), key=lambda item: item[0][0]):
        test_count, problem = count_test(label, result)
        count.add(test_count)
        if problem:
            problems.append(problem)
    if count.is_empty():
        problems.append("no test ran")
    if status not in ("SUCCESS", "TESTS_FAILED"):
        problems.append(f"bazel ended with {status}")
    elif status == "TESTS_FAILED" and count.failed == 0:
        problems.append("bazel says that a test failed, and none is known")
    if problems and count.failed == 0:
        count.failed = 1
    return count, problems


def main(paths):
    if not paths:
        sys.exit("usage: count_tests.py NAME.json... (files of bazel test --build_event_json_file)")
    total = Count()
    for path in paths:
        count, problems = count_run(read_events(path))
        total.add(count)
        name = os.path.splitext(os.path.basename(path))[0]
        print(f"{name:10} {count.passed:6} pass {count.failed:4} fail {count.skipped:4} skip")
        for problem in problems:
            print(f"{'':10} {problem}")
    print(total)
    return 1 if total.failed or total.is_empty() else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
