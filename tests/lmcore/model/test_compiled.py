import math

import pytest
import torch

from lmcore.kernels import compiling
from lmcore.model import compiled
from lmcore.model import loss as loss_module
from lmcore.model.attention import attention, attention_reference, causal_attention
from lmcore.model.config import ModelConfig
from lmcore.model.feedforward import swiglu, swiglu_reference
from lmcore.model.layers import add_residual
from lmcore.model.loss import linear_cross_entropy, linear_cross_entropy_reference
from lmcore.model.norm import RMSNorm, add_and_norm, rms_norm, rms_norm_reference
from lmcore.model.position import rotate, rotate_heads, rotate_reference, rotation_table
from lmcore.model.transformer import Transformer

KINDS = pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["f32", "bf16"])
# of the norm of the exact result: float32 to rounding, bfloat16 to its last bit or two
NEAR = {torch.float32: 2e-6, torch.bfloat16: 8e-3}


@pytest.fixture(params=[1, 2], ids=["one-thread", "two-threads"])
def threads(request, monkeypatch):
    monkeypatch.setattr(compiled, "_LEAST_NUMBERS", 1)
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.fixture
def without_numba(monkeypatch):
    monkeypatch.setattr(compiling, "is_installed", lambda: False)


def draw(*shape, dtype=torch.float32, seed=0, scale=1.0):
    found = scale * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
    return found.to(dtype).requires_grad_()


def assert_near(found, exact, tolerance):
    assert found.shape == exact.shape
    error = (found.double() - exact.double()).norm()
    assert error <= tolerance * exact.double().norm(), f"{float(error / exact.double().norm()):.1e}"


def assert_same_gradients(fast, slow, inputs, tolerance):
    """`fast` of the inputs, and `slow` of the same numbers in float64, forward and backward."""
    exact = [x.detach().double().requires_grad_() for x in inputs]
    outputs, expected = fast(*inputs), slow(*exact)
    d_out = [draw(*y.shape, dtype=y.dtype, seed=9 + n).detach() for n, y in enumerate(outputs)]
    for found, right in zip(outputs, expected, strict=True):
        assert_near(found, right, tolerance)
    gradients = torch.autograd.grad(outputs, inputs, d_out)
    right = torch.autograd.grad(expected, exact, [d.double() for d in d_out])
    for x, found, by_x in zip(inputs, gradients, right, strict=True):
        assert found.dtype == x.dtype
        assert_near(found, by_x, tolerance)


def test_sum_in_bfloat16_rounds_as_torch_does():
    special = torch.tensor([0.0, -0.0, math.inf, -math.inf, math.nan, 3.4e38, 1e-39, 1.00390625])
    x = torch.cat((special, draw(4088, scale=1e3).detach())).reshape(4, 1024)
    found = add_residual(x.bfloat16(), torch.zeros_like(x))
    torch.testing.assert_close(found, x.bfloat16(), rtol=0.0, atol=0.0, equal_nan=True)
    odd = torch.tensor([1.0 + k * 2.0**-9 for k in range(64)]).reshape(1, 64)  # half of them ties
    rounded = add_residual(torch.zeros(1, 64, dtype=torch.bfloat16), odd)
    assert torch.equal(rounded, odd.bfloat16())


@KINDS
@pytest.mark.parametrize("shape", [(1, 2), (3, 5, 24), (70, 129)])
def test_rms_norm_equals_reference(threads, dtype, shape):
    x, gain = draw(*shape, dtype=dtype), draw(shape[-1], seed=1)
    assert_same_gradients(
        lambda x, gain: (rms_norm(x, gain, 1e-5),),
        lambda x, gain: (x / torch.sqrt(x.square().mean(-1, keepdim=True) + 1e-5) * gain,),
        [x, gain],
        NEAR[dtype],
    )


