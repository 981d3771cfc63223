"""What is counted runs on all processors: order, errors, progress."""

import time

import pytest
from conftest import SilentProgress
from runner import parallel, process


class Steps(SilentProgress):
    def __init__(self):
        self.labels, self.done = [], 0

    def show(self, label):
        self.labels.append(label)

    def advance(self):
        self.done += 1


def later(number):
    def task():
        time.sleep((10 - number) / 200)
        return number

    return task


def test_results_come_in_the_order_of_the_tasks():
    steps = Steps()
    assert parallel.run([(str(i), later(i)) for i in range(10)], steps) == list(range(10))
    assert sorted(steps.labels) == [str(i) for i in range(10)] and steps.done == 10


def test_an_error_ends_it_all():
    def fail():
        raise process.BenchError("out of luck")

    steps = Steps()
    with pytest.raises(process.BenchError, match="out of luck"):
        parallel.run([("bad", fail)] + [(str(i), lambda: time.sleep(0.01)) for i in range(1000)], steps)
    assert steps.done < 1000
