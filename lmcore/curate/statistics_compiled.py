"""The statistics of `lmcore.curate.heuristics` and `line_rules`, from compiled kernels.

Documents lie end to end as UTF-8 with the offsets of their ends, as Arrow lays out large strings.
One kernel counts what is in each character and line and writes the lines that are kept, another
what is repeated. Ratios are made here from the same integers as the reference's, so
they are equal to the last bit.

Memory: 2 bytes for each byte of a batch, and up to 150 for each word of its longest document.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import numpy as np

from lmcore.curate.config import CurateConfig
from lmcore.curate.flagged_lines import FlaggedLines
from lmcore.curate.heuristics import (
    NO_STOP_WORD_LIST,
    C4Statistics,
    FineWebStatistics,
    Measurement,
    QualityStatistics,
    RepetitionStatistics,
)
from lmcore.curate.kernels import flagging, lines, phrases, repetition
from lmcore.curate.kernels.characters import character_flags
from lmcore.curate.kernels.stop_words import UNKNOWN, stop_word_tables
from lmcore.curate.line_rules import CleanPage
from lmcore.curate.words import FUNCTION_WORDS, UNSPACED_LANGUAGES, stop_words
from lmcore.kernels.memory import PADDING

_KEPT_BYTES: Final = 1 << 25
"""Room that is kept from one batch to the next; more is given back."""


def _share(count: np.ndarray, total: np.ndarray) -> np.ndarray:
    """Return the share of each count in its total, 0 where the total is."""
    shares: np.ndarray = np.zeros(len(count))
    np.divide(count, total, out=shares, where=total != 0)
    return shares


def _rules_of(config: CurateConfig) -> np.ndarray:
    """Return the line rules as the kernels read them."""
    rules = np.zeros(lines.N_RULES, np.int64)
    rules[lines.MIN_WORDS] = config.c4_min_words_per_line
    rules[lines.MAX_WORD_CHARS] = config.c4_max_word_chars
    rules[lines.REQUIRES_TERMINAL] = config.c4_require_terminal_punctuation
    rules[lines.SHORT_CHARS] = config.fineweb_short_line_chars
    rules[lines.DROPS_FLAGGED] = config.refinedweb_drop_lines
    if config.c4_drop_javascript_lines:
        rules[lines.DROPPED] |= phrases.HAS_JAVASCRIPT
    if config.c4_drop_policy_lines:
        rules[lines.DROPPED] |= phrases.HAS_POLICY
    return rules


class _Room:
    """An array that is used again by the next batch unless that needs a larger one."""

    def __init__(self, width: int, dtype: type) -> None:
        self._width, self._dtype = width, dtype
        self._array: np.ndarray = np.zeros((0, width), dtype)

    def take(self, n_rows: int) -> np.ndarray:
        """Return so many rows; what they hold is anything."""
        if len(self._array) >= n_rows:
            return self._array[:n_rows]
        array: np.ndarray = np.empty((n_rows, self._width), self._dtype)
        if array.nbytes <= _KEPT_BYTES:
            self._array = array
        return array


class CompiledMeasurer:
    """Measures documents a batch at a time; one thread at a time."""

    def __init__(self, config: CurateConfig) -> None:
        self._flags = character_flags()
        self._phrases = phrases.phrase_tables()
        self._flag_phrases = flagging.flag_tables()
        self._rules = _rules_of(config)
        known = {
            code: stop_words(code) for code in FUNCTION_WORDS if code not in UNSPACED_LANGUAGES
        }
        self._numbers, self._letters, self._stop_words = stop_word_tables(
            {code: words for code, words in known.items() if words}
        )
        self._text = _Room(1, np.uint8)
        self._line = np.zeros(lines.LINE_FIELDS, np.int64)
        self._cleaned = _Room(1, np.uint8)
        self._chars, self._pairs = _Room(1, np.int64), _Room(2, np.int64)
        self._table = _Room(repetition.ENTRY_BYTES // 8, np.int64)

    def measure(self, texts: Sequence[str], languages: Sequence[str]) -> list[Measurement]:
        """Measure documents, each with the language (ISO 639-1) whose stop words it may hold."""
        text, offsets = self._to_block(texts)
        cleaned = self._cleaned.take(len(text))[:, 0]
        counts = np.zeros((len(texts), lines.N_FIELDS), np.int64)
        letters, sought = self._phrases
        flag_letters, flag_phrases = self._flag_phrases
        lines.measure_lines(
            text,
            offsets,
            self._flags,
            letters,
            sought,
            flag_letters,
            flag_phrases,
            self._rules,
            self._line,
            cleaned,
            counts,
        )
        numbers = np.array([self._numbers.get(code, UNKNOWN) for code in languages], np.int64)
        repeated = self._repetition(text, offsets, numbers, cleaned, counts)
        has_no_list = numbers == UNKNOWN
        repeated[has_no_list, repetition.STOP_WORDS] = NO_STOP_WORD_LIST
        repeated[has_no_list, repetition.STOP_WORD_OCCURRENCES] = NO_STOP_WORD_LIST
        stops = [0, *counts[:, lines.CLEANED_STOP].tolist()]
        data = cleaned.data
        pages = [str(data[start:stop], "utf-8", "surrogatepass") for start, stop in pairwise(stops)]
        return _measurements(counts.T, repeated.T, pages)

    def _to_block(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Return the texts end to end as UTF-8, padded, and where each begins and the last ends."""
        parts = [text.encode("utf-8", "surrogatepass") for text in texts]
        offsets = np.zeros(len(parts) + 1, np.int64)
        np.cumsum([len(part) for part in parts], out=offsets[1:])
        block = self._text.take(int(offsets[-1]) + PADDING)[:, 0]
        data = block.data
        for part, (start, stop) in zip(parts, pairwise(offsets.tolist()), strict=True):
            data[start:stop] = part
        return block, offsets

    def _repetition(
        self,
        text: np.ndarray,
        offsets: np.ndarray,
        numbers: np.ndarray,
        cleaned: np.ndarray,
        counts: np.ndarray,
    ) -> np.ndarray:
        n_words = int(counts[:, lines.N_WORDS].max(initial=0))
        n_entries = max(n_words, int(counts[:, lines.N_FILLED].max(initial=0)), 1)
        table = self._table.take(1 << (2 * n_entries - 1).bit_length())
        table[:] = 0
        repeated = np.zeros((len(counts), repetition.N_REPETITION_FIELDS), np.int64)
        repetition.measure_repetition(
            text,
            offsets,
            numbers,
            cleaned,
            self._flags,
            self._letters,
            self._stop_words,
            counts,
            self._chars.take(n_words + 1)[:, 0],
            self._pairs.take(n_words),
            table,
            repeated,
        )
        return repeated


