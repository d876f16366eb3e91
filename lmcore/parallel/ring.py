"""Context parallelism: a sequence cut over processes, keys and values passed round a ring.

Each of n processes holds a part of every sequence. In n steps the keys and values of all parts
come by (arXiv:2310.01889): a process sends what it holds to the next one and receives the next
block while it attends to the present one, and merges the partial results by their
log-sum-exp, as in arXiv:2205.14135. The backward pass goes round once more, and the gradients
of keys and values travel with them until they are back home.

Causal attention gives late tokens more work. A sequence is cut into 2 n chunks and process i
takes chunk i from the front and chunk i from the back: then every step costs each process the
same, half of the products of its queries with a block (arXiv:2311.09431 stripes for the same end).

Cost per layer and process, T tokens, batch b: T^2 b d / n FLOPs forward; sent 2 (n - 1) blocks
of b T d / n numbers forward and 4 n - 2 backward; memory O(b T d / n).
"""

import math
from typing import TYPE_CHECKING, Any, Final

import torch
import torch.distributed as dist
from jaxtyping import Float, Int
from torch import Tensor

from lmcore.optim.sharded import share
from lmcore.parallel.mesh import Group

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_QUERY_ROWS: Final = 512
"""Queries whose scores are in memory at once."""


def positions_of(n_tokens: int, group: Group) -> Int[Tensor, " part"]:
    """Which positions of a sequence this process holds: a chunk from the front and one from the back."""
    if group.size == 1:
        return torch.arange(n_tokens)
    chunks = (group.rank, 2 * group.size - 1 - group.rank)
    parts = (share(n_tokens, 2 * group.size, chunk) for chunk in chunks)
    return torch.cat([torch.arange(part.start, part.stop) for part in parts])


def ring_attention(
    Q: Float[Tensor, "batch heads queries head_dim"],
    K: Float[Tensor, "batch heads queries head_dim"],
    V: Float[Tensor, "batch heads queries head_dim"],
    group: Group,
) -> Float[Tensor, "batch heads queries head_dim"]:
    """Causal attention over sequences of which each process holds the tokens of `positions_of`.

    The sequence divides by twice the number of processes.
    """
    apply: Callable[..., Tensor] = _RingAttention.apply
    return apply(Q, K, V, group)


class _RingAttention(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, Q: Tensor, K: Tensor, V: Tensor, group: Group) -> Tensor:  # autograd's
        out = torch.zeros(Q.shape, dtype=torch.float32, device=Q.device)
        lse = torch.full(Q.shape[:-1], -math.inf, dtype=torch.float32, device=Q.device)
        block = torch.stack((K, V))
        for step in range(group.size):
            is_last = step == group.size - 1
            passing = None if is_last else _Passing(block, group)
            queries, keys = _visible(step, group, Q.shape[2])
            k, v = block[:, :, :, keys]
            part, part_lse = _attend(Q[:, :, queries], k, v, is_causal=step == 0)
            _merge(out[:, :, queries], lse[:, :, queries], part, part_lse)
            if passing is not None:
                block = passing.wait()
        out = out.to(Q.dtype)
        ctx.group = group
        ctx.save_for_backward(Q, K, V, out, lse)
        return out

    @staticmethod
    def backward(
        ctx: Any,  # autograd's
        d_out: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor, None]:
        Q, K, V, out, lse = ctx.saved_tensors
        group: Group = ctx.group
        d_q = torch.zeros_like(Q)
        block = torch.stack((K, V))
        d_block = torch.zeros_like(block)
        arriving: _Passing | None = None
        delta = (out.float() * d_out.float()).sum(dim=-1)
        for step in range(group.size):
            is_last = step == group.size - 1
            passing = None if is_last else _Passing(block, group)
            queries, keys = _visible(step, group, Q.shape[2])
            k, v = block[:, :, :, keys]
            d_queries, d_k, d_v = _attend_backward(
                (Q[:, :, queries], k, v),
                (d_out[:, :, queries], lse[:, :, queries], delta[:, :, queries]),
                is_causal=step == 0,
            )
            d_q[:, :, queries] += d_queries
            if arriving is not None:
                d_block = arriving.wait()
            d_block[:, :, :, keys] += torch.stack((d_k, d_v))
            arriving = _Passing(d_block, group)
            if passing is not None:
                block = passing.wait()
        assert arriving is not None
        d_block = arriving.wait()  # at home again
        return d_q, d_block[0], d_block[1], None


