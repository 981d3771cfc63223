"""Arithmetic of the report: medians, ratios that are made round by round, spreads, geometric means."""

import math
import statistics


def median(values):
    return statistics.median(values)


def geometric_mean(values):
    """The n-th root of the product of n positive ratios; ValueError if there are none, or one is not positive."""
    values = list(values)
    if not values:
        raise ValueError("a geometric mean needs at least one ratio")
    if min(values) <= 0:
        raise ValueError("a geometric mean needs positive ratios, not %r" % min(values))
    return math.exp(sum(math.log(value) for value in values) / len(values))


def paired_ratio(values, baseline):
    """The median of the ratios of each round: neighbours in time are compared, so that a machine that is slow
    for a while is slow for both sides."""
    if len(values) != len(baseline):
        raise ValueError("both sides need the same number of rounds")
    return median(value / base for value, base in zip(values, baseline))


def spread(values):
    """Distance from the least to the greatest, as a part of the median."""
    values = list(values)
    middle = median(values)
    return (max(values) - min(values)) / middle if middle else 0.0
