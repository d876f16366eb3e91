r"""The pre-tokens of cl100k and o200k, 64 bytes at a time.

cl100k:  '(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+
         |\s++$|\s*[\r\n]|\s+(?!\S)|\s
o200k:   letters divided by case with the contraction at their end, `[\r\n/]*` after other
         characters, and no rule for whitespace at the end of the text (see `PATTERNS`).

Both share their shape, which masks can decide (compare `scan_gpt2`):

- a run of other characters (neither letter, number nor whitespace) starts a pre-token unless a
  blank leads it, and swallows the newlines (o200k: and slashes) behind it;
- a run of letters starts one unless its prefix did: a single other character that starts a
  pre-token itself, or any whitespace but a newline;
- a run of numbers starts one at every third of its characters;
- of a run of whitespace, less what was swallowed, the first character starts one, the one behind
  the last newline, and the last where something other than whitespace follows.

In o200k a letter or mark without case counts as both cases, and which rule takes it needs a look
ahead without bound; from the pre-token that such a character may touch on, `o200k_end` matches
one pre-token after another, until the text has none of them any more. A scan can be taken up at
any start of a pre-token with nothing carried, because the patterns look ahead but never back.
"""

import numpy as np

from lmcore.kernels.compiling import called, inlined, kernel
from lmcore.kernels.memory import (
    Span,
    apostrophe_mask,
    blank_mask,
    control_space_mask,
    digit_mask,
    high_mask,
    letter_mask,
    load64,
    newline_mask,
    shift_right,
    slash_mask,
    span_of,
    store64,
    trailing_zeros,
    upper_mask,
)
from lmcore.tokenizer.kernels.blocks import (
    any_case_contraction_bytes,
    is_space_or_end,
    last_of_runs,
    low_bits,
    write_ends,
)
from lmcore.tokenizer.kernels.characters import (
    BOTH,
    LETTER,
    NEWLINE,
    NUMBER,
    SPACE,
    UPPER,
    flags_at,
)
from lmcore.tokenizer.kernels.scan_o200k import o200k_end

# Bits of the carry: the class of the character before the block and what became of it.
_LETTER, _NUMBER, _OTHER, _SPACE, _BLANK, _NEWLINE, _LOWER, _SWALLOWED, _PREFIX = range(9)
_DIGITS = 9
"""Two bits: how many numbers the pre-token that reaches the block holds, modulo three."""
_CALM = 2
"""Pre-tokens without a letter that has no case after which blocks are worth while again."""


@kernel
def scan_words(
    text: np.ndarray,  # uint8, padded
    segments: np.ndarray,  # int64 [n, 3]: start, stop, not used here
    cursor: np.ndarray,  # int64 [2]: segment, position in it where a pre-token starts
    flags: np.ndarray,  # uint8 [0x110000]: flags of characters
    ends: np.ndarray,  # int64: receives the ends of the pre-tokens, in order
    is_o200k: int,
) -> int:
    """Write ends until the segments or the room is used up, move the cursor, return how many."""
    span, table, out = span_of(text), span_of(flags), span_of(ends)
    room = ends.shape[0] - 80  # a block of 64 ends and what write_ends adds
    n_ends = 0
    segment, here = cursor[0], cursor[1]
    while segment < segments.shape[0]:
        stop = segments[segment, 1]
        first, last, carry = here, here, 0
        while here < stop and n_ends < room:
            starts, width, carry = _starts(span, here, stop, table, carry, is_o200k)
            if width == 0:  # a letter or mark without case
                n_ends, last, here = _match_each(span, last, here, stop, table, out, n_ends, room)
                first, carry = here, 0
                continue
            if here == first:
                starts &= ~1
            n_ends = write_ends(out, n_ends, starts, here)
            if starts:
                last = load64(out, n_ends * 8 - 8)
            here += width
        if here < stop:  # no room: to be continued from the last start
            here = last
            break
        if stop > last:
            store64(out, n_ends * 8, stop)
            n_ends += 1
        segment += 1
        if segment < segments.shape[0]:
            here = segments[segment, 0]
            if n_ends >= room:
                break
    cursor[0], cursor[1] = segment, here
    return n_ends