class _Passing:
    """A tensor on its way to the next process, and the previous one's to this."""

    def __init__(self, tensor: Tensor, group: Group) -> None:
        after = group.ranks[(group.rank + 1) % group.size]
        before = group.ranks[group.rank - 1]
        self.received = torch.empty_like(tensor)
        self.sent = tensor  # must not be freed, or written, on its way
        self.works = dist.batch_isend_irecv(
            [
                dist.P2POp(dist.isend, self.sent, after, group.handle),
                dist.P2POp(dist.irecv, self.received, before, group.handle),
            ]
        )

    def wait(self) -> Tensor:
        for work in self.works:
            work.wait()
        return self.received


def _visible(step: int, group: Group, n: int) -> tuple[slice, slice]:
    """Which of this process's queries see which keys of the block that has come in a step.

    Of an earlier process the front chunk is before all queries, its back chunk after them; of a
    later one both chunks are before the back chunk of the queries only.
    """
    if step == 0:
        return slice(n), slice(n)
    if step <= group.rank:
        return slice(n), slice(n // 2)
    return slice(n // 2, n), slice(n)


def _tiles(n_queries: int, n_keys: int, *, is_causal: bool) -> "Sequence[tuple[slice, slice]]":
    """Queries taken together, and the keys that they may see."""
    starts = range(0, n_queries, _QUERY_ROWS)
    return [
        (slice(start, start + _QUERY_ROWS), slice(start + _QUERY_ROWS if is_causal else n_keys))
        for start in starts
    ]


def _scores(Q: Tensor, K: Tensor, start: int, *, is_causal: bool) -> Tensor:
    scores = (Q @ K.transpose(-1, -2)).float() / math.sqrt(Q.shape[-1])
    if is_causal:
        mask = torch.ones(Q.shape[2], K.shape[2], dtype=torch.bool, device=Q.device)
        scores = scores.masked_fill(~mask.tril(start), -math.inf)
    return scores


def _attend(Q: Tensor, K: Tensor, V: Tensor, *, is_causal: bool) -> tuple[Tensor, Tensor]:
    """Attention to one block, and the log-sum-exp of each query's scores."""
    outs, lses = [], []
    for queries, keys in _tiles(Q.shape[2], K.shape[2], is_causal=is_causal):
        scores = _scores(Q[:, :, queries], K[:, :, keys], queries.start, is_causal=is_causal)
        lse = scores.logsumexp(dim=-1)
        share_of_each = (scores - lse[..., None]).exp_().to(V.dtype)
        outs.append(share_of_each @ V[:, :, keys])
        lses.append(lse)
    return torch.cat(outs, dim=2), torch.cat(lses, dim=2)


def _attend_backward(
    inputs: tuple[Tensor, Tensor, Tensor],
    outputs: tuple[Tensor, Tensor, Tensor],
    *,
    is_causal: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients by queries, keys and values of one block; lse and delta are over all blocks."""
    Q, K, V = inputs
    d_out, lse, delta = outputs
    d_q = torch.zeros_like(Q)
    d_k, d_v = torch.zeros_like(K), torch.zeros_like(V)
    scale = 1.0 / math.sqrt(Q.shape[-1])
    for queries, keys in _tiles(Q.shape[2], K.shape[2], is_causal=is_causal):
        q, d_o = Q[:, :, queries], d_out[:, :, queries]
        scores = _scores(q, K[:, :, keys], queries.start, is_causal=is_causal)
        P = (scores - lse[:, :, queries, None]).exp_()
        d_v[:, :, keys] += P.to(V.dtype).transpose(-1, -2) @ d_o
        d_p = (d_o @ V[:, :, keys].transpose(-1, -2)).float()
        d_s = (P * (d_p - delta[:, :, queries, None]) * scale).to(Q.dtype)
        d_q[:, :, queries] = d_s @ K[:, :, keys]
        d_k[:, :, keys] += d_s.transpose(-1, -2) @ q
    return d_q, d_k, d_v


def _merge(out: Tensor, lse: Tensor, part: Tensor, part_lse: Tensor) -> None:
    """Adds a block's result to what has been merged before, in place."""
    both = torch.logaddexp(lse, part_lse)
    out *= (lse - both).exp_()[..., None]
    out += (part_lse - both).exp_()[..., None] * part
    lse.copy_(both)
