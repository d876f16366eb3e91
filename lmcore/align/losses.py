"""Losses of SFT, DPO and GRPO as pure functions of log-probabilities.

Why pure: each is held against a loop over single tokens in the tests. Tokens are flat: a batch is
one vector of the log-probabilities of its supervised tokens and one of the row (sequence) each
belongs to. So no padding can enter a sum, and no row is longer than it is.

Denominators are arguments: the caller counts over the whole batch, then sums of microbatches add
up to the same gradient however the batch is split. A mean taken inside would not.
Cost: O(tokens); the head's logits (tokens by vocabulary) are the caller's, at supervised positions
only.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lmcore.align.config import KL_ESTIMATORS
from lmcore.errors import ConfigError, InputError


def sum_rows(
    values: Float[Tensor, " tokens"], rows: Int[Tensor, " tokens"], n_rows: int
) -> Float[Tensor, " rows"]:
    """Returns the sum of `values` for each row; a row without tokens has 0."""
    return values.new_zeros(n_rows).index_add(0, rows, values)


def supervised_loss(nll: Float[Tensor, ""], n_supervised: int) -> Float[Tensor, ""]:
    """Returns nll / n_supervised in nats a token, where n_supervised counts the *whole* batch.

    Raises InputError where n_supervised is 0: such a batch teaches nothing and hides a lost mask.
    """
    if n_supervised < 1:
        raise InputError(
            "A batch has 0 supervised tokens; expected at least 1. "
            "Check that the completions are not empty and the mask was not lost."
        )
    return nll / n_supervised


def preference_margins(
    policy: Float[Tensor, "pairs 2"], reference: Float[Tensor, "pairs 2"]
) -> Float[Tensor, " pairs"]:
    """Returns (log π - log π_ref)(chosen) - (log π - log π_ref)(rejected); columns in that order."""
    gain = policy - reference
    return gain[:, 0] - gain[:, 1]


def preference_loss(
    margins: Float[Tensor, " pairs"], beta: float, n_pairs: int
) -> Float[Tensor, ""]:
    """Returns the sum of -log sigmoid(β margin) / n_pairs, DPO's loss (arXiv:2305.18290, eq. 7)."""
    return -F.logsigmoid(beta * margins).sum() / n_pairs


def group_advantages(
    rewards: Float[Tensor, "groups size"], is_graded: Bool[Tensor, "groups size"], epsilon: float
) -> Float[Tensor, "groups size"]:
    """Returns (r - mean) / (std + ε) within each group, over its graded rollouts only.

    The deviation is unbiased (n - 1). Rollouts that were not graded have advantage 0 and move no
    mean. Groups with fewer than two graded rollouts, or with equal rewards, are all 0.
    """
    graded = is_graded.to(rewards.dtype)
    n = graded.sum(1, keepdim=True)
    # where, not a product: the reward of an ungraded rollout may be NaN
    known = torch.where(is_graded, rewards, rewards.new_zeros(()))
    mean = known.sum(1, keepdim=True) / n.clamp(min=1)
    centred = torch.where(is_graded, rewards - mean, rewards.new_zeros(()))
    variance = centred.square().sum(1, keepdim=True) / (n - 1).clamp(min=1)
    highest = rewards.masked_fill(~is_graded, -torch.inf).amax(1, keepdim=True)
    lowest = rewards.masked_fill(~is_graded, torch.inf).amin(1, keepdim=True)
    differs = highest > lowest  # exact, where a rounded variance would not be
    return torch.where(differs, centred / (variance.sqrt() + epsilon), centred.new_zeros(()))


def clipped_objective(
    logps: Float[Tensor, " tokens"],
    old_logps: Float[Tensor, " tokens"],
    advantages: Float[Tensor, " tokens"],
    epsilon: float,
) -> Float[Tensor, " tokens"]:
    """Returns min(r A, clip(r, 1 - ε, 1 + ε) A) with r = π / π_old, to be maximised."""
    ratio = torch.exp(logps - old_logps)
    return torch.minimum(ratio * advantages, ratio.clamp(1.0 - epsilon, 1.0 + epsilon) * advantages)


def kl_penalty(
    logps: Float[Tensor, " tokens"], reference: Float[Tensor, " tokens"], estimator: str
) -> Float[Tensor, " tokens"]:
    """Returns an estimate of KL(π, π_ref) a token, for tokens drawn from π.

    With x = log π - log π_ref: k2 = x²/2, whose gradient is the KL's on policy, and
    k3 = e^-x - 1 + x, never negative but with a biased gradient. Raises ConfigError for any other,
    k1 = x among them: its gradient is zero in expectation.
    """
    if estimator not in KL_ESTIMATORS:
        raise ConfigError(
            f"kl_estimator is {estimator!r}; expected one of {KL_ESTIMATORS} "
            "(k1 in a loss has no gradient in expectation). Change it in the recipe."
        )
    x = logps - reference
    return x.square() / 2 if estimator == "k2" else torch.expm1(-x) + x


def group_loss(
    token_losses: Float[Tensor, " tokens"],
    rows: Int[Tensor, " tokens"],
    n_tokens: Int[Tensor, " rows"],
    n_rollouts: int,
) -> Float[Tensor, ""]:
    """Returns Σ_rows (mean over the row's tokens) / n_rollouts, the average of GRPO's eq. 3.

    `n_rollouts` counts the graded rollouts of the whole batch, those of skipped groups too: their
    advantage is 0, so leaving them out changes no gradient.
    """
    means = sum_rows(token_losses, rows, n_tokens.shape[0]) / n_tokens.clamp(min=1)
    return means.sum() / n_rollouts
