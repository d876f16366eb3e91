"""Causal multi-head attention, with the reference beside the fast paths.

Cost per sequence of T tokens: 8 T d^2 FLOPs for the projections and 2 T^2 d for scores and
values (causal half).

In bfloat16 on a CPU the scores of sequences up to 1,024 are written out: T^2 numbers a head and
layer are kept for the backward pass, and all six products are large ones. Everything else takes
scaled_dot_product_attention: O(T d) memory, and as fast in float32, but its tiles multiply slowly
in bfloat16. Forward and backward of 32 heads of 256 x 64 on a core with AVX-512: 24.0 ms tiled and
7.0 ms written out; 8 heads of 1,024: 50 and 26 ms. Scores are rounded to bfloat16 as in any written
form under autocast: the result is off by 0.9% of its norm where the tiles are off by 0.5%.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Complex64, Float
from torch import Tensor, nn
from torch.nn import functional as F

from lmcore.model import compiled
from lmcore.model.cache import KVCache
from lmcore.model.config import ModelConfig
from lmcore.model.layers import Linear
from lmcore.model.norm import RMSNorm
from lmcore.model.position import rotate, rotate_heads

_WRITTEN_OUT = 1024
"""Longest sequence whose scores are written out; as in lmcore.train.estimate."""

Attend = Callable[[Tensor, Tensor, Tensor, Tensor | None], Tensor]


def causal_mask(n_queries: int, n_keys: int) -> Bool[Tensor, "queries keys"]:
    """True where a query may look: the queries are the last of the keys."""
    return torch.ones(n_queries, n_keys, dtype=torch.bool).tril(n_keys - n_queries)


def attention_reference(
    Q: Float[Tensor, "batch heads queries head_dim"],
    K: Float[Tensor, "batch heads keys head_dim"],
    V: Float[Tensor, "batch heads keys head_dim"],
    mask: Bool[Tensor, "#batch #heads queries keys"] | None = None,
) -> Float[Tensor, "batch heads queries head_dim"]:
    """softmax(Q K^T / sqrt(head_dim)) V, with the scores written out; None means causal."""
    if mask is None:
        mask = causal_mask(Q.shape[2], K.shape[2])[None, None].to(Q.device)
    scores = Q @ K.transpose(-1, -2) / math.sqrt(Q.shape[-1])
    scores = scores.masked_fill(~mask, -math.inf)
    return scores.softmax(dim=-1) @ V


def attention(
    Q: Float[Tensor, "batch heads queries head_dim"],
    K: Float[Tensor, "batch heads keys head_dim"],
    V: Float[Tensor, "batch heads keys head_dim"],
    mask: Bool[Tensor, "#batch #heads queries keys"] | None = None,
) -> Float[Tensor, "batch heads queries head_dim"]:
    """The same, with the scores written out or tiled, whichever is faster."""
    n_queries, n_keys = Q.shape[2], K.shape[2]
    is_short = mask is None and 1 < n_queries == n_keys <= _WRITTEN_OUT
    is_narrow = Q.dtype == K.dtype == V.dtype == torch.bfloat16
    if is_short and is_narrow and compiled.fits(Q, K, V):
        return causal_attention(Q, K, V)
    if mask is None and 1 < n_queries < n_keys:
        mask = causal_mask(n_queries, n_keys)[None, None].to(Q.device)
    is_causal = mask is None and n_queries == n_keys and n_queries > 1
    return F.scaled_dot_product_attention(Q, K, V, attn_mask=mask, is_causal=is_causal)


def causal_attention(
    Q: Float[Tensor, "batch heads seq head_dim"],
    K: Float[Tensor, "batch heads seq head_dim"],
    V: Float[Tensor, "batch heads seq head_dim"],
) -> Float[Tensor, "batch heads seq head_dim"]:
    """The same with the scores written out, for tensors that the kernels fit."""
    apply: Callable[[Tensor, Tensor, Tensor], Tensor] = _CausalAttention.apply
    with torch.autocast("cpu", enabled=False):
        return apply(Q, K, V)


class _CausalAttention(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,  # autograd's context has no public type
        Q: Tensor,
        K: Tensor,
        V: Tensor,
    ) -> Tensor:
        q, k, v = (x.flatten(0, 1) for x in (Q, K, V))
        scores = torch.bmm(q, k.mT)
        compiled.share(
            compiled.kernels().causal_softmax,
            len(scores),
            compiled.array(scores),
            np.float32(1.0 / math.sqrt(Q.shape[-1])),
            n_numbers=scores.numel(),
        )
        ctx.save_for_backward(q, k, v, scores)
        return torch.bmm(scores, v).view(V.shape)

    @staticmethod
    def backward(
        ctx: Any,  # autograd's context has no public type
        d_out: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        q, k, v, probabilities = ctx.saved_tensors
        d_mixed = d_out.flatten(0, 1)
        d_v = torch.bmm(probabilities.mT, d_mixed)
        d_scores = torch.bmm(d_mixed, v.mT)
        compiled.share(
            compiled.kernels().causal_softmax_backward,
            len(d_scores),
            compiled.array(probabilities),
            compiled.array(d_scores),
            np.float32(1.0 / math.sqrt(q.shape[-1])),
            n_numbers=d_scores.numel(),
        )
        d_q, d_k = torch.bmm(d_scores, k), torch.bmm(d_scores.mT, q)
        return d_q.view(d_out.shape), d_k.view(d_out.shape), d_v.view(d_out.shape)


class Attention(nn.Module):
    """Projects to queries, keys and values at once, rotates, attends, projects back."""

    def __init__(self, config: ModelConfig, layer: int, *, generator: torch.Generator) -> None:
        super().__init__()
        d = config.d_model
        self.layer = layer
        self.heads = (config.n_heads, config.head_dim)
        self.attend: Attend = attention
        """replaced where sequences are cut over processes"""
        # drawn as three [d, d] matrices would be: the variance of [3d, d] is half as large
        self.qkv = Linear(d, 3 * d, generator=generator, gain=math.sqrt(2.0))
        self.out = Linear(d, d, generator=generator, gain=0.0)
        self.query_norm = RMSNorm(config.head_dim, config.norm_eps) if config.qk_norm else None
        self.key_norm = RMSNorm(config.head_dim, config.norm_eps) if config.qk_norm else None

    def forward(
        self,
        x: Float[Tensor, "batch seq d_model"],
        turn: Complex64[Tensor, "#batch seq half"],
        mask: Bool[Tensor, "#batch 1 seq keys"] | None = None,
        cache: KVCache | None = None,
    ) -> Float[Tensor, "batch seq d_model"]:
        """Attends causally, or where the mask is True; with a cache, to the past as well."""
        Q, K, V = self._project(x, turn)
        if cache is not None:
            K, V = cache.write(self.layer, K, V)
        mixed = self.attend(Q, K, V, mask)
        y: Tensor = self.out(mixed.transpose(1, 2).flatten(-2))
        return y

    def _project(
        self, x: Float[Tensor, "batch seq d_model"], turn: Complex64[Tensor, "#batch seq half"]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Queries and keys, rotated, and values: [batch, heads, seq, head_dim] each."""
        qkv = self.qkv(x).unflatten(-1, (3, *self.heads))
        if self.query_norm is None or self.key_norm is None:
            return rotate_heads(qkv, turn)
        q, k, v = qkv.unbind(2)
        qk = torch.stack((self.query_norm(q), self.key_norm(k)), dim=2)
        Q, K = rotate(qk, turn).transpose(1, 3).unbind(2)
        return Q, K, v.transpose(1, 2)