@called
def _match_each(
    text: Span, last: int, here: int, stop: int, table: Span, out: Span, n_ends: int, room: int
) -> tuple[int, int, int]:
    """Match pre-tokens from the start `last` to beyond `here`, until no case is missing any more.

    Returns the number of ends, the last start, and where blocks go on.
    """
    n_calm = 0
    while n_ends < room:
        end = o200k_end(text, last, stop, table)
        if end >= stop:
            return n_ends, last, stop
        store64(out, n_ends * 8, end)
        n_ends += 1
        last = end
        if end > here:
            flags, _ = flags_at(text, end, stop, table)
            n_calm = 0 if flags & BOTH else n_calm + 1
            if n_calm >= _CALM:
                break
    return n_ends, last, last


@inlined
def _masks(
    text: Span, base: int, stop: int, table: Span, is_o200k: int
) -> tuple[int, int, int, int, int, int]:
    """Return (bytes in the block, letters, upper case, numbers, whitespace, first bytes)."""
    width = min(64, stop - base)
    valid = low_bits(width)
    letter = letter_mask(text, base) & valid
    upper = upper_mask(text, base) & valid
    number = digit_mask(text, base) & valid
    space = (blank_mask(text, base) | control_space_mask(text, base)) & valid
    lead = valid
    high = high_mask(text, base) & valid
    while high:
        place = trailing_zeros(high)
        flags, n_bytes = flags_at(text, base + place, stop, table)
        if place + n_bytes > 64 or (is_o200k and flags & BOTH):
            if place == 0:
                return 0, 0, 0, 0, 0, 0
            width = place
            valid = low_bits(width)
            break
        bits = low_bits(n_bytes) << place
        high &= ~bits
        lead &= ~bits | 1 << place
        if flags & LETTER:
            letter |= bits
            if flags & UPPER:
                upper |= bits
        elif flags & NUMBER:
            number |= bits
        elif flags & SPACE:
            space |= bits
    return width, letter & valid, upper & valid, number & valid, space & valid, lead & valid


@inlined
def _swallowed(chain: int, newline: int, other: int, carry: int) -> int:
    """Return the newlines (and slashes) that belong to the run of other characters before them."""
    begin = newline & (other << 1 | carry >> _OTHER & 1) | chain & (carry >> _SWALLOWED & 1)
    swallowed = 0
    while begin:
        run = chain & ~(chain + (begin & -begin))  # the sum clears the run from its first bit on
        swallowed |= run
        begin &= ~run
    return swallowed


@inlined
def _number_starts(number: int, lead: int, width: int, carry: int) -> tuple[int, int]:
    """Return the starts among numbers, every third, and how many the open pre-token holds."""
    begin = number & ~(number << 1 | carry >> _NUMBER & 1)
    is_long = number & number << 1 & number << 2 & number << 3
    if not is_long and not carry >> _NUMBER & 1 and not shift_right(number, width - 1) & 1:
        return begin, 0
    starts, n_digits = 0, carry >> _DIGITS & 3
    waiting = number & lead
    while waiting:
        bit = waiting & -waiting
        waiting &= waiting - 1
        if begin & bit:
            n_digits = 0
        if n_digits == 0:
            starts |= bit
        n_digits = n_digits + 1 if n_digits < 2 else 0
    return starts, n_digits


@inlined
def _is_last_newline(text: Span, base: int, stop: int, table: Span, ends_with_text: int) -> int:
    """Return 1 where no newline stands in the whitespace from `base` on, else 0."""
    here = base
    while here < stop:
        flags, width = flags_at(text, here, stop, table)
        if flags & NEWLINE:
            return 0
        if flags & SPACE == 0:
            return 1
        here += width
    return ends_with_text


