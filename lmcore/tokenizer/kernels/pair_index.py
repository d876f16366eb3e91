"""The text of a training run as records, and an index of the pairs that occur often enough.

One record of 12 bytes (16 where counts need it) for each byte of the unique pre-tokens, laid end to end with a separator
around each: the token there (valid at the first and at the last byte of a token), the pair that
begins with the token that ends there, and how often the pre-token occurs.

Memory: 12 bytes a record, 4 (8 beyond 2^32 records) for each occurrence of a pair in the index.
"""

from typing import Final

import numpy as np

from lmcore.kernels.compiling import inlined, kernel
from lmcore.kernels.memory import (
    Span,
    load8,
    load32,
    load64,
    shift_right,
    span_of,
    store32,
    store64,
)
from lmcore.tokenizer.kernels.count import ENTRY_BYTES, length_of
from lmcore.tokenizer.kernels.heap import (
    COUNT,
    LENGTH,
    PAIR_BYTES,
    RIGHT,
    START,
    TOKEN_BYTES,
    N,
    push,
)

NONE: Final = 0xFFFFFFFF
"""No token (a separator) and no pair."""
SMALL_RECORD, LARGE_RECORD = 12, 16
"""Bytes of a record: counts below 2^32 take four of them, others eight."""
PAIR, WEIGHT = 4, 8
"""Of a record, behind its token."""
_TALLY_BYTES = 32
# What the owner of a training run keeps, an int64 each.
N_TOKENS, N_PAIRS, POOL_USED, HEAP_SIZE, N_MERGES, BYTES_USED, THRESHOLD, NEEDED = range(8)
N_STATE: Final = 8


@kernel
def lay_out(table: np.ndarray, arena: np.ndarray, records: np.ndarray, stride: int) -> int:
    """Write the records of all pre-tokens of two bytes or more; return how many records."""
    entries, kept, out = span_of(table), span_of(arena), span_of(records)
    _separate(out, 0, stride)
    here = 1
    for at in range(0, table.shape[0] * ENTRY_BYTES, ENTRY_BYTES):
        count = load64(entries, at + 16)
        if count == 0:
            continue
        high = load64(entries, at + 8)
        n_bytes = length_of(high)
        if n_bytes < 2:
            continue
        start = load64(entries, at + 24)
        for k in range(n_bytes):
            byte = load8(kept, start + k) if high < 0 else load8(entries, at + k)
            record = (here + k) * stride
            store32(out, record, byte)
            store32(out, record + PAIR, NONE)
            _store_weight(out, record, count, stride)
        here += n_bytes
        _separate(out, here * stride, stride)
        here += 1
    return here


@inlined
def _separate(records: Span, record: int, stride: int) -> None:
    store32(records, record, NONE)
    store32(records, record + PAIR, NONE)
    _store_weight(records, record, 0, stride)


@inlined
def _store_weight(records: Span, record: int, weight: int, stride: int) -> None:
    if stride == SMALL_RECORD:
        store32(records, record + WEIGHT, weight)
    else:
        store64(records, record + WEIGHT, weight)


@inlined
def load_weight(records: Span, record: int, stride: int) -> int:
    """Return how often the pre-token of a record occurs."""
    if stride == SMALL_RECORD:
        return load32(records, record + WEIGHT)
    return load64(records, record + WEIGHT)


