import pytest
import torch

from lmcore.errors import InputError
from lmcore.model.config import ModelConfig
from lmcore.model.loss import token_logps
from lmcore.model.transformer import Transformer
from lmcore.tokens.reading import BatchSource
from lmcore.train.accumulation import accumulate, micro_batches
from lmcore.train.step import Trainer
from lmcore.train.world import World

MODEL = ModelConfig(d_model=32, n_layers=2, n_heads=2, context_length=16)
VOCAB = 64


@pytest.fixture
def model():
    model = Transformer(MODEL, VOCAB)
    generator = torch.Generator().manual_seed(3)
    for parameter in model.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, 0.0, 0.1, generator=generator)
    return model


def batch(n_rows=8, seed=0):
    generator = torch.Generator().manual_seed(seed)
    windows = torch.randint(0, VOCAB, (n_rows, 17), generator=generator)
    return windows[:, :-1], windows[:, 1:].clone()


def gradient(model, ids, targets, size, factor=1.0):
    model.zero_grad()
    nats = accumulate(model.loss, (ids, targets), size=size, factor=factor)
    return nats, torch.cat([p.grad.flatten() for p in model.parameters()])


def reference(model, ids, targets):
    """Mean over all targets that are not masked, with all logits at once."""
    model.zero_grad()
    logps = token_logps(model(ids), targets.clamp(min=0))
    is_target = targets >= 0
    loss = -(logps * is_target).sum() / is_target.sum()
    loss.backward()
    return loss.detach(), torch.cat([p.grad.flatten() for p in model.parameters()])


def test_micro_batches_cover_every_row_once():
    rows = [row for part in micro_batches(7, 3) for row in range(7)[part]]
    assert rows == list(range(7))
    assert list(micro_batches(4, 0)) == [slice(0, 4)]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 100])
def test_gradient_of_microbatches_is_the_whole_batch_s(model, size):
    ids, targets = batch()
    nats, whole = gradient(model, ids, targets, 0, factor=1 / 128)
    parts_nats, parts = gradient(model, ids, targets, size, factor=1 / 128)
    torch.testing.assert_close(parts_nats, nats, rtol=1e-6, atol=0.0)
    assert (parts - whole).norm() < 1e-6 * whole.norm()


@pytest.mark.parametrize("size", [0, 1, 3, 8])
def test_masked_targets_weigh_nothing_whatever_the_microbatch(model, size):
    ids, targets = batch()
    targets[0], targets[1, 3:] = -1, -1  # one row masked altogether, one in part
    targets[4:7] = -100  # with size 1 and 3 a whole microbatch
    n_targets = int((targets >= 0).sum())
    expected_loss, expected = reference(model, ids, targets)
    nats, found = gradient(model, ids, targets, size, factor=1 / n_targets)
    torch.testing.assert_close(nats / n_targets, expected_loss, rtol=1e-5, atol=0.0)
    assert (found - expected).norm() < 2e-6 * expected.norm()


def test_mean_of_means_would_be_wrong(model):
    """The reason for one common factor: with a masked row the mean of means is another gradient."""
    ids, targets = batch()
    targets[1, 3:] = -1
    _, expected = reference(model, ids, targets)
    parts = [reference(model, ids[i : i + 1], targets[i : i + 1])[1] for i in range(8)]
    assert (torch.stack(parts).mean(dim=0) - expected).norm() > 0.1 * expected.norm()


def test_batch_without_any_target_has_no_nats_and_a_gradient_of_zero(model):
    ids, targets = batch(2)
    nats, found = gradient(model, ids, torch.full_like(targets, -1), 1)
    assert nats == 0.0
    assert not found.any()


class _NoTargets(BatchSource):
    """Rows in which nothing is to be predicted."""

    def n_targets(self, first_row, n_rows):  # noqa: ARG002
        return 0


def test_step_without_a_target_is_refused_in_a_sentence(make_spec):
    trainer = Trainer(make_spec(), World())
    trainer.source.__class__ = _NoTargets
    with pytest.raises(InputError, match=r"no target in the batch of step 1.*give text"):
        trainer.train_step(1)


def test_step_in_microbatches_equals_the_step_at_once(make_spec):
    """1 x 8 = 8 x 1, through the trainer: loss, gradient norm and weights."""
    results = {}
    for size in (0, 1, 3):
        trainer = Trainer(make_spec(batch_size=8, micro_batch_size=size, lr=1e-3), World())
        steps = [trainer.train_step(step) for step in (1, 2, 3)]
        weights = torch.cat([p.detach().flatten() for p in trainer.parameters.values()])
        results[size] = ([s.loss for s in steps], [s.grad_norm for s in steps], weights)
    for size in (1, 3):
        assert results[size][0] == pytest.approx(results[0][0], rel=1e-6)
        assert results[size][1] == pytest.approx(results[0][1], rel=1e-6)