@KINDS
@pytest.mark.parametrize("rows", [1, 70])
def test_add_and_norm_equals_sum_then_norm(threads, dtype, rows):
    norm = RMSNorm(48, 1e-5)
    x, more, gain = draw(rows, 48), draw(rows, 48, dtype=dtype, seed=1), norm.weight
    torch.nn.init.uniform_(gain, 0.5, 2.0)

    def slow(x, more, gain):
        total = x + more
        return total, total / torch.sqrt(total.square().mean(-1, keepdim=True) + 1e-5) * gain

    assert_same_gradients(
        lambda x, more, _: add_and_norm(x, more, norm), slow, [x, more, gain], NEAR[dtype]
    )


@pytest.mark.parametrize("used", [0, 1])
def test_add_and_norm_result_that_is_not_used_adds_no_gradient(used):
    norm, x, more = RMSNorm(8, 1e-5), draw(3, 8), draw(3, 8, seed=1)
    total = x + more
    slow = (total, rms_norm_reference(total, norm.weight, 1e-5))[used]
    fast = add_and_norm(x, more, norm)[used]
    expected = torch.autograd.grad(slow.pow(3).sum(), [x, more])
    for found, right in zip(
        torch.autograd.grad(fast.pow(3).sum(), [x, more]), expected, strict=True
    ):
        torch.testing.assert_close(found, right)


def test_add_and_norm_without_branch_passes_the_stream_on():
    norm, x = RMSNorm(8, 1e-5), draw(3, 8)
    total, normed = add_and_norm(x, None, norm)
    assert torch.equal(total, x)
    (found,) = torch.autograd.grad((total.pow(2) + normed.pow(3)).sum(), [x])
    slow = x.pow(2) + rms_norm_reference(x, norm.weight, 1e-5).pow(3)
    torch.testing.assert_close(found, torch.autograd.grad(slow.sum(), [x])[0])


def test_norm_under_autocast_has_its_type_with_and_without_kernels(monkeypatch):
    x, gain = draw(5, 64), torch.ones(64)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        fast = rms_norm(x, gain, 1e-5)
        monkeypatch.setattr(compiling, "is_installed", lambda: False)
        slow = rms_norm(x, gain, 1e-5)
    assert fast.dtype == slow.dtype == torch.bfloat16
    assert_near(fast, slow, NEAR[torch.bfloat16])


@KINDS
@pytest.mark.parametrize(
    ("batch", "seq", "n_heads", "head_dim"), [(1, 1, 1, 2), (2, 70, 3, 6), (3, 5, 2, 32)]
)
@pytest.mark.parametrize("has_positions", [False, True])
def test_rotate_heads_equals_rotation(threads, dtype, batch, seq, n_heads, head_dim, has_positions):
    table = torch.view_as_complex(rotation_table(100, head_dim, 10000.0))
    places = (
        (torch.arange(seq) + 3 * torch.arange(batch)[:, None])
        if has_positions
        else torch.arange(seq)[None]
    )
    turn = table[places]
    qkv = draw(batch, seq, 3, n_heads, head_dim, dtype=dtype)
    wide = qkv.detach().float().requires_grad_()
    queries, keys = rotate_reference(wide[:, :, :2], turn).transpose(1, 3).unbind(2)
    expected = (queries, keys, wide[:, :, 2].transpose(1, 2))
    found = rotate_heads(qkv, turn)
    d_out = [draw(*y.shape, dtype=dtype, seed=n).detach() for n, y in enumerate(found)]
    for y, right in zip(found, expected, strict=True):
        assert_near(y, right, NEAR[dtype])
    (slow,) = torch.autograd.grad(expected, [wide], [d.float() for d in d_out])
    assert_near(torch.autograd.grad(found, [qkv], d_out)[0], slow, NEAR[dtype])


