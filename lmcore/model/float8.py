"""A linear layer whose three products are taken in 8-bit floats (arXiv:2209.05433).

Values go forward as e4m3 (largest 448), gradients back as e5m2 (largest 57,344), each tensor
divided by one scale so that its largest magnitude just fits; products are summed in float32 by
the hardware. What backward needs is kept in 8 bits, a quarter of float32. A rounding error is at
most 1/16 of a value forward and 1/8 backward, so the last and the first layer stay as they are.

Where there is no such unit torch unpacks the bytes and multiplies in float32: the same numbers,
slower than bfloat16. Sizes have to be multiples of 16, as the hardware asks.
"""

from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lmcore.errors import ConfigError
from lmcore.model.layers import Linear

if TYPE_CHECKING:
    from collections.abc import Callable

_FORWARD = torch.float8_e4m3fn
_BACKWARD = torch.float8_e5m2
_MULTIPLE = 16
_TINY = 1e-30
"""A tensor of zeros is divided by this rather than by zero."""


def to_float8(x: Tensor, dtype: torch.dtype) -> tuple[Tensor, Float[Tensor, ""]]:
    """Rounds a tensor to 8 bits; returns it and the scale that multiplies it back."""
    largest = torch.finfo(dtype).max
    scale = x.detach().abs().amax().to(torch.float32).clamp(min=_TINY) / largest
    return (x.to(torch.float32) / scale).clamp(-largest, largest).to(dtype), scale


def float8_linear_reference(
    x: Float[Tensor, "*batch d_in"], weight: Float[Tensor, "d_out d_in"]
) -> Float[Tensor, "*batch d_out"]:
    """Multiplies x W^T of the rounded operands, in float32."""
    a, scale_a = to_float8(x, _FORWARD)
    b, scale_b = to_float8(weight, _FORWARD)
    return (a.to(torch.float32) * scale_a) @ (b.to(torch.float32) * scale_b).T


def float8_linear(
    x: Float[Tensor, "*batch d_in"], weight: Float[Tensor, "d_out d_in"]
) -> Float[Tensor, "*batch d_out"]:
    """The same by the hardware's product, forward and backward; the result is bfloat16."""
    apply: Callable[[Tensor, Tensor], Tensor] = _Float8Linear.apply
    # where the product is emulated, autocast would round its operands once more
    with torch.autocast(x.device.type, enabled=False):
        return apply(x, weight)


class _Float8Linear(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,  # autograd's context has no public type
        x: Tensor,
        weight: Tensor,
    ) -> Tensor:
        ctx.dtype = x.dtype
        a, scale_a = to_float8(x.flatten(0, -2), _FORWARD)
        b, scale_b = to_float8(weight, _FORWARD)
        ctx.save_for_backward(a, scale_a, b, scale_b)
        y = _product(a, b.T, scale_a, scale_b, torch.bfloat16)
        return y.view(*x.shape[:-1], weight.shape[0])

    @staticmethod
    def backward(
        ctx: Any,  # autograd's context has no public type
        d_out: Tensor,
    ) -> tuple[Tensor, Tensor]:
        a, scale_a, b, scale_b = ctx.saved_tensors
        d, scale_d = to_float8(d_out.flatten(0, -2), _BACKWARD)
        d_x = _product(d, _by_columns(b), scale_d, scale_b, torch.bfloat16)
        d_weight = _product(d.T.contiguous(), _by_columns(a), scale_d, scale_a, torch.float32)
        return d_x.view(*d_out.shape[:-1], -1).to(ctx.dtype), d_weight


def _by_columns(matrix: Tensor) -> Tensor:
    """The same matrix with its columns contiguous, as the right operand has to be."""
    return matrix.T.contiguous().T


def _product(
    a: Tensor, b: Tensor, scale_a: Tensor, scale_b: Tensor, out_dtype: torch.dtype
) -> Tensor:
    return torch._scaled_mm(a, b, scale_a=scale_a, scale_b=scale_b, out_dtype=out_dtype)  # noqa: SLF001  # the public name takes no scale


class Float8Linear(Linear):
    """A linear layer over the same parameter."""

    def __init__(self, weight: nn.Parameter) -> None:
        nn.Module.__init__(self)
        self.weight = weight

    def forward(self, x: Float[Tensor, "*batch d_in"]) -> Float[Tensor, "*batch d_out"]:
        """Projects the last dimension."""
        return float8_linear(x, self.weight)


def convert(model: nn.Module) -> None:
    """Turns every linear layer within the blocks into a Float8Linear; parameters keep their names.

    Raises:
        ConfigError: a matrix whose sizes are no multiples of 16.
    """
    for path, module in list(model.named_modules()):
        if not path.startswith("blocks.") or not isinstance(module, Linear):
            continue
        if any(size % _MULTIPLE for size in module.weight.shape):
            raise ConfigError(
                f"found {path} of {tuple(module.weight.shape)} with precision float8; expected "
                f"sizes that {_MULTIPLE} divides; change model.d_model or model.d_ff"
            )
        parent, _, name = path.rpartition(".")
        setattr(model.get_submodule(parent), name, Float8Linear(module.weight))
