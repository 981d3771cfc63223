"""Tests of count_tests.py on logs as the test libraries write them."""

import json

import count_tests
import pytest

CMOCKA_PASSES = """\
[==========] Running 2 test(s).
[ RUN      ] a
[       OK ] a
[ RUN      ] b
[       OK ] b
[==========] 2 test(s) run.
[  PASSED  ] 2 test(s).
"""

CMOCKA_FAILS = """\
[==========] Running 3 test(s).
[ RUN      ] good
[       OK ] good
[ RUN      ] bad
[  ERROR   ] --- 0x1 != 0x2
[   LINE   ] --- tests/x.c:8: error: Failure!
[  FAILED  ] bad
[ RUN      ] left_out
[  SKIPPED ] left_out
[==========] 3 test(s) run.
[  PASSED  ] 1 test(s).
[  SKIPPED ] 1 test(s), listed below:
[  SKIPPED ] left_out

 1 SKIPPED TEST(S)
[  FAILED  ] 1 test(s), listed below:
[  FAILED  ] bad

 1 FAILED TEST(S)
"""

CMOCKA_CRASHES = """\
[==========] Running 2 test(s).
[ RUN      ] a
[       OK ] a
[ RUN      ] b
"""

LUAUNIT_PASSES = """\
Started on Sun Nov 22 13:24:02 2026
    TestA.test_ok ... Ok
=========================================================
Ran 3 tests in 0.001 seconds, 3 successes, 0 failures
OK
"""

LUAUNIT_FAILS = "Ran 5 tests in 0.001 seconds, 1 success, 2 failures, 2 errors, 4 skipped\n"

PYTEST_PASSES = "============================== 7 passed in 0.01s ===============================\n"

PYTEST_FAILS = """\
FAILED p/test_x.py::test_bad - assert 1 == 2
=== 1 failed, 2 passed, 3 skipped, 1 xfailed, 4 warnings, 5 errors in 60.75s (0:01:00) ===
"""

PYTEST_FINDS_NOTHING = "============================ no tests ran in 0.01s =============================\n"

SHELL_FAILS = """\
ok - one
ok 2 - two
not ok - three
ok 4 - four # SKIP no such program
okay - no result
  ok - no result either
"""


@pytest.mark.parametrize(
    "log, passed, failed, skipped",
    [
        (CMOCKA_PASSES, 2, 0, 0),
        (CMOCKA_FAILS, 1, 1, 1),
        (CMOCKA_FAILS + CMOCKA_PASSES, 3, 1, 1),
        (LUAUNIT_PASSES, 3, 0, 0),
        (LUAUNIT_FAILS, 1, 4, 4),
        (PYTEST_PASSES, 7, 0, 0),
        (PYTEST_FAILS, 2, 6, 4),
        (PYTEST_FINDS_NOTHING, 0, 0, 0),
        (SHELL_FAILS, 2, 1, 1),
        ("", 0, 0, 0),
    ],
)
def test_counts_the_cases_of_a_log(log, passed, failed, skipped):
    assert count_tests.count_log(log) == count_tests.Count(passed, failed, skipped)


@pytest.fixture(name="run")
def fixture_run(tmp_path, capsys):
    """Writes the events of a run with these tests, counts it, and gives exit status and output lines."""

    def run(*tests, exit_code="SUCCESS"):
        events = []
        for number, (status, log) in enumerate(tests):
            path = tmp_path / f"log {number}"
            path.write_text(log)
            output = {"name": "test.log", "uri": path.as_uri()}
            events.append(
                {
                    "id": {"testResult": {"label": f"//t:t{number}", "run": 1, "shard": 1}},
                    "testResult": {"status": status, "testActionOutput": [output]},
                }
            )
        if exit_code:
            events.append({"id": {}, "finished": {"exitCode": {"name": exit_code}}})
        path = tmp_path / "debug.json"
        path.write_text("\n".join(json.dumps(event) for event in events))
        status = count_tests.main([str(path)])
        return status, capsys.readouterr().out.splitlines()

    return run


def test_success_is_told_in_the_last_line(run):
    status, lines = run(("PASSED", CMOCKA_PASSES), ("PASSED", PYTEST_PASSES))
    assert (status, lines[-1]) == (0, "9 passed, 0 failed")


def test_skipped_cases_are_told(run):
    status, lines = run(("PASSED", "ok - a\nok - b # SKIP c\n"))
    assert (status, lines[-1]) == (0, "1 passed, 0 failed, 1 skipped")


def test_a_failed_case_fails_the_run(run):
    status, lines = run(
        ("PASSED", LUAUNIT_PASSES), ("FAILED", CMOCKA_FAILS), exit_code="TESTS_FAILED"
    )
    assert (status, lines[-1]) == (1, "4 passed, 1 failed, 1 skipped")


@pytest.mark.parametrize("test_status", ["FAILED", "TIMEOUT", "NO_STATUS", "INCOMPLETE"])
def test_a_test_that_ends_in_the_middle_counts_as_failed(run, test_status):
    status, lines = run((test_status, CMOCKA_CRASHES), exit_code="TESTS_FAILED")
    assert (status, lines[-1]) == (1, "1 passed, 1 failed")
    assert f"//t:t0: {test_status} without naming a failed case" in lines[1]


def test_a_test_that_names_no_case_counts_as_failed(run):
    status, lines = run(("PASSED", "all is well\n"))
    assert (status, lines[-1]) == (1, "0 passed, 1 failed")


def test_a_failed_case_in_a_test_that_passed_counts(run):
    status, lines = run(("PASSED", SHELL_FAILS))
    assert (status, lines[-1]) == (1, "2 passed, 1 failed, 1 skipped")


def test_a_build_that_failed_beside_good_tests_counts_as_failed(run):
    status, lines = run(("PASSED", CMOCKA_PASSES), exit_code="BUILD_FAILURE")
    assert (status, lines[-1]) == (1, "2 passed, 1 failed")


def test_a_failure_that_only_bazel_knows_counts_as_failed(run):
    status, lines = run(("PASSED", CMOCKA_PASSES), exit_code="TESTS_FAILED")
    assert (status, lines[-1]) == (1, "2 passed, 1 failed")


def test_a_run_that_did_not_end_counts_as_failed(run):
    status, lines = run(("PASSED", CMOCKA_PASSES), exit_code=None)
    assert (status, lines[-1]) == (1, "2 passed, 1 failed")


def test_a_run_without_tests_counts_as_failed(run):
    status, lines = run()
    assert (status, lines[-1]) == (1, "0 passed, 1 failed")


def test_a_run_that_wrote_nothing_counts_as_failed(tmp_path, capsys):
    assert count_tests.main([str(tmp_path / "missing.json")]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "0 passed, 1 failed"


def test_a_repeated_test_counts_by_its_last_attempt(tmp_path):
    events = []
    for attempt, log in enumerate([CMOCKA_FAILS, CMOCKA_PASSES], start=1):
        path = tmp_path / f"log{attempt}"
        path.write_text(log)
        events.append(
            {
                "id": {"testResult": {"label": "//t", "run": 1, "shard": 1, "attempt": attempt}},
                "testResult": {
                    "status": "PASSED" if attempt == 2 else "FAILED",
                    "testActionOutput": [{"name": "test.log", "uri": path.as_uri()}],
                },
            }
        )
    events.append({"id": {}, "finished": {"exitCode": {"name": "SUCCESS"}}})
    assert count_tests.count_run(events) == (count_tests.Count(passed=2), [])
