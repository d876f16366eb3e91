import math
from statistics import mean, stdev

import pytest
import torch

from lmcore.align.losses import (
    clipped_objective,
    group_advantages,
    group_loss,
    kl_penalty,
    preference_loss,
    preference_margins,
    sum_rows,
    supervised_loss,
)
from lmcore.errors import ConfigError, InputError


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_supervised_loss_without_a_supervised_token_is_refused():
    with pytest.raises(InputError, match="0 supervised tokens"):
        supervised_loss(torch.tensor(0.0), 0)


def test_sum_rows_agrees_with_a_loop_over_tokens():
    values, rows = draw(20), torch.tensor([0, 3] * 10)
    expected = [0.0] * 5
    for value, row in zip(values.tolist(), rows.tolist(), strict=True):
        expected[row] += value
    torch.testing.assert_close(sum_rows(values, rows, 5), torch.tensor(expected).double())


def test_preference_loss_agrees_with_a_loop_over_pairs():
    policy, reference, beta = draw(7, 2), draw(7, 2, seed=1), 0.3
    total = 0.0
    for (w, l), (rw, rl) in zip(policy.tolist(), reference.tolist(), strict=True):  # noqa: E741
        total += -math.log(1 / (1 + math.exp(-beta * ((w - rw) - (l - rl)))))
    margins = preference_margins(policy, reference)
    assert preference_loss(margins, beta, 7).item() == pytest.approx(total / 7, abs=1e-12)


def test_preference_loss_where_policy_is_reference_is_log_two():
    logps = draw(5, 2)
    loss = preference_loss(preference_margins(logps, logps), 0.1, 5)
    assert loss.item() == pytest.approx(math.log(2), abs=1e-15)


def test_group_advantages_agree_with_a_loop_over_groups():
    rewards = (draw(30, 6) > 0.5).double()
    is_graded = draw(30, 6, seed=1) > -0.8
    expected = torch.zeros(30, 6, dtype=torch.float64)
    for i in range(30):
        known = [j for j in range(6) if is_graded[i, j]]
        values = [rewards[i, j].item() for j in known]
        if len(set(values)) > 1:
            for j in known:
                expected[i, j] = (rewards[i, j] - mean(values)) / (stdev(values) + 1e-4)
    found = group_advantages(rewards, is_graded, 1e-4)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


def test_group_advantages_ignore_the_reward_of_an_ungraded_rollout():
    is_graded = torch.tensor([[True, True, False]])
    found = group_advantages(torch.tensor([[1.0, 0.0, math.nan]]), is_graded, 1e-4)
    kept = group_advantages(torch.tensor([[1.0, 0.0]]), is_graded[:, :2], 1e-4)
    torch.testing.assert_close(found[:, :2], kept, rtol=0, atol=0)
    assert found[0, 2] == 0.0


@pytest.mark.parametrize(
    ("rewards", "is_graded"),
    [
        ([0.1, 0.1, 0.1], [True, True, True]),  # 3 · 0.1 / 3 differs from 0.1
        ([1.0, 0.0, 0.0], [True, False, False]),
        ([1.0, 0.0, 0.0], [False, False, False]),
    ],
)
def test_group_advantages_without_a_difference_are_zero(rewards, is_graded):
    found = group_advantages(torch.tensor([rewards]), torch.tensor([is_graded]), 1e-4)
    assert not found.any()


def test_clipped_objective_agrees_with_a_loop_over_tokens():
    new, old, advantages = draw(50), draw(50, seed=1), draw(50, seed=2)
    expected = []
    for a, b, advantage in zip(new.tolist(), old.tolist(), advantages.tolist(), strict=True):
        ratio = math.exp(a - b)
        expected.append(min(ratio * advantage, min(max(ratio, 0.8), 1.2) * advantage))
    found = clipped_objective(new, old, advantages, 0.2)
    torch.testing.assert_close(
        found, torch.tensor(expected, dtype=torch.float64), rtol=1e-12, atol=1e-12
    )


def test_clipped_objective_beyond_the_clip_has_no_gradient():
    new = torch.tensor([0.5, -0.5, -0.5, 0.5], requires_grad=True)
    advantages = torch.tensor([1.0, -1.0, 1.0, -1.0])
    clipped_objective(new, torch.zeros(4), advantages, 0.2).sum().backward()
    assert new.grad is not None
    assert [bool(g) for g in new.grad] == [False, False, True, True]


def test_group_loss_agrees_with_a_loop_over_rollouts():
    losses, rows = draw(9), torch.tensor([0, 0, 1, 1, 1, 1, 2, 3, 3])
    counts = torch.tensor([2, 4, 1, 2])
    expected = sum(losses[rows == i].mean().item() for i in range(4)) / 6
    assert group_loss(losses, rows, counts, 6).item() == pytest.approx(expected, abs=1e-12)


def kl_gradients(estimate):
    """Enumerates a vocabulary of 5: the gradient of KL(π, π_ref), and E_π of the estimate's."""
    logits = draw(5).requires_grad_()
    reference = draw(5, seed=1).log_softmax(0)
    logps = logits.log_softmax(0)
    exact = (logps.exp() * (logps - reference)).sum()
    expected = (logps.exp().detach() * estimate(logps, reference)).sum()
    return (
        torch.autograd.grad(exact, logits, retain_graph=True)[0],
        torch.autograd.grad(expected, logits)[0],
    )


def test_kl_penalty_k2_has_the_gradient_of_the_divergence():
    exact, found = kl_gradients(lambda logps, reference: kl_penalty(logps, reference, "k2"))
    torch.testing.assert_close(found, exact, rtol=0, atol=1e-12)


def test_kl_penalty_k3_has_a_biased_gradient_and_the_right_mean():
    exact, found = kl_gradients(lambda logps, reference: kl_penalty(logps, reference, "k3"))
    assert (found - exact).abs().max() > 1e-2
    logps, reference = draw(5).log_softmax(0), draw(5, seed=1).log_softmax(0)
    divergence = (logps.exp() * (logps - reference)).sum()
    estimate = (logps.exp() * kl_penalty(logps, reference, "k3")).sum()
    torch.testing.assert_close(estimate, divergence)


def test_kl_penalty_k1_is_refused_because_its_gradient_vanishes():
    _, found = kl_gradients(lambda logps, reference: logps - reference)
    assert found.abs().max() < 1e-12
    with pytest.raises(ConfigError, match="k1"):
        kl_penalty(draw(5), draw(5), "k1")


@pytest.mark.parametrize("estimator", ["k2", "k3"])
def test_kl_penalty_of_equal_models_is_exactly_zero(estimator):
    logps = draw(50).float()
    assert not kl_penalty(logps, logps.clone(), estimator).any()
