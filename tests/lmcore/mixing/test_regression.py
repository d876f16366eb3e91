"""The regression finds the lowest point of a known loss, says how far it is off, and knows when it knows nothing."""

import numpy as np
import pytest

from lmcore.errors import InputError
from lmcore.mixing.regression import KINDS, fit_weights, left_out_error, random_mixtures

SIZES = [900, 300, 100]


def losses_of(weights):
    """Lowest, at 2, where the weights are 0.2, 0.5 and 0.3."""
    return 2.0 + ((weights - np.array([0.2, 0.5, 0.3])) ** 2).sum(axis=1)


def test_quadratic_loss_is_learnt_and_its_lowest_point_found():
    weights = random_mixtures(SIZES, 40, seed=0)
    learnt = fit_weights(weights, losses_of(weights), SIZES, seed=1)
    assert learnt.chosen.kind == "quadratic"
    assert learnt.weights == pytest.approx((0.2, 0.5, 0.3), abs=0.03)
    assert learnt.predicted_loss == pytest.approx(2.0, abs=0.01)
    assert sum(learnt.weights) == pytest.approx(1.0)
    errors = {one.kind: one.cv_error for one in learnt.candidates}
    assert tuple(errors) == KINDS
    assert errors["quadratic"] < errors["linear"] < errors["mean"]


def test_linear_loss_leads_to_the_corner_that_was_tried():
    weights = random_mixtures(SIZES, 30, seed=2)
    learnt = fit_weights(weights, 3.0 - weights[:, 2], SIZES, seed=1)
    assert learnt.chosen.cv_error < 0.01
    assert learnt.weights[2] > np.quantile(weights[:, 2], 0.8)


def test_loss_that_weights_do_not_explain_leaves_the_proportions():
    weights = random_mixtures(SIZES, 30, seed=2)
    noise = np.random.default_rng(4).normal(3.0, 0.1, 30)
    learnt = fit_weights(weights, noise, SIZES, seed=1)
    assert learnt.chosen.kind == "mean"
    assert learnt.weights == pytest.approx([9 / 13, 3 / 13, 1 / 13])
    assert learnt.predicted_loss == pytest.approx(noise.mean())


def test_error_is_that_of_models_left_out():
    weights = random_mixtures(SIZES, 6, seed=3)
    losses = np.array([1.0, 2.0, 4.0, 8.0, 16.0, 32.0])
    expected = [(np.delete(losses, at).mean() - losses[at]) ** 2 for at in range(6)]
    assert left_out_error(weights, losses, "mean", 0.0) == pytest.approx(np.mean(expected) ** 0.5)


def test_mixtures_are_of_the_simplex_and_of_their_seed():
    drawn = random_mixtures([10**9, 1, 50], 500, seed=5)
    assert drawn.sum(axis=1) == pytest.approx(1.0)
    assert (drawn >= 0).all()
    assert (drawn == random_mixtures([10**9, 1, 50], 500, seed=5)).all()
    assert (drawn != random_mixtures([10**9, 1, 50], 500, seed=6)).any()
    assert drawn[:, 0].max() > 0.99


def test_same_losses_give_the_same_weights():
    weights = random_mixtures(SIZES, 12, seed=0)
    first, second = (fit_weights(weights, losses_of(weights), SIZES, seed=1) for _ in range(2))
    assert first == second


@pytest.mark.parametrize("losses", [[1.0, 2.0], [1.0, float("nan"), 2.0]])
def test_too_few_losses_are_refused(losses):
    weights = random_mixtures(SIZES, len(losses), seed=0)
    with pytest.raises(InputError, match=r"mix.n_proxies"):
        fit_weights(weights, np.array(losses), SIZES, seed=0)
