import math
import random
from dataclasses import replace

import pytest

from lmcore.scaling.isoflop import MeasuredPoint
from lmcore.scaling.laws import PUBLISHED_EXPONENTS, ScalingFit, fit, predict_loss
from lmcore.scaling.parametric import ParametricLaw

TRUE = ParametricLaw(1.8, 480.0, 2085.0, 0.35, 0.37)


def sweep(budgets: list[float], factors: list[float], noise: float = 0.0) -> list[MeasuredPoint]:
    rng = random.Random(0)
    points = []
    for budget in budgets:
        n_opt, _ = TRUE.optimum(budget)
        for factor in factors:
            n, d = n_opt * factor, budget / (6 * n_opt * factor)
            points.append(MeasuredPoint(budget, n, d, TRUE(n, d) * math.exp(rng.gauss(0, noise))))
    return points


@pytest.fixture(scope="module")
def large() -> ScalingFit:
    points = sweep([1e18, 4e18, 1.6e19, 6.4e19], [0.25, 0.5, 1.0, 2.0, 4.0], noise=0.002)
    return fit(points, n_replicas=20)


@pytest.fixture(scope="module")
def small() -> ScalingFit:
    return fit(sweep([1e18, 4e18], [0.4, 1.0, 2.5]), n_replicas=20)


def test_fit_of_a_sweep_finds_the_exponent_three_ways(large: ScalingFit) -> None:
    assert large.parametric is not None
    assert large.n_opt_law is not None
    assert large.d_opt_law is not None
    assert large.lowest_n_law is not None
    assert large.notes == ()
    assert large.n_opt_law.exponent == pytest.approx(TRUE.n_exponent, abs=0.05)
    assert large.lowest_n_law.exponent == pytest.approx(TRUE.n_exponent, abs=0.2)
    assert large.parametric.n_exponent == pytest.approx(TRUE.n_exponent, abs=0.05)
    assert large.n_opt_law.exponent + large.d_opt_law.exponent == pytest.approx(1.0, abs=1e-9)


def test_prediction_beyond_the_sweep_holds_the_truth_and_widens(large: ScalingFit) -> None:
    widths = []
    for budget in (6.4e19, 6.4e21):
        n, d = TRUE.optimum(budget)
        prediction = predict_loss(large, n, d)
        assert prediction is not None
        assert prediction.low < TRUE(n, d) < prediction.high
        assert prediction.low <= prediction.loss <= prediction.high
        assert prediction.extrapolation == pytest.approx(budget / 6.4e19)
        widths.append((prediction.high - prediction.low) / prediction.loss)
    assert widths[1] > widths[0]


def test_fit_of_six_points_fixes_the_exponents_and_says_so(small: ScalingFit) -> None:
    assert small.has_fixed_exponents
    assert small.parametric is not None
    assert (small.parametric.alpha, small.parametric.beta) == PUBLISHED_EXPONENTS
    assert any("6 points cannot identify 5 parameters" in note for note in small.notes)
    assert any("2 minima exactly" in note for note in small.notes)
    prediction = predict_loss(small, *TRUE.optimum(1e20))
    assert prediction is not None
    assert prediction.low < TRUE(*TRUE.optimum(1e20)) < prediction.high
    assert prediction.low < prediction.high


def test_fit_of_permuted_points_is_the_same(small: ScalingFit) -> None:
    points = sweep([1e18, 4e18], [0.4, 1.0, 2.5])
    assert fit(points[::-1], n_replicas=20) == small


@pytest.mark.parametrize("n_points", range(4))
def test_fit_of_hardly_any_points_predicts_nothing_and_says_so(n_points: int) -> None:
    result = fit(sweep([1e18], [0.5, 1.0, 2.0])[:n_points])
    assert result.n_points == n_points
    assert result.parametric is None
    assert result.n_opt_law is None
    assert predict_loss(result, 1e9, 1e10) is None
    assert any(f"{n_points} points" in note for note in result.notes)
    assert any("Fewer than 2 budgets" in note for note in result.notes)


def test_fit_of_minima_at_the_edge_names_the_budgets() -> None:
    result = fit(sweep([1e18, 4e18], [2.0, 4.0, 8.0]), n_replicas=5)
    assert not any(minimum.is_interior for minimum in result.isoflops)
    assert any("1e+18, 4e+18" in note for note in result.notes)
    assert any("follow the lowest runs" in note for note in result.notes)


def test_diverged_runs_are_left_out_and_counted() -> None:
    points = sweep([1e18, 4e18], [0.4, 1.0, 2.5])
    diverged = [MeasuredPoint(1e18, 1e9, 1e9, loss) for loss in (math.nan, math.inf)]
    result = fit(points + diverged, n_replicas=5)
    assert result.n_points == 6
    assert result.notes[0] == "2 of 8 runs diverged and are left out."


def test_prediction_of_a_law_that_missed_its_own_largest_budget_is_less_certain() -> None:
    points = sweep([1e18, 4e18, 1.6e19], [0.4, 1.0, 2.5])
    # the largest budget does 10% better than the law of the others says
    bent = [replace(p, loss=p.loss * 0.9) if p.budget == 1.6e19 else p for p in points]
    straight, crooked = fit(points, n_replicas=100), fit(bent, n_replicas=100)
    assert straight.error_per_fold is not None
    assert crooked.error_per_fold is not None
    assert crooked.error_per_fold == pytest.approx(-math.log(0.9) / math.log(4.0), rel=0.2)
    assert straight.error_per_fold < 0.01
    widths = []
    for found in (straight, crooked):
        prediction = predict_loss(found, *TRUE.optimum(1e21))
        assert prediction is not None
        widths.append(math.log(prediction.high / prediction.low))
    assert widths[1] > 2 * widths[0]


def test_error_per_fold_needs_a_law_below_the_largest_budget() -> None:
    assert fit(sweep([1e18, 4e18], [0.4, 1.0, 2.5]), n_replicas=20).error_per_fold is None
