"""Documents as sets of word n-grams, exact and hashed.

The exact set (of strings) decides: Jaccard similarities are computed on it. The hashed set
(of uint64, one numpy expression a document) only feeds the signatures, so a collision of
hashes costs a comparison and never a document.

Scripts that write no spaces (Chinese, Japanese, Thai, Lao, Khmer, Burmese) would be one giant
word a clause; each of their characters counts as a word.

A document of fewer words than a shingle has one shingle, all its words, so short documents
match when they are equal; a document without words has no shingle and matches nothing.
"""

import re
from collections.abc import Set as AbstractSet

import numpy as np
from numpy.typing import NDArray

_UNSPACED = re.compile(
    "["
    "\u0e00-\u0eff"  # Thai, Lao
    "\u1000-\u109f\ua9e0-\ua9ff\uaa60-\uaa7f"  # Burmese
    "\u1780-\u17ff\u19e0-\u19ff"  # Khmer
    "\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\uff66-\uff9f"  # Kana
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Han
    "]"
)
MULTIPLIER = 0x9E3779B97F4A7C15  # odd, so multiplying mod 2^64 is a bijection
WORD_SALT = 0xC2B2AE3D27D4EB4F
_MASK = (1 << 64) - 1
_CACHED_WORDS = 1 << 20


def is_unspaced(text: str) -> bool:
    """Returns whether any character is of a script that writes no spaces."""
    return _UNSPACED.search(text) is not None


def words(normalized: str) -> list[str]:
    """Splits a normalised text at spaces, and unspaced scripts at every character."""
    if not normalized.isascii():
        normalized = _UNSPACED.sub(r" \g<0> ", normalized)
    return normalized.split()


def shingle_set(normalized: str, n: int) -> frozenset[str]:
    """Returns the exact set of word n-grams of a normalised text."""
    tokens = words(normalized)
    if len(tokens) < n:
        return frozenset([" ".join(tokens)] if tokens else [])
    return frozenset(" ".join(tokens[i : i + n]) for i in range(len(tokens) - n + 1))


def jaccard(a: AbstractSet[str], b: AbstractSet[str]) -> float:
    """Returns |a & b| / |a | b|; 0.0 for two empty sets, which have nothing in common."""
    common = len(a & b)
    union = len(a) + len(b) - common
    return common / union if union else 0.0


def word_hash(word: bytes) -> int:
    """Returns 64 bits: eight bytes after another, xored in, times a salt, the halves xored.

    What two words must share to be mistaken for one another is no secret, so the hash proposes
    candidates and decides nothing. A kernel computes the same.
    """
    value = len(word) * WORD_SALT & _MASK
    for at in range(0, len(word), 8):
        product = (value ^ int.from_bytes(word[at : at + 8], "little")) * WORD_SALT
        value = product >> 64 ^ product & _MASK
    return value


class ShingleHasher:
    """Hashes the shingles of many documents; remembers the hash of each word it has met."""

    def __init__(self, n: int) -> None:
        self._n = n
        self._known: dict[str, int] = {}

    def __call__(self, normalized: str) -> NDArray[np.uint64]:
        """Returns the shingle hashes of a normalised text, repeats included, [n_shingles]."""
        tokens = words(normalized)
        if not tokens:
            return np.empty(0, dtype=np.uint64)
        if len(self._known) > _CACHED_WORDS:
            self._known.clear()
        known = self._known
        for token in set(tokens).difference(known):
            known[token] = word_hash(token.encode("utf-8", "surrogatepass"))
        hashes = np.array([known[token] for token in tokens], dtype=np.uint64)
        n = min(self._n, len(tokens))
        combined = np.zeros(len(tokens) - n + 1, dtype=np.uint64)
        for offset in range(n):
            combined = combined * np.uint64(MULTIPLIER) + hashes[offset : offset + len(combined)]
        return combined ^ (combined >> np.uint64(29))
