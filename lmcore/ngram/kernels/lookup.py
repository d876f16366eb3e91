"""The compiled half of scoring: n-grams are found by their context and last word in one open table.

For each word every shorter history is carried along, as the number of its n-gram: the n-gram of k + 1
words is looked up with that of the k words before. The longest one found gives the probability, the
histories that it does not reach their back-off weights.
Measured on one core of a 2-core x86 box: 0.37 µs a word, its look-up in Python included.
"""

from typing import Final

import numpy as np

from lmcore.kernels.compiling import inlined, kernel
from lmcore.kernels.memory import Span, load64, shift_right, span_of, store64

ENTRY_BYTES: Final = 16
NONE: Final = -1
_MIX: Final = 0x9E3779B97F4A7C15 - (1 << 64)
_START: Final = 1


@inlined
def _slot_of(context: int, word: int, mask: int) -> int:
    """Return where the search for an n-gram begins."""
    return shift_right(((context << 32) + word) * _MIX, 24) & mask


@inlined
def _number_of(table: Span, mask: int, context: int, word: int) -> int:
    """Return the number of an n-gram, or NONE. An entry: context and word, then number + 1."""
    key = (context << 32) + word
    slot = _slot_of(context, word, mask)
    while True:
        number = load64(table, slot * ENTRY_BYTES + 8)
        if number == 0 or load64(table, slot * ENTRY_BYTES) == key:
            return number - 1
        slot = slot + 1 & mask


@kernel
def fill_table(
    contexts: np.ndarray,  # int32 [n-grams]
    last_words: np.ndarray,  # int32 [n-grams]
    first: int,  # n-gram: those of one word before it are not in the table
    table: np.ndarray,  # int64 [power of two, 2], zeros
) -> None:
    """Enter every n-gram of two words and more."""
    entries, mask = span_of(table), table.shape[0] - 1
    for row in range(first, contexts.shape[0]):
        context, word = int(contexts[row]), int(last_words[row])
        slot = _slot_of(context, word, mask)
        while load64(entries, slot * ENTRY_BYTES + 8):
            slot = slot + 1 & mask
        store64(entries, slot * ENTRY_BYTES, (context << 32) + word)
        store64(entries, slot * ENTRY_BYTES + 8, row + 1)


@kernel
def score_sentences(
    words: np.ndarray,  # int32, the sentences end to end, each with its </s>
    ends: np.ndarray,  # int64 [sentences]
    table: np.ndarray,  # int64 [power of two, 2]
    probabilities: np.ndarray,  # float32 [n-grams], log10
    backoffs: np.ndarray,  # float32 [n-grams], log10
    histories: np.ndarray,  # int64 [order]: room
    scores: np.ndarray,  # float64 [sentences]
) -> None:
    """Find the log10 probability of each sentence, its end included."""
    entries, mask = span_of(table), table.shape[0] - 1
    order = histories.shape[0]
    place = 0
    for sentence in range(ends.shape[0]):
        total = 0.0
        histories[:] = NONE  # of k + 1 words, at k
        histories[0] = _START
        while place < ends[sentence]:
            number = int(words[place])
            found, backoff = NONE, 0.0
            for k in range(order - 1, 0, -1):  # histories of k words become those of k + 1
                history = histories[k - 1]
                longer = NONE
                if history >= 0:
                    longer = _number_of(entries, mask, history, number)
                    if found < 0 and longer < 0:
                        backoff += backoffs[history]
                    found = max(found, longer) if found < 0 else found
                histories[k] = longer
            histories[0] = number
            total += probabilities[found if found >= 0 else number] + backoff
            place += 1
        scores[sentence] = total
