"""A binary heap of pairs with the pair to be merged next on top.

Entry, 16 bytes: the pair's count when it was put there, and the pair. Ties go by the tokens of the
pairs: by their bytes, greatest first, or by their order, smallest first.
"""

from typing import Final

from lmcore.kernels.compiling import called, inlined
from lmcore.kernels.memory import Span, load8, load32, load64, store64

TOKEN_BYTES: Final = 32
LENGTH, OFFSET, PREFIX, ORDER = 0, 8, 16, 24
"""Of a token's record: its bytes, where they are, the first eight as a number, its rank by id."""
PAIR_BYTES: Final = 32
RIGHT, COUNT, START, N = 4, 8, 16, 24
"""Of a pair's record, behind the left token: the right one, and its occurrences in the pool."""
HEAP_BYTES: Final = 16
GREATEST, SMALLEST = 1, -1
"""Which of two pairs with the same count is merged: by their bytes, or by their order."""


@inlined
def _compare_tokens(left: int, right: int, tokens: Span, data: Span, rule: int) -> int:
    """Return > 0 where the left token is to be preferred to the right, < 0 where not, 0 if same."""
    if left == right:
        return 0
    left, right = left * TOKEN_BYTES, right * TOKEN_BYTES
    if rule == SMALLEST:
        return load64(tokens, right + ORDER) - load64(tokens, left + ORDER)
    first, second = load64(tokens, left + PREFIX), load64(tokens, right + PREFIX)
    if first != second:
        return 1 if first > second else -1
    return _compare_bytes(left, right, tokens, data)


@called
def _compare_bytes(left: int, right: int, tokens: Span, data: Span) -> int:
    n_left, n_right = load64(tokens, left + LENGTH), load64(tokens, right + LENGTH)
    at_left, at_right = load64(tokens, left + OFFSET), load64(tokens, right + OFFSET)
    for k in range(min(n_left, n_right)):
        difference = load8(data, at_left + k) - load8(data, at_right + k)
        if difference:
            return difference
    return n_left - n_right


@inlined
def _is_above(
    count: int,
    pair: int,
    other_count: int,
    other: int,
    pairs: Span,
    tokens: Span,
    data: Span,
    rule: int,
) -> bool:
    """Return whether a pair is merged before another."""
    if count != other_count:
        return count > other_count
    at, other_at = pair * PAIR_BYTES, other * PAIR_BYTES
    order = _compare_tokens(load32(pairs, at), load32(pairs, other_at), tokens, data, rule)
    if order == 0:
        order = _compare_tokens(
            load32(pairs, at + RIGHT), load32(pairs, other_at + RIGHT), tokens, data, rule
        )
    return order > 0


@inlined
def _store_entry(heap: Span, place: int, count: int, pair: int) -> None:
    store64(heap, place * HEAP_BYTES, count)
    store64(heap, place * HEAP_BYTES + 8, pair)


@called
def push(
    heap: Span, size: int, count: int, pair: int, pairs: Span, tokens: Span, data: Span, rule: int
) -> None:
    """Add a pair to a heap of so many."""
    place = size
    while place > 0:
        parent = (place - 1) >> 1
        at = parent * HEAP_BYTES
        other_count, other = load64(heap, at), load64(heap, at + 8)
        if not _is_above(count, pair, other_count, other, pairs, tokens, data, rule):
            break
        _store_entry(heap, place, other_count, other)
        place = parent
    _store_entry(heap, place, count, pair)


@called
def sink(
    heap: Span, size: int, count: int, pair: int, pairs: Span, tokens: Span, data: Span, rule: int
) -> None:
    """Put a pair in the place of the top of a heap of so many."""
    place = 0
    while True:
        child = 2 * place + 1
        if child >= size:
            break
        at = child * HEAP_BYTES
        child_count, other = load64(heap, at), load64(heap, at + 8)
        if child + 1 < size:
            next_count, following = load64(heap, at + 16), load64(heap, at + 24)
            if _is_above(next_count, following, child_count, other, pairs, tokens, data, rule):
                child, child_count, other = child + 1, next_count, following
        if not _is_above(child_count, other, count, pair, pairs, tokens, data, rule):
            break
        _store_entry(heap, place, child_count, other)
        place = child
    _store_entry(heap, place, count, pair)
