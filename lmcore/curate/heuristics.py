"""The statistics behind the Gopher, C4 and FineWeb rules.

Everything here measures and decides nothing. Definitions follow datatrove's filters except that words
are split at blanks (`lmcore.curate.words`): there punctuation is a word of its own, here it is part of
one. `dup_*gram` counts what datatrove counts: characters of n-grams seen before, without overlaps;
an
(n+1)-gram can repeat only where its n-gram does, so the longer ones cost next to nothing on prose.
Linear in the words; 0.7 ms for all statistics of a page of 400 words.
"""

import itertools
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from lmcore.curate.words import (
    BULLETS,
    EDGE_PUNCTUATION,
    ELLIPSES,
    SENTENCE_END,
    TERMINAL_PUNCTUATION,
    UNSPACED_LANGUAGES,
    split_words,
    stop_words,
)

_PARAGRAPH_BREAK = re.compile(r"\n{2,}")
_ALPHABETIC = re.compile(r"[^\W\d_]")

NO_STOP_WORD_LIST = -1
"""Value of `n_stop_words` for a language without a list."""


class QualityStatistics(NamedTuple):
    """Gopher's quality statistics (table A1); shares in [0, 1], ratios for each word."""

    n_words: int
    mean_word_length: float
    hash_ratio: float
    ellipsis_ratio: float
    bullet_lines: float
    ellipsis_lines: float
    alphabetic_words: float
    n_stop_words: int


class RepetitionStatistics(NamedTuple):
    """Gopher's repetition statistics; shares of lines, paragraphs or characters in [0, 1]."""

    duplicate_lines: float
    duplicate_paragraphs: float
    duplicate_line_chars: float
    duplicate_paragraph_chars: float
    top_2gram_chars: float
    top_3gram_chars: float
    top_4gram_chars: float
    duplicate_5gram_chars: float
    duplicate_6gram_chars: float
    duplicate_7gram_chars: float
    duplicate_8gram_chars: float
    duplicate_9gram_chars: float
    duplicate_10gram_chars: float


class C4Statistics(NamedTuple):
    """What C4 asks of a page; sentences are counted after the line rules, flags before."""

    n_sentences: int
    has_lorem_ipsum: bool
    has_curly_bracket: bool


class FineWebStatistics(NamedTuple):
    """FineWeb's own statistics, measured after the line rules."""

    terminal_punctuation_lines: float
    short_lines: float
    line_duplicate_chars: float
    newlines_per_word: float


def _lines(text: str) -> list[str]:
    return [line for line in text.split("\n") if line.strip()]


def _share(count: int, total: int) -> float:
    return count / total if total else 0.0


def quality_statistics(text: str, language: str) -> QualityStatistics:
    """Measure Gopher's quality statistics; all 0 for an empty text."""
    words = split_words(text)
    lines = _lines(text)
    n_words = len(words)
    wanted = None if language in UNSPACED_LANGUAGES else stop_words(language)
    if wanted is None:
        n_stop_words = NO_STOP_WORD_LIST
    else:
        n_stop_words = len(
            wanted & {word.strip(EDGE_PUNCTUATION) for word in set(text.lower().split())}
        )
    odd_words = [word for word in words if not word[0].isalpha()]
    n_without_letter = sum(_ALPHABETIC.search(word) is None for word in odd_words)
    n_ellipses = text.count("...") + text.count("…")
    return QualityStatistics(
        n_words=n_words,
        mean_word_length=_share(sum(map(len, words)), n_words),
        hash_ratio=_share(text.count("#"), n_words),
        ellipsis_ratio=_share(n_ellipses, n_words),
        bullet_lines=_share(sum(line.lstrip().startswith(BULLETS) for line in lines), len(lines)),
        ellipsis_lines=_share(sum(line.rstrip().endswith(ELLIPSES) for line in lines), len(lines)),
        alphabetic_words=_share(n_words - n_without_letter, n_words),
        n_stop_words=n_stop_words,
    )


def _duplicates(parts: Sequence[str]) -> tuple[int, int]:
    """How many parts were seen before, and their characters."""
    seen: set[str] = set()
    n_parts = n_chars = 0
    for part in parts:
        if part in seen:
            n_parts += 1
            n_chars += len(part)
        else:
            seen.add(part)
    return n_parts, n_chars


