"""Pre-tokens to ids: a cache of the pre-tokens seen, and the merges for those that are not in it.

Cache entry, 32 bytes: key (see `keys`) and what to write: up to three ids in the entry itself, or
the place of more in the pool. A pre-token longer than 15 bytes has its bytes in the pool, in
front of its ids, to be compared. Longer than `SHORT_BYTES`: merged each time.

Pre-tokens are taken 64 at a time, so that their entries are on their way before they are needed
(see `count`). A full cache or pool only means that nothing more is kept; the owner makes room
between calls.

Several threads share a cache without locks. The high half of an entry's key is 0 until a thread
claims the entry (`_CLAIMED`), and is published last, when all the rest can be read. A thread that
meets a claimed entry takes it for another pre-token's: the worst is that one is kept twice.
"""

from typing import Final

import numpy as np

from lmcore.kernels.compiling import called, inlined, kernel
from lmcore.kernels.keys import LENGTH_MASK, copy_bytes, key_of, same_bytes, slot_of
from lmcore.kernels.memory import (
    Span,
    add_shared,
    claim,
    load32,
    load64,
    load_shared,
    prefetch,
    publish,
    shift_right,
    span_of,
    store32,
    store64,
)
from lmcore.tokenizer.kernels.merge_word import (
    LONG_WORK_BYTES,
    SHORT_BYTES,
    SHORT_WORK,
    merge_long,
    merge_short,
)

ENTRY_BYTES: Final = 32
GROUP: Final = 64
_PENDING_BYTES: Final = 48
_WORK: Final = GROUP * _PENDING_BYTES
SCRATCH: Final = (_WORK + SHORT_WORK) // 8
"""int64 of scratch: what is pending, then the ids and the ranks of one short pre-token."""
POOLED: Final = 4
"""Tag of an entry whose ids are in the pool; 1 to 3 is the number of ids in the entry."""
USED, POOL_USED = range(2)
"""Places in the counts of a cache: entries, and bytes of the pool."""
N_COUNTS: Final = 2
SEGMENT, POSITION, WRITTEN, NEEDED = range(4)
N_STATE: Final = 4
_CLAIMED: Final = -1
"""High half of no key: a long one has its length there, which is below 2^56 - 1."""


@kernel
def move_cache(source: np.ndarray, target: np.ndarray) -> int:
    """Put the entries of a cache into an empty one that is larger; return how many there were."""
    entries, others, mask = span_of(source), span_of(target), target.shape[0] - 1
    n_entries = 0
    for at in range(0, source.shape[0] * ENTRY_BYTES, ENTRY_BYTES):
        high = load_shared(entries, at + 8)
        if high == 0 or high == _CLAIMED:
            continue
        slot = slot_of(load64(entries, at), high, mask) * ENTRY_BYTES
        while load64(others, slot + 8):
            slot = slot + ENTRY_BYTES & mask * ENTRY_BYTES
        copy_bytes(others, slot, entries, at, ENTRY_BYTES)
        n_entries += 1
    return n_entries


@kernel
def encode_pretokens(
    text: np.ndarray,  # uint8, padded
    segments: np.ndarray,  # int64 [n, 3]: start, stop, id written behind it or -1
    ends: np.ndarray,  # int64: ends of pre-tokens
    first: int,
    n_ends: int,
    cache: np.ndarray,  # int64 [capacity, 4]
    pool: np.ndarray,  # uint8
    counts: np.ndarray,  # int64 [N_COUNTS]: what of cache and pool is used
    table: np.ndarray,  # int64 [capacity, 2]: see build_merge_table
    byte_ids: np.ndarray,  # int64 [256 + 65,536]: ids of bytes, ranks of pairs of bytes
    scratch: np.ndarray,  # int64 [SCRATCH]
    long_work: np.ndarray,  # uint8
    out: np.ndarray,  # uint32, with room for an id a byte and a segment, and 4 more
    marks: np.ndarray,  # int64 [n]: ids written up to the end of each segment
    state: np.ndarray,  # int64 [N_STATE]
) -> int:
    """Write the ids of the pre-tokens that end at ends[first:n_ends]; return how many were done.

    Stops early, with state[NEEDED], at a pre-token that is too long for the work space.
    """
    words, stops, ids = span_of(text), span_of(ends), span_of(out)
    work, mask = span_of(scratch), cache.shape[0] - 1
    entries, kept, used = span_of(cache), span_of(pool), span_of(counts)
    merges, merges_mask = span_of(table), table.shape[0] - 1
    singles, long_span = span_of(byte_ids), span_of(long_work)
    rows, closed_at = span_of(segments), span_of(marks)
    written = state[WRITTEN]
    segment, here = state[SEGMENT], state[POSITION]
    after, here = _skip_ended(rows, segment, here)
    written = _close(rows, closed_at, segment, after, ids, written)
    segment = after
    done = first
    state[NEEDED] = 0
    while done < n_ends and state[NEEDED] == 0:
        n_pending = min(GROUP, n_ends - done)
        next_here = _queue(words, stops, done, n_pending, rows, segment, here, entries, mask, work)
        for k in range(n_pending):
            pending = k * _PENDING_BYTES
            entry = _find(words, entries, mask, kept, work, pending)
            if entry >= 0:
                written = _write(entries, entry, kept, ids, written, load64(work, pending + 32))
            else:
                n_bytes = load64(work, pending + 32)
                if n_bytes > SHORT_BYTES and n_bytes * LONG_WORK_BYTES + 64 > long_work.shape[0]:
                    state[NEEDED] = n_bytes
                    here = load64(work, pending + 24)
                    break
                written = _miss(
                    words, entries, mask, kept, work, pending, merges, merges_mask, singles,
                    long_span, ids, written, used,
                )  # fmt: skip
            done += 1
            here = next_here
            after = load64(work, pending + 40)
            if after != segment:
                written = _close(rows, closed_at, segment, after, ids, written)
                segment = after
    state[WRITTEN], state[SEGMENT], state[POSITION] = written, segment, here
    return done


