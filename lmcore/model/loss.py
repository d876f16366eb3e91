"""Cross-entropy of next tokens, with the output projection inside.

The logits of a batch are the largest tensor of a small model (4,096 tokens x 4,096 words x 4
bytes = 64 MiB, and as much again for their gradient). `linear_cross_entropy` takes a chunk of
rows at a time, turns its logits into their gradient in place and multiplies it into the
gradients of features and weight at once: one chunk is in memory, and no logits are kept for the
backward pass.
"""

from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from lmcore.model import compiled
from lmcore.model.layers import add_residual

if TYPE_CHECKING:
    from collections.abc import Callable

_CHUNK_BYTES = 1 << 24
"""Size of one chunk of float32 logits. Few rows make slow products: the three of 52, 208 and 419
rows of 10,000 words run at 50, 62 and 70 GFLOP/s on a core with AVX2; more rows gain no more."""

_FAINT = 1e-30
"""A probability below this has lost digits in float32: its logarithm is computed anew."""


def token_logps(
    logits: Float[Tensor, "*batch vocab"], targets: Int[Tensor, "*batch"]
) -> Float[Tensor, "*batch"]:
    """Log-probability of each target, in nats, computed in float32."""
    wide = logits.to(torch.float32)
    chosen = wide.gather(-1, targets[..., None])[..., 0]
    return chosen - wide.logsumexp(dim=-1)


def linear_cross_entropy_reference(
    features: Float[Tensor, "rows d_model"],
    weight: Float[Tensor, "vocab d_model"],
    targets: Int[Tensor, " rows"],
) -> Float[Tensor, ""]:
    """-sum of log softmax(features weight^T)[target], all logits at once."""
    return -token_logps(F.linear(features, weight), targets).sum()


def linear_cross_entropy(
    features: Float[Tensor, "rows d_model"],
    weight: Float[Tensor, "vocab d_model"],
    targets: Int[Tensor, " rows"],
) -> Float[Tensor, ""]:
    """The same sum in nats, chunk by chunk; the gradient is exact, the loss float32.

    Under autocast all three products of a chunk are taken in its type, the sums in float32.
    """
    needs_gradient = torch.is_grad_enabled()  # within a Function it never is
    apply: Callable[..., Tensor] = _LinearCrossEntropy.apply
    device = features.device.type
    is_mixed = torch.is_autocast_enabled(device)
    dtype = torch.get_autocast_dtype(device) if is_mixed else features.dtype
    with torch.autocast(device, enabled=False):
        return apply(features, weight, targets, dtype, needs_gradient)


class _LinearCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,  # autograd's context has no public type
        features: Tensor,
        weight: Tensor,
        targets: Tensor,
        dtype: torch.dtype,
        needs_gradient: bool,
    ) -> Tensor:
        ctx.dtypes = features.dtype, weight.dtype
        features, weight = features.to(dtype), weight.to(dtype)
        needs_features, needs_weight = (needs_gradient and x for x in ctx.needs_input_grad[:2])
        d_features = torch.empty_like(features) if needs_features else None
        d_weight = _WeightGradient(weight) if needs_weight else None
        total = torch.zeros((), dtype=torch.float32, device=features.device)
        is_compiled = compiled.fits(features, weight)
        softmax_step = _compiled_softmax_step if is_compiled else _softmax_step
        rows = _chunk_rows(features.shape[0], weight.shape[0] * dtype.itemsize)
        scratch = features.new_empty((rows, weight.shape[0]))
        for start in range(0, features.shape[0], rows):
            x, y = features[start : start + rows], targets[start : start + rows]
            d_logits, nats = softmax_step(x, weight, y, scratch[: x.shape[0]])
            total += nats
            if d_features is not None:
                torch.mm(d_logits, weight, out=d_features[start : start + rows])
            if d_weight is not None:
                d_weight.add(x, d_logits)
        ctx.save_for_backward(d_features, None if d_weight is None else d_weight.total)
        return total

    @staticmethod
    def backward(
        ctx: Any,  # autograd's context has no public type
        d_loss: Tensor,
    ) -> tuple[Tensor | None, Tensor | None, None, None, None]:
        d_features, d_weight = ctx.saved_tensors
        if d_features is not None:
            d_features = d_features.to(ctx.dtypes[0]) * d_loss
        if d_weight is not None:
            d_weight = (d_weight * d_loss).to(ctx.dtypes[1]).contiguous()
        return d_features, d_weight, None, None, None