@inlined
def _starts(
    text: Span, base: int, stop: int, table: Span, carry: int, is_o200k: int
) -> tuple[int, int, int]:
    """Return the bits of the block's starts, the bytes decided, and the carry to the next."""
    width, letter, upper, number, space, lead = _masks(text, base, stop, table, is_o200k)
    if width == 0:
        return 0, 0, 0
    valid = low_bits(width)
    blank, newline = blank_mask(text, base) & valid, newline_mask(text, base) & valid
    other = valid & ~(letter | number | space)
    chain = newline | slash_mask(text, base) & valid if is_o200k else newline
    swallowed = _swallowed(chain, newline, other, carry)
    other, space, newline = other & ~swallowed, space & ~swallowed, newline & ~swallowed
    before_letter = letter << 1 | carry >> _LETTER & 1
    before_newline = newline << 1 | carry >> _NEWLINE & 1
    before_space = space << 1 | carry >> _SPACE & 1
    before_other = other << 1 | carry >> _OTHER & 1
    first_other = other & ~before_other & ~(blank << 1 | carry >> _BLANK & 1)
    prefix = first_other
    inside = valid & ~lead
    if inside:
        for _ in range(3):
            prefix |= prefix << 1 & inside
    prefixed = before_space & ~before_newline | prefix << 1 | carry >> _PREFIX & 1
    numbers, n_digits = _number_starts(number, lead, width, carry)
    starts = numbers | first_other | letter & ~before_letter & ~prefixed
    lower = letter & ~upper
    if is_o200k:
        starts |= upper & (lower << 1 | carry >> _LOWER & 1)
    if space:
        follows = is_space_or_end(text, base + width, stop, table)
        starts |= space & ~before_space | last_of_runs(space, lead, follows, width) & ~newline
        starts |= _behind_newlines(
            text, base, stop, table, is_o200k, width, space, newline, before_newline
        )
    ticks = apostrophe_mask(text, base) & valid
    ticks &= before_letter if is_o200k else first_other
    if ticks:
        starts, width = _with_contractions(text, base, stop, is_o200k, starts, ticks, width)
        if width == 0:
            return 0, 0, 0
    top = width - 1
    carry = (
        (shift_right(letter, top) & 1) << _LETTER
        | (shift_right(number, top) & 1) << _NUMBER
        | (shift_right(other, top) & 1) << _OTHER
        | (shift_right(space, top) & 1) << _SPACE
        | (shift_right(blank, top) & 1) << _BLANK
        | (shift_right(newline, top) & 1) << _NEWLINE
        | (shift_right(lower, top) & 1) << _LOWER
        | (shift_right(swallowed, top) & 1) << _SWALLOWED
        | (shift_right(prefix, top) & 1) << _PREFIX
        | n_digits << _DIGITS
    )
    return starts, width, carry


@inlined
def _behind_newlines(
    text: Span,
    base: int,
    stop: int,
    table: Span,
    is_o200k: int,
    width: int,
    space: int,
    newline: int,
    before_newline: int,
) -> int:
    """Return the whitespace behind the last newline of each run."""
    starts = 0
    candidates = space & ~newline & before_newline
    while candidates:
        bit = candidates & -candidates
        candidates &= candidates - 1
        ahead = (newline | low_bits(width) & ~space) & ~(bit | bit - 1)
        if ahead:
            if ahead & -ahead & newline == 0:
                starts |= bit
        elif _is_last_newline(text, base + width, stop, table, is_o200k):
            starts |= bit
    return starts


@inlined
def _with_contractions(
    text: Span, base: int, stop: int, is_o200k: int, starts: int, ticks: int, width: int
) -> tuple[int, int]:
    """Return the starts with contractions taken into account, and the bytes decided."""
    behind = -1
    while ticks:
        place = trailing_zeros(ticks)
        ticks &= ticks - 1
        if is_o200k and place == behind:
            continue  # behind a contraction it starts a pre-token of its own
        if place + 4 > width and base + width < stop:  # may end in the next block: begins there
            return (starts & low_bits(place) if place else 0), place
        n_bytes = any_case_contraction_bytes(text, base + place, stop)
        if n_bytes:
            behind = place + n_bytes
            if is_o200k:
                starts &= ~(low_bits(n_bytes) << place)
            if base + behind < stop:
                starts |= 1 << behind
    return starts, width
