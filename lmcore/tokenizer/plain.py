"""The encoder in plain Python: for short texts, and where kernels cannot be compiled.

Most pre-tokens come from a bounded cache; the others are merged with a heap over a linked list of
tokens, O(n log n) for n bytes, so a page of a million equal letters is no trap. Nothing has to be
compiled or loaded, which makes it the faster one for the first quarter of a megabyte.

Cost, measured on one core of a busy 2-core x86 box, CPU seconds, on 5 MB of English books: 2.3-2.9
MB/s with an empty cache, 3.6-4.0 MB/s with a warm one; a million `a` in 0.3-5.5 s (no merge or a
merge at every one), with a dropout of 0.1 or 0.5 in 5.8 and 7.0 s. The cache holds up to 65,536
pre-tokens (about 15 MB).
"""

import random
from collections.abc import Callable, Mapping, Sequence
from heapq import heapify, heappop, heappush
from typing import Final

from lmcore.tokenizer.pretokenize import encode_utf8

CACHE_PRETOKENS: Final = 1 << 16
CACHE_CHARS: Final = 32
"""Longer pre-tokens are rare and are not kept, which bounds the cache in bytes too."""

Entry = tuple[int, int, int, int]
"""A merge that can be made: its rank, where it starts, and the two tokens that must be there."""


class PlainEncoder(dict[str, tuple[int, ...]]):
    """Ids by pre-token; merges those not seen before, and is emptied when full."""

    def __init__(
        self,
        byte_ids: Sequence[int],
        ranks: Mapping[tuple[int, int], int],
        products: Sequence[int],
    ) -> None:
        """Take the ids of the bytes, the rank of each pair of ids, and what each rank makes."""
        super().__init__()
        self._byte_ids, self._ranks, self._products = byte_ids, ranks, products

    def __missing__(self, pretoken: str) -> tuple[int, ...]:
        ids = self.merge(encode_utf8(pretoken))
        if len(pretoken) <= CACHE_CHARS:
            if len(self) >= CACHE_PRETOKENS:
                self.clear()
            self[pretoken] = ids
        return ids

    def merge(self, data: bytes) -> tuple[int, ...]:
        """Return the ids of one pre-token: the earliest merge first, leftmost first."""
        ids, heap = self._start(data)
        return tuple(self._merge(ids, heap) if heap else ids)

    def merge_with_dropout(
        self, data: bytes, dropout: float, generator: random.Random
    ) -> list[int]:
        """Return the ids of one pre-token where each merge is passed over with this probability.

        BPE-dropout (Provilkov et al., arXiv:1910.13267, algorithm 1): at every step the merges
        that apply are dropped independently, and the earliest that is left is made, until none is
        left. Dropout 0 is `merge`; dropout 1 leaves single bytes.

        Coins are tossed in the order of the merges and only until one is kept: it is the earliest
        of those kept whatever the others' coins would show, and the next step tosses all anew. So
        the distribution is that of tossing all, at 1 / (1 - dropout) tosses a merge on average.
        """
        ids, heap = self._start(data)
        return self._merge(ids, heap, dropout, generator.random)

    def _start(self, data: bytes) -> tuple[list[int], list[Entry]]:
        """Return the ids of the bytes, and the heap of the merges that apply to them."""
        ids = [self._byte_ids[byte] for byte in data]
        ranks = self._ranks
        pairs = zip(ids, ids[1:], range(len(ids)), strict=False)
        heap = [(ranks[a, b], i, a, b) for a, b, i in pairs if (a, b) in ranks]
        heapify(heap)
        return ids, heap

    def _merge(
        self,
        ids: list[int],
        heap: list[Entry],
        dropout: float = 0.0,
        draw: Callable[[], float] | None = None,
    ) -> list[int]:
        """Return the ids after the merges of the heap, and those that arise, in order."""
        ranks, products = self._ranks, self._products
        n_bytes = len(ids)
        # ids[i] is the token that starts at byte i, -1 inside of one and behind the last (where
        # place -1 leads as well); two links a token.
        ids.append(-1)
        following = list(range(1, n_bytes + 1))
        preceding = list(range(-1, n_bytes))
        passed_over: list[Entry] = []
        while heap:
            entry = heappop(heap)
            rank, here, left, right = entry
            there = following[here]
            if ids[here] != left or ids[there] != right:
                continue  # one of the two has become part of another token since
            if draw is not None and draw() < dropout:
                passed_over.append(entry)
                continue
            new = products[rank]
            ids[here], ids[there] = new, -1
            after = following[here] = following[there]
            preceding[after] = here
            pair = (new, ids[after])
            if pair in ranks:
                heappush(heap, (ranks[pair], here, *pair))
            before = preceding[here]
            pair = (ids[before], new)
            if pair in ranks:
                heappush(heap, (ranks[pair], before, *pair))
            while passed_over:
                heappush(heap, passed_over.pop())
        return [token_id for token_id in ids if token_id >= 0]
