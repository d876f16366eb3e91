"""What the scanners of all patterns share: the masks of a block, contractions, the ends.

A block is up to 64 bytes that begin at a character and hold whole characters, so that nothing of
a character is carried from one block to the next. In a mask, bit i stands for byte `base + i`;
every byte of a character has the bits of the character.
"""

from lmcore.kernels.compiling import inlined
from lmcore.kernels.memory import (
    Span,
    apostrophe_mask,
    blank_mask,
    continuation_mask,
    control_space_mask,
    count_bits,
    digit_mask,
    high_mask,
    letter_mask,
    load8,
    shift_right,
    store64,
    three_byte_letter_mask,
    trailing_zeros,
    two_byte_letter_mask,
)
from lmcore.tokenizer.kernels.characters import LETTER, NUMBER, SPACE, flags_at

BLOCK: int = 64


@inlined
def low_bits(n_bits: int) -> int:
    """Return a mask of the lowest bits; n_bits in 1..64."""
    return shift_right(-1, 64 - n_bits)


@inlined
def class_masks(text: Span, base: int, stop: int, table: Span) -> tuple[int, int, int, int, int]:
    """Return (bytes in the block, letters, numbers, whitespace, first bytes of characters)."""
    width = min(64, stop - base)
    valid = low_bits(width)
    letter = letter_mask(text, base) & valid
    number = digit_mask(text, base) & valid
    space = (blank_mask(text, base) | control_space_mask(text, base)) & valid
    lead = valid
    high = high_mask(text, base) & valid
    if high:
        bits, behind = _letters_by_first_byte(text, base, valid)
        letter, lead, high = letter | bits, lead & ~behind, high & ~bits
    while high:
        place = trailing_zeros(high)
        flags, n_bytes = flags_at(text, base + place, stop, table)
        if place + n_bytes > 64:  # ends in the next block, so it begins there
            width = place
            valid = low_bits(width)
            return width, letter & valid, number & valid, space & valid, lead & valid
        bits = low_bits(n_bytes) << place
        high &= ~bits
        lead &= ~bits | 1 << place
        if flags & LETTER:
            letter |= bits
        elif flags & NUMBER:
            number |= bits
        elif flags & SPACE:
            space |= bits
    return width, letter, number, space, lead


@inlined
def _letters_by_first_byte(text: Span, base: int, valid: int) -> tuple[int, int]:
    """Return (bytes of characters that their first byte shows to be letters, those behind it).

    Most of Chinese, Korean and Cyrillic at once, where each character took 15 cycles.
    """
    behind = continuation_mask(text, base) & valid
    two = two_byte_letter_mask(text, base) & shift_right(behind, 1)
    three = three_byte_letter_mask(text, base) & shift_right(behind, 1) & shift_right(behind, 2)
    following = (two | three) << 1 | three << 2
    return two | three | following, following


@inlined
def masks_of_ascii(text: Span, base: int, width: int) -> tuple[int, int]:
    """Return (blanks, apostrophes) of a block."""
    valid = low_bits(width)
    return blank_mask(text, base) & valid, apostrophe_mask(text, base) & valid


@inlined
def last_of_runs(space: int, lead: int, follows: int, width: int) -> int:
    """Return the first byte of the last character of each run of whitespace that ends.

    `follows` is 1 where the character after the block is whitespace or the text ends there.
    """
    last = space & ~(shift_right(space, 1) | follows << width - 1)
    while last & ~lead:
        last = last & lead | shift_right(last & ~lead, 1)
    return last


@inlined
def is_space_or_end(text: Span, here: int, stop: int, table: Span) -> int:
    """Return 1 where whitespace stands or the text ends, else 0."""
    if here >= stop:
        return 1
    byte = load8(text, here)
    if byte < 0x80:
        return 1 if byte == 0x20 or 9 <= byte <= 13 else 0
    flags, _ = flags_at(text, here, stop, table)
    return 1 if flags & SPACE else 0


@inlined
def _is_short_contraction(letter: int) -> bool:
    """Return whether a lower-case letter is one of sdmt."""
    return letter == 0x73 or letter == 0x64 or letter == 0x6D or letter == 0x74


@inlined
def _is_long_contraction(first: int, second: int) -> bool:
    """Return whether two lower-case letters are ll, ve or re."""
    return (
        (first == 0x6C and second == 0x6C)
        or (first == 0x76 and second == 0x65)
        or (first == 0x72 and second == 0x65)
    )


@inlined
def contraction_bytes(text: Span, here: int, stop: int) -> int:
    """Return the bytes of `'(?:[sdmt]|ll|ve|re)` at an apostrophe, 0 where none is."""
    if here + 1 >= stop:
        return 0
    first = load8(text, here + 1)
    if _is_short_contraction(first):
        return 2
    if here + 2 >= stop:
        return 0
    second = load8(text, here + 2)
    return 3 if _is_long_contraction(first, second) else 0


@inlined
def any_case_contraction_bytes(text: Span, here: int, stop: int) -> int:
    """Return the bytes of `'(?i:[sdmt]|ll|ve|re)` at an apostrophe, 0 where none is.

    U+017F, the long s, is an s in another case.
    """
    if here + 1 >= stop:
        return 0
    first, second = load8(text, here + 1), load8(text, here + 2)
    if first == 0xC5 and second == 0xBF and here + 2 < stop:
        return 3
    if first < 0x41:
        return 0
    first |= 0x20
    if _is_short_contraction(first):
        return 2
    if here + 2 >= stop or second < 0x41:
        return 0
    second |= 0x20
    return 3 if _is_long_contraction(first, second) else 0


@inlined
def write_ends(out: Span, n_ends: int, starts: int, base: int) -> int:
    """Write base + place for every bit, lowest first; return the new number of ends.

    Eight at a time without asking whether there are as many: a branch that cannot be predicted
    costs more than seven stores.
    """
    n_starts = count_bits(starts)
    at = n_ends * 8
    while starts:
        for k in range(8):
            store64(out, at + k * 8, base + trailing_zeros(starts))
            starts &= starts - 1
        at += 64
    return n_ends + n_starts
