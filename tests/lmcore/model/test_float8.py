import pytest
import torch
from torch.nn import functional as F

from lmcore.model.config import ModelConfig
from lmcore.model.float8 import (
    Float8Linear,
    convert,
    float8_linear,
    float8_linear_reference,
    to_float8,
)
from lmcore.model.transformer import Transformer


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.float8_e5m2])
@pytest.mark.parametrize("factor", [1e-20, 1.0, 1e20])
def test_rounding_is_relative_to_the_largest_magnitude(dtype, factor):
    x = normal(64, 64) * factor
    rounded, scale = to_float8(x, dtype)
    assert rounded.to(torch.float32).abs().max() == torch.finfo(dtype).max
    back = rounded.to(torch.float32) * scale
    bound = torch.finfo(dtype).eps / 2
    is_normal = x.abs() > 1e-2 * x.abs().max()
    assert ((back - x).abs() <= bound * x.abs())[is_normal].all()


def test_zeros_stay_zeros():
    rounded, _ = to_float8(torch.zeros(16, 16), torch.float8_e4m3fn)
    assert not rounded.to(torch.float32).any()


@pytest.mark.parametrize("shape", [(16, 32), (2, 24, 32)])
def test_product_is_that_of_the_rounded_operands(shape):
    x, weight = normal(*shape), normal(48, 32, seed=1)
    found, expected = float8_linear(x, weight), float8_linear_reference(x, weight)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), expected, rtol=2**-8, atol=1e-6)


def test_gradients_are_those_of_the_rounded_operands():
    x, weight = normal(32, 64).requires_grad_(), normal(48, 64, seed=1).requires_grad_()
    d_out = normal(32, 48, seed=2).to(torch.bfloat16)
    float8_linear(x, weight).backward(d_out)
    a, b, d = (
        rounded.to(torch.float32) * scale
        for rounded, scale in (
            to_float8(x, torch.float8_e4m3fn),
            to_float8(weight, torch.float8_e4m3fn),
            to_float8(d_out, torch.float8_e5m2),
        )
    )
    torch.testing.assert_close(x.grad, d @ b, rtol=2**-7, atol=1e-5)
    torch.testing.assert_close(weight.grad, d.T @ a, rtol=1e-5, atol=1e-5)
    exact = F.linear(x, weight)
    exact.backward(d_out.float())


def test_autocast_rounds_the_operands_no_further():
    x, weight = normal(16, 32), normal(48, 32, seed=1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = float8_linear(x, weight)
    assert torch.equal(inside, float8_linear(x, weight))


def test_converted_model_has_the_same_parameters_and_nearly_the_same_loss():
    config = ModelConfig(d_model=32, n_layers=2, n_heads=2, context_length=16, d_ff=64)
    plain, model = Transformer(config, 64), Transformer(config, 64)
    convert(model)
    assert model.state_dict().keys() == plain.state_dict().keys()
    kinds = [
        type(m) for m in model.blocks.modules() if hasattr(m, "weight") and m.weight.dim() == 2
    ]
    assert kinds == [Float8Linear] * 8
    ids = torch.arange(34).view(2, 17)
    for one in (plain, model):
        for parameter in one.parameters():
            if not parameter.any():
                torch.nn.init.normal_(
                    parameter, 0.0, 0.1, generator=torch.Generator().manual_seed(1)
                )
    losses = [float(one.loss(ids[:, :-1], ids[:, 1:]).detach()) for one in (plain, model)]
    assert losses[0] != losses[1]
    assert losses[1] == pytest.approx(losses[0], rel=0.02)


@pytest.mark.gpu
def test_float8_multiplies_faster_than_bfloat16_on_the_hardware():
    x = torch.randn(8192, 4096, device="cuda", dtype=torch.bfloat16)
    weight = torch.randn(16384, 4096, device="cuda", dtype=torch.bfloat16)

    def seconds(function):
        for _ in range(3):
            function()
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        for _ in range(20):
            function()
        end.record()
        torch.cuda.synchronize()
        return start.elapsed_time(end)

    a, scale_a = to_float8(x, torch.float8_e4m3fn)
    b, scale_b = to_float8(weight, torch.float8_e4m3fn)
    fast = seconds(
        lambda: torch._scaled_mm(a, b.T, scale_a=scale_a, scale_b=scale_b, out_dtype=torch.bfloat16)
    )
    assert fast < 0.75 * seconds(lambda: F.linear(x, weight))
