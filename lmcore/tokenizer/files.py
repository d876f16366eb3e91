"""The tokenizer's file, and writing a file so that it is there whole or not at all.

The file `tokenizer.json` (UTF-8, one entry a line, the same bytes for the same tokenizer):

    {"format": "crawl2model-tokenizer", "version": 1,
     "pattern": "digits",                      name of the pre-token pattern
     "special_tokens": ["<|endoftext|>", ...],
     "vocab": {"0": "00", ..., "256": "2074"}, id to the token's bytes in hexadecimal
     "merges": ["20 74", ...],                 left and right bytes, in the order learned
     "chat_template": "..."}                   only where there is one
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from lmcore.tokenizer.config import N_BYTES

FILE_NAME: Final = "tokenizer.json"
FORMAT: Final = "crawl2model-tokenizer"
VERSION: Final = 1
_KEYS: Final = {"format", "version", "pattern", "special_tokens", "vocab", "merges"}


@dataclass(frozen=True, slots=True)
class Content:
    """What a tokenizer's file says."""

    vocab: Mapping[int, bytes]
    merges: Sequence[tuple[bytes, bytes]]
    special_tokens: Sequence[str]
    pattern: str
    chat_template: str


def render(content: Content) -> bytes:
    """Return the bytes of the file."""
    entries: dict[str, object] = {
        "format": FORMAT,
        "version": VERSION,
        "pattern": content.pattern,
        "special_tokens": list(content.special_tokens),
        "vocab": {str(token_id): token.hex() for token_id, token in content.vocab.items()},
        "merges": [f"{left.hex()} {right.hex()}" for left, right in content.merges],
    }
    if content.chat_template:
        entries["chat_template"] = content.chat_template
    return (json.dumps(entries, indent=0) + "\n").encode()


def parse(data: bytes) -> Content:
    """Return what a file says.

    Raises:
        ValueError, KeyError, TypeError, AttributeError: where it is not ours or is damaged.
    """
    content = parse_json(data)
    if content["format"] != FORMAT or content["version"] != VERSION:
        raise ValueError(f"format {content['format']!r} version {content['version']!r}")
    unknown = set(content) - _KEYS - {"chat_template"}
    if unknown:
        raise ValueError(f"the unknown key {min(unknown)!r}")
    vocab = {int(key): bytes.fromhex(value) for key, value in content["vocab"].items()}
    merges = [_parse_merge(line) for line in content["merges"]]
    specials = [_text(special) for special in content["special_tokens"]]
    if len(vocab) != len(content["vocab"]):
        raise ValueError("an id that occurs twice")
    if len(set(specials)) != len(specials):
        raise ValueError("a special token twice")
    absent = {special.encode() for special in specials} - set(vocab.values())
    if absent:
        raise ValueError(f"no id for the special token {min(absent)!r}")
    if len(vocab) != N_BYTES + len(merges) + len(specials):
        raise ValueError(
            f"{len(vocab):,d} tokens for 256 bytes, {len(merges):,d} merges and "
            f"{len(specials)} specials"
        )
    template = _text(content.get("chat_template", ""))
    return Content(vocab, merges, specials, _text(content["pattern"]), template)


def parse_json(data: bytes) -> Any:
    """Return what a JSON file says.

    Raises:
        ValueError: where it is no JSON, is nested too deeply, or names a key twice.
    """
    try:
        return json.loads(data, object_pairs_hook=_to_dict)
    except RecursionError as error:
        raise ValueError("JSON that is nested too deeply") from error


def _to_dict(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {twice!r} twice")
    return found


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} where a text belongs")
    return value


def _parse_merge(line: str) -> tuple[bytes, bytes]:
    left, right = line.split(" ")
    return bytes.fromhex(left), bytes.fromhex(right)


def write_file(path: Path, data: bytes) -> None:
    """Write the bytes aside, fsync, and rename into place."""
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """Make the names in a directory durable."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
