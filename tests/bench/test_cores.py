"""The model of many threads, where its result is known otherwise."""

import pytest
from runner import cores


def share(instructions, writes, threads, **line):
    return cores.forecast(instructions, {"line": cores.Line(writes, **line)}, threads).share


def test_threads_that_share_nothing_are_at_full_speed():
    assert share(60, 0, 256) == 1


def test_one_line_in_each_operation_is_all_that_many_threads_do():
    forecast = cores.forecast(6000, {"line": cores.Line(1)}, 64)
    # 1,000 ns of work and 100 ns of a line that only one thread has at a time.
    assert forecast.share == pytest.approx(1000 / 100 / 64, rel=1e-4)
    assert forecast.busiest == "line" and forecast.busy == pytest.approx(1, rel=1e-4)


def test_two_threads_wait_for_each_other():
    # Mean value analysis by hand: 1,000 ns and a line of 100; alone in 1,100 ns it is there for 1/11 of the time.
    assert share(6000, 1, 2) == pytest.approx(1000 / (1000 + 100 * (1 + 1 / 11)))


def test_rare_writes_cost_next_to_nothing():
    assert share(60, 1e-5, 64) > 0.99


def test_the_busiest_line_is_named():
    lines = {"rare": cores.Line(0.001), "often": cores.Line(0.1)}
    assert cores.forecast(60, lines, 64).busiest == "often"


def test_lines_of_which_there_are_more_with_more_threads_serve_more():
    assert share(60, 0.1, 256, threads_each=64) > 3 * share(60, 0.1, 256)
    assert share(60, 0.1, 64, threads_each=64) == share(60, 0.1, 64)


def test_another_socket_is_farther():
    assert cores.transfer_ns(2) == cores.transfer_ns(64) == 100
    assert cores.transfer_ns(256) == (100 + 3 * 300) / 4