@KINDS
def test_rotate_heads_without_numba_equals_the_kernel(dtype, monkeypatch):
    turn = torch.view_as_complex(rotation_table(9, 8, 10000.0))[None]
    qkv = draw(2, 9, 3, 2, 8, dtype=dtype)
    fast = rotate_heads(qkv, turn)
    monkeypatch.setattr(compiling, "is_installed", lambda: False)
    for found, right in zip(fast, rotate_heads(qkv, turn), strict=True):
        assert_near(found, right, NEAR[dtype])
    assert_near(fast[0], rotate(qkv[:, :, 0], turn).transpose(1, 2), NEAR[dtype])


@KINDS
@pytest.mark.parametrize("rows", [1, 70])
@pytest.mark.parametrize("d_ff", [1, 33, 128])
def test_swiglu_equals_reference(threads, dtype, rows, d_ff):
    gate_up = draw(rows, 2 * d_ff, dtype=dtype, scale=3.0)
    assert_same_gradients(
        lambda x: (swiglu(x),),
        lambda x: (swiglu_reference(*x.chunk(2, dim=-1)),),
        [gate_up],
        NEAR[dtype],
    )


def test_swiglu_of_large_gates_stays_finite():
    gate_up = torch.tensor([[-1e4, -100.0, 100.0, 1e4, 1.0, 1.0, 1.0, 1.0]]).requires_grad_()
    y = swiglu(gate_up)
    torch.testing.assert_close(y, torch.tensor([[0.0, 0.0, 100.0, 1e4]]), atol=1e-30, rtol=1e-6)
    (gradient,) = torch.autograd.grad(y.sum(), [gate_up])
    assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("seq", [1, 2, 63, 64, 65, 200])
@pytest.mark.parametrize("head_dim", [2, 64])
def test_causal_attention_equals_reference(threads, seq, head_dim):
    leaves = [draw(2, 3, seq, head_dim, seed=n, scale=2.0) for n in range(3)]
    assert_same_gradients(
        lambda *x: (causal_attention(*x),),
        lambda *x: (attention_reference(*x),),
        leaves,
        NEAR[torch.float32],
    )


@pytest.mark.parametrize("seq", [2, 65, 200])
def test_attention_in_bfloat16_is_as_near_as_the_reference_in_bfloat16(seq):
    leaves = [draw(2, 3, seq, 64, dtype=torch.bfloat16, seed=n, scale=2.0) for n in range(3)]
    exact = [x.detach().double().requires_grad_() for x in leaves]
    d_out = draw(2, 3, seq, 64, dtype=torch.bfloat16, seed=5).detach()

    def found(function, inputs):
        y = function(*inputs)
        return [y, *torch.autograd.grad(y, inputs, d_out.to(y.dtype))]

    right = found(attention_reference, exact)
    for fast, slow, true in zip(
        found(attention, leaves), found(attention_reference, leaves), right, strict=True
    ):
        error = (slow.double() - true).norm()
        assert (fast.double() - true).norm() <= 1.1 * error + 1e-9


def test_causal_attention_sees_no_future():
    q, k, v = (draw(1, 1, 70, 4, seed=n).detach() for n in range(3))
    before = causal_attention(q, k, v)
    k[:, :, 40:], v[:, :, 40:] = 1e4, -1e4
    assert torch.equal(causal_attention(q, k, v)[:, :, :40], before[:, :, :40])


def test_causal_attention_of_nan_is_nan():
    q, k, v = (draw(1, 1, 5, 4, seed=n).detach() for n in range(3))
    q[0, 0, 3] = math.nan
    found = causal_attention(q, k, v)
    assert found[0, 0, 3].isnan().all()
    assert found[0, 0, :3].isfinite().all()


