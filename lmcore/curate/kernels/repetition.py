"""What a document repeats (lines, paragraphs, n-grams of words), and its stop words; all exact.

Lines, paragraphs and words are looked up by the keys of `lmcore.kernels.keys`: up to 15 bytes are
their own key, of longer ones the bytes are compared. An n-gram is known by the numbers of the two
(n-1)-grams that it overlaps, so its key is exact too, and no text is hashed twice. An n-gram repeats
only where both of these do: on prose few are left from the third round on.

One open table serves one search after another: an entry with another stamp than the search's is
empty. Entry: stamp and count, two halves of a key, place of the bytes or what the search keeps.
"""

from typing import Final

import numpy as np

from lmcore.curate.kernels.lines import (
    BEHIND,
    CLEANED_STOP,
    FIRST,
    N_FILLED,
    N_LINES,
    N_WORDS,
    NEWLINE,
)
from lmcore.curate.kernels.splitting import next_word
from lmcore.curate.kernels.stop_words import UNKNOWN, StopWords, stop_word_bit
from lmcore.kernels.compiling import called, inlined, kernel
from lmcore.kernels.keys import key_of, same_bytes, slot_of
from lmcore.kernels.memory import (
    Span,
    count_bits,
    load8,
    load64,
    newline_mask,
    span_of,
    store64,
    trailing_zeros,
)

ENTRY_BYTES: Final = 32
_STAMP: Final = 1 << 32
_PAIR_BYTES: Final = 16
LONGEST_TOP: Final = 4
LONGEST: Final = 10

# What is known of a document, an int64 each.
(
    REPETITION_LINES, REPEATED_LINES, REPEATED_LINE_CHARS, KEPT_LINES, KEPT_REPEATED_LINES,
    KEPT_REPEATED_LINE_CHARS, N_PARAGRAPHS, REPEATED_PARAGRAPHS, REPEATED_PARAGRAPH_CHARS,
    STOP_WORDS, STOP_WORD_OCCURRENCES, TOP_2GRAM, TOP_3GRAM, TOP_4GRAM, DUPLICATE_5GRAM,
) = range(15)  # fmt: skip
N_REPETITION_FIELDS: Final = DUPLICATE_5GRAM + LONGEST - LONGEST_TOP
_KEPT: Final = (KEPT_LINES - REPETITION_LINES) * 8


@kernel
def measure_repetition(
    text: np.ndarray,  # uint8, padded
    offsets: np.ndarray,  # int64 [documents + 1]
    languages: np.ndarray,  # int64 [documents]: whose stop words are looked for, or UNKNOWN
    cleaned: np.ndarray,  # uint8, padded: the lines that were kept
    flags: np.ndarray,  # uint16 [code points]
    letters: np.ndarray,  # uint8, of all stop words
    stop_words: np.ndarray,  # int64 [power of two, 5]
    counts: np.ndarray,  # int64 [documents, lines.N_FIELDS], as `measure_lines` leaves them
    chars: np.ndarray,  # int64 [most words of a document + 1]
    pairs: np.ndarray,  # int64 [most words of a document, 2]
    table: np.ndarray,  # int64 [power of two, twice a document's words and lines; 4], zeros
    repeated: np.ndarray,  # int64 [documents, N_REPETITION_FIELDS], zeros
) -> None:
    """Measure what each document repeats, and what the lines do that were kept of it."""
    source, kept = span_of(text), span_of(cleaned)
    tables = span_of(flags), (span_of(letters), span_of(stop_words))
    before, active, entries, out = span_of(chars), span_of(pairs), span_of(table), span_of(repeated)
    stamp, kept_start = _STAMP, 0
    for document in range(counts.shape[0]):
        row, kept_stop = document * N_REPETITION_FIELDS * 8, counts[document, CLEANED_STOP]
        if counts[document, N_LINES]:
            mask = _mask_for(max(counts[document, N_WORDS], counts[document, N_FILLED]))
            start, stop = offsets[document], offsets[document + 1]
            _repeated_lines(source, start, stop, entries, mask, stamp, out, row)
            _repeated_lines(
                kept, kept_start, kept_stop, entries, mask, stamp + _STAMP, out, row + _KEPT
            )
            start, stop = counts[document, FIRST], counts[document, BEHIND]
            _repeated_paragraphs(source, start, stop, entries, mask, stamp + 2 * _STAMP, out, row)
            stamp += 3 * _STAMP
            n_words, found, n_found = _number_words(
                source,
                start,
                stop,
                languages[document],
                tables,
                entries,
                mask,
                stamp,
                before,
                active,
            )
            store64(out, row + STOP_WORDS * 8, count_bits(found))
            store64(out, row + STOP_WORD_OCCURRENCES * 8, n_found)
            _repeated_ngrams(n_words, entries, mask, stamp, before, active, out, row)
            stamp += LONGEST * _STAMP
        kept_start = kept_stop


