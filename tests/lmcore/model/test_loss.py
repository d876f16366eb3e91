import math

import pytest
import torch

from lmcore.model import loss as loss_module
from lmcore.model.loss import (
    linear_cross_entropy,
    linear_cross_entropy_reference,
    token_logps,
)


def operands(rows=50, vocab=11, d=6, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(rows, d, generator=generator, requires_grad=True)
    w = torch.randn(vocab, d, generator=generator, requires_grad=True)
    return x, w, torch.randint(0, vocab, (rows,), generator=generator)


@pytest.mark.parametrize("chunk_rows", [1, 7, 50, 1000])
def test_linear_cross_entropy_any_chunk_equals_reference(monkeypatch, chunk_rows):
    x, w, y = operands()
    monkeypatch.setattr(loss_module, "_CHUNK_BYTES", chunk_rows * 4 * 11)
    fast, slow = linear_cross_entropy(x, w, y), linear_cross_entropy_reference(x, w, y)
    torch.testing.assert_close(fast, slow)
    fast_gradients = torch.autograd.grad(fast / 50, [x, w])
    slow_gradients = torch.autograd.grad(slow / 50, [x, w])
    for a, b in zip(fast_gradients, slow_gradients, strict=True):
        torch.testing.assert_close(a, b)


def test_linear_cross_entropy_gradient_of_features_only_is_computed():
    x, w, y = operands()
    (fast,) = torch.autograd.grad(linear_cross_entropy(x, w.detach(), y), [x])
    (slow,) = torch.autograd.grad(linear_cross_entropy_reference(x, w.detach(), y), [x])
    torch.testing.assert_close(fast, slow)


def test_linear_cross_entropy_without_gradients_makes_one_product_a_chunk():
    x, w, y = operands()
    kinds = [torch.profiler.ProfilerActivity.CPU]
    with torch.no_grad(), torch.profiler.profile(activities=kinds) as profile:
        loss = linear_cross_entropy(x, w, y)
    products = [e.count for e in profile.key_averages() if e.key in ("aten::mm", "aten::addmm_")]
    assert products == [1]
    torch.testing.assert_close(loss, linear_cross_entropy_reference(x, w, y))


def test_linear_cross_entropy_huge_logits_stay_finite():
    x, w, y = operands()
    loss = linear_cross_entropy(1e4 * x, w, y)
    torch.testing.assert_close(loss, linear_cross_entropy_reference(1e4 * x, w, y))
    assert torch.isfinite(loss)


def test_linear_cross_entropy_bfloat16_is_near_float32():
    x, w, y = operands()
    exact = linear_cross_entropy(x, w, y)
    rough = linear_cross_entropy(x.bfloat16(), w.bfloat16(), y)
    assert rough.dtype == torch.float32
    torch.testing.assert_close(rough, exact, rtol=1e-2, atol=0.0)
    (gradient,) = torch.autograd.grad(rough, [w])
    torch.testing.assert_close(gradient, torch.autograd.grad(exact, [w])[0], rtol=0.1, atol=0.2)


def test_token_logps_equal_logits_are_uniform():
    logps = token_logps(torch.zeros(2, 3, 8), torch.zeros(2, 3, dtype=torch.int64))
    torch.testing.assert_close(logps, torch.full((2, 3), -math.log(8.0)))


def test_linear_cross_entropy_under_autocast_gives_float32_gradients_near_exact():
    x, w, y = operands()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough = linear_cross_entropy(x, w, y)
    exact = linear_cross_entropy_reference(x, w, y)
    torch.testing.assert_close(rough, exact, rtol=1e-2, atol=0.0)
    rough_gradients = torch.autograd.grad(rough, [x, w])
    for a, b in zip(rough_gradients, torch.autograd.grad(exact, [x, w]), strict=True):
        assert a.dtype == torch.float32
        torch.testing.assert_close(a, b, rtol=0.1, atol=0.2)
