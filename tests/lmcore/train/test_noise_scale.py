import math

import numpy as np
import pytest
import torch

from lmcore.train.noise_scale import NoiseScale, gradient_noise, gradient_noise_reference
from lmcore.train.step import Trainer
from lmcore.train.world import World


@pytest.mark.parametrize(("n_parts", "size"), [(2, 1), (4, 3), (8, 16)])
def test_equal_microbatches_give_the_paper_s_formula(n_parts, size):
    rng = np.random.default_rng(0)
    squares = list(rng.uniform(1.0, 2.0, n_parts))
    whole = 0.7
    found = gradient_noise(squares, [size] * n_parts, whole)
    expected = gradient_noise_reference(np.mean(squares), size, whole, size * n_parts)
    assert found == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("counts", [[4, 4, 4, 4], [1, 2, 5, 8], [3, 0, 9]])
def test_estimates_are_unbiased_where_the_noise_is_known(counts):
    """Gradients of targets are drawn around G with a covariance of trace S."""
    rng = np.random.default_rng(1)
    n_dims, n_draws = 20, 20_000
    true = rng.normal(size=n_dims)
    spread = rng.uniform(0.5, 2.0, n_dims)
    signal, noise = float(true @ true), float(spread @ spread)
    found = np.empty((n_draws, 2))
    for draw in range(n_draws):
        sums = [(true + spread * rng.normal(size=(n, n_dims))).sum(axis=0) for n in counts]
        squares = [
            float(np.square(s / n).sum()) if n else 0.0 for s, n in zip(sums, counts, strict=True)
        ]
        whole = float(np.square(sum(sums) / sum(counts)).sum())
        found[draw] = gradient_noise(squares, counts, whole)
    error = found.std(axis=0) / math.sqrt(n_draws)
    assert abs(found[:, 0].mean() - signal) < 4 * error[0]
    assert abs(found[:, 1].mean() - noise) < 4 * error[1]


def test_average_of_measurements_reaches_the_known_critical_batch():
    rng = np.random.default_rng(2)
    scale = NoiseScale()
    assert scale.critical_batch is None
    found = []
    for _ in range(2000):
        scale.add(2.0 + rng.normal(), 100.0 + 20.0 * rng.normal())
        found.append(scale.critical_batch)
    assert np.mean(found[100:]) == pytest.approx(50.0, rel=0.1)
    again = NoiseScale()
    again.restore(scale.state())
    assert again.critical_batch == scale.critical_batch


def test_signal_lost_in_the_noise_says_nothing():
    scale = NoiseScale()
    scale.add(-1.0, 5.0)
    assert scale.critical_batch is None


def test_trainer_measures_what_gradients_taken_one_by_one_say(make_spec):
    spec = make_spec(batch_size=6, micro_batch_size=2, noise_scale_every=1)
    trainer = Trainer(spec, World())
    result = trainer.train_step(1)
    fresh = Trainer(spec, World())
    batch = fresh.source.read(0, 6)
    ids, targets = torch.from_numpy(batch.ids), torch.from_numpy(batch.targets)
    gradients = []
    for first in (0, 2, 4):
        fresh.model.zero_grad()
        rows = slice(first, first + 2)
        (fresh.model.loss(ids[rows], targets[rows]) / 32).backward()
        gradients.append(torch.cat([p.grad.flatten() for p in fresh.model.parameters()]))
    squares = [float(g.double().square().sum()) for g in gradients]
    whole = float(torch.stack(gradients).double().mean(dim=0).square().sum())
    expected = gradient_noise_reference(sum(squares) / 3, 32, whole, 96)
    assert result.noise == pytest.approx(expected, rel=1e-4)


def test_measuring_changes_no_bit_of_the_training(make_spec):
    weights = []
    for every in (0, 2):
        trainer = Trainer(make_spec(micro_batch_size=1, noise_scale_every=every), World())
        results = [trainer.train_step(step) for step in range(1, 6)]
        weights.append(torch.cat([p.detach().flatten() for p in trainer.parameters.values()]))
        is_measured = [result.noise is not None for result in results]
        assert is_measured == [every > 0 and step % 2 == 0 for step in range(1, 6)]
    assert torch.equal(*weights)
