"""Near duplicates among signed documents on disk, in memory that hardly grows with them.

The same search as `lmcore.dedup.minhash.plain_near_duplicates`, in four passes:

1. Some 262,144 rows of neighbouring buckets at a time: those whose key occurs twice, sorted;
   documents that share a key are candidates. Buckets know nothing of each other, so any `map` may
   run them: the built-in one, that of a thread or process pool, of a Dask client, of Ray.
2. Candidates, sorted and each taken once, slice by slice: those not joined yet are compared by
   the true Jaccard similarity of their words and, where it is enough, joined.
3. Components, by union-find in a file that is mapped into memory: the system writes it back
   where memory is short.
4. Components are cut around representatives, all components at once: each one's best document
   against all its others, then the best of those left.

Documents are compared in order of preference, and work below is in *ranks*: 0 is the best.
Earlier documents rank before all new ones, are never removed, and never compared with each other.

Memory: a 64th of all rows with their counters, 262,144 candidates, 4 MB of words, 16 bytes a
document (mapped), 40 bytes a document that has a near duplicate.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from lmcore.dedup.config import DedupConfig
from lmcore.dedup.index import N_BUCKETS, REMOVED, Index
from lmcore.dedup.kernels import buckets, compare
from lmcore.dedup.setting import Paired, Runner
from lmcore.errors import InputError

_CODES: Final = 1 << 18
_PAIRS: Final = 1 << 12
"""Pairs compared before those they joined are asked for again."""
_WORDS_BYTES: Final = 1 << 22
_MOST_DOCUMENTS: Final = 1 << 31
"""Two numbers make one code of 63 bits."""

_ROWS: Final = 1 << 18
"""Rows of neighbouring buckets that are paired together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Removals:
    """What a search found; arrays are of one length, one row a removed document.

    documents, survivors: numbers of the documents, earlier folders' first: the first document of
        the folder that was searched has the number n_earlier.
    jaccard: true Jaccard similarity of the two.
    n_candidates, n_pairs_skipped, n_uncut: see `lmcore.dedup.minhash.NearDuplicates`.
    """

    documents: np.ndarray
    survivors: np.ndarray
    jaccard: np.ndarray
    n_earlier: int
    n_candidates: int
    n_pairs_skipped: int
    n_uncut: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """What a bucket needs, wherever it runs."""

    folders: tuple[Path, ...]
    work: Path
    leaders: int
    n_earlier: int
    is_ranked: bool


