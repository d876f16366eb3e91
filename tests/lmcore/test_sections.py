"""Configurations survive JSON, one within another."""

import json
from dataclasses import dataclass, field

import pytest

from lmcore.sections import from_section, to_section


@dataclass(frozen=True, slots=True, kw_only=True)
class Inner:
    weights: tuple[float, ...] = ()
    rows: tuple[tuple[float, ...], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outer:
    steps: int = 5
    inner: Inner = field(default_factory=Inner)


def test_section_survives_json():
    outer = Outer(steps=2, inner=Inner(weights=(1.0, 2.0), rows=((0.0, 1.0), (1.0, 2.0))))
    section = json.loads(json.dumps(to_section(outer)))
    assert section == to_section(outer)
    assert from_section(Outer, section) == outer


def test_fields_that_are_missing_keep_their_default():
    assert from_section(Outer, {}) == Outer()
    assert from_section(Outer, {"inner": {"weights": [3.0]}}).inner == Inner(weights=(3.0,))


def test_field_that_does_not_exist_is_an_error():
    with pytest.raises(TypeError):
        from_section(Outer, {"inner": {"weight": []}})
