"""What the readers of other libraries' models share: tensors taken once, settings that have to be ours."""

from collections.abc import Mapping
from typing import Any, Final

from torch import Tensor

from lmcore.errors import InputError

CONFIG_FILE: Final = "config.json"


class Tensors:
    """The tensors of a folder, each to be taken once; what is left over was not understood."""

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        self._tensors = dict(tensors)

    def take(self, name: str) -> Tensor:
        """The tensor of this name.

        Raises:
            InputError: there is none.
        """
        if name not in self._tensors:
            raise InputError(
                f"found no tensor {name}; expected it in the safetensors files; fetch them again"
            )
        return self._tensors.pop(name)

    def drop(self, *names: str) -> None:
        """Leaves out tensors that follow from the configuration, where they are there."""
        for name in names:
            self._tensors.pop(name, None)

    def left_over(self) -> list[str]:
        """Names that nothing has taken."""
        return sorted(self._tensors)


def check_settings(
    content: Mapping[str, Any],  # JSON: values of many types
    known: Mapping[str, tuple[object, ...]],
) -> None:
    """Refuses settings that change what a model computes, unless they are as ours has them.

    Raises:
        InputError: one is not among the values that are known for it, of which the first is its
            default.
    """
    for name, values in known.items():
        if content.get(name, values[0]) not in values:
            raise InputError(
                f"found {name} {content[name]!r} in {CONFIG_FILE}; expected {values[0]!r}, all that "
                "this model has; choose another model"
            )
