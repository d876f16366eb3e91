"""Weights learnt from small models that read random mixtures: a regression of loss, and its lowest point.

RegMix (Liu et al. 2024, arXiv 2407.01492): the loss of many small models is regressed on their weights, and
the mixture with the lowest predicted loss is taken for the large one. The regression here is ridge on
Scheffe's mixture polynomials (1958): the weights, and for the quadratic their products in pairs; squares are
combinations of these, because weights add up to 1. Which of mean, linear and quadratic is used, and how
strongly it is held back, is what predicts models that were left out best, one by one. Where that is the mean,
weights explain nothing, and the answer is the proportions of the tokens that there are.

The lowest point is the mean of the best 100 of 10,000 mixtures drawn as the small models' were, so that it
lies within what was tried. Cost: below a second for 100 models of 16 groups.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np
from jaxtyping import Float

from lmcore.errors import InputError

KINDS: Final = ("mean", "linear", "quadratic")
RIDGES: Final = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
_N_DRAWN = 10_000
_N_BEST = 100
_MIN_MIXTURES = 3
_SCALES = (0.5, 5.0)
"""Concentrations of the Dirichlet distribution, in units of the number of groups: from corners to the middle."""

Weights = Float[np.ndarray, "mixtures groups"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """One form of the regression, and how far it is off where it has not looked."""

    kind: str
    ridge: float
    cv_error: float
    """root mean square error on models left out one by one, in nats"""


@dataclass(frozen=True, slots=True)
class Learnt:
    """The weights with the lowest predicted loss."""

    weights: tuple[float, ...]
    predicted_loss: float
    chosen: Candidate
    candidates: tuple[Candidate, ...]
    """the best of each kind"""


def random_mixtures(sizes: Sequence[int], n: int, seed: int | tuple[int, int]) -> Weights:
    """Draw mixtures around the square root of the tokens there are, from near it to the corners."""
    generator = np.random.default_rng(seed)
    around = np.sqrt(np.asarray(sizes, dtype=np.float64))
    around /= around.sum()
    low, high = np.log(_SCALES)
    scales = np.exp(generator.uniform(low, high, n))
    # a gamma of a tiny shape may be 0 everywhere: then the first group would have 0 / 0
    gammas = generator.gamma(np.outer(scales * len(sizes), around)) + 1e-12
    mixtures: Weights = gammas / gammas.sum(axis=1, keepdims=True)
    return mixtures


def fit_weights(
    weights: Weights, losses: Float[np.ndarray, " mixtures"], sizes: Sequence[int], seed: int
) -> Learnt:
    """Learn the weights of groups of these tokens from the losses of models that read mixtures.

    Raises:
        InputError: where there are fewer than 3 models, or a loss is no number.
    """
    if len(losses) < _MIN_MIXTURES or not np.isfinite(losses).all():
        raise InputError(
            f"found {int(np.isfinite(losses).sum()):,d} losses of {len(losses):,d} small models; "
            f"expected at least {_MIN_MIXTURES}, all of them numbers; raise mix.n_proxies or lower "
            "mix.proxy_lr"
        )
    candidates = tuple(_best_of(kind, weights, losses) for kind in KINDS)
    chosen = min(candidates, key=lambda candidate: candidate.cv_error)
    proportions = np.asarray(sizes, dtype=np.float64) / sum(sizes)
    if chosen.kind == "mean":
        best = proportions
    else:
        drawn = np.vstack([proportions, random_mixtures(sizes, _N_DRAWN, seed)])
        predicted = _predict(drawn, weights, losses, chosen)
        best = drawn[np.argsort(predicted, kind="stable")[:_N_BEST]].mean(axis=0)
    predicted_loss = float(_predict(best[None], weights, losses, chosen)[0])
    return Learnt(tuple(best.tolist()), predicted_loss, chosen, candidates)


def _best_of(kind: str, weights: Weights, losses: Float[np.ndarray, " mixtures"]) -> Candidate:
    ridges = RIDGES if kind != "mean" else (0.0,)
    tried = (Candidate(kind, ridge, 0.0) for ridge in ridges)
    errors = [(left_out_error(weights, losses, one.kind, one.ridge), one.ridge) for one in tried]
    error, ridge = min(errors)
    return Candidate(kind, ridge, error)


def left_out_error(
    weights: Weights, losses: Float[np.ndarray, " mixtures"], kind: str, ridge: float
) -> float:
    """Return the root mean square error on each mixture as predicted from all others."""
    form = Candidate(kind, ridge, 0.0)
    squares = []
    for left_out in range(len(losses)):
        others = np.arange(len(losses)) != left_out
        found = _predict(weights[left_out][None], weights[others], losses[others], form)[0]
        squares.append((found - losses[left_out]) ** 2)
    return float(np.sqrt(np.mean(squares)))


def _predict(
    wanted: Float[np.ndarray, "wanted groups"],
    weights: Weights,
    losses: Float[np.ndarray, " mixtures"],
    form: Candidate,
) -> Float[np.ndarray, " wanted"]:
    """Fit one form to the mixtures and predict the wanted ones."""
    mean = losses.mean()
    if form.kind == "mean":
        return np.full(len(wanted), mean)
    features = _features(weights, form.kind)
    held_back = form.ridge * np.eye(features.shape[1])
    coefficients = np.linalg.solve(features.T @ features + held_back, features.T @ (losses - mean))
    predicted: Float[np.ndarray, " wanted"] = mean + _features(wanted, form.kind) @ coefficients
    return predicted


def _features(weights: Weights, kind: str) -> Float[np.ndarray, "mixtures features"]:
    if kind == "linear":
        return weights
    pairs = combinations(range(weights.shape[1]), 2)
    return np.column_stack([weights, *(weights[:, a] * weights[:, b] for a, b in pairs)])
