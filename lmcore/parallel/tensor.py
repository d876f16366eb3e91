"""Tensor parallelism: every matrix of a block and the vocabulary, cut over processes.

A block computes with two cuts (arXiv:1909.08053). The first matrix of a pair is cut by rows, so a
process has heads, or hidden units, of its own; the second by columns, so the products add up:
one sum over the processes a pair and direction. Matrices that stack projections (queries, keys
and values; gate and up) are cut within each. The embedding and the head are cut by tokens, and the
cross-entropy never has all logits of a token in one process: of a row go three numbers.

With `sequence` the activations between the pairs are cut by positions (arXiv:2205.05198): norms
and the residual stream take 1/n of the memory, for the same bytes sent.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from lmcore.model.transformer import Block, Transformer
from lmcore.optim.sharded import Split, gather_whole, mark, share
from lmcore.parallel.collectives import copy_in, gather_in, scatter_out, sum_out
from lmcore.parallel.mesh import Group

if TYPE_CHECKING:
    from collections.abc import Callable

_CHUNK_BYTES = 1 << 24
"""Size of one chunk of float32 logits, as in lmcore.model.loss."""


@dataclass(frozen=True, slots=True)
class TensorParallel:
    """The processes that share the matrices, and whether they share the positions too."""

    group: Group
    sequence: bool = False

    def enter(self, x: Float[Tensor, "batch part d"]) -> Float[Tensor, "batch seq d"]:
        """From the residual stream to a matrix cut by rows, in the type of its product."""
        if torch.is_autocast_enabled(x.device.type):
            x = x.to(torch.get_autocast_dtype(x.device.type))
        return gather_in(x, self.group) if self.sequence else copy_in(x, self.group)

    def leave(self, x: Float[Tensor, "batch seq d"]) -> Float[Tensor, "batch part d"]:
        """From a matrix cut by columns to the residual stream."""
        return scatter_out(x, self.group) if self.sequence else sum_out(x, self.group)


class ColumnParallel(nn.Module):
    """y = x W^T with some of W's rows: some of the features come out (Megatron's name)."""

    def __init__(self, weight: Tensor, within: TensorParallel, *, n_parts: int = 1) -> None:
        super().__init__()
        self.within = within
        self.weight = _part(weight, within.group, axis=0, n_parts=n_parts)

    def forward(self, x: Float[Tensor, "batch part d_in"]) -> Float[Tensor, "batch seq d_some"]:
        """Projects all positions to this process's features."""
        return F.linear(self.within.enter(x), self.weight)


class RowParallel(nn.Module):
    """y = x W^T with some of W's columns: some of the features go in, and the results add up."""

    def __init__(self, weight: Tensor, within: TensorParallel) -> None:
        super().__init__()
        self.within = within
        self.weight = _part(weight, within.group, axis=1)

    def forward(self, x: Float[Tensor, "batch seq d_some"]) -> Float[Tensor, "batch part d_out"]:
        """Projects this process's features and adds the others'."""
        return self.within.leave(F.linear(x, self.weight))


