"""Words to shingle hashes, MinHash signatures, the keys of their bands, and keys to buckets.

`lmcore.dedup.shingles` defines the hash of a word and of a shingle, datasketch's scheme affine32
the signature, `lmcore.dedup.signatures.band_keys` the keys: all equal bit for bit.
"""

from typing import Final

import numpy as np

from lmcore.dedup.shingles import MULTIPLIER, WORD_SALT
from lmcore.kernels.compiling import inlined, kernel
from lmcore.kernels.memory import (
    Span,
    blank_mask,
    fold_product,
    load64,
    shift_right,
    span_of,
    store64,
    trailing_zeros,
)

_SALT: Final = WORD_SALT - (1 << 64)  # as the signed integer of the same bits
_FACTOR: Final = MULTIPLIER - (1 << 64)
_LOW_HALF: Final = (1 << 32) - 1


@inlined
def hash_word(words: Span, start: int, n_bytes: int) -> int:
    """Return the hash of a word; up to seven bytes behind it are loaded."""
    value, here = n_bytes * _SALT, 0
    while here + 8 < n_bytes:
        value = fold_product(value ^ load64(words, start + here), _SALT)
        here += 8
    last = load64(words, start + here) & shift_right(-1, 64 - 8 * (n_bytes - here))
    return fold_product(value ^ last, _SALT)


@inlined
def hash_shingles(
    words: Span, start: int, stop: int, n: int, ends: Span, hashes: Span
) -> tuple[int, int]:
    """Write where each word ends and the hash of each shingle; return (shingles, words in each).

    Words lie between single spaces. A text of fewer than n words has one shingle, all of them.
    """
    n_words, begin, base = 0, start, start
    while base <= stop and start < stop:
        blanks = blank_mask(words, base)
        if stop - base < 64:  # the end of the text is the end of a word
            blanks = blanks & (1 << stop - base) - 1 | 1 << stop - base
        while blanks:
            end = base + trailing_zeros(blanks)
            blanks &= blanks - 1
            store64(ends, n_words * 8, end)
            store64(hashes, n_words * 8, hash_word(words, begin, end - begin))
            begin = end + 1
            n_words += 1
        base += 64
    return _combine(hashes, n_words, min(n, n_words)), min(n, n_words)


@inlined
def _combine(hashes: Span, n_words: int, n: int) -> int:
    """Turn the hashes of words into those of shingles in place; return how many there are.

    Each follows from the one before: times the factor, plus the word that comes in, less the word
    that goes out times the factor to the power n.
    """
    power = 1
    for _ in range(n):
        power *= _FACTOR
    value, going = 0, 0
    for k in range(n_words):
        value = value * _FACTOR + load64(hashes, k * 8) - going * power
        if k >= n - 1:
            going = load64(hashes, (k - n + 1) * 8)
            store64(hashes, (k - n + 1) * 8, value ^ shift_right(value, 29))
    return n_words - n + 1 if n_words else 0


@inlined
def _mix(value: int) -> int:
    """Return the finaliser of MurmurHash3 of 32 bits, as affine32 mixes what it is given."""
    value ^= value >> 16
    value = value * 0x85EBCA6B & _LOW_HALF
    value ^= value >> 13
    value = value * 0xC2B2AE35 & _LOW_HALF
    return value ^ value >> 16


@kernel
def sign_texts(
    words: np.ndarray,  # uint8, padded
    bounds: np.ndarray,  # int64 [n + 1]
    shingle_words: int,
    factors: np.ndarray,  # uint32 [permutations], odd
    offsets: np.ndarray,  # uint32 [permutations]
    ends: np.ndarray,  # int64: as many as the longest text has words
    hashes: np.ndarray,  # int64: the same
    mixed: np.ndarray,  # uint32: the same
    signatures: np.ndarray,  # uint32 [n, permutations]
    n_shingles: np.ndarray,  # int64 [n]
) -> None:
    """Write each text's signature, all ones where it has no shingle."""
    text, places, values = span_of(words), span_of(ends), span_of(hashes)
    for k in range(n_shingles.shape[0]):
        count, _ = hash_shingles(text, bounds[k], bounds[k + 1], shingle_words, places, values)
        n_shingles[k] = count
        for j in range(count):
            mixed[j] = _mix(shift_right(load64(values, j * 8), 32))
        for p in range(factors.shape[0]):
            factor, offset, least = factors[p], offsets[p], np.uint32(_LOW_HALF)
            for j in range(count):
                least = min(least, np.uint32(factor * mixed[j] + offset))
            signatures[k, p] = least


@kernel
def band_keys(
    signatures: np.ndarray,  # uint32 [n, permutations]
    n_bands: int,
    keys: np.ndarray,  # uint64 [n, bands]
) -> None:
    """Write the key of each band; see `lmcore.dedup.signatures.band_keys`."""
    n_rows = signatures.shape[1] // n_bands
    for k in range(signatures.shape[0]):
        for band in range(n_bands):
            key = band * _SALT
            for row in range(n_rows):
                value = int(signatures[k, band * n_rows + row])
                key = (key ^ shift_right(key, 31)) * _FACTOR + value
            keys[k, band] = key ^ shift_right(key, 32)
