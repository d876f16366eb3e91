import itertools
import math
import subprocess
import sys

import pytest
import torch
from torch import nn

from lmcore.errors import ConfigError
from lmcore.model import compiled
from lmcore.model.config import ModelConfig
from lmcore.model.transformer import Transformer
from lmcore.optim.adamw import AdamW, adamw_reference, decay_groups
from lmcore.optim.clipping import clip_gradients
from lmcore.optim.schedule import SCHEDULES, cosine, inverse_sqrt, wsd

SETTINGS = {"lr": 0.01, "betas": (0.9, 0.95), "eps": 1e-8, "weight_decay": 0.1}


def parameters_with_gradients(seed=0):
    generator = torch.Generator().manual_seed(seed)
    parameters = [nn.Parameter(torch.randn(s, generator=generator)) for s in ((3, 4), (5,), ())]
    for p in parameters:
        p.grad = torch.randn(p.shape, generator=generator)
    return parameters


def test_adamw_ten_updates_equal_reference():
    parameters = parameters_with_gradients()
    expected = [(p.detach().clone(), torch.zeros_like(p), torch.zeros_like(p)) for p in parameters]
    optimizer = AdamW(parameters, **SETTINGS)
    for step in range(1, 11):
        optimizer.step()
        expected = [
            adamw_reference(
                w,
                p.grad,
                m,
                v,
                step=step,
                lr=0.01,
                beta1=0.9,
                beta2=0.95,
                eps=1e-8,
                weight_decay=0.1,
            )
            for (w, m, v), p in zip(expected, parameters, strict=True)
        ]
        for p in parameters:
            p.grad = p.grad * 0.9 + 0.01
    for p, (w, m, v) in zip(parameters, expected, strict=True):
        torch.testing.assert_close(p.detach(), w.detach())
        torch.testing.assert_close(optimizer.state[p]["m"], m.detach())
        torch.testing.assert_close(optimizer.state[p]["v"], v.detach())


def test_adamw_ten_updates_equal_torch():
    ours, theirs = parameters_with_gradients(), parameters_with_gradients()
    mine, other = AdamW(ours, **SETTINGS), torch.optim.AdamW(theirs, **SETTINGS)
    for _ in range(10):
        mine.step()
        other.step()
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b)


def test_adamw_gradient_that_lies_transposed_is_read_by_its_places():
    plain, transposed = (nn.Parameter(torch.zeros(5, 3)) for _ in range(2))
    plain.grad = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    transposed.grad = plain.grad.T.contiguous().T
    for parameter in (plain, transposed):
        AdamW([parameter], **SETTINGS).step()
    assert torch.equal(plain, transposed)


@pytest.mark.parametrize("threads", [1, 2])
def test_adamw_kernel_equals_torchs_operations(threads, monkeypatch):
    shapes = [(701, 301), (1,), (17, 3)]  # the first is enough for two threads
    generator = torch.Generator().manual_seed(0)
    drawn = [torch.randn(shape, generator=generator) for shape in shapes]
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    updated = []
    for fits in (True, False):
        if not fits:
            monkeypatch.setattr(compiled, "fits", lambda *_: False)
        parameters = [nn.Parameter(values.clone()) for values in drawn]
        optimizer = AdamW(parameters, **SETTINGS)
        for step in range(5):
            for p, values in zip(parameters, drawn, strict=True):
                p.grad = values.roll(step, 0) - 0.1
            optimizer.step()
        states = [optimizer.state[p][name] for p in parameters for name in ("m", "v")]
        updated.append([*(p.detach() for p in parameters), *states])
    torch.set_num_threads(before)
    for ours, theirs in zip(*updated, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_adamw_other_types_follow_the_reference(dtype):
    parameter = nn.Parameter(torch.linspace(-1, 1, 12, dtype=dtype).reshape(3, 4))
    parameter.grad = torch.linspace(2, -3, 12, dtype=dtype).reshape(3, 4)
    zeros = torch.zeros_like(parameter)
    settings = {"lr": 0.01, "beta1": 0.9, "beta2": 0.95, "eps": 1e-8, "weight_decay": 0.1}
    expected, m, v = adamw_reference(
        parameter.detach().clone(), parameter.grad, zeros, zeros, step=1, **settings
    )
    optimizer = AdamW([parameter], **SETTINGS)
    optimizer.step()
    torch.testing.assert_close(parameter.detach(), expected)
    torch.testing.assert_close(optimizer.state[parameter]["m"], m)
    torch.testing.assert_close(optimizer.state[parameter]["v"], v)


def test_adamw_parameter_that_lies_transposed_is_updated_where_it_lies():
    values = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    plain, transposed = nn.Parameter(values.clone()), nn.Parameter(values.T.contiguous().T)
    for parameter in (plain, transposed):
        parameter.grad = values + 1
        AdamW([parameter], **SETTINGS).step()
    torch.testing.assert_close(plain, transposed)


def test_adamw_parameter_without_gradient_stays():
    parameters = parameters_with_gradients()
    parameters[1].grad = None
    before = parameters[1].detach().clone()
    AdamW(parameters, **SETTINGS).step()
    assert torch.equal(parameters[1], before)


def test_adamw_negative_rate_is_refused():
    with pytest.raises(ConfigError):
        AdamW(parameters_with_gradients(), lr=-1.0)


def test_decay_groups_model_gains_do_not_decay():
    model = Transformer(ModelConfig(d_model=8, n_layers=1, n_heads=2, qk_norm=True), 10)
    decayed, free = decay_groups(model, 0.1)
    assert (decayed["weight_decay"], free["weight_decay"]) == (0.1, 0.0)
    assert all(p.dim() == 2 for p in decayed["params"])
    assert len(decayed["params"]) + len(free["params"]) == len(list(model.parameters()))


@pytest.mark.parametrize(
    ("step", "expected"), [(1, 0.1), (10, 1.0), (60, 0.55), (110, 0.1), (500, 0.1)]
)
def test_cosine_landmarks_have_their_rates(step, expected):
    rate = cosine(step, steps=110, lr=1.0, min_lr_ratio=0.1, warmup_steps=10)
    assert math.isclose(rate, expected)


def test_cosine_no_warmup_starts_high_and_only_falls():
    rates = [cosine(s, steps=20, lr=1.0, min_lr_ratio=0.0, warmup_steps=0) for s in range(1, 21)]
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] == 0.0