class VocabularyParallel(nn.Module):
    """Some of the rows of an embedding, or of a head."""

    def __init__(self, weight: Tensor, within: TensorParallel) -> None:
        super().__init__()
        self.within = within
        n_tokens, group = weight.shape[0], within.group
        self.tokens = share(n_tokens, group.size, group.rank)
        self.n_most = -(-n_tokens // group.size)
        self.weight = _part(weight, group, axis=0)

    def forward(self, ids: Int[Tensor, "batch seq"]) -> Float[Tensor, "batch part d"]:
        """Looks this process's tokens up, zero for the others', and adds."""
        local = ids - self.tokens.start
        is_mine = (local >= 0) & (local < len(self.tokens))
        found = F.embedding(local.where(is_mine, 0), self.weight)
        return self.within.leave(found * is_mine[..., None])


def cut_model(model: Transformer, within: TensorParallel) -> None:
    """Replaces the matrices of a model by this process's parts of them, in place."""
    for block in model.blocks:
        assert isinstance(block, Block)
        attention, feedforward = block.attention, block.feedforward
        n_heads, head_dim = attention.heads
        attention.heads = (n_heads // within.group.size, head_dim)
        for layer, name, n_parts in ((attention, "qkv", 3), (feedforward, "gate_up", 2)):
            weight = layer.get_parameter(f"{name}.weight")
            layer.add_module(name, ColumnParallel(weight, within, n_parts=n_parts))
        attention.add_module("out", RowParallel(attention.out.weight, within))
        feedforward.add_module("down", RowParallel(feedforward.down.weight, within))
    model.add_module("embedding", VocabularyParallel(model.embedding.weight, within))
    if model.head is not None:
        model.add_module("head", VocabularyParallel(model.head.weight, within))


def _part(weight: Tensor, group: Group, *, axis: int, n_parts: int = 1) -> nn.Parameter:
    split = Split(group, tuple(weight.shape), axis, n_parts)
    part = nn.Parameter(split.cut(weight.detach()).clone())
    mark(part, split)
    return part


def vocabulary_cross_entropy_reference(
    features: Float[Tensor, "rows d_model"],
    head: VocabularyParallel,
    targets: Int[Tensor, " rows"],
) -> Float[Tensor, ""]:
    """The sum of -log softmax(features W^T)[target], with W gathered whole; no gradient for it."""
    logits = F.linear(features, gather_whole(head.weight.detach(), head.weight))
    return F.cross_entropy(logits.float(), targets, reduction="sum")


def vocabulary_cross_entropy(
    features: Float[Tensor, "rows d_model"],
    head: VocabularyParallel,
    targets: Int[Tensor, " rows"],
) -> Float[Tensor, ""]:
    """The same from everyone's rows of W, chunk by chunk, with the exact gradient.

    The gradient by the features is this process's share of a sum (`enter` adds it up).
    """
    apply: Callable[..., Tensor] = _VocabularyCrossEntropy.apply
    device = features.device.type
    is_mixed = torch.is_autocast_enabled(device)
    dtype = torch.get_autocast_dtype(device) if is_mixed else features.dtype
    with torch.autocast(device, enabled=False):
        return apply(features, head.weight, targets, (head, dtype))


class _VocabularyCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,  # autograd's context has no public type
        features: Tensor,
        weight: Tensor,
        targets: Tensor,
        settings: tuple[VocabularyParallel, torch.dtype],
    ) -> Tensor:
        head, dtype = settings
        ctx.dtypes = features.dtype, weight.dtype
        features, weight = features.to(dtype), weight.to(dtype)
        d_features = torch.empty_like(features)
        d_weight = torch.zeros(weight.shape, dtype=torch.float32, device=weight.device)
        total = torch.zeros((), dtype=torch.float32, device=features.device)
        rows = max(1, _CHUNK_BYTES // (4 * head.n_most))  # the same in all processes
        for start in range(0, features.shape[0], rows):
            x, y = features[start : start + rows], targets[start : start + rows]
            d_logits, nats = _softmax_step(x, weight, y - head.tokens.start, head.within.group)
            total += nats
            d_features[start : start + rows] = d_logits @ weight
            d_weight += d_logits.T @ x
        ctx.save_for_backward(d_features, d_weight)
        return total

    @staticmethod
    def backward(
        ctx: Any,  # autograd's context has no public type
        d_loss: Tensor,
    ) -> tuple[Tensor, Tensor, None, None]:
        d_features, d_weight = ctx.saved_tensors
        of_features, of_weight = ctx.dtypes
        return d_features.to(of_features) * d_loss, (d_weight * d_loss).to(of_weight), None, None


def _softmax_step(
    x: Float[Tensor, "rows d_model"],
    weight: Float[Tensor, "some d_model"],
    local: Int[Tensor, " rows"],
    group: Group,
) -> tuple[Float[Tensor, "rows some"], Float[Tensor, ""]]:
    """The gradient of the loss by this process's logits of a chunk, and the chunk's nats.

    Of each row the processes exchange the largest logit, the sum of exponentials below it, and
    the target's logit, which one of them has.
    """
    logits = F.linear(x, weight).float()
    is_mine = (local >= 0) & (local < weight.shape[0])
    place = local.where(is_mine, 0)[:, None]
    most = logits.amax(dim=1)
    mass = (logits - most[:, None]).exp().sum(dim=1)
    chosen = logits.gather(1, place)[:, 0].where(is_mine, 0.0)
    mosts, masses, chosens = group.gather(torch.stack((most, mass, chosen))).unbind(dim=1)
    top = mosts.amax(dim=0)
    log_total = top + (masses * (mosts - top).exp()).sum(dim=0).log()
    nats = (log_total - chosens.sum(dim=0)).sum()
    d_logits = (logits - log_total[:, None]).exp_()
    d_logits.scatter_add_(1, place, -is_mine.float()[:, None])
    return d_logits.to(x.dtype), nats
