"""How well tokenizers divide text: bytes per token, fertility, use of the vocabulary.

A tokenizer sees more text in the same context the more bytes a token holds, and spends parameters
on every id whether it occurs or not. Fertility, tokens per word, tells languages apart: one that
the training text lacked needs several times as many tokens for the same sentence.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import regex

from lmcore.errors import InputError
from lmcore.tokenizer.baselines import Encoding

_WORD = regex.compile(r"\p{Han}|\p{Hiragana}|\p{Katakana}|[\p{L}\p{N}\p{M}]+")
"""A word, or a character of a script that puts no spaces between words."""


@dataclass(frozen=True, slots=True)
class Compression:
    """What one tokenizer makes of one set of texts."""

    tokenizer: str
    language: str
    """The language of the texts, "all" for all of them together."""
    vocab_size: int
    n_bytes: int
    n_tokens: int
    bytes_per_token: float
    tokens_per_word: float
    """Fertility: tokens for each word, whitespace and punctuation included."""
    vocabulary_use: float
    """Share of the ids that occur."""
    is_lossless: bool
    """Whether decoding gave back every text."""


def compare(
    tokenizers: Mapping[str, Encoding], texts: Iterable[tuple[str, str]]
) -> list[Compression]:
    """Return a row for each tokenizer and language of (language, text), and for all together.

    Raises:
        InputError: where there is no text at all.
    """
    by_language: defaultdict[str, list[str]] = defaultdict(list)
    for language, text in texts:
        if text:
            by_language[language].append(text)
    if not by_language:
        raise InputError(
            "found no text to compare tokenizers on; expected at least one character; "
            "give the texts of a validation split"
        )
    rows: list[Compression] = []
    for name, tokenizer in tokenizers.items():
        measured = [_measure(tokenizer, texts) for texts in by_language.values()]
        rows += [
            _row(name, language, tokenizer.vocab_size, [one])
            for language, one in zip(by_language, measured, strict=True)
        ]
        rows.append(_row(name, "all", tokenizer.vocab_size, measured))
    return rows


@dataclass(frozen=True, slots=True)
class _Measured:
    n_bytes: int
    n_words: int
    ids: Counter[int]
    is_lossless: bool


def _measure(tokenizer: Encoding, texts: Sequence[str]) -> _Measured:
    n_bytes, n_words, is_lossless = 0, 0, True
    seen: Counter[int] = Counter()
    for text in texts:
        ids = tokenizer.encode(text)
        seen.update(ids)
        n_bytes += len(text.encode())
        n_words += len(_WORD.findall(text))
        is_lossless = is_lossless and tokenizer.decode(ids) == text
    return _Measured(n_bytes, n_words, seen, is_lossless)


def _row(name: str, language: str, vocab_size: int, parts: Sequence[_Measured]) -> Compression:
    n_bytes = sum(part.n_bytes for part in parts)
    n_tokens = sum(part.ids.total() for part in parts)
    n_words = sum(part.n_words for part in parts)
    return Compression(
        tokenizer=name,
        language=language,
        vocab_size=vocab_size,
        n_bytes=n_bytes,
        n_tokens=n_tokens,
        bytes_per_token=n_bytes / n_tokens,
        tokens_per_word=n_tokens / max(1, n_words),
        vocabulary_use=len(set().union(*(part.ids for part in parts))) / vocab_size,
        is_lossless=all(part.is_lossless for part in parts),
    )


def longest_tokens(vocab: Mapping[int, bytes], n_tokens: int = 20) -> list[tuple[int, bytes]]:
    """Return the ids and bytes of the longest tokens, longest first, ties by id."""
    return sorted(vocab.items(), key=lambda entry: (-len(entry[1]), entry[0]))[:n_tokens]
