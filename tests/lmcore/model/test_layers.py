import math

import pytest
import torch

from lmcore.model.attention import attention, attention_reference, causal_mask
from lmcore.model.config import ModelConfig
from lmcore.model.feedforward import SwiGLU, swiglu, swiglu_reference
from lmcore.model.layers import Embedding, Linear, truncated_normal
from lmcore.model.norm import RMSNorm, rms_norm_reference
from lmcore.model.position import rotate, rotate_reference, rotation_table


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_truncated_normal_large_draw_stays_within_three_deviations():
    weight = truncated_normal((300, 300), 0.5, seeded())
    assert weight.abs().max() <= 1.5
    assert abs(weight.std() - 0.5 * 0.9866) < 0.01  # variance of a normal cut at 3 deviations


def test_linear_zero_gain_starts_at_zero():
    assert not Linear(8, 4, generator=seeded(), gain=0.0).weight.any()


def test_linear_input_equals_product_by_hand():
    layer = Linear(3, 2, generator=seeded())
    x = torch.tensor([1.0, -2.0, 0.5])
    by_hand = [
        sum(w * v for w, v in zip(row, x.tolist(), strict=True)) for row in layer.weight.tolist()
    ]
    torch.testing.assert_close(layer(x), torch.tensor(by_hand))


def test_embedding_ids_pick_rows():
    table = Embedding(5, 4, std=0.02, generator=seeded())
    assert torch.equal(table(torch.tensor([[3, 0]]))[0, 0], table.weight[3])


@pytest.mark.parametrize("d", [1, 2, 64, 129])
@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e4])
def test_rms_norm_any_width_and_scale_equals_reference(d, scale):
    x = scale * torch.randn(3, 5, d, generator=seeded())
    norm = RMSNorm(d, 1e-5)
    torch.nn.init.uniform_(norm.weight, 0.5, 2.0, generator=seeded(1))
    torch.testing.assert_close(norm(x), rms_norm_reference(x, norm.weight, 1e-5))


def test_rms_norm_gradients_equal_reference():
    x = torch.randn(4, 16, generator=seeded(), requires_grad=True)
    y = x.detach().clone().requires_grad_()
    norm = RMSNorm(16, 1e-5)
    norm(x).pow(3).sum().backward()
    gain = norm.weight.detach().clone().requires_grad_()
    rms_norm_reference(y, gain, 1e-5).pow(3).sum().backward()
    torch.testing.assert_close(x.grad, y.grad)
    torch.testing.assert_close(norm.weight.grad, gain.grad)


def test_rms_norm_bfloat16_takes_statistics_in_float32():
    x = torch.full((1, 4096), 0.3).bfloat16()  # a bfloat16 sum of squares would stall at 256 x^2
    assert torch.allclose(RMSNorm(4096, 1e-5)(x).float(), torch.ones(1), atol=1e-2)


@pytest.mark.parametrize("head_dim", [2, 6, 32])
@pytest.mark.parametrize("heads", [(), (3,), (2, 3)])
def test_rotate_any_shape_equals_reference(head_dim, heads):
    turn = torch.view_as_complex(rotation_table(7, head_dim, 10000.0))[None]
    x = torch.randn(2, 7, *heads, head_dim, generator=seeded())
    torch.testing.assert_close(rotate(x, turn), rotate_reference(x, turn))


def test_rotate_position_zero_changes_nothing():
    turn = torch.view_as_complex(rotation_table(1, 8, 10000.0))[None]
    x = torch.randn(1, 1, 8, generator=seeded())
    assert torch.equal(rotate(x, turn), x)


def test_rotate_products_depend_on_distance_only():
    table = torch.view_as_complex(rotation_table(50, 8, 10000.0))
    q, k = torch.randn(2, 1, 1, 8, generator=seeded())

    def product(i, j):
        return (
            rotate(q[None], table[None, i : i + 1]) * rotate(k[None], table[None, j : j + 1])
        ).sum()

    torch.testing.assert_close(product(3, 7), product(43, 47))
    assert not torch.allclose(product(3, 7), product(3, 8))


@pytest.mark.parametrize(("n_queries", "n_keys"), [(1, 1), (6, 6), (1, 6), (2, 6)])
def test_attention_queries_at_the_end_equal_reference(n_queries, n_keys):
    q = torch.randn(2, 3, n_queries, 8, generator=seeded())
    k, v = torch.randn(2, 2, 3, n_keys, 8, generator=seeded(1))
    torch.testing.assert_close(attention(q, k, v), attention_reference(q, k, v))


def test_attention_mask_equals_reference():
    q, k, v = torch.randn(3, 2, 3, 5, 8, generator=seeded())
    mask = (causal_mask(5, 5) & torch.tensor([True, False, True, True, True])) | torch.eye(5).bool()
    mask = mask[None, None].expand(2, 1, 5, 5)
    torch.testing.assert_close(attention(q, k, v, mask), attention_reference(q, k, v, mask))


def test_attention_gradients_equal_reference():
    leaves = [t.requires_grad_() for t in torch.randn(3, 2, 2, 9, 8, generator=seeded())]
    fast = torch.autograd.grad(attention(*leaves).square().sum(), leaves)
    slow = torch.autograd.grad(attention_reference(*leaves).square().sum(), leaves)
    for a, b in zip(fast, slow, strict=True):
        torch.testing.assert_close(a, b)


def test_swiglu_input_equals_reference():
    layer = SwiGLU(ModelConfig(d_model=8, n_heads=2), generator=seeded())
    torch.nn.init.normal_(layer.down.weight, generator=seeded(2))  # it starts at zero
    x = torch.randn(3, 8, generator=seeded(1), requires_grad=True)
    d_ff = layer.down.weight.shape[1]
    gate, up = x @ layer.gate_up.weight[:d_ff].T, x @ layer.gate_up.weight[d_ff:].T
    expected = swiglu_reference(gate, up) @ layer.down.weight.T
    torch.testing.assert_close(layer(x), expected)
    weights = list(layer.parameters())
    fast = torch.autograd.grad(layer(x).square().sum(), [x, *weights])
    slow = torch.autograd.grad(expected.square().sum(), [x, *weights])
    for a, b in zip(fast, slow, strict=True):
        torch.testing.assert_close(a, b)


def test_swiglu_fused_matrix_has_the_spread_of_two_matrices():
    config = ModelConfig(d_model=128)
    layer = SwiGLU(config, generator=seeded())
    expected = math.sqrt(2.0 / (128 + config.hidden_dim)) * 0.9866
    assert abs(layer.gate_up.weight.std() / expected - 1.0) < 0.02


def test_swiglu_gradient_equals_reference():
    generator = torch.Generator().manual_seed(0)
    gate_up = torch.randn(3, 5, 14, generator=generator, requires_grad=True)
    weight = torch.randn(3, 5, 7, generator=generator)
    (fast,) = torch.autograd.grad((swiglu(gate_up) * weight).sum(), [gate_up])
    (slow,) = torch.autograd.grad(
        (swiglu_reference(*gate_up.chunk(2, dim=-1)) * weight).sum(), [gate_up]
    )
    torch.testing.assert_close(fast, slow)
