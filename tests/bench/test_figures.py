"""The report's arithmetic."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from runner import figures

ratios = st.lists(st.floats(0.01, 100), min_size=1, max_size=20)


def test_a_geometric_mean_is_the_root_of_the_product():
    assert figures.geometric_mean([2, 8]) == pytest.approx(4)
    assert figures.geometric_mean([0.5, 1, 2]) == pytest.approx(1)


@given(ratios)
def test_a_geometric_mean_lies_between_its_ratios(values):
    mean = figures.geometric_mean(values)
    assert min(values) * 0.999999 <= mean <= max(values) * 1.000001


@given(ratios)
def test_the_mean_of_inverse_ratios_is_the_inverse_mean(values):
    inverse = figures.geometric_mean(1 / value for value in values)
    assert math.isclose(figures.geometric_mean(values) * inverse, 1, rel_tol=1e-9)


@pytest.mark.parametrize("values", [[], [1, 0], [1, -2]])
def test_no_geometric_mean_of_nothing_or_of_what_is_not_positive(values):
    with pytest.raises(ValueError):
        figures.geometric_mean(values)


def test_a_ratio_compares_the_runs_of_one_round_with_each_other():
    # The machine was three times slower in the second round, for both.
    assert figures.paired_ratio([8, 24, 8], [10, 30, 10]) == pytest.approx(0.8)


@pytest.mark.parametrize("odd", [80, 0.8])
def test_a_ratio_is_not_led_astray_by_one_odd_round(odd):
    assert figures.paired_ratio([8, odd, 8], [10, 10, 10]) == pytest.approx(0.8)


def test_a_ratio_needs_as_many_runs_on_both_sides():
    with pytest.raises(ValueError):
        figures.paired_ratio([1, 2], [1])


def test_a_spread_goes_from_the_least_to_the_greatest():
    assert figures.spread([9, 10, 12]) == pytest.approx(0.3)
    assert figures.spread([5]) == 0
