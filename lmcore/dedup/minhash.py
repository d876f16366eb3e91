"""Near duplicates: MinHash signatures, candidates by bands, verified by true Jaccard.

Broder 1997; bands as in Leskovec, Rajaraman & Ullman, Mining of Massive Datasets, ch. 3.

Similarity is not transitive: A~B and B~C say nothing about A~C. A component is therefore cut
into clusters around representatives: the best document is kept, those truly similar *to it*
are its duplicates, and what remains is cut again. So each removed document has at least the
required similarity with the very document it is removed for, and no two documents of a
component that are both kept are near duplicates of each other.

Two ways to one result: this file, in Python with datasketch; and kernels over files on disk
(`signing`, `index`, `search`), which a corpus takes that is worth loading them for.

Cost of this file: 0.5 ms a 400-word document, half of it shingling; memory 4 bytes a permutation
and document, and the exact shingle sets of at most 1,024 documents at a time. With kernels: 18 us
a 460-word document, and 40 MB.
"""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lmcore.dedup.compiled import announce, is_worth_while
from lmcore.dedup.components import UnionFind
from lmcore.dedup.config import DedupConfig
from lmcore.dedup.normalize import normalize
from lmcore.dedup.setting import Setting
from lmcore.dedup.shingles import jaccard, shingle_set
from lmcore.dedup.signatures import band_keys, signatures

_CACHED_SETS = 1024


@dataclass(frozen=True, slots=True)
class NearDuplicates:
    """What the search found.

    duplicates: index of a removed document -> (index of its survivor, true Jaccard). Documents of
        earlier crawls have negative indices: -1 is the last one of the last of their folders.
    n_candidates: distinct pairs that agree in a band.
    n_pairs_skipped: pairs of crowded buckets that were not compared, once a bucket; 0 means
        that every candidate was considered.
    n_uncut: documents kept because their component has too many representatives.
    """

    duplicates: dict[int, tuple[int, float]]
    n_candidates: int
    n_pairs_skipped: int
    n_uncut: int


def near_duplicates(
    texts: Sequence[str],
    config: DedupConfig,
    setting: Setting | None = None,
    *,
    compiled: bool | None = None,
) -> NearDuplicates:
    """Finds the near duplicates among texts, given best document first.

    compiled: whether to use kernels; None leaves it to the configuration and, where that does,
        to the amount of text. The result is the same.
    """
    setting = setting or Setting()
    if compiled is None:
        is_needed = setting.keep is not None or bool(setting.earlier)
        compiled = is_needed or config.engine == "kernels"
        compiled |= config.engine == "auto" and is_worth_while(texts)
    if compiled:
        return _compiled_near_duplicates(texts, config, setting)
    return plain_near_duplicates([normalize(text) for text in texts], config)


def _compiled_near_duplicates(
    texts: Sequence[str], config: DedupConfig, setting: Setting
) -> NearDuplicates:
    """The same with kernels, by way of files."""
    announce()
    from lmcore.dedup.index import write_parts  # loads kernels
    from lmcore.dedup.search import find_near_duplicates, keep_removed

    with tempfile.TemporaryDirectory(prefix="c2m-minhash-", dir=setting.scratch) as name:
        folder, work = setting.keep or Path(name, "index"), Path(name, "work")
        folder.mkdir(exist_ok=True)
        work.mkdir()
        write_parts(folder, [texts], config)
        found = find_near_duplicates(
            folder, config, work=work, earlier=setting.earlier, run=setting.run
        )
        if setting.keep is not None:
            keep_removed(folder, found)
    numbers = (found.documents - found.n_earlier, found.survivors - found.n_earlier)
    rows = (*(column.tolist() for column in numbers), found.jaccard.tolist())
    return NearDuplicates(
        duplicates={removed: (kept, value) for removed, kept, value in zip(*rows, strict=True)},
        n_candidates=found.n_candidates,
        n_pairs_skipped=found.n_pairs_skipped,
        n_uncut=found.n_uncut,
    )


def _groups(keys: NDArray[np.uint64], documents: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Yields the documents that share a key, ascending, two and more each."""
    order = np.argsort(keys, kind="stable")
    cuts = np.flatnonzero(np.diff(keys[order])) + 1
    yield from (documents[group] for group in np.split(order, cuts) if len(group) > 1)


def _pairs(group: NDArray[np.int64], leaders: int, n: int) -> NDArray[np.int64]:
    """Returns the pairs (i, j) of an ascending group, i a leader and i < j, as i * n + j."""
    return np.concatenate(
        [group[k] * n + group[k + 1 :] for k in range(min(leaders, len(group) - 1))]
    )


def candidate_pairs(
    matrix: NDArray[np.uint32], config: DedupConfig, alive: NDArray[np.bool_]
) -> tuple[list[tuple[int, int]], int]:
    """Returns the distinct pairs i < j that agree in a band, and how many were left out.

    Documents without shingles (alive is False) are in no pair.
    """
    n = len(matrix)
    members = np.flatnonzero(alive)
    codes = np.empty(0, dtype=np.int64)
    n_skipped = 0
    for keys in band_keys(matrix[members], config.bands).T:
        found = [codes]
        for group in _groups(keys, members):
            pairs = _pairs(group, config.bucket_leaders, n)
            n_skipped += len(group) * (len(group) - 1) // 2 - len(pairs)
            found.append(pairs)
        codes = np.unique(np.concatenate(found))
    return [divmod(code, n) for code in codes.tolist()], n_skipped


def _cut(
    component: list[int], similarity: Callable[[int, int], float], config: DedupConfig
) -> tuple[dict[int, tuple[int, float]], int]:
    """Cuts a component, best document first, around representatives.

    Returns the duplicates, and how many documents were left when there were enough of them.
    """
    duplicates: dict[int, tuple[int, float]] = {}
    for _ in range(config.cluster_leaders):
        if len(component) < 2:
            break
        representative, *others = component
        component = []
        for other in others:
            value = similarity(representative, other)
            if value >= config.jaccard:
                duplicates[other] = (representative, value)
            else:
                component.append(other)
    return duplicates, len(component) if len(component) > 1 else 0


def plain_near_duplicates(normalized: Sequence[str], config: DedupConfig) -> NearDuplicates:
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
    n_uncut = 0
    for component in sets.components():
        removed, n_left = _cut(component, similarity, config)
        duplicates.update(removed)
        n_uncut += n_left
    return NearDuplicates(duplicates, len(pairs), n_skipped, n_uncut)
