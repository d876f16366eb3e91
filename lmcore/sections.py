"""Configurations back from JSON's own types: lists become tuples, objects the dataclasses of their fields.

A configuration may hold another one (`TrainConfig.data`), so a section is a tree. Standard library only.
"""

import dataclasses
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

C = TypeVar("C")


def from_section(kind: type[C], section: Mapping[str, object]) -> C:
    """Rebuild a configuration; fields that the section lacks keep their default."""
    hints = typing.get_type_hints(kind)
    return kind(**{name: _convert(hints.get(name), value) for name, value in section.items()})


def to_section(value: object) -> Any:  # JSON's own types
    """Turn a configuration, or a value of one, into JSON's own types."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: to_section(getattr(value, field.name))
            for field in dataclasses.fields(value)
        }
    return [to_section(entry) for entry in value] if isinstance(value, list | tuple) else value


def _convert(kind: object, value: object) -> Any:  # the type of a dataclass field
    if isinstance(kind, type) and dataclasses.is_dataclass(kind) and isinstance(value, Mapping):
        return from_section(kind, value)
    if isinstance(value, list | tuple):
        return tuple(_convert(None, entry) for entry in value)
    return value
