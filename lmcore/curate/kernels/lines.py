"""Everything that is counted character by character, and the lines that C4's rules keep.

Each line of a document is gone through once: its counts are added to the document's, and the line
rules judge it by the same counts. Only a line with a square bracket is gone through again, without
its citation marks. What is kept is written, so the cleaned documents lie end to end like the
documents themselves, and are never longer.
"""

from typing import Final

import numpy as np

from lmcore.curate.kernels.characters import (
    ANCHOR,
    BULLET,
    CLOSER,
    COUNTED,
    DIGIT,
    FULL_STOP,
    KIND,
    LETTER,
    SENTENCE_TERMINAL,
    SPACE,
    STOP,
    TERMINAL,
    UPPER,
    character,
    character_before,
    flags_of,
)
from lmcore.curate.kernels.flagging import N_RULES as N_FLAG_RULES
from lmcore.curate.kernels.flagging import line_flags
from lmcore.curate.kernels.phrases import HAS_BUTTON, HAS_JAVASCRIPT, phrases_at
from lmcore.curate.kernels.splitting import NO_WORD, RUN, longest_word, word_with
from lmcore.curate.words import MAX_CITATION_DIGITS, MAX_CLOSERS
from lmcore.kernels.compiling import called, inlined, kernel
from lmcore.kernels.keys import copy_bytes
from lmcore.kernels.memory import Span, load8, load32, load64, span_of, store8, store64

NEWLINE: Final = 0x0A
_DOT, _HASH, _ELLIPSIS, _BRACKET, _BRACE = (ord(sign) for sign in ".#…[{")
_BRACKET_CLOSED: Final = ord("]")
_EDIT, _CITATIO, _N_NEEDED = (
    int.from_bytes(part, "little") for part in (b"edit", b"[citatio", b"n needed")
)

_NONE: Final = -1
"""Flags of no character."""

# Bits of what is found in a line, beside those of `phrases`.
HAS_BRACE: Final = 8
_HAS_BRACKET: Final = 16

# What is known of a line, an int64 each.
(
    _CHARS, _FIRST, _BEHIND, _CHARS_BEFORE, _CHARS_BEHIND, _WORDS, _LETTERED, _SOLID,
    _FIRST_FLAGS, _LAST_FLAGS, _FOUND, _HASHES, _ELLIPSES, _SENTENCES, _UPPER, _DIGITS,
) = range(16)  # fmt: skip
LINE_FIELDS: Final = 16

# What is known of a document, an int64 each; from N_KEPT on of the lines that were kept.
(
    N_CHARS, N_FILLED, N_LINES, N_WORDS, N_SOLID, N_LETTERED, N_HASHES, N_ELLIPSES, N_BULLETS,
    N_ELLIPSIS_LINES, FIRST, BEHIND, FOUND,
    N_KEPT, KEPT_CHARS, KEPT_WORDS, N_SENTENCES, N_TERMINAL, N_SHORT, CLEANED_STOP,
    FLAGGED_WORDS, FLAGGED_LINES,
) = range(22)  # fmt: skip
N_FIELDS: Final = FLAGGED_LINES + N_FLAG_RULES
"""N_FILLED: lines that are not empty; N_LINES: not blank; N_SOLID: characters but blanks; FIRST and
BEHIND: bounds of the text without blanks at its ends; FOUND: bits, of lines with words enough;
FLAGGED_LINES: the first of RefinedWeb's rules, one count each."""

# The line rules, an int64 each; DROPPED: what a line may not hold, as bits.
MIN_WORDS, MAX_WORD_CHARS, DROPPED, REQUIRES_TERMINAL, SHORT_CHARS, DROPS_FLAGGED = range(6)
N_RULES: Final = 6

Tables = tuple[Span, tuple[Span, Span], tuple[Span, Span]]
"""Flags of characters, the phrases of C4's rules and those of RefinedWeb's."""


