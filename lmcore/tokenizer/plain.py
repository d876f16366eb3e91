"""The encoder in plain Python: for short texts, and where kernels cannot be compiled.

Most pre-tokens come from a bounded cache; the others are merged with a heap over a linked list of
tokens, O(n log n) for n bytes, so a page of a million equal letters is no trap. Nothing has to be
compiled or loaded, which makes it the faster one for the first quarter of a megabyte.

Cost, measured on one core of a busy 2-core x86 box, CPU seconds, on 5 MB of English books: 2.3-2.9
MB/s with an empty cache, 3.6-4.0 MB/s with a warm one; a million `a` in 0.3-5.5 s (no merge or a
merge at every one). The cache holds up to 65,536 pre-tokens (about 15 MB).
"""

import random
from collections.abc import Mapping, Sequence
from heapq import heapify, heappop, heappush
from itertools import pairwise
from typing import Final

from lmcore.tokenizer.pretokenize import encode_utf8

CACHE_PRETOKENS: Final = 1 << 16
CACHE_CHARS: Final = 32
"""Longer pre-tokens are rare and are not kept, which bounds the cache in bytes too."""


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
        ids = [self._byte_ids[byte] for byte in data]
        n_bytes = len(ids)
        ranks, products = self._ranks, self._products
        pairs = zip(ids, ids[1:], range(n_bytes), strict=False)
        heap = [(ranks[a, b], i, a, b) for a, b, i in pairs if (a, b) in ranks]
        if not heap:
            return tuple(ids)
        heapify(heap)
        # ids[i] is the token that starts at byte i, -1 inside of one; two links a token.
        following = list(range(1, n_bytes + 1))
        preceding = list(range(-1, n_bytes - 1))
        ids.append(-1)
        while heap:
            rank, here, left, right = heappop(heap)
            there = following[here]
            if ids[here] != left or ids[there] != right:
                continue  # one of the two has become part of another token since
            new = products[rank]
            ids[here], ids[there] = new, -1
            after = following[here] = following[there]
            if after < n_bytes:
                preceding[after] = here
                pair = (new, ids[after])
                if pair in ranks:
                    heappush(heap, (ranks[pair], here, *pair))
            before = preceding[here]
            if before >= 0:
                pair = (ids[before], new)
                if pair in ranks:
                    heappush(heap, (ranks[pair], before, *pair))
        return tuple([token_id for token_id in ids if token_id >= 0])

    def merge_with_dropout(
        self, data: bytes, dropout: float, generator: random.Random
    ) -> list[int]:
        """Return the ids of one pre-token where each merge is passed over with this probability.

        BPE-dropout (Provilkov et al., arXiv:1910.13267, algorithm 1): at every step the merges
        that apply are dropped independently, and the earliest that is left is made, until none is
        left. Dropout 0 is `merge`; dropout 1 leaves single bytes.
        """
        ids = [self._byte_ids[byte] for byte in data]
        while True:
            kept = [
                (rank, place)
                for place, pair in enumerate(pairwise(ids))
                if (rank := self._ranks.get(pair)) is not None and generator.random() >= dropout
            ]
            if not kept:
                return ids
            rank, place = min(kept)
            ids[place : place + 2] = [self._products[rank]]