@KINDS
@pytest.mark.parametrize("chunk_rows", [1, 64, 1000])
def test_cross_entropy_under_autocast_is_near_the_exact_one(
    threads, monkeypatch, dtype, chunk_rows
):
    monkeypatch.setattr(loss_module, "_CHUNK_BYTES", chunk_rows * dtype.itemsize * 301)
    x, w = draw(150, 32), draw(301, 32, seed=1, scale=0.3)
    targets = torch.randint(301, (150,), generator=torch.Generator().manual_seed(2))
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype == torch.bfloat16):
        loss = linear_cross_entropy(x, w, targets)
    # the logits are rounded too, and their gradients sum over 301 words and 150 rows
    exact = linear_cross_entropy_reference(x.double(), w.double(), targets)
    assert_near(loss, exact, {torch.float32: 1e-6, torch.bfloat16: 1e-3}[dtype])
    found = torch.autograd.grad(loss, [x, w])
    for fast, slow in zip(found, torch.autograd.grad(exact, [x, w]), strict=True):
        assert_near(fast, slow, NEAR[dtype])


def test_cross_entropy_of_nan_is_nan():
    x, w = draw(3, 8), draw(20, 8, seed=1)
    with torch.no_grad():
        w[4, 2] = math.nan
    assert linear_cross_entropy(x, w, torch.tensor([1, 2, 3])).isnan()


def test_results_do_not_depend_on_the_threads(monkeypatch):
    monkeypatch.setattr(compiled, "_LEAST_NUMBERS", 1)
    before, found = torch.get_num_threads(), []
    for n_threads in (1, 2, 3):
        torch.set_num_threads(n_threads)
        x, gain = draw(200, 40), draw(40, seed=1)
        y = rms_norm(x, gain, 1e-5)
        found.append([y.detach(), *torch.autograd.grad(y.square().sum(), [x, gain])])
    torch.set_num_threads(before)
    for other in found[1:]:
        assert all(torch.equal(a, b) for a, b in zip(found[0], other, strict=True))


def losses_and_gradients(precision):
    model = Transformer(ModelConfig(d_model=64, n_layers=2, n_heads=2, context_length=48), 101)
    generator = torch.Generator().manual_seed(1)
    for block in model.blocks:  # the two that begin at zero would hide what is behind them
        torch.nn.init.normal_(block.attention.out.weight, std=0.1, generator=generator)
        torch.nn.init.normal_(block.feedforward.down.weight, std=0.1, generator=generator)
    ids = torch.randint(101, (3, 49), generator=generator)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == torch.bfloat16):
        loss = model.loss(ids[:, :-1], ids[:, 1:])
    loss.backward()
    return loss.detach(), [p.grad for p in model.parameters()]


@KINDS
def test_model_with_and_without_kernels_computes_the_same(dtype, monkeypatch):
    fast_loss, fast = losses_and_gradients(dtype)
    monkeypatch.setattr(compiling, "is_installed", lambda: False)
    _, slow = losses_and_gradients(dtype)
    monkeypatch.undo()
    exact_loss, exact = losses_and_gradients(torch.float32)
    assert_near(fast_loss, exact_loss, {torch.float32: 1e-6, torch.bfloat16: 2e-3}[dtype])
    for a, b, true in zip(fast, slow, exact, strict=True):
        # no worse than torch's operations are, which in bfloat16 is some 2%
        error = (b - true).norm() if dtype == torch.bfloat16 else 5e-6 * true.norm()
        assert (a - true).norm() <= 1.3 * error


@pytest.mark.usefixtures("without_numba")
def test_nothing_fits_without_numba():
    assert not compiled.fits(torch.ones(2))


def test_what_is_not_plain_does_not_fit():
    assert compiled.fits(torch.ones(2), torch.ones(2).bfloat16(), torch.nn.Parameter(torch.ones(1)))
    assert not compiled.fits(torch.ones(2, dtype=torch.float64))
    assert not compiled.fits(torch.ones(2, device="meta"))
    assert not compiled.fits(torch.ones(0))


@pytest.mark.gpu
def test_what_is_on_an_accelerator_does_not_fit():
    assert not compiled.fits(torch.ones(2, device="cuda"))
