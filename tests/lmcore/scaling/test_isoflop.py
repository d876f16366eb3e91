import math

import pytest

from lmcore.scaling.isoflop import MeasuredPoint, isoflop_minima, isoflop_minimum, power_law


def parabola(budget: float, n_opt: float, sizes: list[float]) -> list[MeasuredPoint]:
    return [
        MeasuredPoint(budget, n, budget / (6 * n), 2.0 + 0.3 * math.log(n / n_opt) ** 2)
        for n in sizes
    ]


def test_minimum_of_an_exact_parabola_is_its_vertex() -> None:
    minimum = isoflop_minimum(parabola(1e18, 1.7e7, [1e7, 2e7, 4e7, 8e7]))
    assert minimum.is_interior
    assert minimum.n_opt == pytest.approx(1.7e7, rel=1e-9)
    assert minimum.loss_opt == pytest.approx(2.0, rel=1e-12)
    assert minimum.d_opt == pytest.approx(1e18 / (6 * 1.7e7), rel=1e-9)
    assert minimum.curvature == pytest.approx(0.3, rel=1e-9)
    assert (minimum.lowest_n, minimum.n_points) == (2e7, 4)


def test_minimum_outside_the_sizes_is_the_lowest_run_and_says_so() -> None:
    minimum = isoflop_minimum(parabola(1e18, 1e6, [1e7, 2e7, 4e7]))
    assert not minimum.is_interior
    assert minimum.n_opt == minimum.lowest_n == 1e7
    assert minimum.loss_opt == minimum.lowest_loss


def test_minimum_of_a_concave_curve_is_the_lowest_run() -> None:
    points = [MeasuredPoint(1e18, n, 1e18 / n, loss) for n, loss in ((1, 2.0), (2, 3.0), (4, 2.5))]
    minimum = isoflop_minimum(points)
    assert (minimum.is_interior, minimum.n_opt) == (False, 1)


def test_minimum_of_two_sizes_is_the_lowest_run() -> None:
    minimum = isoflop_minimum(parabola(1e18, 1.1e7, [1e7, 2e7]))
    assert (minimum.is_interior, minimum.n_opt) == (False, 1e7)


def test_minima_are_one_a_budget_in_ascending_order() -> None:
    points = parabola(4e18, 4e7, [1e7, 3e7, 9e7]) + parabola(1e18, 2e7, [1e7, 3e7, 9e7])
    minima = isoflop_minima(points)
    assert [m.budget for m in minima] == [1e18, 4e18]
    law = power_law([m.budget for m in minima], [m.n_opt for m in minima])
    assert law is not None
    assert law.exponent == pytest.approx(0.5, rel=1e-9)
    assert law(1.6e19) == pytest.approx(8e7, rel=1e-9)


def test_power_law_needs_two_budgets() -> None:
    assert power_law([1e18], [1e7]) is None
    assert power_law([], []) is None
    assert power_law([1e18, 1e18], [1e7, 2e7]) is None
