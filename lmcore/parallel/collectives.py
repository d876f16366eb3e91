"""Collectives with a gradient: what enters and leaves the matrices that processes share.

A pair each, one's forward the other's backward (arXiv:1909.08053 calls them f and g):

    copy_in     x as it is             backward: sum over the group
    sum_out     sum over the group     backward: the gradient as it is

and where the positions between the matrices are shared as well (arXiv:2205.05198):

    gather_in   all positions          backward: sum, each its own positions
    scatter_out sum, its own positions backward: all positions

The second pair moves the same bytes: an all-reduce is a reduce-scatter and an all-gather.
"""

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from lmcore.parallel.mesh import Group

if TYPE_CHECKING:
    from collections.abc import Callable

_SEQ = 1
"""Dimension of the positions in [batch, seq, features]."""


def copy_in(x: Tensor, group: Group) -> Tensor:
    """Hands an activation that all hold alike to the shares of a matrix."""
    apply: Callable[[Tensor, Group], Tensor] = _CopyIn.apply
    return apply(x, group) if group.size > 1 else x


def sum_out(x: Tensor, group: Group) -> Tensor:
    """Adds up what the shares of a matrix computed."""
    apply: Callable[[Tensor, Group], Tensor] = _SumOut.apply
    return apply(x, group) if group.size > 1 else x


def gather_in(x: Tensor, group: Group) -> Tensor:
    """Puts the positions [batch, seq / n, d] of all together, for the shares of a matrix."""
    apply: Callable[[Tensor, Group], Tensor] = _GatherIn.apply
    return apply(x, group) if group.size > 1 else x


def scatter_out(x: Tensor, group: Group) -> Tensor:
    """Adds up what the shares of a matrix computed, and keeps this process's positions."""
    apply: Callable[[Tensor, Group], Tensor] = _ScatterOut.apply
    return apply(x, group) if group.size > 1 else x


def _gather(x: Tensor, group: Group) -> Tensor:
    return torch.cat(tuple(group.gather(x)), dim=_SEQ)


def _scatter(x: Tensor, group: Group) -> Tensor:
    return group.sum_and_scatter(torch.stack(x.chunk(group.size, dim=_SEQ)))


# autograd's context has no public type, hence each Any below


class _CopyIn(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, group: Group) -> Tensor:
        ctx.group = group
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, d_out: Tensor) -> tuple[Tensor, None]:
        return ctx.group.sum(d_out.clone(memory_format=torch.contiguous_format)), None


class _SumOut(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, group: Group) -> Tensor:  # noqa: ARG004  # as autograd calls it
        return group.sum(x.clone(memory_format=torch.contiguous_format))

    @staticmethod
    def backward(ctx: Any, d_out: Tensor) -> tuple[Tensor, None]:  # noqa: ARG004  # as above
        return d_out, None


class _GatherIn(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, group: Group) -> Tensor:
        ctx.group = group
        return _gather(x, group)

    @staticmethod
    def backward(ctx: Any, d_out: Tensor) -> tuple[Tensor, None]:
        return _scatter(d_out, ctx.group), None


class _ScatterOut(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, group: Group) -> Tensor:
        ctx.group = group
        return _scatter(x, group)

    @staticmethod
    def backward(ctx: Any, d_out: Tensor) -> tuple[Tensor, None]:
        return _gather(d_out, ctx.group), None
