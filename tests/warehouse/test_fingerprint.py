"""Identity: equal values hash alike in every process, and what has no canonical form is refused."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from warehouse import fingerprint
from warehouse.errors import StoreError
from warehouse.fingerprint import canonical_json

FEW = settings(max_examples=40, deadline=None)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.floats(allow_nan=False, allow_infinity=False)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


def reversed_deep(value: object) -> object:
    """The same value, every mapping filled in the opposite order."""
    if isinstance(value, dict):
        return {name: reversed_deep(value[name]) for name in reversed(list(value))}
    return [reversed_deep(entry) for entry in value] if isinstance(value, list) else value


@FEW
@given(VALUES)
def test_canonical_json_mappings_in_another_order_give_equal_text(value):
    assert canonical_json(reversed_deep(value)) == canonical_json(value)


@FEW
@given(VALUES)
def test_canonical_json_read_back_gives_the_value(value):
    assert json.loads(canonical_json(value)) == value


def tagged(value: object) -> object:
    """A value that is equal only where type, order-free content and sign of zero are."""
    if isinstance(value, dict):
        return "mapping", tuple(sorted((name, repr(tagged(value[name]))) for name in value))
    return ("list", [tagged(entry) for entry in value]) if isinstance(value, list) else repr(value)


@FEW
@given(VALUES, VALUES)
def test_canonical_json_different_values_give_different_text(one, other):
    assert (canonical_json(one) == canonical_json(other)) == (tagged(one) == tagged(other))


@pytest.mark.parametrize(
    "value",
    [{1, 2}, frozenset(), b"bytes", bytearray(b"x"), float("nan"), float("inf"), object(), Path("x"), 1j,
     {1: "number as key"}, [{"deep": {"set": {1}}}], int],
)  # fmt: skip
def test_canonical_json_value_without_canonical_form_raises(value):
    with pytest.raises(StoreError, match="expected"):
        canonical_json(value)


def test_canonical_json_dataclass_equals_its_mapping():
    @dataclasses.dataclass(frozen=True)
    class Config:
        steps: int = 3
        names: tuple[str, ...] = ("a", "b")

    assert canonical_json(Config()) == canonical_json({"names": ["a", "b"], "steps": 3})


def test_identity_in_processes_with_other_hash_seeds_is_equal():
    program = (
        "from warehouse.fingerprint import identity;"
        "print(identity('k', 1, {n: hash(n) * 0 + len(n) for n in {'aa', 'b', 'cccc', 'ddd'}}, {'x': ['1']}))"
    )
    keys = {
        subprocess.run(
            [sys.executable, "-c", program], check=True, capture_output=True, text=True,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(keys) == 1


@pytest.mark.parametrize(
    "other",
    [("kind2", 1, {"a": 1}, {"x": ["c"]}), ("kind", 2, {"a": 1}, {"x": ["c"]}), ("kind", 1, {"a": 2}, {"x": ["c"]}),
     ("kind", 1, {"a": 1}, {"x": ["d"]}), ("kind", 1, {"a": 1}, {"y": ["c"]}), ("kind", 1, {"a": True}, {"x": ["c"]}),
     ("kind", 1, {"a": 1.0}, {"x": ["c"]})],
)  # fmt: skip
def test_identity_any_part_changed_changes_it(other):
    assert fingerprint.identity(*other) != fingerprint.identity("kind", 1, {"a": 1}, {"x": ["c"]})


def test_hash_file_longer_than_a_chunk_equals_sha256(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"0123456789abcdef" * 70_000)
    assert fingerprint.hash_file(path) == fingerprint.hash_text("0123456789abcdef" * 70_000)


def test_content_renamed_file_differs():
    assert fingerprint.content({"a": "1"}) != fingerprint.content({"b": "1"})


def test_hash_text_without_utf8_names_where():
    name = b"caf\xe9.warc.gz".decode("utf-8", "surrogateescape")
    with pytest.raises(StoreError, match=r"no UTF-8 in 'caf\\udce9\.warc\.gz', .*rename the file"):
        fingerprint.identity("extract", 1, {"file": name}, {})
