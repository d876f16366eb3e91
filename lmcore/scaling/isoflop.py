"""Compute-optimal sizes from IsoFLOP curves (arXiv:2203.15556, approach 2).

At each budget the loss is a parabola in ln N near its minimum; the minima follow power laws
in the budget. A minimum counts only between the smallest and the largest size measured: a
vertex outside is an extrapolation of three points, so the lowest run stands in and is marked.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class MeasuredPoint:
    """A finished run: budget in FLOPs, N, D in tokens, and its loss in nats a token."""

    budget: int | float
    n_params: int | float
    n_tokens: int | float
    loss: float


@dataclass(frozen=True, slots=True)
class PowerLaw:
    """y = coefficient * x^exponent."""

    coefficient: float
    exponent: float

    def __call__(self, x: int | float) -> float:
        """Returns y at x."""
        return float(self.coefficient * x**self.exponent)


@dataclass(frozen=True, slots=True)
class IsoFlop:
    """The minimum of one budget's curve.

    is_interior: whether the parabola has its minimum between the sizes measured; if not,
        n_opt, d_opt and loss_opt are the lowest run's.
    curvature: c in loss(N) = loss_opt + c ln(N / n_opt)^2; 0.0 where not interior.
    lowest_n, lowest_loss: the lowest run.
    """

    budget: int | float
    n_points: int
    n_opt: int | float
    d_opt: float
    loss_opt: float
    is_interior: bool
    curvature: float
    lowest_n: int | float
    lowest_loss: float


def isoflop_minimum(points: Sequence[MeasuredPoint]) -> IsoFlop:
    """Returns the minimum of the loss over ln N among the runs of one budget."""
    budget = points[0].budget
    lowest = min(points, key=lambda p: (p.loss, p.n_params))
    log_n = np.log([p.n_params for p in points])
    n_opt, loss_opt, curvature = lowest.n_params, lowest.loss, 0.0
    if len(set(log_n.tolist())) >= 3:
        center = log_n.mean()  # centred: ln N is about 20 and its spread about 1
        c2, c1, c0 = np.polyfit(log_n - center, [p.loss for p in points], 2)
        vertex = center - c1 / (2 * c2) if c2 > 0.0 else math.inf
        if log_n.min() < vertex < log_n.max():
            n_opt, curvature = math.exp(vertex), float(c2)
            loss_opt = float(c0 - c1 * c1 / (4 * c2))
    return IsoFlop(
        budget=budget,
        n_points=len(points),
        n_opt=n_opt,
        d_opt=budget / (6.0 * n_opt),
        loss_opt=loss_opt,
        is_interior=curvature > 0.0,
        curvature=curvature,
        lowest_n=lowest.n_params,
        lowest_loss=lowest.loss,
    )


def isoflop_minima(points: Sequence[MeasuredPoint]) -> list[IsoFlop]:
    """Returns the minimum of each budget, budgets ascending."""
    by_budget: dict[int | float, list[MeasuredPoint]] = {}
    for point in points:
        by_budget.setdefault(point.budget, []).append(point)
    return [isoflop_minimum(by_budget[budget]) for budget in sorted(by_budget)]


def power_law(x: Sequence[int | float], y: Sequence[int | float]) -> PowerLaw | None:
    """Returns the least-squares line of ln y over ln x; None below two distinct x."""
    if len(set(x)) < 2:
        return None
    log_x, log_y = np.log(x), np.log(y)
    exponent, intercept = np.polyfit(log_x - log_x.mean(), log_y, 1)
    return PowerLaw(float(math.exp(intercept - exponent * log_x.mean())), float(exponent))
