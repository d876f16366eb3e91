r"""GPT-2's pre-tokens, 64 bytes at a time.

    '(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+

and the same with single digits (`\p{N}` for ` ?\p{N}+`). Vector compares turn a block into one bit
mask for each class of characters; where a pre-token starts then follows from masks shifted by one
bit, carried from block to block:

- a run of whitespace starts one, and so does its last character where something else follows;
- any other character starts one unless it continues a run of its class or follows a blank;
- a contraction takes the start away from its first letter and gives it to what follows.

Exact for every string, equal to the `regex` module on every code point; bytes that are no UTF-8
count as characters of no class.
"""

import numpy as np

from lmcore.kernels.compiling import inlined, kernel
from lmcore.kernels.memory import (
    Span,
    load64,
    shift_right,
    span_of,
    store64,
    trailing_zeros,
)
from lmcore.tokenizer.kernels.blocks import (
    class_masks,
    contraction_bytes,
    is_space_or_end,
    last_of_runs,
    low_bits,
    masks_of_ascii,
    write_ends,
)


@kernel
def scan_gpt2(
    text: np.ndarray,  # uint8, padded
    segments: np.ndarray,  # int64 [n, 3]: start, stop, not used here
    cursor: np.ndarray,  # int64 [2]: segment, position in it where a pre-token starts
    flags: np.ndarray,  # uint8 [0x110000]: flags of characters
    ends: np.ndarray,  # int64: receives the ends of the pre-tokens, in order
    single_digits: int,
) -> int:
    """Write ends until the segments or the room is used up, move the cursor, return how many."""
    span, table, out = span_of(text), span_of(flags), span_of(ends)
    room = ends.shape[0] - 80  # a block of 64 ends and what write_ends adds
    n_ends = 0
    segment, here = cursor[0], cursor[1]
    while segment < segments.shape[0]:
        stop = segments[segment, 1]
        first, carry = here, 0
        while here < stop and n_ends < room:
            starts, width, carry = _starts(span, here, stop, table, carry, single_digits)
            if here == first:
                starts &= ~1
            n_ends = write_ends(out, n_ends, starts, here)
            here += width
        if here < stop:  # no room: to be continued from the last start
            here = load64(out, n_ends * 8 - 8)
            break
        if stop > first:
            store64(out, n_ends * 8, stop)
            n_ends += 1
        segment += 1
        if segment < segments.shape[0]:
            here = segments[segment, 0]
            if n_ends >= room:
                break
    cursor[0], cursor[1] = segment, here
    return n_ends


@inlined
def _starts(
    text: Span, base: int, stop: int, table: Span, carry: int, single_digits: int
) -> tuple[int, int, int]:
    """Return the bits of the block's starts, the bytes decided, and the carry to the next."""
    width, letter, number, space, lead = class_masks(text, base, stop, table)
    blank, apostrophe = masks_of_ascii(text, base, width)
    other = low_bits(width) & ~(letter | number | space)
    same = (
        letter & (letter << 1 | carry & 1)
        | number & (number << 1 | carry >> 1 & 1)
        | other & (other << 1 | carry >> 2 & 1)
    )
    before_space = space << 1 | carry >> 3 & 1
    before_blank = blank << 1 | carry >> 4 & 1
    follows = is_space_or_end(text, base + width, stop, table)
    starts = (
        space & ~before_space
        | last_of_runs(space, lead, follows, width)
        | (letter | number | other) & ~before_blank & ~same
    )
    if single_digits:
        starts |= number & lead
    candidates = apostrophe & starts
    while candidates:
        place = trailing_zeros(candidates)
        candidates &= candidates - 1
        if place + 4 > width and base + width < stop:  # it may end in the next block: begins there
            width = place
            starts &= low_bits(width)
            break
        n_bytes = contraction_bytes(text, base + place, stop)
        if n_bytes:
            starts &= ~(1 << place + 1)
            if base + place + n_bytes < stop:
                starts |= 1 << place + n_bytes
    top = width - 1
    carry = (
        shift_right(letter, top) & 1
        | (shift_right(number, top) & 1) << 1
        | (shift_right(other, top) & 1) << 2
        | (shift_right(space, top) & 1) << 3
        | (shift_right(blank, top) & 1) << 4
    )
    return starts, width, carry
