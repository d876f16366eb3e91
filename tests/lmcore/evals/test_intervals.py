import random
from math import sqrt

import pytest
from scipy.optimize import brentq

from lmcore.errors import InputError
from lmcore.evals.intervals import Interval, wilson


def inverted_test(n_right, n, z):
    """The shares that a score test at z does not reject, by root finding."""
    share = n_right / n

    def excess(p):
        return abs(share - p) - z * sqrt(p * (1 - p) / n)

    # the root at the share itself, where it is 0 or 1, is not the one sought
    low = 0.0 if n_right == 0 else brentq(excess, 1e-12, min(share, 1 - 1e-12), xtol=1e-14)
    high = 1.0 if n_right == n else brentq(excess, max(share, 1e-12), 1 - 1e-12, xtol=1e-14)
    return low, high


@pytest.mark.parametrize(
    ("n_right", "n"), [(0, 500), (1, 500), (250, 500), (499, 500), (500, 500), (1, 3), (0, 1)]
)
def test_wilson_holds_the_shares_that_the_score_test_accepts(n_right, n):
    found = wilson(n_right, n)
    expected = inverted_test(n_right, n, 1.959963984540054)
    assert (found.low, found.high) == pytest.approx(expected, abs=1e-9)


def test_wilson_of_ten_in_a_hundred_is_the_published_one():
    found = wilson(10, 100)  # R's prop.test(10, 100, correct = FALSE)
    assert (found.low, found.high) == pytest.approx((0.05522914, 0.17436566), abs=1e-8)


def test_wilson_covers_the_truth_as_often_as_it_says():
    chooser = random.Random(0)
    n_covered = 0
    for _ in range(1000):
        n_right = sum(chooser.random() < 0.15 for _ in range(120))
        interval = wilson(n_right, 120)
        n_covered += interval.low <= 0.15 <= interval.high
    assert 0.93 < n_covered / 1000 < 0.97


def test_wilson_at_more_confidence_is_wider():
    wide, narrow = wilson(30, 100, 0.99), wilson(30, 100, 0.9)
    assert wide.low < narrow.low < narrow.high < wide.high


def test_interval_is_above_another_where_they_do_not_touch():
    assert Interval(0.5, 0.6).is_above(Interval(0.3, 0.4))
    assert not Interval(0.4, 0.6).is_above(Interval(0.3, 0.4))


@pytest.mark.parametrize(("n_right", "n"), [(0, 0), (3, 2), (-1, 2)])
def test_wilson_of_impossible_counts_is_refused(n_right, n):
    with pytest.raises(InputError, match="expected"):
        wilson(n_right, n)
