"""What a character is to a pre-token pattern: one byte of flags for each code point.

The table is built from the `regex` module, the engine that the patterns are defined by, so the
compiled scanners and it can never disagree about Unicode. Building takes 0.4 s, so the table is
kept beside the machine code of the kernels.
"""

import functools
import os
from pathlib import Path
from typing import Final

import numpy as np
import regex

from lmcore.kernels.compiling import cache_directory, inlined
from lmcore.kernels.memory import Span, load8

LETTER: Final = 1
NUMBER: Final = 2
SPACE: Final = 4
UPPER: Final = 8
"""Lu or Lt."""
LOWER: Final = 16
"""Ll."""
BOTH: Final = 32
"""Lm, Lo or a mark: o200k counts them as upper and as lower case."""
MARK: Final = 64
NEWLINE: Final = 128
"""Carriage return or line feed."""

_PROPERTIES: Final = (
    (r"\p{L}+", LETTER),
    (r"\p{N}+", NUMBER),
    (r"\s+", SPACE),
    (r"[\p{Lu}\p{Lt}]+", UPPER),
    (r"\p{Ll}+", LOWER),
    (r"[\p{Lm}\p{Lo}\p{M}]+", BOTH),
    (r"\p{M}+", MARK),
    (r"[\r\n]+", NEWLINE),
)
_N_CODE_POINTS: Final = 0x110000
_SURROGATES: Final = range(0xD800, 0xE000)


@functools.cache
def character_flags() -> np.ndarray:
    """Return the flags of every code point (uint8), 0 for those that are none of these."""
    path = cache_directory(Path(__file__).parent) / f"characters-{regex.__version__}.npy"
    try:
        flags: np.ndarray = np.load(path)
        if flags.shape == (_N_CODE_POINTS,) and flags.dtype == np.uint8:
            return flags
    except (OSError, ValueError, EOFError):
        pass  # not there, or cut short: built again
    flags = _build_flags()
    _keep(path, flags)
    return flags


def _build_flags() -> np.ndarray:
    flags = np.zeros(_N_CODE_POINTS, np.uint8)
    parts = (range(_SURROGATES.start), range(_SURROGATES.stop, _N_CODE_POINTS))
    for part in parts:
        text = "".join(map(chr, part))
        for pattern, flag in _PROPERTIES:
            for match in regex.finditer(pattern, text):
                flags[part.start + match.start() : part.start + match.end()] |= flag
    return flags


def _keep(path: Path, flags: np.ndarray) -> None:
    """Write the table aside and rename it, or leave it where that cannot be."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file:
            np.save(file, flags)
        partial.replace(path)
    except OSError:
        partial.unlink(missing_ok=True)


@inlined
def decode(text: Span, here: int, stop: int) -> tuple[int, int]:
    """Return (code point, bytes) of the character at `here`; a byte that is no UTF-8 is (-1, 1)."""
    first = load8(text, here)
    if first < 0x80:
        return first, 1
    # The padding may be read, and what lies behind `stop` is no part of a character.
    second, third = load8(text, here + 1) ^ 0x80, load8(text, here + 2) ^ 0x80
    if first < 0xC2 or second > 0x3F or here + 2 > stop:
        return -1, 1
    if first < 0xE0:
        return (first & 0x1F) << 6 | second, 2
    if third > 0x3F or here + 3 > stop:
        return -1, 1
    if first < 0xF0:
        code = (first & 0x0F) << 12 | second << 6 | third
        is_valid = code >= 0x800 and code >> 11 != 0x1B  # neither overlong nor a surrogate
        return (code, 3) if is_valid else (-1, 1)
    fourth = load8(text, here + 3) ^ 0x80
    code = (first & 0x07) << 18 | second << 12 | third << 6 | fourth
    if fourth > 0x3F or here + 4 > stop or first > 0xF4 or not 0x10000 <= code < 0x110000:
        return -1, 1
    return code, 4


@inlined
def flags_at(text: Span, here: int, stop: int, table: Span) -> tuple[int, int]:
    """Return (flags, bytes) of the character at `here`; bytes that are no UTF-8 have no flags."""
    code, width = decode(text, here, stop)
    return (load8(table, code), width) if code >= 0 else (0, 1)