@kernel
def measure_lines(
    text: np.ndarray,  # uint8, padded
    offsets: np.ndarray,  # int64 [documents + 1]
    flags: np.ndarray,  # uint16 [code points]
    letters: np.ndarray,  # uint8, of all phrases
    phrases: np.ndarray,  # int64 [phrases, 5]
    flag_letters: np.ndarray,  # uint8, of all phrases of `flagging`
    flag_phrases: np.ndarray,  # int64 [phrases, 3]
    rules: np.ndarray,  # int64 [N_RULES]
    scratch: np.ndarray,  # int64 [LINE_FIELDS]
    cleaned: np.ndarray,  # uint8, as long as the text
    counts: np.ndarray,  # int64 [documents, N_FIELDS], zeros
) -> None:
    """Count what each document holds, and write the lines that are kept."""
    source, target, limits = span_of(text), span_of(cleaned), span_of(rules)
    sought = span_of(letters), span_of(phrases)
    tables = span_of(flags), sought, (span_of(flag_letters), span_of(flag_phrases))
    line, row = span_of(scratch), span_of(counts)
    at = 0
    for document in range(offsets.shape[0] - 1):
        here, stop = offsets[document], offsets[document + 1]
        base = document * N_FIELDS * 8
        while here < stop:
            end = _scan(source, here, stop, tables, line)
            _add(row, base + N_CHARS * 8, load64(line, _CHARS * 8) + (end < stop))
            _add(row, base + N_FILLED * 8, end > here)
            if load64(line, _SOLID * 8):
                _add_line(line, row, base, source, tables)
                at = _keep(source, tables, line, limits, target, at, row, base)
            here = end + 1
        store64(row, base + CLEANED_STOP * 8, at)


@inlined
def _add(row: Span, place: int, value: int) -> None:
    store64(row, place, load64(row, place) + value)


@called
def _scan(text: Span, start: int, stop: int, tables: Tables, line: Span) -> int:
    """Go through a line, write what it holds, and return where its newline or the text's end is.

    Most characters are letters of a word that has one already: nothing is noted of these. So
    characters are counted as bytes less the `more` that they have beyond one each.
    """
    flags, phrases, _ = tables
    here, first, behind, dot_behind, sentence_behind = start, -1, start, -1, -1
    more, more_before, more_behind, n_blanks, n_words, n_lettered = 0, 0, 0, 0, 0, 0
    word, is_lettered, plain, n_dots, found = NO_WORD, False, _NONE, 0, 0
    n_hashes, n_ellipses, n_sentences, n_upper, n_digits = 0, 0, 0, 0, 0
    while here < stop:
        code, width = character(text, here)
        bits = flags_of(code, flags)
        if bits == plain:
            here += width
            more += width - 1
            continue
        if bits & KIND == SPACE:
            if word:
                behind, more_behind, word, plain = here, more, NO_WORD, _NONE
            if code == NEWLINE:
                break
            n_blanks += 1
            here += width
            more += width - 1
            continue
        if first < 0:
            first, more_before = here, more
        here += width
        more += width - 1
        n_upper += bits & UPPER != 0
        n_digits += bits & DIGIT != 0
        if bits & KIND or word != RUN:
            word, begins = word_with(word, bits & KIND)
            if begins:
                n_words += 1
                is_lettered, plain = False, _NONE
        if bits & LETTER and not is_lettered:
            n_lettered += 1
            is_lettered = True
            plain = LETTER if word == RUN else _NONE
        if bits & (ANCHOR | COUNTED | STOP | FULL_STOP) == 0:
            continue
        if bits & ANCHOR:
            found |= phrases_at(text, here - width, width, (start, stop), phrases)
        if code == _DOT:
            n_dots = n_dots + 1 if dot_behind == here - 1 else 1
            dot_behind = here
        if code == _ELLIPSIS or (code == _DOT and n_dots == 3):
            n_ellipses += 1
            n_dots = 0
        n_hashes += code == _HASH
        found |= HAS_BRACE * (code == _BRACE) | _HAS_BRACKET * (code == _BRACKET)
        if bits & (STOP | FULL_STOP):
            closed, is_free = _closed(text, here, stop, flags)
            if is_free or bits & FULL_STOP:
                n_sentences += 1
                sentence_behind = closed
    if word:
        behind, more_behind = here, more
    first_flags, last_flags = 0, 0
    if first >= 0:
        code, _ = character(text, first)
        first_flags = flags_of(code, flags)
        code, _ = character_before(text, behind)
        last_flags = flags_of(code, flags)
    n_chars = here - start - more
    store64(line, _CHARS * 8, n_chars)
    store64(line, _FIRST * 8, first)
    store64(line, _BEHIND * 8, behind)
    store64(line, _CHARS_BEFORE * 8, first - start - more_before)
    store64(line, _CHARS_BEHIND * 8, behind - start - more_behind)
    store64(line, _WORDS * 8, n_words)
    store64(line, _LETTERED * 8, n_lettered)
    store64(line, _SOLID * 8, n_chars - n_blanks)
    store64(line, _FIRST_FLAGS * 8, first_flags)
    store64(line, _LAST_FLAGS * 8, last_flags)
    store64(line, _FOUND * 8, found)
    store64(line, _HASHES * 8, n_hashes)
    store64(line, _ELLIPSES * 8, n_ellipses)
    store64(line, _SENTENCES * 8, n_sentences + (sentence_behind != behind))
    store64(line, _UPPER * 8, n_upper)
    store64(line, _DIGITS * 8, n_digits)
    return here


