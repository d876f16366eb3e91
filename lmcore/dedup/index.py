"""Signed documents on disk: what a search for near duplicates needs of them, and nothing else.

A folder of *parts*, each of some 32,768 documents, numbered in the order in which they came:

- `part-00000.keys.parquet`: the rows (key, document) of all bands, one row group a *bucket*. A
  bucket holds the keys that begin with the same bits, so documents that share a key meet in one
  bucket of every part, and a search reads bucket after bucket, a 64th of all rows at a time.
- `part-00000.words`, `part-00000.ends.npy`: the words of each document, which decide.

Parts are independent: they are signed in any order, by any process, and kept. A later crawl is
searched against them without signing them again; `removed.npy`, where a search left one, lists
the documents that were removed and that nothing may point at.

Every part states how its signatures were made. Signatures of another seed, shingle, number of
permutations or normal form would be compared without an error and mean nothing, so they are
refused.

Memory while writing: one block of text (1 MB) and 12 bytes a band and document of one part, twice:
33 MB at 21 bands. On disk: 12 bytes a band and document, and the words.
"""

import json
import os
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lmcore.dedup.config import DedupConfig
from lmcore.dedup.kernels.buckets import scatter_keys
from lmcore.dedup.signing import Block, Normalizer, Signer, Texts, blocks
from lmcore.errors import InputError
from lmcore.kernels.memory import PADDING

BUCKET_BITS: Final = 6
N_BUCKETS: Final = 1 << BUCKET_BITS
PART_DOCUMENTS: Final = 1 << 15
REMOVED: Final = "removed.npy"
_SIGNATURE_VERSION: Final = 1
"""To be raised where the normal form, the hash of a shingle or the key of a band changes."""
_SCHEMA: Final = pa.schema([("key", pa.uint64()), ("document", pa.uint32())])
_METADATA: Final = b"crawl2model"


def signature_identity(config: DedupConfig) -> dict[str, int | str]:
    """Returns everything that two signatures must share to be compared."""
    return {
        "version": _SIGNATURE_VERSION,
        "scheme": "affine32",
        "seed": config.seed,
        "permutations": config.permutations,
        "bands": config.bands,
        "shingle_words": config.shingle_words,
        "unicode": unicodedata.unidata_version,
    }


def write_parts(folder: Path, batches: Iterable[Texts], config: DedupConfig) -> int:
    """Signs texts (batches of strings, or Arrow arrays of them) into parts; returns how many."""
    stream = blocks(batches)
    n_documents = 0
    for number, first in enumerate(stream):
        n_documents += write_part(folder, number, chain([first], stream), config)
    return n_documents


def write_part(folder: Path, number: int, stream: Iterator[Block], config: DedupConfig) -> int:
    """Signs texts into one part until it is full or they end; returns how many it has."""
    normalizer, signer = Normalizer(splits=True), Signer(config)
    keys, n_shingles, lengths = [], [], []
    n_documents = 0
    with _path(folder, number, "words").open("wb") as file:
        for block in stream:
            words = normalizer(block)
            signed = signer.sign(words)
            keys.append(signer.keys(signed))
            n_shingles.append(signed.n_shingles)
            lengths.append(np.diff(words.bounds))
            file.write(words.data[: words.bounds[-1]].data)
            n_documents += len(block)
            if n_documents >= PART_DOCUMENTS:
                break
    ends = np.cumsum(np.concatenate(lengths))
    # halved where they fit: every page of them that a search reads counts as its memory
    np.save(_path(folder, number, "ends.npy"), ends.astype(np.min_scalar_type(ends[-1])))
    _write_keys(
        _path(folder, number, "keys.parquet"),
        np.concatenate(keys),
        np.concatenate(n_shingles),
        signature_identity(config),
    )
    return n_documents


def _path(folder: Path, number: int, kind: str) -> Path:
    return folder / f"part-{number:05d}.{kind}"