def _measurements(
    counts: np.ndarray, repeated: np.ndarray, pages: Sequence[str]
) -> list[Measurement]:
    """Return the measurement of each document from the counts, a row a count."""
    n_lines, n_kept = counts[lines.N_LINES], counts[lines.N_KEPT]
    seen = counts[lines.FOUND]
    has_lorem_ipsum = (seen & phrases.HAS_LOREM_IPSUM != 0).tolist()
    has_curly_bracket = (seen & lines.HAS_BRACE != 0).tolist()
    removed = (n_lines - n_kept).tolist()
    clean = map(CleanPage, pages, removed, has_lorem_ipsum, has_curly_bracket)
    sentences = counts[lines.N_SENTENCES].tolist()
    return list(
        map(
            Measurement,
            counts[lines.N_CHARS].tolist(),
            n_lines.tolist(),
            map(
                QualityStatistics,
                counts[lines.N_WORDS].tolist(),
                *_quality(counts),
                repeated[repetition.STOP_WORDS].tolist(),
                repeated[repetition.STOP_WORD_OCCURRENCES].tolist(),
            ),
            map(RepetitionStatistics, *_repetition(counts, repeated)),
            map(C4Statistics, sentences, has_lorem_ipsum, has_curly_bracket),
            map(FineWebStatistics, *_fineweb(counts, repeated)),
            map(FlaggedLines, *_flagged(counts)),
            clean,
        )
    )


def _quality(counts: np.ndarray) -> list[list[float]]:
    n_words, n_lines = counts[lines.N_WORDS], counts[lines.N_LINES]
    shares = (
        _share(counts[lines.N_SOLID], n_words),
        _share(counts[lines.N_HASHES], n_words),
        _share(counts[lines.N_ELLIPSES], n_words),
        _share(counts[lines.N_BULLETS], n_lines),
        _share(counts[lines.N_ELLIPSIS_LINES], n_lines),
        _share(counts[lines.N_LETTERED], n_words),
    )
    return [share.tolist() for share in shares]


def _repetition(counts: np.ndarray, repeated: np.ndarray) -> list[list[float]]:
    n_chars = counts[lines.N_CHARS]
    shares = (
        _share(repeated[repetition.REPEATED_LINES], repeated[repetition.REPETITION_LINES]),
        _share(repeated[repetition.REPEATED_PARAGRAPHS], repeated[repetition.N_PARAGRAPHS]),
        _share(repeated[repetition.REPEATED_LINE_CHARS], n_chars),
        _share(repeated[repetition.REPEATED_PARAGRAPH_CHARS], n_chars),
        *(np.minimum(_share(row, n_chars), 1.0) for row in repeated[repetition.TOP_2GRAM :]),
    )
    return [share.tolist() for share in shares]


def _fineweb(counts: np.ndarray, repeated: np.ndarray) -> list[list[float]]:
    n_kept = counts[lines.N_KEPT]
    shares = (
        _share(counts[lines.N_TERMINAL], n_kept),
        _share(counts[lines.N_SHORT], n_kept),
        _share(repeated[repetition.KEPT_REPEATED_LINE_CHARS], counts[lines.KEPT_CHARS]),
        _share(np.maximum(n_kept - 1, 0), counts[lines.KEPT_WORDS]),
    )
    return [share.tolist() for share in shares]


def _flagged(counts: np.ndarray) -> list[list[int | float]]:
    n_lines = counts[lines.FLAGGED_LINES : lines.FLAGGED_LINES + flagging.N_RULES].tolist()
    return [*n_lines, _share(counts[lines.FLAGGED_WORDS], counts[lines.N_WORDS]).tolist()]
