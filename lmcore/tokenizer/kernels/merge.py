"""BPE merges over the unique pre-tokens, laid end to end with a separator between them.

One record of 12 bytes for each byte of text: the token there (valid at the first and at the last
byte of a token), the pair that begins with the token that ends there, and how often the pre-token
occurs. So all that one occurrence of a pair touches, its two tokens and its two neighbours, lies
in one or two cache lines, and both neighbours are found without links or look-ups.

- An occurrence is named by the last byte of its left token, where the record holds the pair: an
  entry of an occurrence list is stale iff the record holds another pair by now.
- All occurrences of a pair arise in the one merge that makes the younger of its tokens, so each
  list is made once, in one piece, and counts only fall afterwards. A heap whose top is corrected
  when it is looked at is therefore exact.
- Pairs that arise with a count below a threshold are not followed at all. While the heap holds a
  pair at or above it, none of those can be the best. When it runs empty, all pairs of the text as
  it then stands are indexed again with a lower threshold, and training goes on. Most pairs are
  rare, so this saves most of the lists, the memory and the heap.

Cost: O(applied merges + pairs followed x log pairs). Memory: 12 bytes a record, and 4 (8 beyond
2^32 records) for each occurrence of the pairs followed.
"""

from typing import Final

import numpy as np

from lmcore.kernels.compiling import inlined, kernel
from lmcore.kernels.memory import (
    Span,
    load8,
    load32,
    load64,
    prefetch,
    shift_right,
    span_of,
    store8,
    store32,
    store64,
)
from lmcore.tokenizer.kernels.heap import (
    COUNT,
    HEAP_BYTES,
    LENGTH,
    OFFSET,
    ORDER,
    PAIR_BYTES,
    PREFIX,
    RIGHT,
    START,
    TOKEN_BYTES,
    N,
    push,
    sink,
)
from lmcore.tokenizer.kernels.pair_index import (
    BYTES_USED,
    HEAP_SIZE,
    N_MERGES,
    N_PAIRS,
    N_TOKENS,
    NEEDED,
    NONE,
    PAIR,
    POOL_USED,
    THRESHOLD,
    append,
    load_weight,
    new_pair,
)

GROUP_BYTES: Final = 32
_SIDE_BYTES = 16
_GROUP_N, _GROUP_PAIR = 8, 12
_AHEAD = 12
"""Occurrences whose records are asked for before their turn."""


@kernel
def merge_pairs(
    records: np.ndarray,
    tokens: np.ndarray,
    token_bytes: np.ndarray,
    groups: np.ndarray,
    touched: np.ndarray,
    pairs: np.ndarray,
    heap: np.ndarray,
    pool: np.ndarray,
    moves: np.ndarray,
    merges: np.ndarray,
    state: np.ndarray,
    wide: int,
    rule: int,
    stride: int,
) -> None:
    """Merge the best pair again and again, until enough merges, an empty heap or no room.

    merges is int64 [n, 3]: left token, right token, count. state[NEEDED] is the occurrences of
    the pair that there is no room for, 0 otherwise.
    """
    text, made, data = span_of(records), span_of(tokens), span_of(token_bytes)
    known, tops, places = span_of(pairs), span_of(heap), span_of(pool)
    threshold, position_bytes = state[THRESHOLD], 8 if wide else 4
    state[NEEDED] = 0
    while state[N_MERGES] < merges.shape[0] and state[HEAP_SIZE] > 0:
        pair = load64(tops, 8)
        at = pair * PAIR_BYTES
        count, n = load64(known, at + COUNT), load64(known, at + N)
        if load64(tops, 0) != count:
            if count >= threshold:
                sink(tops, state[HEAP_SIZE], count, pair, known, made, data, rule)
            else:
                _pop(tops, known, made, data, state, rule)
            continue
        if (
            n > moves.shape[0]
            or state[N_PAIRS] + 2 * min(n, state[N_TOKENS] + 1) > pairs.shape[0]
            or (state[POOL_USED] + 2 * n) * position_bytes > pool.nbytes
            or state[BYTES_USED] + _joined_length(made, known, at) > token_bytes.shape[0]
        ):
            state[NEEDED] = n
            break
        _pop(tops, known, made, data, state, rule)
        left, right = load32(known, at), load32(known, at + RIGHT)
        _note(span_of(merges), state[N_MERGES], left, right, count)
        state[N_MERGES] += 1
        new = state[N_TOKENS]
        state[BYTES_USED] = _new_token(made, data, left, right, new, state[BYTES_USED])
        state[N_TOKENS] = new + 1
        n_left = load64(made, left * TOKEN_BYTES + LENGTH)
        n_right = load64(made, right * TOKEN_BYTES + LENGTH)
        moved = _replace(
            text, known, places, span_of(moves), pair, new, n_left, n_right, wide, stride
        )
        store64(known, at + COUNT, 0)
        _regroup(
            text, made, data, span_of(groups), span_of(touched), known, tops, places,
            span_of(moves), state, moved, new, n_left, n_right, wide, rule, stride,
        )  # fmt: skip