def find_near_duplicates(
    folder: Path,
    config: DedupConfig,
    *,
    work: Path,
    earlier: Sequence[Path] = (),
    order: np.ndarray | None = None,
    run: Runner = map,
) -> Removals:
    """Finds the near duplicates among a folder's documents, and of those of earlier folders.

    work: an empty folder for what is in between; where buckets run elsewhere, they must see it.
    order: numbers of the folder's documents, the most preferred first; as they came if None.
    """
    index = Index([*earlier, folder])
    index.check(config)
    n_earlier = index.firsts[-1]
    if index.n_documents >= _MOST_DOCUMENTS:
        raise InputError(
            f"found {index.n_documents:,d} documents, expected fewer than {_MOST_DOCUMENTS:,d}; "
            "search them in several crawls, each against the ones before"
        )
    if order is not None:
        _keep_ranks(work, order, n_earlier, index.n_documents)
    job = _Job(
        folders=(*earlier, folder),
        work=work,
        leaders=config.bucket_leaders,
        n_earlier=n_earlier,
        is_ranked=order is not None,
    )
    n_tasks = min(index.n_documents * config.bands // _ROWS + 1, N_BUCKETS)
    cuts = [N_BUCKETS * k // n_tasks for k in range(n_tasks + 1)]
    paired = list(run(partial(_pair_buckets, job), [range(a, b) for a, b in pairwise(cuts)]))
    paths = [path for found, _ in paired for path in found]
    numbers = np.load(_numbers_path(work), mmap_mode="r") if order is not None else None
    comparer = _Comparer(index, config.shingle_words, numbers)

    parents = _new_parents(work, index.n_documents)
    n_candidates = 0
    for codes in _candidates(paths):
        n_candidates += len(codes)
        pairs = np.stack(np.divmod(codes, index.n_documents), axis=1)
        for start in range(0, len(pairs), _PAIRS):
            _join(parents, pairs[start : start + _PAIRS], comparer, config.jaccard)
    cut = _cut(*_components(parents), comparer, config, n_earlier)
    documents, survivors = comparer.to_numbers(cut.documents), comparer.to_numbers(cut.survivors)
    by_number = np.argsort(documents)
    return Removals(
        documents=documents[by_number],
        survivors=survivors[by_number],
        jaccard=cut.jaccard[by_number],
        n_earlier=n_earlier,
        n_candidates=n_candidates,
        n_pairs_skipped=sum(n_skipped for _, n_skipped in paired),
        n_uncut=cut.n_uncut,
    )


def keep_removed(folder: Path, removals: Removals) -> None:
    """Leaves word in a folder of which documents were removed, for searches of later crawls."""
    np.save(folder / REMOVED, removals.documents - removals.n_earlier)


def _keep_ranks(work: Path, order: np.ndarray, n_earlier: int, n_documents: int) -> None:
    """Writes the rank of each document number, and the number of each rank."""
    if not np.array_equal(np.sort(order), np.arange(n_documents - n_earlier)):
        raise InputError(
            f"the order holds {len(order):,d} numbers, expected each of 0 to "
            f"{n_documents - n_earlier - 1:,d} once; number the documents as they were signed"
        )
    numbers = np.concatenate([np.arange(n_earlier), order + n_earlier])
    ranks = np.empty_like(numbers)
    ranks[numbers] = np.arange(n_documents)
    np.save(_numbers_path(work), numbers)
    np.save(_ranks_path(work), ranks)


def _numbers_path(work: Path) -> Path:
    return work / "numbers.npy"


def _ranks_path(work: Path) -> Path:
    return work / "ranks.npy"


def _pair_buckets(job: _Job, chosen: range) -> Paired:
    """Writes the candidates of some buckets in sorted runs; returns those, and the pairs skipped."""
    index = Index(job.folders)
    keys, documents = index.read_buckets(chosen)
    counts = np.zeros(1 << (8 * len(keys) + 1).bit_length(), np.uint8)
    is_repeated = np.empty(len(keys), np.uint8)
    buckets.mark_repeated(keys, counts, is_repeated)
    keys, documents = keys[is_repeated > 0], documents[is_repeated > 0]
    if job.is_ranked:
        documents = np.asarray(np.load(_ranks_path(job.work), mmap_mode="r")[documents])
    order = np.lexsort((documents, keys))
    keys, documents = keys[order], documents[order]
    state = np.zeros(buckets.N_STATE, np.int64)
    codes = np.empty(max(_CODES, len(keys)), np.int64)
    paths: list[Path] = []
    while n_codes := buckets.pair_documents(
        keys, documents, job.leaders, job.n_earlier, index.n_documents, state, codes
    ):
        paths.append(job.work / f"pairs-{chosen.start:02d}-{len(paths):05d}.npy")
        np.save(paths[-1], np.unique(codes[:n_codes]))
    return paths, int(state[buckets.N_SKIPPED])


def _candidates(paths: Sequence[Path]) -> Iterator[np.ndarray]:
    """Yields the pairs of all runs, sorted and each once, about 262,144 codes at a time.

    Every 256th code says where to cut, so slices are of one size wherever the pairs lie.
    """
    runs = [np.load(path, mmap_mode="r") for path in paths]
    n_slices = sum(map(len, runs)) // _CODES + 1
    sample = np.sort(np.concatenate([np.empty(0, np.int64), *(run[::256] for run in runs)]))
    cuts = sample[[len(sample) * k // n_slices for k in range(1, n_slices)]].tolist()
    begins = [0] * len(runs)
    for cut in [*cuts, None]:
        ends = [len(run) if cut is None else int(np.searchsorted(run, cut)) for run in runs]
        parts = [run[a:b] for run, a, b in zip(runs, begins, ends, strict=True)]
        if any(map(len, parts)):
            yield np.unique(np.concatenate(parts))
        begins = ends


def _new_parents(work: Path, n_documents: int) -> np.ndarray:
    """Returns a file, mapped into memory, in which every document is a set of its own."""
    shape = (max(n_documents, 1),)
    parents = np.lib.format.open_memmap(work / "parents.npy", "w+", np.uint32, shape)
    for start in range(0, n_documents, _CODES):
        stop = min(start + _CODES, n_documents)
        parents[start:stop] = np.arange(start, stop)
    return np.asarray(parents[:n_documents])


def _roots(parents: np.ndarray, members: np.ndarray) -> np.ndarray:
    roots = np.empty(len(members), np.int64)
    compare.find_roots(parents, np.ascontiguousarray(members), roots)
    return roots


def _join(parents: np.ndarray, pairs: np.ndarray, comparer: "_Comparer", threshold: float) -> None:
    """Joins the documents of those pairs that are similar; pairs joined already are not compared."""
    apart = _roots(parents, pairs[:, 0]) != _roots(parents, pairs[:, 1])
    pairs = pairs[apart]
    compare.unite(parents, pairs[comparer(pairs) >= threshold])


def _components(parents: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns (component, member) of all components of two and more, both ascending."""
    components, members = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for start in range(0, len(parents), _CODES):
        chunk = np.arange(start, min(start + _CODES, len(parents)))
        roots = _roots(parents, chunk)
        components.append(roots[roots != chunk])
        members.append(chunk[roots != chunk])
    roots = np.unique(np.concatenate(components))
    component, member = np.concatenate([roots, *components]), np.concatenate([roots, *members])
    order = np.lexsort((member, component))
    return component[order], member[order]


class _Cut(NamedTuple):
    """Ranks of removed documents and their survivors; documents that were left uncut."""

    documents: np.ndarray
    survivors: np.ndarray
    jaccard: np.ndarray
    n_uncut: int


def _cut(
    component: np.ndarray,
    member: np.ndarray,
    comparer: "_Comparer",
    config: DedupConfig,
    n_earlier: int,
) -> _Cut:
    """Cuts all components, in each round around the best member that each has left."""
    found: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = [(member[:0],) * 2 + (np.empty(0),)]
    for _ in range(config.cluster_leaders):
        component, member = _undecided(component, member, n_earlier)
        is_head = np.diff(component, prepend=-1) != 0
        heads = member[is_head][np.cumsum(is_head) - 1]
        compared = ~is_head & (member >= n_earlier)
        if not compared.any():
            break
        similarity = np.zeros(len(member))
        similarity[compared] = comparer(np.stack([heads, member], axis=1)[compared])
        is_duplicate = similarity >= config.jaccard
        found.append((member[is_duplicate], heads[is_duplicate], similarity[is_duplicate]))
        remains = ~(is_head | is_duplicate)
        component, member = component[remains], member[remains]
    n_uncut = len(_undecided(component, member, n_earlier)[0])
    documents, survivors, jaccard = (np.concatenate(arrays) for arrays in zip(*found, strict=True))
    return _Cut(documents, survivors, jaccard, n_uncut)


def _undecided(
    component: np.ndarray, member: np.ndarray, n_earlier: int
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the components of two and more members of which the last is no earlier document."""
    starts = np.flatnonzero(np.diff(component, prepend=-1))
    sizes = np.diff(starts, append=len(component))
    chosen = (sizes > 1) & (member[starts + sizes - 1] >= n_earlier)
    kept = np.repeat(chosen, sizes)
    return component[kept], member[kept]


class _Comparer:
    """True Jaccard similarities of pairs of ranks, 4 MB of words at a time."""

    def __init__(self, index: Index, shingle_words: int, numbers: np.ndarray | None) -> None:
        self._index = index
        self._shingle_words = shingle_words
        self._numbers = numbers
        self._room(1)

    def to_numbers(self, ranks: np.ndarray) -> np.ndarray:
        """Returns the numbers of documents."""
        return ranks if self._numbers is None else np.asarray(self._numbers[ranks])

    def __call__(self, pairs: np.ndarray) -> np.ndarray:
        """Returns a similarity a pair; pairs of one first document should stand together."""
        documents = self.to_numbers(pairs)
        n_bytes = self._index.lengths(documents.ravel()).reshape(documents.shape).sum(axis=1)
        slices = np.cumsum(n_bytes) // _WORDS_BYTES
        cuts = np.flatnonzero(np.diff(slices)) + 1
        parts = [self._compare(part) for part in np.split(documents, cuts) if len(part)]
        return np.concatenate([np.empty(0), *parts])

    def _compare(self, pairs: np.ndarray) -> np.ndarray:
        documents, places = np.unique(pairs, return_inverse=True)
        block = self._index.read_words(documents)
        bounds = np.stack([block.bounds[:-1], block.bounds[1:]], axis=1)
        n_words = int((bounds[:, 1] - bounds[:, 0]).max()) // 2 + 1
        self._room(n_words)
        shared = np.empty((len(pairs), 2), np.int64)
        compare.compare_pairs(
            block.data, bounds, places.reshape(-1, 2), self._shingle_words,
            self._ends, self._hashes, self._entries,
            self._slots[: 1 << (4 * n_words).bit_length()], shared,
        )  # fmt: skip
        return np.asarray(shared[:, 0] / shared[:, 1])

    def _room(self, n_words: int) -> None:
        """Makes room for texts of so many words."""
        if n_words > getattr(self, "_n_words", 0):
            self._n_words = n_words
            self._ends, self._hashes = np.empty(n_words, np.int64), np.empty(n_words, np.int64)
            self._entries = np.empty((2 * n_words, 5), np.int64)
            self._slots = np.zeros(1 << (4 * n_words).bit_length(), np.int64)
