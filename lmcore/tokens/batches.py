"""Which window of the token stream comes when: a permutation per epoch, computed, not stored.

Window k covers tokens [k c, k c + c] of the stream for context length c: c inputs and, shifted by
one, c targets, so neighbouring windows share one token and every token but the first is a target
once an epoch. The order is a pure function of (seed, epoch, index): a resumed run, or one with
another number of workers, reads the same batches without any state.

The permutation is a Feistel network (Luby & Rackoff 1988) on pairs of numbers below s, the least
s whose square holds all windows, applied again where it falls outside of them (generalised
Feistel cipher and cycle walking, Black & Rogaway 2002). s^2 < n + 2 sqrt(n) + 1, so one walk is
almost always enough. Cost: about 10 microseconds an index, no memory.
"""

from dataclasses import dataclass
from math import isqrt
from typing import Final

import numpy as np
from jaxtyping import Int64, UInt64

from lmcore.errors import ConfigError, InputError
from lmcore.tokens.shards import TokenShards

_ROUNDS: Final = 6
_MASK_64: Final = (1 << 64) - 1


def count_windows(n_tokens: int, context_length: int) -> int:
    """Return the number of windows of context_length + 1 tokens, overlapping by one."""
    if context_length < 1:
        raise ConfigError(
            f"found context_length {context_length}; expected at least 1; choose for example 256"
        )
    return max(n_tokens - 1, 0) // context_length


@dataclass(frozen=True, slots=True)
class BatchOrder:
    """The order in which windows are read, epoch after epoch, each epoch in an order of its own.

    Raises:
        InputError: where there is no window at all.
        ConfigError: on a seed that is not within 0 .. 2^64 - 1.
    """

    n_windows: int
    seed: int

    def __post_init__(self) -> None:
        """Refuse an order of nothing."""
        if self.n_windows < 1:
            raise InputError(
                f"found {self.n_windows} windows; expected at least 1, that is context_length + 1 "
                "tokens in the split; give more text or a shorter context_length"
            )
        if not 0 <= self.seed <= _MASK_64:
            raise ConfigError(
                f"found seed {self.seed}; expected 0 to 2^64 - 1; choose a smaller number"
            )

    def first_windows(self, count: int) -> Int64[np.ndarray, " count"]:
        """Return the windows at places 0 .. count - 1 of the first epoch, as `window` does, all at once.

        Raises:
            InputError: where the epoch has fewer places.
        """
        if not 0 <= count <= self.n_windows:
            raise InputError(
                f"found {count:,d} places; expected at most the {self.n_windows:,d} of an epoch; "
                "ask for fewer"
            )
        key, side = mix_bits(mix_bits(self.seed)), isqrt(self.n_windows - 1) + 1
        found = _permute_all(np.arange(count, dtype=np.uint64), side, key)
        while len(outside := np.flatnonzero(found >= self.n_windows)):
            found[outside] = _permute_all(found[outside], side, key)
        return found.astype(np.int64)

    def window(self, global_index: int) -> int:
        """Return the window at a place counted from the first batch of the first epoch."""
        epoch, index = divmod(global_index, self.n_windows)
        if epoch < 0:
            raise InputError(
                f"found index {global_index}; expected 0 or more; count from the first epoch"
            )
        key = mix_bits(mix_bits(self.seed) + epoch)
        side = isqrt(self.n_windows - 1) + 1
        index = _permute(index, side, key)
        while index >= self.n_windows:
            index = _permute(index, side, key)
        return index


def read_batch(
    shards: TokenShards,
    order: BatchOrder,
    first_index: int,
    batch_size: int,
    context_length: int,
) -> Int64[np.ndarray, "batch window"]:
    """Return the windows at places first_index .. first_index + batch_size - 1 of the order.

    The shape is [batch_size, context_length + 1]: row[:-1] are inputs, row[1:] their targets.
    A batch may reach from one epoch into the next.

    Raises:
        InputError: where the order was made for another number of windows.
    """
    n_windows = count_windows(shards.n_tokens, context_length)
    if order.n_windows != n_windows:
        raise InputError(
            f"found an order of {order.n_windows:,d} windows for shards that hold {n_windows:,d} "
            f"of context_length {context_length}; expected the same number; "
            "make the order with count_windows"
        )
    batch = np.empty((batch_size, context_length + 1), np.int64)
    for row in range(batch_size):
        window = order.window(first_index + row)
        batch[row] = shards.read(window * context_length, context_length + 1)
    return batch


def _permute(index: int, side: int, key: int) -> int:
    """Permute [0, side^2) by a Feistel network on the two digits of the index."""
    left, right = divmod(index, side)
    for step in range(_ROUNDS):
        left, right = right, (left + mix_bits(key + step * side + right)) % side
    return left * side + right


def _permute_all(
    index: UInt64[np.ndarray, " count"], side: int, key: int
) -> UInt64[np.ndarray, " count"]:
    """Do the same with many numbers at once; 64-bit words wrap where `mix_bits` masks."""
    left, right = index // side, index % side
    for step in range(_ROUNDS):
        mixed = (right + np.uint64(key + step * side & _MASK_64)) + np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ mixed >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ mixed >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
        mixed = mixed ^ mixed >> np.uint64(31)
        left, right = right, (left + mixed % np.uint64(side)) % np.uint64(side)
    permuted: UInt64[np.ndarray, " count"] = left * np.uint64(side) + right
    return permuted


def mix_bits(value: int) -> int:
    """Return 64 well-mixed bits of a number (splitmix64, Steele, Lea & Flood 2014)."""
    value = (value + 0x9E3779B97F4A7C15) & _MASK_64
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 & _MASK_64
    value = (value ^ value >> 27) * 0x94D049BB133111EB & _MASK_64
    return value ^ value >> 31