def _top_ngram_chars(counts: Mapping[tuple[str, ...], int], n: int) -> int:
    """Characters (with single blanks) in all occurrences of the most frequent n-gram.

    Among equally frequent n-grams the longest counts.
    """
    top = max(counts.values())
    return top * max(sum(map(len, gram)) + n - 1 for gram, count in counts.items() if count == top)


def _duplicate_ngram_chars(grams: Iterable[tuple[int, tuple[str, ...]]], n: int) -> int:
    """Characters of n-grams seen before among (position, n-gram), skipping over each one found."""
    seen: set[tuple[str, ...]] = set()
    n_chars = free_from = 0
    for position, gram in grams:
        if position < free_from:
            continue
        if gram in seen:
            n_chars += sum(map(len, gram))
            free_from = position + n
        else:
            seen.add(gram)
    return n_chars


def _repeated_ngram_chars(words: Sequence[str]) -> tuple[list[int], list[int]]:
    """Characters in the top 2- to 4-gram, and in 5- to 10-grams seen before.

    An n-gram that occurs once touches neither count, and an (n+1)-gram repeats only where its n-gram
    does: each length looks only at the positions that the length before left.
    """
    frozen = tuple(words)
    top, duplicates = [0] * 3, [0] * 6
    grams: list[tuple[int, tuple[str, ...]]] = list(enumerate(itertools.pairwise(frozen)))
    for n in range(2, 11):
        counts = Counter([gram for _, gram in grams])
        repeated = {gram: count for gram, count in counts.items() if count > 1}
        if not repeated:
            break
        grams = [pair for pair in grams if pair[1] in repeated]
        if n <= 4:
            top[n - 2] = _top_ngram_chars(repeated, n)
        else:
            duplicates[n - 5] = _duplicate_ngram_chars(grams, n)
        grams = [(i, frozen[i : i + n + 1]) for i, _ in grams if i + n < len(frozen)]
    return top, duplicates


def repetition_statistics(text: str) -> RepetitionStatistics:
    """Measure Gopher's repetition statistics; all 0 for an empty text."""
    text = text.strip()
    lines = _lines(text)
    paragraphs = [part for part in _PARAGRAPH_BREAK.split(text) if part.strip()]
    n_lines, n_line_chars = _duplicates(lines)
    n_paragraphs, n_paragraph_chars = _duplicates(paragraphs)
    top, duplicates = _repeated_ngram_chars(split_words(text))
    # occurrences of the top n-gram may overlap ("a a a a"), so its share is capped
    ngram_shares = [min(_share(n_chars, len(text)), 1.0) for n_chars in (*top, *duplicates)]
    return RepetitionStatistics(
        _share(n_lines, len(lines)),
        _share(n_paragraphs, len(paragraphs)),
        _share(n_line_chars, len(text)),
        _share(n_paragraph_chars, len(text)),
        *ngram_shares,
    )


def c4_statistics(text: str, cleaned: str) -> C4Statistics:
    """Measure C4's page statistics of a page and of what the line rules left of it.

    A line without terminal punctuation counts as one sentence, as with a sentence splitter.
    """
    n_sentences = 0
    for line in _lines(cleaned):
        n_ends = len(SENTENCE_END.findall(line))
        n_sentences += n_ends + (not line.rstrip().endswith(TERMINAL_PUNCTUATION))
    return C4Statistics(
        n_sentences=n_sentences,
        has_lorem_ipsum="lorem ipsum" in text.lower(),
        has_curly_bracket="{" in text,
    )


def fineweb_statistics(cleaned: str, short_line_chars: int) -> FineWebStatistics:
    """Measure FineWeb's statistics; all 0 for an empty text."""
    lines = _lines(cleaned)
    n_words = len(split_words(cleaned))
    _, n_duplicate_chars = _duplicates(lines)
    return FineWebStatistics(
        terminal_punctuation_lines=_share(
            sum(line.rstrip().endswith(TERMINAL_PUNCTUATION) for line in lines), len(lines)
        ),
        short_lines=_share(sum(len(line) <= short_line_chars for line in lines), len(lines)),
        line_duplicate_chars=_share(n_duplicate_chars, len(cleaned.replace("\n", ""))),
        newlines_per_word=_share(cleaned.count("\n"), n_words),
    )