def _write_keys(
    path: Path, keys: np.ndarray, n_shingles: np.ndarray, identity: dict[str, int | str]
) -> None:
    """Writes the rows of a part, one row group a bucket."""
    n_rows = int(np.count_nonzero(n_shingles)) * keys.shape[1]
    rows, documents = np.empty(n_rows, np.uint64), np.empty(n_rows, np.uint32)
    bounds = np.empty(N_BUCKETS + 1, np.int64)
    scatter_keys(keys, n_shingles, BUCKET_BITS, bounds, rows, documents)
    schema = _SCHEMA.with_metadata({_METADATA: json.dumps(identity).encode()})
    settings = {"compression": "none", "use_dictionary": False, "write_statistics": False}
    with pq.ParquetWriter(path, schema, **settings) as writer:
        for start, stop in pairwise(bounds.tolist()):
            columns = [rows[start:stop], documents[start:stop]]
            writer.write_table(
                pa.table([pa.array(column) for column in columns], schema=schema),
                row_group_size=max(stop - start, 1),
            )


@dataclass(frozen=True, slots=True)
class _Part:
    """A part: where it is, the number of its first document, and where their words end."""

    folder: Path
    number: int
    first: int
    ends: np.ndarray

    def path(self, kind: str) -> Path:
        return _path(self.folder, self.number, kind)


class Index:
    """The documents of several folders, numbered through in their order."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._parts: list[_Part] = []
        self.firsts: list[int] = []
        """The number of the first document of each folder."""
        self.n_documents = 0
        removed = []
        for folder in folders:
            self.firsts.append(self.n_documents)
            if (folder / REMOVED).exists():
                removed.append(np.load(folder / REMOVED) + self.n_documents)
            for number in range(len(list(folder.glob("part-*.keys.parquet")))):
                ends = np.load(_path(folder, number, "ends.npy"), mmap_mode="r")
                self._parts.append(_Part(folder, number, self.n_documents, ends))
                self.n_documents += len(ends)
        self._removed = np.concatenate([np.empty(0, np.int64), *removed])
        self._part_firsts = np.array([part.first for part in self._parts], np.int64)

    def check(self, config: DedupConfig) -> None:
        """Raises InputError where signatures were not made as the configuration says."""
        wanted = signature_identity(config)
        for part in self._parts:
            path = part.path("keys.parquet")
            found = json.loads(pq.read_schema(path).metadata[_METADATA])
            if found != wanted:
                raise InputError(
                    f"the signatures of {path} were made with {found}, expected {wanted}; "
                    "sign these documents again, or search with the configuration they had"
                )

    def read_buckets(self, buckets: range) -> tuple[np.ndarray, np.ndarray]:
        """Returns the keys (uint64) and document numbers (int64) of the rows of some buckets.

        Documents that an earlier search removed have none.
        """
        keys, documents = [np.empty(0, np.uint64)], [np.empty(0, np.int64)]
        for part in self._parts:
            with pq.ParquetFile(part.path("keys.parquet"), pre_buffer=False) as file:
                table = file.read_row_groups(list(buckets), use_threads=False)
            keys.append(table["key"].to_numpy())
            documents.append(table["document"].to_numpy() + np.int64(part.first))
        rows, numbers = np.concatenate(keys), np.concatenate(documents)
        if not len(self._removed):
            return rows, numbers
        kept = ~np.isin(numbers, self._removed)
        return rows[kept], numbers[kept]

    def lengths(self, documents: np.ndarray) -> np.ndarray:
        """Returns the bytes of each document's words."""
        lengths = np.empty(len(documents), np.int64)
        part_of = np.searchsorted(self._part_firsts, documents, "right") - 1
        for number in np.unique(part_of):
            part, chosen = self._parts[number], part_of == number
            own = documents[chosen] - part.first
            lengths[chosen] = part.ends[own] - np.where(own, part.ends[own - 1], 0)
        return lengths

    def read_words(self, documents: np.ndarray) -> Block:
        """Returns the words of documents, whose numbers ascend."""
        bounds = np.zeros(len(documents) + 1, np.int64)
        np.cumsum(self.lengths(documents), out=bounds[1:])
        data = np.empty(bounds[-1] + PADDING, np.uint8)
        view, places = data.data, bounds.tolist()
        cuts = np.searchsorted(documents, [*self._part_firsts[1:], self.n_documents]).tolist()
        begin = 0
        for part, end in zip(self._parts, cuts, strict=True):
            if begin < end:
                own = documents[begin:end] - part.first
                stops = part.ends[own].tolist()
                with part.path("words").open("rb", buffering=0) as file:
                    for k, stop in enumerate(stops, begin):
                        target = view[places[k] : places[k + 1]]
                        os.preadv(file.fileno(), [target], stop - len(target))
            begin = end
        return Block(data, bounds)
