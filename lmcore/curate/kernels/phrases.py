"""Phrases looked for in lower-cased lines: a letter that is rare in prose leads to each of them.

Every phrase is ASCII and holds one of the letters `ANCHORS`. Where such a letter stands (in either
case; the sign for kelvin, U+212A, is a k in lower case), what lies before and behind it is compared.
No other character beyond ASCII becomes an ASCII letter alone in lower case, which a test recounts.
"""

from typing import Final

import numpy as np

from lmcore.curate.flagged_lines import BUTTONS_ANYWHERE
from lmcore.curate.kernels.characters import ANCHORS
from lmcore.curate.words import JAVASCRIPT, LOREM_IPSUM, POLICY_PHRASES
from lmcore.kernels.compiling import called, inlined
from lmcore.kernels.memory import Span, load8, load64

# What is found in a line, as bits.
HAS_JAVASCRIPT: Final = 1
HAS_POLICY: Final = 2
HAS_LOREM_IPSUM: Final = 4
HAS_BUTTON: Final = 32

_SOUGHT: Final = (
    (JAVASCRIPT, HAS_JAVASCRIPT),
    (LOREM_IPSUM, HAS_LOREM_IPSUM),
    *((phrase, HAS_POLICY) for phrase in POLICY_PHRASES),
    *((phrase, HAS_BUTTON) for phrase in BUTTONS_ANYWHERE),
)
_ROW_BYTES: Final = 40


def phrase_tables() -> tuple[np.ndarray, np.ndarray]:
    """Return the letters of all phrases, the anchors left out, and a row for each phrase.

    A row (int64) is the anchor, what is found, the letters before the anchor and behind it, and
    where they begin.
    """
    letters, rows = "", []
    for phrase, found in _SOUGHT:
        place = next(k for k, letter in enumerate(phrase) if letter in ANCHORS)
        rows.append((ord(phrase[place]), found, place, len(phrase) - place - 1, len(letters)))
        letters += phrase[:place] + phrase[place + 1 :]
    return np.frombuffer(letters.encode("ascii"), np.uint8), np.array(rows, np.int64)


@called
def phrases_at(
    text: Span, here: int, width: int, bounds: tuple[int, int], tables: tuple[Span, Span]
) -> int:
    """Return what is found around the anchor at `here` between the bounds."""
    letters, rows = tables
    start, stop = bounds
    anchor = load8(text, here) | 0x20 if width == 1 else 0x6B
    found = 0
    for row in range(0, rows[1], _ROW_BYTES):
        before, behind = load64(rows, row + 16), load64(rows, row + 24)
        first, last = here - before, here + width + behind
        if load64(rows, row) == anchor and first >= start and last <= stop:
            place = load64(rows, row + 32)
            if _is_same(text, first, letters, place, before) and _is_same(
                text, here + width, letters, place + before, behind
            ):
                found |= load64(rows, row + 8)
    return found


@inlined
def _is_same(text: Span, here: int, letters: Span, place: int, n_bytes: int) -> bool:
    for k in range(n_bytes):
        byte = load8(text, here + k)
        if 0x41 <= byte <= 0x5A:
            byte |= 0x20
        if byte != load8(letters, place + k):
            return False
    return True
