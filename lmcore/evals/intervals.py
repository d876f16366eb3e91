"""Confidence intervals for a share of right answers.

Why Wilson: at n = 1,000 and shares near 0 or 1 the usual ±1.96 standard errors leaves [0, 1] or has no width
(0 of 500 right would be "0 ± 0"); Wilson's score interval (1927) inverts the test instead and
keeps its coverage. Cost: a few arithmetic operations.
"""

from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

from lmcore.errors import InputError


@dataclass(frozen=True, slots=True)
class Interval:
    """A closed interval of shares in [0, 1]."""

    low: float
    high: float

    def is_above(self, other: "Interval") -> bool:
        """Whether every value of this interval exceeds every value of `other`."""
        return self.low > other.high


def wilson(n_right: int, n: int, confidence: float = 0.95) -> Interval:
    """Returns Wilson's score interval of `n_right` of `n`.

    It holds the shares p with |n_right/n - p| ≤ z·sqrt(p(1-p)/n), solved for p:
    (p̂ + z²/2n ± z·sqrt(p̂(1-p̂)/n + z²/4n²)) / (1 + z²/n). Raises InputError where n is 0.
    """
    if n < 1 or not 0 <= n_right <= n or not 0 < confidence < 1:
        raise InputError(
            f"An interval was asked for {n_right:,d} right of {n:,d} at confidence {confidence}; "
            "expected 0 ≤ right ≤ n, n ≥ 1 and a confidence between 0 and 1. Grade some answers."
        )
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share = n_right / n
    centre = share + z * z / (2 * n)
    spread = z * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    # exact ends: rounding may leave 1e-17 where the algebra gives 0 or 1
    low = 0.0 if n_right == 0 else max(0.0, (centre - spread) / scale)
    high = 1.0 if n_right == n else min(1.0, (centre + spread) / scale)
    return Interval(low, high)
