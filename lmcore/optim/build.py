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
from lmcore.optim.lion import Lion
from lmcore.optim.muon import Muon
from lmcore.optim.sgd import SGD
from lmcore.optim.soap import SOAP

_STACKED: Final = {"qkv": 3, "gate_up": 2}
"""layers of ours whose matrix holds several projections, one on top of the other"""
_HIDDEN: Final = "blocks."


def build_optimizers(  # what a recipe says of an optimizer
    name: str,
    parameters: Mapping[str, nn.Parameter],
    *,
    lr: float,
    betas: tuple[float, float],
    momentum: float,
    weight_decay: float,
) -> tuple[torch.optim.Optimizer, ...]:
    """The optimizers that together update all parameters, given by their names in the model.

    Raises:
        ConfigError: an unknown name.
    """
    every = tuple(parameters.values())
    matrices = [p for p in every if p.dim() >= 2]
    gains = [p for p in every if p.dim() < 2]
    groups = [
        {"params": found, "weight_decay": decay}
        for found, decay in ((matrices, weight_decay), (gains, 0.0))
        if found
    ]
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
            return _hidden_and_rest(
                name, parameters, lr=lr, betas=betas, momentum=momentum, weight_decay=weight_decay
            )
    raise ConfigError(
        f"found the optimizer {name!r}; expected adamw, sgd, lion, adafactor, muon or soap; "
        "choose one of these"
    )


def _hidden_and_rest(  # as above
    name: str,
    parameters: Mapping[str, nn.Parameter],
    *,
    lr: float,
    betas: tuple[float, float],
    momentum: float,
    weight_decay: float,
) -> tuple[torch.optim.Optimizer, ...]:
    hidden: dict[int, list[nn.Parameter]] = {}
    rest: dict[float, list[nn.Parameter]] = {}
    for path, parameter in parameters.items():
        if path.startswith(_HIDDEN) and parameter.dim() == 2:
            hidden.setdefault(n_parts(path), []).append(parameter)
        else:
            decay = weight_decay if parameter.dim() >= 2 else 0.0
            rest.setdefault(decay, []).append(parameter)
    groups = [{"params": found, "n_parts": parts} for parts, found in hidden.items()]
    others = [{"params": found, "weight_decay": decay} for decay, found in rest.items()]
    first = (
        Muon(groups, lr=lr, momentum=momentum, weight_decay=weight_decay)
        if name == "muon"
        else SOAP(groups, lr=lr, betas=betas, weight_decay=weight_decay)
    )
    return first, AdamW(others, lr=lr, betas=betas)


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
