"""What the runner's tests share: fake groups whose contenders are shell lines, a bar that shows nothing, and the
benchmark's files where Bazel put them."""

import os

import pytest
from runner import groups, process, rounds


class SilentProgress:
    def show(self, label):
        pass

    def advance(self):
        pass

    def finish(self):
        pass


@pytest.fixture
def fake_group():
    """Makes a group from {contender: function from a workload to a shell line}."""

    def make(lines, workloads=("first",)):
        contenders = [groups.Contender(name, lambda workload, line=line: ["/bin/sh", "-c", line(workload)], {})
                      for name, line in lines.items()]
        return groups.Group("fake", "Fake programs", workloads, tuple(contenders), (groups.CPU, groups.PEAK))

    return make


@pytest.fixture
def run_rounds():
    def run(group, count):
        return rounds.run([group], count, os.environ["LAUNCHER"], SilentProgress())

    return run


@pytest.fixture
def make_results():
    """Results of one group with a metric `x`, from {workload: {contender: [value of each round]}}."""

    def make(values):
        return {workload: {contender: [{"x": value} for value in row] for contender, row in rows.items()}
                for workload, rows in values.items()}

    return make


@pytest.fixture
def refused():
    """A context in which the runner must refuse, with a message that holds all the given words."""

    def expect(*words):
        return _Refused(words)

    return expect


class _Refused:
    def __init__(self, words):
        self._words = words

    def __enter__(self):
        return self

    def __exit__(self, kind, error, _traceback):
        assert kind is not None, "nothing was refused"
        if not issubclass(kind, process.BenchError):
            return False
        for word in self._words:
            assert word in str(error)
        return True
