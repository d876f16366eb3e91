"""Identity of an artifact: one hash over everything that can change its bytes.

The encoder writes canonical JSON (sorted keys, no spaces, shortest float form) and raises on what
it cannot canonicalise: a default ``repr`` or a pickle would differ from process to process.
Paths, worker counts, run ids and times are never passed in.
"""

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from warehouse.errors import StoreError

_CHUNK_BYTES = 1 << 20
_NEAR_CHARS = 60


def to_canonical(value: object) -> object:
    """Reduce a value to JSON's own types, or raise StoreError naming what does not fit."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            msg = f"Found {value!r} in a configuration; expected a finite number; write one."
            raise StoreError(msg)
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return to_canonical(
            {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        )
    if isinstance(value, Mapping):
        for name in value:
            if not isinstance(name, str):
                msg = f"Found the key {name!r}; expected text; only text keys have an order."
                raise StoreError(msg)
        return {name: to_canonical(value[name]) for name in sorted(value)}
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return [to_canonical(entry) for entry in value]
    msg = (
        f"Found a {type(value).__name__} in a configuration; expected text, numbers, booleans, "
        "lists, mappings or dataclasses of them; convert it before it becomes identity."
    )
    raise StoreError(msg)


def canonical_json(value: object) -> str:
    """Encode a value so that equal values give equal text in every process."""
    return json.dumps(
        to_canonical(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )


def hash_text(text: str) -> str:
    """Sha256 of UTF-8 text, in hexadecimal; StoreError where the text has no UTF-8."""
    try:
        return hashlib.sha256(text.encode()).hexdigest()
    except UnicodeEncodeError as error:
        # Python reads a file name's bytes that are no UTF-8 as lone surrogates; no table holds them
        before, after = text[: error.start], text[error.start :]
        near = before.rpartition('"')[2][-_NEAR_CHARS:] + after.partition('"')[0][:_NEAR_CHARS]
        msg = (
            f"Found bytes that are no UTF-8 in {near!r}, probably a file name; expected text "
            "that every table can hold; rename the file."
        )
        raise StoreError(msg) from error


def hash_file(path: Path) -> str:
    """Sha256 of a file's bytes, in hexadecimal, in constant memory."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def identity(
    kind: str, code_version: int, config: object, inputs: Mapping[str, Sequence[str]]
) -> str:
    """Name an artifact before it exists: hash of kind, code, config and its inputs' contents."""
    return hash_text(
        canonical_json(
            {"kind": kind, "code_version": code_version, "config": config, "inputs": inputs}
        )
    )


def content(files: Mapping[str, str]) -> str:
    """Hash the (path, sha256) pairs of an artifact: what identities downstream are made of."""
    return hash_text(canonical_json(dict(files)))
