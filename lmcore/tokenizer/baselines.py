"""Tokenizers to compare BPE with: characters, bytes and words, behind the same small interface.

What each teaches: bytes need no vocabulary and the most tokens; characters leave out of vocabulary
what they have not seen; words compress best on text like their own and lose every other word.
"""

import codecs
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final, Protocol, runtime_checkable

import regex

from lmcore.tokenizer.config import N_BYTES
from lmcore.tokenizer.pretokenize import encode_utf8

UNKNOWN: Final = "\N{REPLACEMENT CHARACTER}"
"""What an id outside of a vocabulary of characters or words stands for: id 0."""
_WORDS: Final = regex.compile(r"\s+|\w+|[^\w\s]")


@runtime_checkable
class Encoding(Protocol):
    """What an evaluation asks of a tokenizer; `bpe.Tokenizer` has it as well."""

    @property
    def vocab_size(self) -> int:
        """Number of ids."""

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text."""

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of the ids."""


class ByteTokenizer:
    """One id a byte of UTF-8; no training, no text out of vocabulary."""

    vocab_size = N_BYTES

    def encode(self, text: str) -> list[int]:
        """Return the bytes of a text."""
        return list(encode_utf8(text))

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of the bytes, U+FFFD for those that are no UTF-8."""
        return codecs.decode(bytes(ids), "utf-8", "replace")


class _Dictionary:
    """Ids by rank of frequency (ties by text), 0 for what is not known."""

    def __init__(self, counts: Counter[str], vocab_size: int) -> None:
        ranked = sorted(counts, key=lambda piece: (-counts[piece], piece))
        self._pieces = [UNKNOWN, *ranked[: vocab_size - 1]]
        self._ids = {piece: i for i, piece in enumerate(self._pieces) if i}

    @property
    def vocab_size(self) -> int:
        """Number of ids, the unknown included."""
        return len(self._pieces)

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of the ids, U+FFFD for the unknown."""
        return "".join([self._pieces[i] for i in ids])

    def _look_up(self, pieces: Sequence[str]) -> list[int]:
        return [self._ids.get(piece, 0) for piece in pieces]


class CharacterTokenizer(_Dictionary):
    """One id a character seen in training."""

    @classmethod
    def train(cls, texts: Iterable[str], vocab_size: int = 1 << 20) -> "CharacterTokenizer":
        """Keep the most frequent characters of the texts."""
        counts: Counter[str] = Counter()
        for text in texts:
            counts.update(text)
        return cls(counts, vocab_size)

    def encode(self, text: str) -> list[int]:
        """Return an id for each character."""
        return self._look_up(text)


class WordTokenizer(_Dictionary):
    """One id a word, run of whitespace or other character seen in training."""

    @classmethod
    def train(cls, texts: Iterable[str], vocab_size: int = 1 << 16) -> "WordTokenizer":
        """Keep the most frequent words of the texts."""
        counts: Counter[str] = Counter()
        for text in texts:
            counts.update(_WORDS.findall(text))
        return cls(counts, vocab_size)

    def encode(self, text: str) -> list[int]:
        """Return an id for each word."""
        return self._look_up(_WORDS.findall(text))
