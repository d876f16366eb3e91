"""Stop words of a document's language, one bit each.

A word here is what stands between blanks, whatever the script, less the punctuation that clings to
it. It is looked up by its key (`lmcore.kernels.keys`) and language, and the bytes are compared
where they are not the key.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np

from lmcore.curate.kernels.characters import EDGE, character, character_before, flags_of
from lmcore.kernels.compiling import called, inlined, kernel
from lmcore.kernels.keys import key_of, same_bytes, slot_of
from lmcore.kernels.memory import PADDING, Span, load64, span_of

UNKNOWN: Final = -1
"""The language of a document without stop words."""
_MOST: Final = 63
"""Most stop words of a language: one bit each."""
_LONGEST_BYTES: Final = 32
"""Longer words are not looked up."""
ENTRY_BYTES: Final = 40
"""Two halves of the key, the language, the bit of the word (0: no entry), where its bytes are."""


StopWords = tuple[Span, Span]
"""The bytes of all stop words, and their hash table."""


def stop_word_tables(
    words_of: Mapping[str, frozenset[str]],
) -> tuple[dict[str, int], np.ndarray, np.ndarray]:
    """Return the number of each language, all stop words end to end, and their hash table."""
    numbers = {language: number for number, language in enumerate(sorted(words_of))}
    words, rows, start = [], [], 0
    for language, number in numbers.items():
        assert len(words_of[language]) <= _MOST, f"expected {_MOST} stop words of {language}"
        for bit, word in enumerate(sorted(words_of[language])):
            words.append(word.encode())
            rows.append((start, len(words[-1]), number, 1 << bit))
            start += len(words[-1])
    assert max(map(len, words)) <= _LONGEST_BYTES, f"expected stop words of {_LONGEST_BYTES} bytes"
    letters = np.frombuffer(b"".join([*words, b"\0" * PADDING]), np.uint8)
    table = np.zeros((1 << (2 * len(rows)).bit_length(), ENTRY_BYTES // 8), np.int64)
    enter_words(letters, np.array(rows, np.int64), table)
    return numbers, letters, table


@kernel
def enter_words(letters: np.ndarray, rows: np.ndarray, table: np.ndarray) -> None:
    """Enter stop words: start, bytes, language and bit of each."""
    words, mask = span_of(letters), table.shape[0] - 1
    for row in range(rows.shape[0]):
        low, high = key_of(words, rows[row, 0], rows[row, 1])
        slot = slot_of(low ^ rows[row, 2], high, mask)
        while table[slot, 3]:
            slot = slot + 1 & mask
        table[slot, 0], table[slot, 1] = low, high
        table[slot, 2], table[slot, 3], table[slot, 4] = rows[row, 2], rows[row, 3], rows[row, 0]


@called
def stop_word_bit(
    text: Span, start: int, stop: int, language: int, flags: Span, tables: StopWords
) -> int:
    """Return the bit of what stands between two blanks, 0 where it is no stop word."""
    while start < stop:
        code, width = character(text, start)
        if flags_of(code, flags) & EDGE == 0:
            break
        start += width
    while start < stop:
        code, width = character_before(text, stop)
        if flags_of(code, flags) & EDGE == 0:
            break
        stop -= width
    if 0 < stop - start <= _LONGEST_BYTES:
        return _bit_of(text, start, stop - start, language, tables)
    return 0


@inlined
def _bit_of(text: Span, start: int, n_bytes: int, language: int, tables: StopWords) -> int:
    words, table = tables
    low, high = key_of(text, start, n_bytes)
    mask = table[1] // ENTRY_BYTES - 1
    slot = slot_of(low ^ language, high, mask)
    while True:
        entry = slot * ENTRY_BYTES
        bit = load64(table, entry + 24)
        is_same = load64(table, entry) == low and load64(table, entry + 8) == high
        is_same = is_same and load64(table, entry + 16) == language
        if is_same and high < 0:
            is_same = same_bytes(words, load64(table, entry + 32), text, start, n_bytes)
        if bit == 0 or is_same:
            return bit
        slot = slot + 1 & mask
