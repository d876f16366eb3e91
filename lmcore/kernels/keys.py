"""Pre-tokens as keys of a hash table: 16 bytes that are the pre-token itself where it fits.

A pre-token of up to 15 bytes is its own key: the bytes, zeros behind them, and the length in the
last byte, so that two are equal iff their keys are (NUL bytes included). A longer one has a hash
and its length for a key, and its bytes are compared as well. Tables are open, linear, a power of
two in size and at most half full.
"""

from typing import Final

from lmcore.kernels.compiling import inlined
from lmcore.kernels.memory import (
    Span,
    fold_product,
    load8,
    load64,
    shift_right,
    store8,
    store64,
)

SHORT_BYTES: Final = 15
LONG: Final = -1 << 56
"""High half of a long key, less its length."""
LENGTH_MASK: Final = (1 << 56) - 1
# Odd constants with bits all over: of the golden ratio and of xxHash.
_SALT_LOW: Final = 0x9E3779B97F4A7C15 - (1 << 64)
_SALT_HIGH: Final = 0xC2B2AE3D27D4EB4F - (1 << 64)


@inlined
def key_of(text: Span, start: int, n_bytes: int) -> tuple[int, int]:
    """Return the two halves of a pre-token's key; up to 15 bytes behind it are loaded."""
    if (
        n_bytes <= SHORT_BYTES
    ):  # without another branch: how long the next one is, is anyone's guess
        low = load64(text, start) & shift_right(-1, 64 - 8 * min(n_bytes, 8))
        high = load64(text, start + 8) & (1 << 8 * max(n_bytes - 8, 0)) - 1
        return low, high | n_bytes << 56
    return _hash_bytes(text, start, n_bytes), LONG | n_bytes


@inlined
def _hash_bytes(text: Span, start: int, n_bytes: int) -> int:
    value, here = n_bytes * _SALT_LOW, 0
    while here + 8 <= n_bytes:
        value = fold_product(value ^ load64(text, start + here), _SALT_LOW) + here
        here += 8
    # The last 8 bytes, some of them again: the length tells two such texts apart.
    return fold_product(value ^ load64(text, start + n_bytes - 8), _SALT_HIGH)


@inlined
def slot_of(low: int, high: int, mask: int) -> int:
    """Return where the search for a key begins."""
    return fold_product(low ^ _SALT_HIGH, high ^ _SALT_LOW) & mask


@inlined
def same_bytes(left: Span, at: int, right: Span, start: int, n_bytes: int) -> bool:
    """Return whether two places hold the same bytes; n_bytes is 8 or more."""
    here = 0
    while here + 8 <= n_bytes:
        if load64(left, at + here) != load64(right, start + here):
            return False
        here += 8
    return load64(left, at + n_bytes - 8) == load64(right, start + n_bytes - 8)


@inlined
def copy_bytes(target: Span, at: int, source: Span, start: int, n_bytes: int) -> None:
    """Copy bytes between two spans that do not overlap."""
    here = 0
    while here + 8 <= n_bytes:
        store64(target, at + here, load64(source, start + here))
        here += 8
    while here < n_bytes:
        store8(target, at + here, load8(source, start + here))
        here += 1
