import math

import pytest
import torch

from lmcore.errors import ConfigError
from lmcore.model.config import ModelConfig
from lmcore.train.loop import run
from lmcore.train.loss_scale import LossScale
from lmcore.train.metrics import read_metrics
from lmcore.train.precision import autocast, has_float8
from lmcore.train.step import Trainer
from lmcore.train.world import World

WIDE = ModelConfig(d_model=32, n_layers=2, n_heads=2, context_length=16, d_ff=64)


def losses(spec, split="validation"):
    rows = read_metrics(spec.out_dir / "final" / "metrics.parquet")
    return [row.loss for row in rows if row.split == split]


@pytest.mark.parametrize("precision", ["bfloat16", "float16", "float8_emulated"])
def test_lower_precisions_reach_the_loss_of_float32(make_spec, precision):
    fields = {"model": WIDE, "steps": 40, "eval_every": 40, "checkpoint_every": 40, "lr": 1e-2}
    exact, other = make_spec("exact", **fields), make_spec("other", precision=precision, **fields)
    run(exact)
    run(other)
    first, last = losses(exact)
    assert last < first - 1.0
    assert losses(other)[-1] == pytest.approx(last, abs=0.05)


def test_autocast_rounds_products_and_nothing_else():
    """What a mixed step has: float32 weights, products and logits in 16 bits, float32 loss."""
    layer = torch.nn.Linear(8, 8, bias=False)
    for precision, expected in (("float16", torch.float16), ("bfloat16", torch.bfloat16)):
        with autocast(precision, "cpu"):
            y = layer(torch.ones(2, 8))
            loss = torch.nn.functional.cross_entropy(y.float(), torch.tensor([0, 1]))
        loss.backward()
        assert y.dtype == expected
        assert layer.weight.dtype == layer.weight.grad.dtype == loss.dtype == torch.float32


def test_sums_of_small_numbers_stay_in_float32():
    """1000 times 0.01: float16 loses the sum, a float32 sum of float16 numbers does not."""
    total16, mixed = torch.tensor(0, dtype=torch.float16), torch.tensor(0.0)
    for _ in range(1000):
        total16 += torch.tensor(0.01, dtype=torch.float16)
        mixed += torch.tensor(0.01, dtype=torch.float16)
    assert abs(float(total16) - 10.0) > 0.03
    assert abs(float(mixed) - 10.0) < 3e-3


def test_loss_scale_doubles_after_an_interval_and_halves_on_overflow():
    scale = LossScale(8.0, interval=3)
    for expected in (8.0, 8.0, 16.0, 16.0):
        scale.hold()
        assert scale.value == expected
    assert "16" in scale.fall()
    assert (scale.value, scale.n_good) == (8.0, 0)
    again = LossScale(1.0, interval=3)
    again.restore(scale.state())
    assert again.state() == scale.state()


def test_overflow_skips_the_update_and_is_logged(make_spec):
    spec = make_spec(precision="float16", loss_scale=2.0**40, loss_scale_interval=4, steps=40)
    trainer = Trainer(spec, World())
    before = {name: p.detach().clone() for name, p in trainer.parameters.items()}
    result = trainer.train_step(1)
    assert math.isfinite(result.loss)
    assert not math.isfinite(result.grad_norm)
    assert "overflow at loss scale" in result.verdict.event
    assert all(torch.equal(before[n], p) for n, p in trainer.parameters.items())
    assert trainer.updates.loss_scale == 2.0**39
    run(spec)
    rows = read_metrics(spec.out_dir / "final" / "metrics.parquet")
    train = [row for row in rows if row.split == "train"]
    overflowed = [row for row in train if row.event]
    assert train[0].loss_scale == 2.0**40
    assert len({row.loss_scale for row in train}) > 2
    assert [row.step for row in overflowed][:2] == [1, 2]
    assert train[-1].loss < train[0].loss


def test_scaled_gradient_is_the_unscaled_one_to_the_bit_where_nothing_underflows(make_spec):
    """The scale is a power of two: in float32 arithmetic it changes no digit."""
    trainer = Trainer(make_spec(), World())
    windows = torch.arange(34).view(2, 17)
    gradients = []
    for factor in (1.0, 1024.0):
        (trainer.model.loss(windows[:, :-1], windows[:, 1:]) * factor).backward()
        scale = LossScale(factor, 10)
        scale.unscale(trainer.parameters.values())
        gradients.append(torch.cat([p.grad.flatten() for p in trainer.parameters.values()]))
        trainer.model.zero_grad()
    assert torch.equal(*gradients)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there may be a unit for it")
def test_float8_without_the_hardware_is_refused_with_what_to_do(make_spec):
    assert not has_float8("cpu")
    with pytest.raises(ConfigError, match=r"float8 on cpu.*8\.9.*float8_emulated"):
        Trainer(make_spec(model=WIDE, precision="float8"), World())


def test_float8_of_sizes_that_16_does_not_divide_is_refused(make_spec):
    odd = ModelConfig(d_model=24, n_layers=1, n_heads=2, context_length=16)
    with pytest.raises(ConfigError, match=r"blocks\.0.*16 divides"):
        Trainer(make_spec(model=odd, precision="float8_emulated"), World())
