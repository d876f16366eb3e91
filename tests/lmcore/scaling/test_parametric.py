import math

import numpy as np
import pytest

from lmcore.scaling.isoflop import MeasuredPoint
from lmcore.scaling.parametric import (
    HUBER_DELTA,
    Logs,
    ParametricLaw,
    fit_parametric,
    objective,
    to_theta,
)

TRUE = ParametricLaw(1.8, 480.0, 2085.0, 0.35, 0.37)


def points_of(law: ParametricLaw, noise: float = 0.0) -> list[MeasuredPoint]:
    generator = np.random.default_rng(0)
    rows = [(n, d) for n in (1e6, 4e6, 2e7, 1e8) for d in (2e7, 1e8, 5e8, 2e9)]
    return [
        MeasuredPoint(6 * n * d, n, d, law(n, d) * math.exp(noise * generator.normal()))
        for n, d in rows
    ]


def slow_objective(law: ParametricLaw, points: list[MeasuredPoint]) -> float:
    """The sum of Huber losses, one point at a time."""
    total = 0.0
    for p in points:
        r = abs(math.log(p.loss) - math.log(law(p.n_params, p.n_tokens)))
        total += r * r / 2 if r <= HUBER_DELTA else HUBER_DELTA * (r - HUBER_DELTA / 2)
    return total


def test_objective_agrees_with_one_point_at_a_time() -> None:
    points = points_of(TRUE, noise=0.002)
    for law in (TRUE, ParametricLaw(1.0, 100.0, 300.0, 0.3, 0.2)):
        value, _ = objective(to_theta(law), Logs.from_points(points))
        assert value == pytest.approx(slow_objective(law, points), rel=1e-9)


def test_gradient_agrees_with_finite_differences() -> None:
    logs = Logs.from_points(points_of(TRUE, noise=0.002))
    theta = to_theta(ParametricLaw(1.7, 400.0, 2000.0, 0.34, 0.38))
    _, gradient = objective(theta, logs)
    for k in range(5):
        step = np.zeros(5)
        step[k] = 1e-6
        difference = objective(theta + step, logs)[0] - objective(theta - step, logs)[0]
        assert gradient[k] == pytest.approx(difference / 2e-6, rel=1e-4, abs=1e-7)


def test_fit_of_exact_losses_recovers_the_law() -> None:
    law, value = fit_parametric(points_of(TRUE))
    assert value < 1e-12
    for name in ("E", "A", "B", "alpha", "beta"):
        assert getattr(law, name) == pytest.approx(getattr(TRUE, name), rel=1e-3)


def test_fit_with_fixed_exponents_recovers_the_rest() -> None:
    law, value = fit_parametric(points_of(TRUE), exponents=(TRUE.alpha, TRUE.beta))
    assert value < 1e-12
    assert (law.alpha, law.beta) == (TRUE.alpha, TRUE.beta)
    for name in ("E", "A", "B"):
        assert getattr(law, name) == pytest.approx(getattr(TRUE, name), rel=1e-3)


def test_fit_of_losses_without_a_floor_ends_at_the_bound_of_e() -> None:
    flat = ParametricLaw(0.0, 30.0, 60.0, 0.2, 0.2)
    law, _ = fit_parametric(points_of(flat), exponents=(0.2, 0.2))
    assert law.is_e_at_floor
    assert law.E > 0.0


def test_optimum_has_the_lowest_loss_of_its_budget() -> None:
    budget = 1e20
    n_opt, d_opt = TRUE.optimum(budget)
    assert 6 * n_opt * d_opt == pytest.approx(budget, rel=1e-12)
    lowest = TRUE(n_opt, d_opt)
    for factor in (0.9, 0.99, 1.01, 1.1):
        assert TRUE(n_opt * factor, d_opt / factor) > lowest
    growth = math.log(TRUE.optimum(100 * budget)[0] / n_opt) / math.log(100)
    assert growth == pytest.approx(TRUE.n_exponent, rel=1e-9)