def test_clip_large_gradient_is_scaled_to_the_norm():
    parameters = parameters_with_gradients()
    norm = math.sqrt(sum(float(p.grad.square().sum()) for p in parameters))
    direction = [p.grad / norm for p in parameters]
    assert math.isclose(clip_gradients(parameters, 0.5), norm, rel_tol=1e-6)
    for p, unit in zip(parameters, direction, strict=True):
        torch.testing.assert_close(p.grad, 0.5 * unit)


def test_clip_small_gradient_stays():
    parameters = parameters_with_gradients()
    before = [p.grad.clone() for p in parameters]
    clip_gradients(parameters, 1e6)
    assert all(torch.equal(p.grad, b) for p, b in zip(parameters, before, strict=True))


def test_clip_infinite_gradient_is_reported_and_stays():
    parameters = parameters_with_gradients()
    parameters[0].grad[0, 0] = math.inf
    before = parameters[1].grad.clone()
    assert clip_gradients(parameters, 1.0) == math.inf
    assert torch.equal(parameters[1].grad, before)


def test_clip_no_gradient_at_all_is_zero():
    assert clip_gradients([nn.Parameter(torch.zeros(2))], 1.0) == 0.0


def test_training_step_does_not_load_torchs_compiler():
    script = (
        "import sys, torch\n"
        "from lmcore.optim.adamw import AdamW, decay_groups\n"
        "from lmcore.optim.clipping import clip_gradients\n"
        "model = torch.nn.Linear(4, 4)\n"
        "optimizer = AdamW(decay_groups(model, 0.1), lr=1e-3)\n"
        "model(torch.ones(2, 4)).sum().backward()\n"
        "clip_gradients(model.parameters(), 1.0)\n"
        "optimizer.step()\n"
        "optimizer.zero_grad(set_to_none=True)\n"
        "assert model.weight.grad is None\n"
        "print([name for name in ('torch._dynamo', 'torch.distributed.tensor') if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules_rise_to_lr_and_never_leave_their_range(name):
    settings = {"steps": 100, "lr": 2.0, "min_lr_ratio": 0.1, "warmup_steps": 10}
    rates = [SCHEDULES[name](step, **settings) for step in range(1, 101)]
    assert rates[:10] == pytest.approx([0.2 * step for step in range(1, 11)])
    assert max(rates) == 2.0
    assert all(b <= a + 1e-12 for a, b in itertools.pairwise(rates[9:]))
    if name != "inverse_sqrt":
        assert rates[-1] == pytest.approx(0.2)


def test_inverse_sqrt_falls_with_the_root_of_the_step():
    settings = {"steps": 1, "lr": 1.0, "min_lr_ratio": 0.0, "warmup_steps": 16}
    assert inverse_sqrt(64, **settings) == pytest.approx(0.5)
    assert inverse_sqrt(1600, **settings) == pytest.approx(0.1)


def test_wsd_runs_of_other_lengths_share_the_stable_part():
    settings = {"lr": 1.0, "min_lr_ratio": 0.0, "warmup_steps": 10, "decay_share": 0.2}
    short = [wsd(step, steps=100, **settings) for step in range(1, 101)]
    long = [wsd(step, steps=1000, **settings) for step in range(1, 101)]
    assert short[:80] == long[:80]
    assert short[80] < 1.0
    assert short[-1] == 0.0
    assert wsd(85, steps=100, **settings) == pytest.approx(1 - math.sqrt(5 / 20))
