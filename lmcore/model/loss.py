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
    apply: Callable[[Tensor, Tensor, Tensor, torch.dtype], Tensor] = _LinearCrossEntropy.apply
    device = features.device.type
    is_mixed = torch.is_autocast_enabled(device)
    dtype = torch.get_autocast_dtype(device) if is_mixed else features.dtype
    with torch.autocast(device, enabled=False):
        return apply(features, weight, targets, dtype)


class _LinearCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,  # autograd's context has no public type
        features: Tensor,
        weight: Tensor,
        targets: Tensor,
        dtype: torch.dtype,
    ) -> Tensor:
        ctx.dtypes = features.dtype, weight.dtype
        features, weight = features.to(dtype), weight.to(dtype)
        rows = max(1, min(features.shape[0], _CHUNK_BYTES // (4 * weight.shape[0])))
        needs_features, needs_weight = ctx.needs_input_grad[:2]
        d_features = torch.empty_like(features) if needs_features else None
        # kept transposed: features^T d_logits multiplies 1.4 times as fast as d_logits^T features
        d_weight = _zeros_transposed(weight) if needs_weight else None
        total = torch.zeros((), dtype=torch.float32, device=features.device)
        scratch = torch.empty((rows, weight.shape[0]), dtype=torch.float32, device=features.device)
        for start in range(0, features.shape[0], rows):
            x, y = features[start : start + rows], targets[start : start + rows]
            d_logits, nats = _softmax_step(x, weight, y, scratch[: x.shape[0]])
            total += nats
            if d_features is not None:
                torch.mm(d_logits, weight, out=d_features[start : start + rows])
            if d_weight is not None:
                _accumulate(d_weight, x, d_logits)
        ctx.save_for_backward(d_features, d_weight)
        return total

    @staticmethod
    def backward(
        ctx: Any,  # autograd's context has no public type
        d_loss: Tensor,
    ) -> tuple[Tensor | None, Tensor | None, None, None]:
        d_features, d_weight = ctx.saved_tensors
        if d_features is not None:
            d_features = d_features.to(ctx.dtypes[0]) * d_loss
        if d_weight is not None:
            d_weight = (d_weight.T * d_loss).to(ctx.dtypes[1]).contiguous()
        return d_features, d_weight, None, None


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
    if x.dtype == torch.float32:
        torch.mm(x, weight.T, out=scratch)
        torch.softmax(scratch, dim=-1, out=scratch)
    else:
        torch.softmax(torch.mm(x, weight.T), dim=-1, dtype=torch.float32, out=scratch)
    chosen = scratch.gather(1, targets[:, None])
    nats = -chosen[:, 0].log()
    faint = torch.nonzero(chosen[:, 0] < _FAINT)[:, 0]
    if len(faint):
        nats[faint] = -token_logps(F.linear(x[faint], weight), targets[faint])
    scratch.scatter_(1, targets[:, None], chosen - 1.0)
    return scratch.to(x.dtype), nats.sum()


def _zeros_transposed(weight: Tensor) -> Tensor:
    return torch.zeros(weight.shape[::-1], dtype=torch.float32, device=weight.device)


def _accumulate(d_weight: Tensor, x: Tensor, d_logits: Tensor) -> None:
    """d_weight^T += x^T d_logits, summed over chunks in float32."""
    if d_logits.dtype == torch.float32:
        d_weight.addmm_(x.T, d_logits)
    else:
        d_weight += x.T @ d_logits
