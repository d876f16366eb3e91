"""Near duplicates: MinHash signatures, candidates by bands, verified by true Jaccard.

Broder 1997; bands as in Leskovec, Rajaraman & Ullman, Mining of Massive Datasets, ch. 3.
Signatures come from datasketch (scheme affine32: 32-bit, a bijection per permutation).

Similarity is not transitive: A~B and B~C say nothing about A~C. A component is therefore cut
into clusters around representatives: the best document is kept, those truly similar *to it*
are its duplicates, and what remains is cut again. So each removed document has at least the
required similarity with the very document it is removed for, and no two documents of a
component that are both kept are near duplicates of each other.

Cost: 0.5 ms a 400-word document, half of it shingling; memory 4 bytes a permutation and
document, and the exact shingle sets of at most 1,024 documents at a time.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from datasketch import MinHash
from numpy.typing import NDArray

from lmcore.dedup.components import UnionFind
from lmcore.dedup.config import DedupConfig
from lmcore.dedup.shingles import ShingleHasher, jaccard, shingle_set

_CACHED_SETS = 1024
_BATCH_SHINGLES = 8192  # x 126 permutations x 4 bytes = 4 MB of scratch, whatever the document
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, slots=True)
class NearDuplicates:
    """What the search found.

    duplicates: index of a removed document -> (index of its survivor, true Jaccard).
    n_candidates: distinct pairs that agree in a band.
    n_pairs_skipped: pairs of crowded buckets that were not compared, once a bucket; 0 means
        that every candidate was considered.
    """

    duplicates: dict[int, tuple[int, float]]
    n_candidates: int
    n_pairs_skipped: int


def signatures(
    normalized: Iterable[str], config: DedupConfig
) -> tuple[NDArray[np.uint32], NDArray[np.bool_]]:
    """Returns the signatures [document, permutation] and which documents have any shingle."""
    hasher = ShingleHasher(config.shingle_words)
    empty = MinHash(num_perm=config.permutations, seed=config.seed, hashfunc=int, scheme="affine32")
    rows: list[NDArray[np.uint32]] = []
    has_shingles: list[bool] = []
    for text in normalized:
        hashes = (hasher(text) >> np.uint64(32)).tolist()
        signature = empty.copy()
        for start in range(0, len(hashes), _BATCH_SHINGLES):
            signature.update_batch(hashes[start : start + _BATCH_SHINGLES])
        rows.append(signature.hashvalues)
        has_shingles.append(bool(hashes))
    matrix = np.array(rows, dtype=np.uint32).reshape(len(rows), config.permutations)
    return matrix, np.array(has_shingles, dtype=np.bool_)


def _buckets(rows: NDArray[np.uint32]) -> list[NDArray[np.int64]]:
    """Groups the documents whose rows [document, row] are equal; indices ascending, >= 2 each."""
    key = np.zeros(len(rows), dtype=np.uint64)
    for column in rows.T:  # a collision of keys only adds a candidate, which is verified
        key = (key ^ (key >> np.uint64(31))) * _MULTIPLIER + column.astype(np.uint64)
    order = np.argsort(key, kind="stable")
    cuts = np.flatnonzero(np.diff(key[order])) + 1
    return [bucket for bucket in np.split(order, cuts) if len(bucket) > 1]


def _bucket_pairs(bucket: NDArray[np.int64], leaders: int, n: int) -> NDArray[np.int64]:
    """Returns the pairs (i, j) of an ascending bucket, i a leader and i < j, as i * n + j."""
    return np.concatenate(
        [bucket[k] * n + bucket[k + 1 :] for k in range(min(leaders, len(bucket) - 1))]
    )


def candidate_pairs(
    matrix: NDArray[np.uint32], config: DedupConfig, alive: NDArray[np.bool_]
) -> tuple[list[tuple[int, int]], int]:
    """Returns the distinct pairs i < j that agree in a band, and how many were left out.

    Documents without shingles (alive is False) are in no pair.
    """
    n = len(matrix)
    members = np.flatnonzero(alive)
    rows = config.permutations // config.bands
    codes = np.empty(0, dtype=np.int64)
    n_skipped = 0
    for band in range(config.bands):
        found = [codes]
        for bucket in _buckets(matrix[members, band * rows : (band + 1) * rows]):
            pairs = _bucket_pairs(members[bucket], config.bucket_leaders, n)
            n_skipped += len(bucket) * (len(bucket) - 1) // 2 - len(pairs)
            found.append(pairs)
        codes = np.unique(np.concatenate(found))
    return [divmod(code, n) for code in codes.tolist()], n_skipped


def _cut(
    component: list[int], similarity: Callable[[int, int], float], threshold: float
) -> dict[int, tuple[int, float]]:
    """Cuts a component, best document first, into representatives and their duplicates."""
    duplicates: dict[int, tuple[int, float]] = {}
    while len(component) > 1:
        representative, *others = component
        component = []
        for other in others:
            value = similarity(representative, other)
            if value >= threshold:
                duplicates[other] = (representative, value)
            else:
                component.append(other)
    return duplicates


def near_duplicates(normalized: Sequence[str], config: DedupConfig) -> NearDuplicates:
    """Finds the near duplicates among normalised texts, given best document first."""

    @lru_cache(maxsize=_CACHED_SETS)
    def shingles(index: int) -> frozenset[str]:
        return shingle_set(normalized[index], config.shingle_words)

    def similarity(a: int, b: int) -> float:
        return jaccard(shingles(a), shingles(b))

    matrix, alive = signatures(normalized, config)
    pairs, n_skipped = candidate_pairs(matrix, config, alive)
    sets = UnionFind(len(normalized))
    for a, b in pairs:
        # Pairs that a path already joins need no edge: the cut compares them.
        if sets.find(a) != sets.find(b) and similarity(a, b) >= config.jaccard:
            sets.union(a, b)
    duplicates: dict[int, tuple[int, float]] = {}
    for component in sets.components():
        duplicates.update(_cut(component, similarity, config.jaccard))
    return NearDuplicates(duplicates, len(pairs), n_skipped)
