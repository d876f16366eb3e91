"""How well tokenizers divide text: bytes per token, fertility, use of the vocabulary.

A tokenizer sees more text in the same context the more bytes a token holds, and spends parameters
on every id whether it occurs or not. Fertility, tokens per word, tells languages apart: one that
the training text lacked needs several times as many tokens for the same sentence.
"""

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np
import regex
from jaxtyping import Int

from lmcore.errors import InputError
from lmcore.tokenizer.baselines import UNKNOWN, Encoding
from lmcore.tokens.shards import TokenShards

Group = TypeVar("Group", bound=Hashable)

_WORD = regex.compile(r"\p{Han}|\p{Hiragana}|\p{Katakana}|[\p{L}\p{N}\p{M}]+")
"""A word, or a character of a script that puts no spaces between words."""
_BLOCK_TOKENS: Final = 1 << 20


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
    tokens_per_word: float | None
    """Fertility: tokens for each word, whitespace and punctuation included; None without words."""
    vocabulary_use: float
    """Share of the ids that occur."""
    unknown_share: float
    """Share of the tokens that stand for text out of vocabulary, which is lost."""
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
    read = {language: _read(texts) for language, texts in by_language.items()}
    rows: list[Compression] = []
    for name, tokenizer in tokenizers.items():
        parts = {language: _divide(tokenizer, texts) for language, texts in read.items()}
        rows += [
            _row(name, language, tokenizer.vocab_size, [part]) for language, part in parts.items()
        ]
        rows.append(_row(name, "all", tokenizer.vocab_size, [*parts.values()]))
    return rows


@dataclass(frozen=True, slots=True)
class _Texts:
    texts: Sequence[str]
    n_bytes: int
    n_words: int


def _read(texts: Sequence[str]) -> _Texts:
    n_bytes = sum(len(text.encode()) for text in texts)
    return _Texts(texts, n_bytes, sum(len(_WORD.findall(text)) for text in texts))


@dataclass(frozen=True, slots=True)
class _Part:
    """Texts of one language as one tokenizer divides them."""

    texts: _Texts
    ids: Counter[int]
    n_unknown: int
    is_lossless: bool


def _divide(tokenizer: Encoding, texts: _Texts) -> _Part:
    n_unknown, is_lossless = 0, True
    seen: Counter[int] = Counter()
    for text in texts.texts:
        ids = tokenizer.encode(text)
        seen.update(ids)
        decoded = tokenizer.decode(ids)
        if decoded != text:
            is_lossless = False
            n_unknown += decoded.count(UNKNOWN) - text.count(UNKNOWN)
    return _Part(texts, seen, n_unknown, is_lossless)


def _row(name: str, language: str, vocab_size: int, parts: Sequence[_Part]) -> Compression:
    n_bytes = sum(part.texts.n_bytes for part in parts)
    n_words = sum(part.texts.n_words for part in parts)
    n_tokens = sum(part.ids.total() for part in parts)
    return Compression(
        tokenizer=name,
        language=language,
        vocab_size=vocab_size,
        n_bytes=n_bytes,
        n_tokens=n_tokens,
        bytes_per_token=n_bytes / n_tokens,
        tokens_per_word=n_tokens / n_words if n_words else None,
        vocabulary_use=len(set().union(*(part.ids for part in parts))) / vocab_size,
        unknown_share=sum(part.n_unknown for part in parts) / n_tokens,
        is_lossless=all(part.is_lossless for part in parts),
    )


def choose(documents: Iterable[tuple[str, Group, int]], max_size: int) -> dict[str, Group]:
    """Return the group of each chosen document of (doc_id, group, size).

    Of each group those with the smallest doc_id, until their sizes reach the limit: doc_ids are
    hashes, so the choice is spread over the crawl and does not depend on the order of the rows.
    """
    chosen: dict[str, Group] = {}
    reached: Counter[Group] = Counter()
    for doc_id, group, size in sorted(documents, key=lambda document: document[0]):
        if size and reached[group] < max_size:
            chosen[doc_id] = group
            reached[group] += size
    return chosen


def read_chosen(
    documents: Iterable[tuple[str, str]], chosen: Mapping[str, Group], max_bytes: int
) -> dict[Group, list[str]]:
    """Return the texts of chosen (doc_id, text) by group, by doc_id, at most so many bytes a group.

    The last text of a group is cut at a character.
    """
    texts: defaultdict[Group, list[str]] = defaultdict(list)
    left: defaultdict[Group, int] = defaultdict(lambda: max_bytes)
    for doc_id, text in sorted(document for document in documents if document[0] in chosen):
        group = chosen[doc_id]
        data = text.encode()[: left[group]]
        left[group] -= len(data)
        whole = data.decode(errors="ignore")
        if whole:
            texts[group].append(whole)
    return dict(texts)


def count_ids(
    shards: TokenShards, *, block_tokens: int = _BLOCK_TOKENS
) -> Int[np.ndarray, " vocab"]:
    """Return how often each id occurs in a split, holding so many tokens in memory."""
    counts = np.zeros(shards.vocab_size, np.int64)
    for start in range(0, shards.n_tokens, block_tokens):
        block = shards.read(start, min(block_tokens, shards.n_tokens - start))
        counts += np.bincount(block, minlength=shards.vocab_size)
    return counts


def longest_tokens(vocab: Mapping[int, bytes], n_tokens: int = 20) -> list[tuple[int, bytes]]:
    """Return the ids and bytes of the longest tokens, longest first, ties by id."""
    return sorted(vocab.items(), key=lambda entry: (-len(entry[1]), entry[0]))[:n_tokens]