@inlined
def _mask_for(n_entries: int) -> int:
    """Return the mask of the smallest table that so many entries fill by half at most."""
    mask = 1
    while mask < 2 * n_entries:
        mask *= 2
    return mask - 1


@inlined
def _find(
    text: Span, start: int, n_bytes: int, table: Span, mask: int, stamp: int
) -> tuple[int, int]:
    """Count some bytes; return their entry and how often they were found, this time included."""
    low, high = key_of(text, start, n_bytes)
    entry = slot_of(low, high, mask) * ENTRY_BYTES
    while True:
        count = load64(table, entry) - stamp
        if count <= 0:  # of an earlier search, or never used
            store64(table, entry, stamp + 1)
            store64(table, entry + 8, low)
            store64(table, entry + 16, high)
            store64(table, entry + 24, start)
            return entry, 1
        is_same = load64(table, entry + 8) == low and load64(table, entry + 16) == high
        if is_same and high < 0:
            is_same = same_bytes(text, load64(table, entry + 24), text, start, n_bytes)
        if is_same:
            store64(table, entry, stamp + count + 1)
            return entry, count + 1
        entry = entry + ENTRY_BYTES & mask * ENTRY_BYTES


@inlined
def _find_pair(first: int, second: int, table: Span, mask: int, stamp: int) -> int:
    """Count a pair of numbers; return its entry."""
    entry = slot_of(first, second, mask) * ENTRY_BYTES
    while True:
        count = load64(table, entry) - stamp
        if count <= 0:
            store64(table, entry, stamp + 1)
            store64(table, entry + 8, first)
            store64(table, entry + 16, second)
            store64(table, entry + 24, 0)
            return entry
        if load64(table, entry + 8) == first and load64(table, entry + 16) == second:
            store64(table, entry, stamp + count + 1)
            return entry
        entry = entry + ENTRY_BYTES & mask * ENTRY_BYTES


@inlined
def _find_newline(text: Span, here: int, stop: int) -> int:
    """Return where the next newline stands, or `stop`."""
    while here < stop:
        mask = newline_mask(text, here)
        while mask:
            place = here + trailing_zeros(mask)
            if place >= stop or load8(text, place) == NEWLINE:
                return min(place, stop)
            mask &= mask - 1
        here += 64
    return stop


@inlined
def _count_chars(text: Span, here: int, stop: int) -> int:
    n_chars = 0
    for place in range(here, stop):
        n_chars += load8(text, place) & 0xC0 != 0x80
    return n_chars


@called
def _repeated_lines(
    text: Span, start: int, stop: int, table: Span, mask: int, stamp: int, out: Span, row: int
) -> None:
    """Count the lines between line breaks, those seen before, and the characters of these.

    What stands before a line break that begins the text is an empty line, and so is what follows
    one that ends it.
    """
    if start == stop:
        return
    n_lines = (load8(text, start) == NEWLINE) + (load8(text, stop - 1) == NEWLINE)
    n_repeated, n_chars, here = n_lines // 2, 0, start
    while here < stop:
        end = _find_newline(text, here, stop)
        if end > here:
            n_lines += 1
            _, count = _find(text, here, end - here, table, mask, stamp)
            if count > 1:
                n_repeated += 1
                n_chars += _count_chars(text, here, end)
        here = end + 1
    store64(out, row + REPETITION_LINES * 8, n_lines)
    store64(out, row + REPEATED_LINES * 8, n_repeated)
    store64(out, row + REPEATED_LINE_CHARS * 8, n_chars)


@called
def _repeated_paragraphs(
    text: Span, start: int, stop: int, table: Span, mask: int, stamp: int, out: Span, row: int
) -> None:
    """Count the paragraphs, those seen before, and the characters of these."""
    n_paragraphs, n_repeated, n_chars, here = 0, 0, 0, start
    while start < stop:
        end = _find_newline(text, here, stop)
        here = end + 1
        if here < stop and load8(text, here) != NEWLINE:
            continue  # a single line break belongs to the paragraph
        n_paragraphs += 1
        _, count = _find(text, start, end - start, table, mask, stamp)
        if count > 1:
            n_repeated += 1
            n_chars += _count_chars(text, start, end)
        while here < stop and load8(text, here) == NEWLINE:
            here += 1
        start = here
    store64(out, row + N_PARAGRAPHS * 8, n_paragraphs)
    store64(out, row + REPEATED_PARAGRAPHS * 8, n_repeated)
    store64(out, row + REPEATED_PARAGRAPH_CHARS * 8, n_chars)