@inlined
def _note(merges: Span, n_merges: int, left: int, right: int, count: int) -> None:
    """Write a merge behind those made so far."""
    store64(merges, n_merges * 24, left)
    store64(merges, n_merges * 24 + 8, right)
    store64(merges, n_merges * 24 + 16, count)


@inlined
def _pop(heap: Span, pairs: Span, tokens: Span, data: Span, state: np.ndarray, rule: int) -> None:
    """Take the top from the heap."""
    size = state[HEAP_SIZE] - 1
    state[HEAP_SIZE] = size
    if size:
        at = size * HEAP_BYTES
        sink(heap, size, load64(heap, at), load64(heap, at + 8), pairs, tokens, data, rule)


@inlined
def _joined_length(tokens: Span, pairs: Span, at: int) -> int:
    left, right = load32(pairs, at), load32(pairs, at + RIGHT)
    return load64(tokens, left * TOKEN_BYTES) + load64(tokens, right * TOKEN_BYTES)


@inlined
def _new_token(tokens: Span, data: Span, left: int, right: int, new: int, used: int) -> int:
    """Write the bytes and the sort keys of a token; return the bytes used by all."""
    at, length, prefix = new * TOKEN_BYTES, 0, 0
    for side in range(2):
        part = (left if side == 0 else right) * TOKEN_BYTES
        start = load64(tokens, part + OFFSET)
        for k in range(load64(tokens, part + LENGTH)):
            byte = load8(data, start + k)
            store8(data, used + length, byte)
            if length < 8:
                prefix |= byte << 56 - 8 * length
            length += 1
    store64(tokens, at + LENGTH, length)
    store64(tokens, at + OFFSET, used)
    store64(tokens, at + PREFIX, prefix ^ (-1 << 63))  # so that signed order is that of bytes
    store64(tokens, at + ORDER, new)
    return used + length


@inlined
def _replace(
    records: Span,
    pairs: Span,
    pool: Span,
    moves: Span,
    pair: int,
    new: int,
    n_left: int,
    n_right: int,
    wide: int,
    stride: int,
) -> int:
    """Write the new token over every occurrence of the pair, from left to right.

    Takes the occurrence out of the counts of the two pairs it was part of. Returns how many;
    moves holds where the left tokens ended.
    """
    at = pair * PAIR_BYTES
    start, n, moved = load64(pairs, at + START), load64(pairs, at + N), 0
    for k in range(n):
        if wide:
            place = load64(pool, (start + k) * 8)
            ahead = load64(pool, (start + min(k + _AHEAD, n - 1)) * 8)
        else:
            place = load32(pool, (start + k) * 4)
            ahead = load32(pool, (start + min(k + _AHEAD, n - 1)) * 4)
        prefetch(records, ahead * stride)
        here = place * stride
        if load32(records, here + PAIR) != pair:
            continue  # one of the two has become part of another token since
        weight = load_weight(records, here, stride)
        before = (place - n_left) * stride
        end = (place + n_right) * stride
        for k_side in range(2):
            side = before if k_side == 0 else end
            other = load32(records, side + PAIR)
            if other != NONE:
                counter = other * PAIR_BYTES + COUNT
                store64(pairs, counter, load64(pairs, counter) - weight)
                store32(records, side + PAIR, NONE)
        store32(records, here + PAIR, NONE)
        store32(records, before + stride, new)
        store32(records, end, new)
        store64(moves, moved * 8, place)
        moved += 1
    return moved


