"""What a character is to the rules of curation: 16 bits of flags for each code point.

The table is made from what Python itself says of each character (its `re` module, `str.lower`)
and from the constants of `lmcore.curate.words`, so the kernels and the reference cannot disagree
about Unicode. Making it takes 0.2 s, once a process, and it holds 2 MB.

Text is UTF-8 as Python writes it with "surrogatepass": half of a surrogate pair is three bytes, a
character like any other, as it is in a Python string.
"""

import functools
import re
from typing import Final

import numpy as np

from lmcore.curate.words import (
    BULLETS,
    CHINESE_AND_KANA,
    CLOSERS,
    EDGE_PUNCTUATION,
    FULL_STOPS,
    SENTENCE_STOPS,
    SENTENCE_TERMINALS,
    TERMINAL_PUNCTUATION,
    UNSPACED_SCRIPTS,
)
from lmcore.kernels.compiling import inlined
from lmcore.kernels.memory import Span, load8, load16

KIND: Final = 0xF
"""The lowest bits: what the character is to the splitting of words, one of the kinds below."""
OTHER, SPACE, SOLO, FIRST_LETTER = range(4)
"""SOLO is a word of its own. From FIRST_LETTER on, one kind for the letters of each script in
which marks belong to the word of their letter; then one for the marks of each."""
N_SCRIPTS: Final = len(UNSPACED_SCRIPTS)

LETTER: Final = 1 << 4
BULLET: Final = 1 << 5
EDGE: Final = 1 << 6
"""Punctuation that may cling to a word."""
DIGIT: Final = 1 << 7
TERMINAL: Final = 1 << 8
"""What a finished line ends in by C4's rule."""
STOP: Final = 1 << 9
"""Ends a sentence where a blank follows."""
FULL_STOP: Final = 1 << 10
CLOSER: Final = 1 << 11
ANCHOR: Final = 1 << 12
"""A letter at which phrases are looked for, see `phrases`."""
COUNTED: Final = 1 << 13
"""A sign that is counted or noted: one of `SIGNS`."""
SENTENCE_TERMINAL: Final = 1 << 14
"""What a finished line ends in by FineWeb's rule."""
UPPER: Final = 1 << 15
"""An upper-case letter or sign."""

SIGNS: Final = "#.…[{"
ANCHORS: Final = "kmv"
N_CODE_POINTS: Final = 0x110000


@functools.cache
def _every_character() -> str:
    return "".join(map(chr, range(N_CODE_POINTS)))


def _classes() -> list[tuple[str, int]]:
    """Return classes of a regular expression, and the flag or kind of what they hold."""
    classes = [(r"\s", SPACE), (r"\d", DIGIT), (r"^\W\d_", LETTER)]
    classes += [(SENTENCE_TERMINALS, SENTENCE_TERMINAL), (CHINESE_AND_KANA, SOLO)]
    for k, (letters, marks) in enumerate(UNSPACED_SCRIPTS):
        classes += [(letters, FIRST_LETTER + k), (marks, FIRST_LETTER + N_SCRIPTS + k)]
    return classes


@functools.cache
def character_flags() -> np.ndarray:
    """Return the flags of every code point (uint16)."""
    flags = np.zeros(N_CODE_POINTS, np.uint16)
    for characters, flag in _classes():
        for match in re.finditer(f"[{characters}]+", _every_character()):
            flags[match.start() : match.end()] |= flag
    for listed, flag in (
        (BULLETS, BULLET),
        (EDGE_PUNCTUATION, EDGE),
        (TERMINAL_PUNCTUATION, TERMINAL),
        (SENTENCE_STOPS, STOP),
        (FULL_STOPS, FULL_STOP),
        (CLOSERS, CLOSER),
        (SIGNS, COUNTED),
    ):
        flags[list(map(ord, listed))] |= flag
    flags[[character.isupper() for character in _every_character()]] |= UPPER
    lowered = lower_case()
    for anchor in ANCHORS:
        flags[lowered == ord(anchor)] |= ANCHOR
    return flags


def lower_case() -> np.ndarray:
    """Return the lower-case form of every code point (uint32).

    The only one that becomes two (U+0130, an i and a dot above it) stands for itself.
    """
    text = _every_character().replace("\u0130", " ").lower()
    lowered = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32).copy()
    lowered[0x130] = 0x130
    return lowered


@inlined
def character(text: Span, here: int) -> tuple[int, int]:
    """Return (code point, bytes) of the character that begins here."""
    first = load8(text, here)
    if first < 0x80:
        return first, 1
    second = load8(text, here + 1) & 0x3F
    if first < 0xE0:
        return (first & 0x1F) << 6 | second, 2
    third = load8(text, here + 2) & 0x3F
    if first < 0xF0:
        return (first & 0x0F) << 12 | second << 6 | third, 3
    return (first & 0x07) << 18 | second << 12 | third << 6 | load8(text, here + 3) & 0x3F, 4


@inlined
def character_before(text: Span, here: int) -> tuple[int, int]:
    """Return (code point, bytes) of the character that ends here."""
    start = here - 1
    while load8(text, start) & 0xC0 == 0x80:
        start -= 1
    code, width = character(text, start)
    return code, width


@inlined
def flags_of(code: int, table: Span) -> int:
    """Return the flags of a code point."""
    return load16(table, code * 2)