@called
def _number_words(
    text: Span,
    here: int,
    stop: int,
    language: int,
    tables: tuple[Span, StopWords],
    table: Span,
    mask: int,
    stamp: int,
    before: Span,
    active: Span,
) -> tuple[int, int, int]:
    """Write each word's place and entry, and the characters before each.

    Returns how many words there are, the bits of the stop words among what stands between blanks
    (words, or several of them where a script without blanks is used), and how many of these are one.
    """
    flags, stop_words = tables
    is_sought = language != UNKNOWN
    n_words, n_chars_before, found, n_found = 0, 0, 0, 0
    first, behind = here, here
    while here < stop:
        start, here, n_chars = next_word(text, here, stop, flags)
        if start > behind:
            if is_sought:
                bit = stop_word_bit(text, first, behind, language, flags, stop_words)
                found |= bit
                n_found += bit != 0
            first = start
        entry, _ = _find(text, start, here - start, table, mask, stamp)
        behind = here
        store64(active, n_words * _PAIR_BYTES, n_words)
        store64(active, n_words * _PAIR_BYTES + 8, entry)
        store64(before, n_words * 8, n_chars_before)
        n_words += 1
        n_chars_before += n_chars
    if is_sought:
        bit = stop_word_bit(text, first, behind, language, flags, stop_words)
        found |= bit
        n_found += bit != 0
    store64(before, n_words * 8, n_chars_before)
    return n_words, found, n_found


@called
def _repeated_ngrams(
    n_words: int,
    table: Span,
    mask: int,
    stamp: int,
    before: Span,
    active: Span,
    out: Span,
    row: int,
) -> None:
    """Write the characters in the top 2- to 4-gram, and in 5- to 10-grams seen before.

    The top n-gram is the first of the most frequent ones, even if each occurs once.
    """
    for n in range(2, min(LONGEST_TOP, n_words) + 1):
        store64(out, row + (TOP_2GRAM + n - 2) * 8, _chars_of(0, n, before) + n - 1)
    n_active = n_words
    for n in range(1, LONGEST + 1):
        if n > 1:
            n_active = _lengthen(n_active, table, mask, stamp + (n - 1) * _STAMP, active)
        n_active, top, position = _keep_repeated(n_active, table, stamp + (n - 1) * _STAMP, active)
        if n_active == 0:
            return
        if n > LONGEST_TOP:
            n_chars = _chars_seen_before(n_active, n, table, before, active)
            store64(out, row + (DUPLICATE_5GRAM + n - 5) * 8, n_chars)
        elif n > 1:
            n_chars = top * (_chars_of(position, n, before) + n - 1)
            store64(out, row + (TOP_2GRAM + n - 2) * 8, n_chars)


@inlined
def _chars_of(position: int, n: int, before: Span) -> int:
    return load64(before, (position + n) * 8) - load64(before, position * 8)


@inlined
def _lengthen(n_active: int, table: Span, mask: int, stamp: int, active: Span) -> int:
    """Turn n-grams that follow one another into (n+1)-grams; return how many there are."""
    n_longer = 0
    for k in range(0, (n_active - 1) * _PAIR_BYTES, _PAIR_BYTES):
        position = load64(active, k)
        if load64(active, k + _PAIR_BYTES) == position + 1:
            first, second = load64(active, k + 8), load64(active, k + _PAIR_BYTES + 8)
            store64(active, n_longer, position)
            store64(active, n_longer + 8, _find_pair(first, second, table, mask, stamp))
            n_longer += _PAIR_BYTES
    return n_longer // _PAIR_BYTES


@inlined
def _keep_repeated(n_active: int, table: Span, stamp: int, active: Span) -> tuple[int, int, int]:
    """Keep the n-grams found more than once.

    Returns how many these are, the greatest count, and the first place of one with that count.
    """
    n_kept, top, top_position = 0, 0, 0
    for k in range(0, n_active * _PAIR_BYTES, _PAIR_BYTES):
        position, entry = load64(active, k), load64(active, k + 8)
        count = load64(table, entry) - stamp
        if count > 1:
            if count > top:
                top, top_position = count, position
            store64(active, n_kept, position)
            store64(active, n_kept + 8, entry)
            n_kept += _PAIR_BYTES
    return n_kept // _PAIR_BYTES, top, top_position


@inlined
def _chars_seen_before(n_active: int, n: int, table: Span, before: Span, active: Span) -> int:
    """Return the characters of n-grams seen before, skipping over each one found."""
    n_chars, free_from = 0, 0
    for k in range(0, n_active * _PAIR_BYTES, _PAIR_BYTES):
        position, seen = load64(active, k), load64(active, k + 8) + 24
        if position < free_from:
            continue
        if load64(table, seen):
            n_chars += _chars_of(position, n, before)
            free_from = position + n
        else:
            store64(table, seen, 1)
    return n_chars
