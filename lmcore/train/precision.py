"""The type in which matrices are multiplied, and what a device has to have for it.

Weights, gradients, moments, norms, the residual stream and the sum of the loss are float32
throughout; autocast rounds the operands of the products. float16 needs a loss scale
(lmcore.train.loss_scale), float8 replaces the layers of the blocks (lmcore.model.float8) and takes
the rest in bfloat16.
"""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import nn

from lmcore.errors import ConfigError
from lmcore.model import float8

_TYPES = {
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
    "float8": torch.bfloat16,
    "float8_emulated": torch.bfloat16,
}
_FLOAT8_CAPABILITY = (8, 9)
"""Ada; Hopper is 9.0."""


def autocast(precision: str, device: str) -> AbstractContextManager[object]:
    """The context in which a forward pass runs on a device ("cpu" or "cuda")."""
    if precision == "float32":
        return nullcontext()
    return torch.autocast(device, dtype=_TYPES[precision])


def has_float8(device: str) -> bool:
    """Whether the device multiplies 8-bit floats by itself."""
    return device == "cuda" and torch.cuda.get_device_capability() >= _FLOAT8_CAPABILITY


def prepare(model: nn.Module, precision: str, device: str) -> None:
    """Makes the layers of a model ready for a precision.

    Raises:
        ConfigError: float8 where the hardware has none, or for sizes it does not take.
    """
    if not precision.startswith("float8"):
        return
    if precision == "float8" and not has_float8(device):
        raise ConfigError(
            f"found pretrain.precision float8 on {device}; expected a GPU of compute capability "
            f"{'.'.join(map(str, _FLOAT8_CAPABILITY))} or later (Ada, Hopper), which multiplies "
            "8-bit floats; choose bfloat16, or float8_emulated to have the same rounding more slowly"
        )
    float8.convert(model)