@inlined
def _queue(
    text: Span,
    ends: Span,
    first: int,
    n_pending: int,
    segments: Span,
    segment: int,
    here: int,
    cache: Span,
    mask: int,
    work: Span,
) -> int:
    """Note the keys of the next pre-tokens, ask for their entries, return where text goes on."""
    for k in range(n_pending):
        end = load64(ends, (first + k) * 8)
        low, high = key_of(text, here, end - here)
        slot = slot_of(low, high, mask) * ENTRY_BYTES
        prefetch(cache, slot)
        pending = k * _PENDING_BYTES
        store64(work, pending, low)
        store64(work, pending + 8, high)
        store64(work, pending + 16, slot)
        store64(work, pending + 24, here)
        store64(work, pending + 32, end - here)
        segment, here = _skip_ended(segments, segment, end)
        store64(work, pending + 40, segment)
    return here


@inlined
def _skip_ended(segments: Span, segment: int, here: int) -> tuple[int, int]:
    """Return the segment and the position from which text goes on."""
    n_bytes = segments[1]
    while segment * 24 < n_bytes and here == load64(segments, segment * 24 + 8):
        segment += 1
        if segment * 24 < n_bytes:
            here = load64(segments, segment * 24)
    return segment, here


@inlined
def _close(segments: Span, marks: Span, segment: int, after: int, out: Span, written: int) -> int:
    """Write the ids that follow segments segment..after-1, and where each ended."""
    while segment < after:
        special = load64(segments, segment * 24 + 16)
        if special >= 0:
            store32(out, written * 4, special)
            written += 1
        store64(marks, segment * 8, written)
        segment += 1
    return written


@inlined
def _find(text: Span, cache: Span, mask: int, pool: Span, work: Span, pending: int) -> int:
    """Return the entry of a pending pre-token, -1 where it is not in the cache.

    Leaves the empty place where it would be in the pending one's slot.
    """
    low, high = load64(work, pending), load64(work, pending + 8)
    entry = load64(work, pending + 16)
    while True:
        found = load_shared(cache, entry + 8)
        if found == high and load64(cache, entry) == low:
            if high >= 0:
                return entry
            at = load64(cache, entry + 24)
            if same_bytes(pool, at, text, load64(work, pending + 24), high & LENGTH_MASK):
                return entry
        elif found == 0:
            store64(work, pending + 16, entry)
            return -1
        entry = entry + ENTRY_BYTES & mask * ENTRY_BYTES


@inlined
def _write(cache: Span, entry: int, pool: Span, out: Span, written: int, n_bytes: int) -> int:
    """Write the ids of an entry; return how many are written now."""
    value, more = load64(cache, entry + 16), load64(cache, entry + 24)
    tag = shift_right(value, 56)
    if tag < POOLED:
        store32(out, written * 4, value)
        store64(out, written * 4 + 4, more)
        return written + tag
    n_ids = value & LENGTH_MASK
    at = more + (n_bytes + 7 & -8 if n_bytes > 15 else 0)
    for k in range(n_ids):
        store32(out, (written + k) * 4, load32(pool, at + k * 4))
    return written + n_ids


@called
def _miss(
    text: Span,
    cache: Span,
    mask: int,
    pool: Span,
    work: Span,
    pending: int,
    merges: Span,
    merges_mask: int,
    byte_ids: Span,
    long_work: Span,
    out: Span,
    written: int,
    counts: Span,
) -> int:
    """Merge a pre-token, write its ids and keep them where there is room."""
    start, n_bytes = load64(work, pending + 24), load64(work, pending + 32)
    if n_bytes > SHORT_BYTES:
        return merge_long(
            text, start, n_bytes, merges, merges_mask, byte_ids, long_work, out, written
        )
    n_ids = merge_short(text, start, n_bytes, merges, merges_mask, byte_ids, work, _WORK)
    for k in range(n_ids):
        store32(out, (written + k) * 4, load64(work, _WORK + k * 8))
    entry, key_bytes = load64(work, pending + 16), n_bytes + 7 & -8 if n_bytes > 15 else 0
    is_pooled = n_ids >= POOLED or key_bytes > 0
    if load_shared(counts, USED * 8) * 2 > mask or not claim(cache, entry + 8, _CLAIMED):
        return written + n_ids
    value, more = n_ids << 56 | load64(work, _WORK), 0
    if is_pooled:
        pool_bytes = key_bytes + (n_ids * 4 + 7 & -8)
        value, more = POOLED << 56 | n_ids, add_shared(counts, POOL_USED * 8, pool_bytes)
        if more + pool_bytes > pool[1]:
            publish(cache, entry + 8, 0)
            return written + n_ids
        if key_bytes:
            copy_bytes(pool, more, text, start, n_bytes)
        for k in range(n_ids):
            store32(pool, more + key_bytes + k * 4, load64(work, _WORK + k * 8))
    else:
        more |= load64(work, _WORK + 8) & 0xFFFFFFFF if n_ids > 1 else 0
        more |= load64(work, _WORK + 16) << 32 if n_ids > 2 else 0
    store64(cache, entry, load64(work, pending))
    store64(cache, entry + 16, value)
    store64(cache, entry + 24, more)
    publish(cache, entry + 8, load64(work, pending + 8))
    add_shared(counts, USED * 8, 1)
    return written + n_ids
