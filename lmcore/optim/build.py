"""From a name in a recipe to the optimizers of a model.

SGD, AdamW, Lion and Adafactor update every parameter. Muon and SOAP are for the matrices of hidden
layers: embedding, head and gains go to AdamW with the same rate. Matrices decay, gains do not.
"""

from collections.abc import Mapping
from typing import Final

import torch
from torch import Tensor, nn

from lmcore.errors import ConfigError
from lmcore.optim.adafactor import Adafactor
from lmcore.optim.adamw import AdamW
from lmcore.optim.base import Group
from lmcore.optim.lion import Lion
from lmcore.optim.muon import Muon
from lmcore.optim.sgd import SGD
from lmcore.optim.soap import SOAP

_STACKED: Final = {"qkv": 3, "gate_up": 2}
"""layers of ours whose matrix holds several projections, one on top of the other"""
_HIDDEN: Final = "blocks."


def build_optimizers(  # noqa: PLR0913  # what a recipe says of an optimizer
    name: str,
    parameters: Mapping[str, nn.Parameter],
    *,
    lr: float,
    betas: tuple[float, float],
    momentum: float,
    weight_decay: float,
    hidden_lr_ratio: float = 1.0,
    dtype: torch.dtype = torch.float32,
) -> tuple[torch.optim.Optimizer, ...]:
    """The optimizers that together update all parameters, given by their names in the model.

    Every group says in `lr_ratio` by what the rate of a step is to be multiplied for it. `dtype` is
    the type of Muon's products.

    Raises:
        ConfigError: an unknown name.
    """
    groups = _groups(parameters, weight_decay, hidden_lr_ratio)
    match name:
        case "adamw":
            return (AdamW(groups, lr=lr, betas=betas),)
        case "sgd":
            return (SGD(groups, lr=lr, momentum=momentum, nesterov=True),)
        case "lion":
            return (Lion(groups, lr=lr, betas=betas),)
        case "adafactor":
            return (Adafactor(groups, lr=lr),)
        case "muon" | "soap":
            hidden, others = _hidden_and_rest(parameters, weight_decay, hidden_lr_ratio)
            first = (
                Muon(hidden, lr=lr, momentum=momentum, dtype=dtype)
                if name == "muon"
                else SOAP(hidden, lr=lr, betas=betas)
            )
            return first, AdamW(others, lr=lr, betas=betas)
    raise ConfigError(
        f"found the optimizer {name!r}; expected adamw, sgd, lion, adafactor, muon or soap; "
        "choose one of these"
    )


def _groups(
    parameters: Mapping[str, nn.Parameter], weight_decay: float, hidden_lr_ratio: float
) -> list[Group]:
    """Groups of one decay and rate each; few, as a group is updated at once."""
    found: dict[tuple[float, float], list[nn.Parameter]] = {}
    for path, parameter in parameters.items():
        decay = weight_decay if parameter.dim() >= 2 else 0.0
        ratio = hidden_lr_ratio if _is_hidden(path, parameter) else 1.0
        found.setdefault((decay, ratio), []).append(parameter)
    return [
        {"params": members, "weight_decay": decay, "lr_ratio": ratio}
        for (decay, ratio), members in found.items()
    ]


def _hidden_and_rest(
    parameters: Mapping[str, nn.Parameter], weight_decay: float, hidden_lr_ratio: float
) -> tuple[list[Group], list[Group]]:
    """Groups of the blocks' matrices, by the projections that they stack, and of all others."""
    hidden: dict[int, list[nn.Parameter]] = {}
    rest = {}
    for path, parameter in parameters.items():
        if _is_hidden(path, parameter):
            hidden.setdefault(n_parts(path), []).append(parameter)
        else:
            rest[path] = parameter
    groups = [
        {"params": members, "n_parts": parts, "weight_decay": weight_decay}
        | {"lr_ratio": hidden_lr_ratio}
        for parts, members in hidden.items()
    ]
    return groups, _groups(rest, weight_decay, 1.0)


def _is_hidden(path: str, parameter: nn.Parameter) -> bool:
    return path.startswith(_HIDDEN) and parameter.dim() == 2


def n_parts(path: str) -> int:
    """How many projections the matrix of this name stacks."""
    return next((parts for layer, parts in _STACKED.items() if f".{layer}." in path), 1)


def state_tensors(
    optimizers: tuple[torch.optim.Optimizer, ...], parameters: Mapping[str, nn.Parameter]
) -> dict[str, Tensor]:
    """Every tensor of state as "slot.parameter": the optimizers' own, not copies."""
    owner = {p: one for one in optimizers for group in one.param_groups for p in group["params"]}
    return {
        f"{slot}.{path}": tensor
        for path, parameter in parameters.items()
        for slot, tensor in owner[parameter].state[parameter].items()
    }
