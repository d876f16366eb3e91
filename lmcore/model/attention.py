"""Causal multi-head attention, with the reference beside the fast path.

Cost per sequence of T tokens: 8 T d^2 FLOPs for the projections and 2 T^2 d for scores and
values (causal half); memory O(T d), because scaled_dot_product_attention tiles the scores.
"""

import math
from collections.abc import Callable

import torch
from jaxtyping import Bool, Complex64, Float
from torch import Tensor, nn
from torch.nn import functional as F

from lmcore.model.cache import KVCache
from lmcore.model.config import ModelConfig
from lmcore.model.layers import Linear
from lmcore.model.norm import RMSNorm
from lmcore.model.position import rotate

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
    """The same without the matrix of scores in memory."""
    n_queries, n_keys = Q.shape[2], K.shape[2]
    if mask is None and 1 < n_queries < n_keys:
        mask = causal_mask(n_queries, n_keys)[None, None].to(Q.device)
    is_causal = mask is None and n_queries == n_keys and n_queries > 1
    return F.scaled_dot_product_attention(Q, K, V, attn_mask=mask, is_causal=is_causal)


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
        d = self.heads[0] * self.heads[1]  # of this process, where heads are shared out
        qk, v = self.qkv(x).split((2 * d, d), dim=-1)
        V = v.unflatten(-1, self.heads).transpose(1, 2)
        qk = qk.unflatten(-1, (2, *self.heads))
        if self.query_norm is not None and self.key_norm is not None:
            q, k = qk.unbind(2)
            qk = torch.stack((self.query_norm(q), self.key_norm(k)), dim=2)
        q, k = rotate(qk, turn).unbind(2)
        Q, K = q.transpose(1, 2), k.transpose(1, 2)
        if cache is not None:
            K, V = cache.write(self.layer, K, V)
        mixed = self.attend(Q, K, V, mask)
        y: Tensor = self.out(mixed.transpose(1, 2).flatten(-2))
        return y