@kernel
def tally_pairs(
    records: np.ndarray, n_records: int, tokens: np.ndarray, tally: np.ndarray, stride: int
) -> int:
    """Count the pairs of the text as it stands; return how many, or -1 where the tally is full.

    tally is int64 [capacity, 4], zeros: pair + 1, count, occurrences, id. Every record of a pair
    is left with the pair's place in it.
    """
    text, made, entries = span_of(records), span_of(tokens), span_of(tally)
    mask, room = tally.shape[0] - 1, tally.shape[0] // 2
    n_pairs, here = 0, 1
    while here < n_records:
        left = load32(text, here * stride)
        if left == NONE:
            here += 1
            continue
        here += load64(made, left * TOKEN_BYTES + LENGTH)
        record = (here - 1) * stride
        right = load32(text, here * stride)
        if right == NONE:
            store32(text, record + PAIR, NONE)
            continue
        key = (left << 32 | right) + 1
        entry = shift_right(key * 0x9E3779B97F4A7C1, 20) & mask
        while load64(entries, entry * 32) != key and load64(entries, entry * 32):
            entry = entry + 1 & mask
        if load64(entries, entry * 32) == 0:
            if n_pairs >= room:
                return -1
            store64(entries, entry * 32, key)
            n_pairs += 1
        at = entry * 32
        store64(entries, at + 8, load64(entries, at + 8) + load_weight(text, record, stride))
        store64(entries, at + 16, load64(entries, at + 16) + 1)
        store32(text, record + PAIR, entry)
    return n_pairs


@kernel
def followed_pairs(tally: np.ndarray, threshold: int, totals: np.ndarray) -> None:
    """Set totals to the number of pairs at or above the threshold and of their occurrences."""
    entries = span_of(tally)
    n_pairs, n_occurrences = 0, 0
    for at in range(0, tally.shape[0] * 32, 32):
        if load64(entries, at + 8) >= threshold:
            n_pairs += 1
            n_occurrences += load64(entries, at + 16)
    totals[0], totals[1] = n_pairs, n_occurrences


@kernel
def index_pairs(
    records: np.ndarray,
    n_records: int,
    tokens: np.ndarray,
    tally: np.ndarray,
    pairs: np.ndarray,
    heap: np.ndarray,
    pool: np.ndarray,
    state: np.ndarray,
    wide: int,
    rule: int,
    token_bytes: np.ndarray,
    stride: int,
) -> None:
    """Make pairs, occurrence lists and heap from a tally, for the pairs at or above the threshold."""
    text, made, entries = span_of(records), span_of(tokens), span_of(tally)
    known, tops, places = span_of(pairs), span_of(heap), span_of(pool)
    data = span_of(token_bytes)
    n_pairs, used = 0, 0
    for at in range(0, tally.shape[0] * 32, 32):
        count = load64(entries, at + 8)
        store64(entries, at + 24, NONE)
        if count >= state[THRESHOLD] and count > 0:
            key = load64(entries, at) - 1
            new_pair(known, n_pairs, shift_right(key, 32), key & NONE, count, used)
            store64(entries, at + 24, n_pairs)
            push(tops, n_pairs, count, n_pairs, known, made, data, rule)
            used += load64(entries, at + 16)
            n_pairs += 1
    state[N_PAIRS], state[HEAP_SIZE], state[POOL_USED] = n_pairs, n_pairs, used
    here = 1
    while here < n_records:
        left = load32(text, here * stride)
        if left == NONE:
            here += 1
            continue
        here += load64(made, left * TOKEN_BYTES + LENGTH)
        entry = load32(text, (here - 1) * stride + PAIR)
        if entry != NONE:
            pair = load64(entries, entry * 32 + 24)
            store32(text, (here - 1) * stride + PAIR, pair)
            if pair != NONE:
                append(known, pair, places, here - 1, wide)


@inlined
def new_pair(pairs: Span, pair: int, left: int, right: int, count: int, start: int) -> None:
    """Write the record of a pair without occurrences yet."""
    at = pair * PAIR_BYTES
    store32(pairs, at, left)
    store32(pairs, at + RIGHT, right)
    store64(pairs, at + COUNT, count)
    store64(pairs, at + START, start)
    store64(pairs, at + N, 0)


@inlined
def append(pairs: Span, pair: int, pool: Span, place: int, wide: int) -> None:
    """Add an occurrence to the list of a pair; its room was counted when the pair was made."""
    at = pair * PAIR_BYTES
    n = load64(pairs, at + N)
    store64(pairs, at + N, n + 1)
    here = load64(pairs, at + START) + n
    if wide:
        store64(pool, here * 8, place)
    else:
        store32(pool, here * 4, place)
