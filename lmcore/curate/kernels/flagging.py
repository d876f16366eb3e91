"""Lines that RefinedWeb's rules flag, as `lmcore.curate.flagged_lines` defines them.

Most lines of prose have more than ten words and few capitals: of these only two counts are compared.
"""

from typing import Final

import numpy as np

from lmcore.curate.flagged_lines import BUTTONS_FIRST, BUTTONS_LAST, COUNTED, MAX_BUTTON_WORDS
from lmcore.kernels.compiling import called, inlined
from lmcore.kernels.memory import Span, load8, load64

# Which rule flags a line, as bits.
UPPERCASE, NUMERIC, COUNTER, ONE_WORD, BUTTON = (1 << k for k in range(5))
N_RULES: Final = 5

_FIRST, _LAST, _COUNTED = range(3)
_ROW_BYTES: Final = 24
_ZERO, _NINE, _BLANK = (ord(character) for character in "09 ")
_NUMBER_SIGNS: Final = (ord("."), ord(","))
_THOUSAND, _MILLION, _BILLION = (ord(letter) for letter in "kmb")

Tables = tuple[Span, Span]
"""Letters of all phrases end to end; of each its place in a line, its first byte and its length."""


def flag_tables() -> tuple[np.ndarray, np.ndarray]:
    """Return the letters of the phrases that are looked for, and a row for each."""
    letters, rows = "", []
    for place, phrases in ((_FIRST, BUTTONS_FIRST), (_LAST, BUTTONS_LAST), (_COUNTED, COUNTED)):
        for phrase in phrases:
            rows.append((place, len(letters), len(phrase)))
            letters += phrase
    return np.frombuffer(letters.encode("ascii"), np.uint8), np.array(rows, np.int64)


@inlined
def line_flags(
    text: Span,
    bounds: tuple[int, int],
    n_words: int,
    n_solid: int,
    n_upper: int,
    n_digits: int,
    has_button: bool,
    tables: Tables,
) -> int:
    """Return the rules that flag a line between its first and last character, as bits.

    `n_solid` are its characters but blanks, `has_button` whether it holds a button's text anywhere.
    """
    found = UPPERCASE * (2 * n_upper > n_solid) | NUMERIC * (n_digits == n_solid)
    if n_words <= MAX_BUTTON_WORDS:
        found |= ONE_WORD * (n_words == 1) | BUTTON * has_button
        found |= _phrase_flags(text, bounds, tables)
    return found


@called
def _phrase_flags(text: Span, bounds: tuple[int, int], tables: Tables) -> int:
    """Return whether a short line is a counter, begins with a button or ends in one."""
    letters, rows = tables
    start, stop = bounds
    counted = _behind_number(text, start, stop)
    found = 0
    for row in range(0, rows[1], _ROW_BYTES):
        place, first, n_bytes = load64(rows, row), load64(rows, row + 8), load64(rows, row + 16)
        here = counted if place == _COUNTED else start if place == _FIRST else stop - n_bytes
        if here < start or here + n_bytes > stop:
            continue
        if place == _COUNTED and here + n_bytes != stop:
            continue
        if _is_phrase(text, here, letters, first, n_bytes):
            found |= COUNTER if place == _COUNTED else BUTTON
    return found


@inlined
def _behind_number(text: Span, start: int, stop: int) -> int:
    """Return where the word behind a number and one blank begins, -1 where there is no number."""
    here = start
    while here < stop:
        byte = load8(text, here)
        is_digit = _ZERO <= byte <= _NINE
        if not is_digit and (here == start or byte not in _NUMBER_SIGNS):
            break
        here += 1
    if here == start or here >= stop:
        return -1
    unit = load8(text, here) | 0x20
    if unit in (_THOUSAND, _MILLION, _BILLION):
        here += 1
    if here >= stop or load8(text, here) != _BLANK:
        return -1
    return here + 1


@inlined
def _is_phrase(text: Span, here: int, letters: Span, first: int, n_bytes: int) -> bool:
    for k in range(n_bytes):
        byte = load8(text, here + k)
        if 0x41 <= byte <= 0x5A:
            byte |= 0x20
        if byte != load8(letters, first + k):
            return False
    return True