@inlined
def _closed(text: Span, here: int, stop: int, flags: Span) -> tuple[int, bool]:
    """Return where closing punctuation ends, and whether a blank or the end follows."""
    for _ in range(MAX_CLOSERS):
        if here < stop:
            code, width = character(text, here)
            if flags_of(code, flags) & CLOSER:
                here += width
    if here >= stop:
        return here, True
    code, width = character(text, here)
    return here, flags_of(code, flags) & KIND == SPACE


@inlined
def _ends_with_ellipsis(text: Span, line: Span) -> bool:
    """Return whether the last characters but blanks are three dots, or the sign of three bytes."""
    behind = load64(line, _BEHIND * 8)
    if behind - load64(line, _FIRST * 8) < 3:
        return False
    last = load8(text, behind - 3) << 16 | load8(text, behind - 2) << 8 | load8(text, behind - 1)
    return last == 0x2E2E2E or last == 0xE280A6


@inlined
def _flags(text: Span, line: Span, tables: Tables) -> int:
    """Return the rules of RefinedWeb that flag a line."""
    return line_flags(
        text,
        (load64(line, _FIRST * 8), load64(line, _BEHIND * 8)),
        load64(line, _WORDS * 8),
        load64(line, _SOLID * 8),
        load64(line, _UPPER * 8),
        load64(line, _DIGITS * 8),
        load64(line, _FOUND * 8) & HAS_BUTTON != 0,
        tables[2],
    )


@inlined
def _add_line(line: Span, row: Span, base: int, text: Span, tables: Tables) -> None:
    """Add the counts of a line that is not blank to those of its document."""
    if load64(row, base + N_LINES * 8) == 0:
        store64(row, base + FIRST * 8, load64(line, _FIRST * 8))
    store64(row, base + BEHIND * 8, load64(line, _BEHIND * 8))
    _add(row, base + N_LINES * 8, 1)
    _add(row, base + N_WORDS * 8, load64(line, _WORDS * 8))
    _add(row, base + N_SOLID * 8, load64(line, _SOLID * 8))
    _add(row, base + N_LETTERED * 8, load64(line, _LETTERED * 8))
    _add(row, base + N_HASHES * 8, load64(line, _HASHES * 8))
    _add(row, base + N_ELLIPSES * 8, load64(line, _ELLIPSES * 8))
    _add(row, base + N_BULLETS * 8, load64(line, _FIRST_FLAGS * 8) & BULLET != 0)
    _add(row, base + N_ELLIPSIS_LINES * 8, _ends_with_ellipsis(text, line))
    flags = _flags(text, line, tables)
    if flags:
        _add(row, base + FLAGGED_WORDS * 8, load64(line, _WORDS * 8))
        for rule in range(N_FLAG_RULES):
            _add(row, base + (FLAGGED_LINES + rule) * 8, flags >> rule & 1)