def _chunk_rows(n_rows: int, row_bytes: int) -> int:
    """Rows of a chunk: chunks of nearly equal size, none above _CHUNK_BYTES."""
    n_chunks = -(-n_rows * row_bytes // _CHUNK_BYTES)
    return max(1, -(-n_rows // max(1, n_chunks)))


def _compiled_softmax_step(
    x: Float[Tensor, "rows d_model"],
    weight: Float[Tensor, "vocab d_model"],
    targets: Int[Tensor, " rows"],
    scratch: Float[Tensor, "rows vocab"],
) -> tuple[Float[Tensor, "rows vocab"], Float[Tensor, ""]]:
    """As `_softmax_step`, in one reading of the chunk (2.6 ns a row and word in all, bfloat16)."""
    torch.mm(x, weight.T, out=scratch)
    nats = torch.empty(x.shape[0])
    compiled.share(
        compiled.kernels().cross_entropy,
        x.shape[0],
        compiled.array(scratch),
        targets.contiguous().numpy(),
        nats.numpy(),
        n_numbers=scratch.numel(),
    )
    return scratch, nats.sum()


def _softmax_step(
    x: Float[Tensor, "rows d_model"],
    weight: Float[Tensor, "vocab d_model"],
    targets: Int[Tensor, " rows"],
    scratch: Float[Tensor, "rows vocab"],
) -> tuple[Float[Tensor, "rows vocab"], Float[Tensor, ""]]:
    """The gradient of the loss by the logits of a chunk (in its scratch), and its nats.

    One softmax in place: a row stays in the cache while it is raised, summed and divided. The
    loss is read off the probabilities, and computed from the logits where that would lose digits.
    """
    torch.mm(x, weight.T, out=scratch)
    is_wide = scratch.dtype == torch.float32
    wide = scratch if is_wide else torch.empty_like(scratch, dtype=torch.float32)
    torch.softmax(scratch, dim=-1, dtype=torch.float32, out=wide)
    chosen = wide.gather(1, targets[:, None])
    nats = -chosen[:, 0].log()
    faint = torch.nonzero(chosen[:, 0] < _FAINT)[:, 0]
    if len(faint):
        nats[faint] = -token_logps(F.linear(x[faint], weight), targets[faint])
    wide.scatter_(1, targets[:, None], chosen - 1.0)
    return wide.to(scratch.dtype), nats.sum()


class _WeightGradient:
    """The gradient of the matrix, summed over chunks in float32.

    In float32 it is kept transposed: features^T d_logits multiplies 1.4 times as fast there as
    d_logits^T features; in bfloat16 it is the slower one (404 and 446 GFLOP/s).
    """

    def __init__(self, weight: Float[Tensor, "vocab d_model"]) -> None:
        self._is_transposed = weight.dtype == torch.float32
        shape = weight.shape[::-1] if self._is_transposed else weight.shape
        self._sum = torch.empty(shape, dtype=torch.float32, device=weight.device)
        self._is_empty = True

    def add(self, x: Float[Tensor, "rows d_model"], d_logits: Float[Tensor, "rows vocab"]) -> None:
        """Adds d_logits^T x."""
        beta = 0.0 if self._is_empty else 1.0
        if self._is_transposed:
            self._sum.addmm_(x.T, d_logits, beta=beta)
        elif self._is_empty:
            self._sum.copy_(d_logits.T @ x)
        else:
            self._sum = add_residual(self._sum, d_logits.T @ x)
        self._is_empty = False

    @property
    def total(self) -> Float[Tensor, "vocab d_model"]:
        """The sum so far."""
        if self._is_empty:
            self._sum.zero_()
        return self._sum.T if self._is_transposed else self._sum