@inlined
def _join_group(groups: Span, touched: Span, n_touched: int, at: int, weight: int) -> int:
    """Add an occurrence to a group; return how many groups have been touched."""
    n = load32(groups, at + _GROUP_N)
    if n == 0:
        store64(touched, n_touched * 8, at)
        n_touched += 1
    store32(groups, at + _GROUP_N, n + 1)
    store64(groups, at, load64(groups, at) + weight)
    return n_touched


@inlined
def _regroup(
    records: Span,
    tokens: Span,
    data: Span,
    groups: Span,
    touched: Span,
    pairs: Span,
    heap: Span,
    pool: Span,
    moves: Span,
    state: np.ndarray,
    moved: int,
    new: int,
    n_left: int,
    n_right: int,
    wide: int,
    rule: int,
    stride: int,
) -> None:
    """Make the pairs that arose: neighbours of the new token, counted, then their occurrences."""
    n_touched = 0
    for k in range(moved):
        place = load64(moves, k * 8)
        weight = load_weight(records, place * stride, stride)
        before = load32(records, (place - n_left) * stride)
        after = load32(records, (place + n_right + 1) * stride)
        if before != NONE and before != new:  # two new ones: the left one counts their pair
            n_touched = _join_group(groups, touched, n_touched, before * GROUP_BYTES, weight)
        if after != NONE:
            at = after * GROUP_BYTES + _SIDE_BYTES
            n_touched = _join_group(groups, touched, n_touched, at, weight)
    n_pairs, used, size = state[N_PAIRS], state[POOL_USED], state[HEAP_SIZE]
    for k in range(n_touched):
        at = load64(touched, k * 8)
        count, n = load64(groups, at), load32(groups, at + _GROUP_N)
        store64(groups, at, 0)
        store32(groups, at + _GROUP_N, 0)
        store32(groups, at + _GROUP_PAIR, NONE)
        if count >= state[THRESHOLD]:
            other = shift_right(at, 5)
            left, right = (new, other) if at & _SIDE_BYTES else (other, new)
            new_pair(pairs, n_pairs, left, right, count, used)
            store32(groups, at + _GROUP_PAIR, n_pairs)
            push(heap, size, count, n_pairs, pairs, tokens, data, rule)
            n_pairs, used, size = n_pairs + 1, used + n, size + 1
    state[N_PAIRS], state[POOL_USED], state[HEAP_SIZE] = n_pairs, used, size
    for k in range(moved):
        place = load64(moves, k * 8)
        before = load32(records, (place - n_left) * stride)
        after = load32(records, (place + n_right + 1) * stride)
        if before != NONE and before != new:
            pair = load32(groups, before * GROUP_BYTES + _GROUP_PAIR)
            if pair != NONE:
                store32(records, (place - n_left) * stride + PAIR, pair)
                append(pairs, pair, pool, place - n_left, wide)
        if after != NONE:
            pair = load32(groups, after * GROUP_BYTES + _SIDE_BYTES + _GROUP_PAIR)
            if pair != NONE:
                store32(records, (place + n_right) * stride + PAIR, pair)
                append(pairs, pair, pool, place + n_right, wide)
