r"""One pre-token of o200k at a time, matched as the pattern reads.

    P?X*Y+C? | P?X+Y*C? | \p{N}{1,3} | ?O+[\r\n/]* | \s*[\r\n]+ | \s+(?!\S) | \s+

with P = [^\r\n\p{L}\p{N}], X = [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}], Y = [\p{Ll}\p{Lm}\p{Lo}\p{M}],
O = [^\s\p{L}\p{N}] and C a contraction. A character without case is in X and Y, and a mark in P and
O as well; the backtracking that this needs is one comparison, as `_word_end` shows. Used by
`scan_words` around such characters; every character is looked at three times at most.
"""

from lmcore.kernels.compiling import called, inlined
from lmcore.kernels.memory import Span, load8
from lmcore.tokenizer.kernels.blocks import any_case_contraction_bytes
from lmcore.tokenizer.kernels.characters import (
    BOTH,
    LETTER,
    LOWER,
    MARK,
    NEWLINE,
    NUMBER,
    SPACE,
    UPPER,
    flags_at,
)


@called
def o200k_end(text: Span, here: int, stop: int, table: Span) -> int:
    """Return where the pre-token that starts at `here` ends."""
    flags, width = flags_at(text, here, stop, table)
    end = -1
    # A mark may be its own word's prefix, to the same end.
    if flags & (LETTER | NUMBER | NEWLINE | MARK) == 0 and here + width < stop:
        end = _word_end(text, here + width, stop, table)
    if end < 0 and flags & (LETTER | MARK):
        end = _word_end(text, here, stop, table)
    if end >= 0:
        if end < stop and load8(text, end) == 0x27:
            end += any_case_contraction_bytes(text, end, stop)
        return end
    if flags & NUMBER:
        return _run_end(text, here, stop, table, NUMBER, 3)
    if flags & SPACE == 0:
        return _others_end(text, here, stop, table)
    if load8(text, here) == 0x20 and here + 1 < stop:
        after, _ = flags_at(text, here + 1, stop, table)
        if after & (SPACE | LETTER | NUMBER) == 0:
            return _others_end(text, here + 1, stop, table)
    return _spaces_end(text, here, stop, table)


@inlined
def _word_end(text: Span, here: int, stop: int, table: Span) -> int:
    """Return the end of X*Y+ or else of X+Y* at `here`, -1 where neither matches.

    X* takes all it can. Where a lower-case letter follows, Y+ goes on from there. Otherwise X*
    gives back until Y+ can start: to the last character of the run without case, which is then
    the end. Without one, X+ alone matches.
    """
    last_without_case = -1
    place = here
    flags, width = 0, 0
    while place < stop:
        flags, width = flags_at(text, place, stop, table)
        if flags & (UPPER | BOTH) == 0:
            break
        place += width
        if flags & BOTH:
            last_without_case = place
    if place < stop and flags & LOWER:
        while place < stop:
            flags, width = flags_at(text, place, stop, table)
            if flags & (LOWER | BOTH) == 0:
                break
            place += width
        return place
    if last_without_case >= 0:
        return last_without_case
    return place if place > here else -1


@inlined
def _run_end(text: Span, here: int, stop: int, table: Span, flag: int, at_most: int) -> int:
    """Return the end of at most so many characters with a flag."""
    n_characters = 0
    while here < stop and n_characters < at_most:
        flags, width = flags_at(text, here, stop, table)
        if flags & flag == 0:
            break
        here += width
        n_characters += 1
    return here


@inlined
def _others_end(text: Span, here: int, stop: int, table: Span) -> int:
    r"""Return the end of O+[\r\n/]*."""
    while here < stop:
        flags, width = flags_at(text, here, stop, table)
        if flags & (SPACE | LETTER | NUMBER):
            break
        here += width
    while here < stop:
        byte = load8(text, here)
        if byte != 0x0A and byte != 0x0D and byte != 0x2F:
            break
        here += 1
    return here


@inlined
def _spaces_end(text: Span, here: int, stop: int, table: Span) -> int:
    r"""Return the end of \s*[\r\n]+, or else of \s+(?!\S), or else of \s+."""
    place, last, behind_newline = here, here, -1
    while place < stop:
        flags, width = flags_at(text, place, stop, table)
        if flags & SPACE == 0:
            break
        last = place
        place += width
        if flags & NEWLINE:
            behind_newline = place
    if behind_newline >= 0:
        return behind_newline
    return last if last > here and place < stop else place