@called
def _keep(
    source: Span,
    tables: Tables,
    line: Span,
    rules: Span,
    target: Span,
    at: int,
    row: Span,
    base: int,
) -> int:
    """Write the line behind those that were kept if the rules keep it; return where writing goes on."""
    is_first = load64(row, base + N_KEPT * 8) == 0
    start = at if is_first else at + 1
    first, behind = load64(line, _FIRST * 8), load64(line, _BEHIND * 8)
    text, is_written = source, load64(line, _FOUND * 8) & _HAS_BRACKET != 0
    if is_written:
        text = target
        end = _write_uncited(source, first, behind, tables[0], target, start)
        _scan(target, start, end, tables, line)
        first, behind = load64(line, _FIRST * 8), load64(line, _BEHIND * 8)
    if not _is_long_enough(text, tables[0], line, rules):
        return at
    found, dropped = load64(line, _FOUND * 8), load64(rules, DROPPED * 8)
    seen = found & ~HAS_BRACE if found & dropped & HAS_JAVASCRIPT else found
    store64(row, base + FOUND * 8, load64(row, base + FOUND * 8) | seen)
    if found & dropped:
        return at
    if load64(rules, DROPS_FLAGGED * 8) and _flags(text, line, tables):
        return at
    if not is_first:
        store8(target, at, NEWLINE)
    if not is_written:
        copy_bytes(target, start, source, first, behind - first)
    elif first > start:  # blanks stood between a mark at the beginning and the rest
        for k in range(behind - first):
            store8(target, start + k, load8(target, first + k))
    n_chars = load64(line, _CHARS_BEHIND * 8) - load64(line, _CHARS_BEFORE * 8)
    last_flags = load64(line, _LAST_FLAGS * 8)
    _add(row, base + N_KEPT * 8, 1)
    _add(row, base + KEPT_CHARS * 8, n_chars)
    _add(row, base + KEPT_WORDS * 8, load64(line, _WORDS * 8))
    _add(row, base + N_SENTENCES * 8, load64(line, _SENTENCES * 8))
    _add(row, base + N_TERMINAL * 8, last_flags & SENTENCE_TERMINAL != 0)
    _add(row, base + N_SHORT * 8, n_chars <= load64(rules, SHORT_CHARS * 8))
    return start + behind - first


@inlined
def _is_long_enough(text: Span, flags: Span, line: Span, rules: Span) -> bool:
    """Return whether a line has the words (and the end) that a line of prose has."""
    if load64(line, _WORDS * 8) < max(load64(rules, MIN_WORDS * 8), 1):
        return False
    first, behind = load64(line, _FIRST * 8), load64(line, _BEHIND * 8)
    most = load64(rules, MAX_WORD_CHARS * 8)
    if behind - first > most and longest_word(text, first, behind, flags) > most:
        return False
    if load64(rules, REQUIRES_TERMINAL * 8) == 0:
        return True
    return load64(line, _LAST_FLAGS * 8) & TERMINAL != 0 and not _ends_with_ellipsis(text, line)


@called
def _write_uncited(
    source: Span, here: int, stop: int, flags: Span, target: Span, start: int
) -> int:
    """Write a line without its citation marks; return where it ends."""
    end = start
    while here < stop:
        byte = load8(source, here)
        n_bytes = _citation_bytes(target, start, end, flags) if byte == _BRACKET_CLOSED else 0
        if n_bytes:
            end -= n_bytes
        else:
            store8(target, end, byte)
            end += 1
        here += 1
    return end


@inlined
def _citation_bytes(text: Span, start: int, end: int, flags: Span) -> int:
    """Return the bytes of a citation mark that lacks only its closing bracket, 0 where none ends."""
    here = end
    for _ in range(MAX_CITATION_DIGITS + 1):
        if here <= start:
            break
        code, width = character_before(text, here)
        here -= width
        if code == _BRACKET:
            return end - here
        if flags_of(code, flags) & DIGIT == 0:
            break
    if end - start >= 5 and load8(text, end - 5) == _BRACKET and load32(text, end - 4) == _EDIT:
        return 5
    if end - start < 16 or load64(text, end - 8) != _N_NEEDED:
        return 0
    return 16 if load64(text, end - 16) == _CITATIO else 0
