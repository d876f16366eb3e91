"""Cross-entropy of next tokens, with the output projection inside.

The logits of a batch are the largest tensor of a small model (4,096 tokens x 4,096 words x 4
bytes = 64 MiB, and as much again for their gradient). `linear_cross_entropy` takes a chunk of
rows at a time, turns its logits into their gradient in place and multiplies it into the
gradients of features and weight at once, so that the chunk never leaves the cache and no
logits are kept for the backward pass.
"""

from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

if TYPE_CHECKING:
    from collections.abc import Callable

_CHUNK_BYTES = 1 << 21
"""Size of one chunk of float32 logits: about an L2 cache (measured best of 1 to 16 MiB)."""


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
    """The same sum in nats, chunk by chunk; the gradient is exact, the loss float32."""
    apply: Callable[[Tensor, Tensor, Tensor], Tensor] = _LinearCrossEntropy.apply
    return apply(features, weight, targets)


class _LinearCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,  # autograd's context has no public type
        features: Tensor,
        weight: Tensor,
        targets: Tensor,
    ) -> Tensor:
        rows = max(1, _CHUNK_BYTES // (4 * weight.shape[0]))
        needs_features, needs_weight = ctx.needs_input_grad[:2]
        d_features = torch.empty_like(features) if needs_features else None
        # kept transposed: features^T d_logits multiplies 1.4 times as fast as d_logits^T features
        d_weight = _zeros_transposed(weight) if needs_weight else None
        total = torch.zeros((), dtype=torch.float32, device=features.device)
        for start in range(0, features.shape[0], rows):
            part = slice(start, start + rows)
            x, y = features[part], targets[part, None]
            logits = F.linear(x, weight).to(torch.float32)
            logits -= logits.amax(dim=-1, keepdim=True)
            chosen = logits.gather(1, y)
            scale = logits.exp_().sum(dim=-1, keepdim=True)
            total += (scale.log() - chosen).sum()
            if d_features is None and d_weight is None:
                continue
            logits /= scale
            logits.scatter_add_(1, y, torch.full_like(chosen, -1.0))
            d_logits = logits.to(features.dtype)
            if d_features is not None:
                torch.mm(d_logits, weight, out=d_features[part])
            if d_weight is not None:
                _accumulate(d_weight, x, d_logits)
        ctx.save_for_backward(d_features, d_weight)
        ctx.weight_dtype = weight.dtype
        return total

    @staticmethod
    def backward(
        ctx: Any,  # autograd's context has no public type
        d_loss: Tensor,
    ) -> tuple[Tensor | None, Tensor | None, None]:
        d_features, d_weight = ctx.saved_tensors
        if d_features is not None:
            d_features = d_features * d_loss
        if d_weight is not None:
            d_weight = (d_weight.T * d_loss).to(ctx.weight_dtype).contiguous()
        return d_features, d_weight, None


def _zeros_transposed(weight: Tensor) -> Tensor:
    return torch.zeros(weight.shape[::-1], dtype=torch.float32, device=weight.device)


def _accumulate(d_weight: Tensor, x: Tensor, d_logits: Tensor) -> None:
    """d_weight^T += x^T d_logits, summed over chunks in float32."""
    if d_logits.dtype == torch.float32:
        d_weight.addmm_(x.T, d_logits)
    else:
        d_weight += x.T @ d_logits
