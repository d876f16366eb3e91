"""Documents with planted near duplicates: Markov chains over real words, and edited copies.

A document is an order-1 chain over the words of real pages: each word is followed by what follows
one of its occurrences there, chosen at random, so unrelated documents share words and some pairs of
words but hardly a 5-gram. Every sixth document is a copy of one of the batch before it, in which a
share of words between 0 and 8 per cent, drawn for each copy, is replaced by any words of the pool.

The pool is the gold text of the shared pages where C2M_SHARED_DATA (or ../shared/data) has them,
else the descriptions of the packages that are installed. The same numbers give the same documents.
"""

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import harness
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

DATA: Final = Path(os.environ.get("C2M_SHARED_DATA", harness.ROOT.parent / "shared" / "data"))
FOLDER: Final = harness.ROOT / ".benchmarks" / "minhash"
WORDS: Final = 460
"""Words in a document."""
POOL: Final = 332_000
"""Words of real text."""
BATCH: Final = 1000
COPIES: Final = 6
"""One document in so many is a copy."""
LARGEST_EDIT: Final = 0.08


@cache
def _pool() -> tuple[Any, np.ndarray, np.ndarray, np.ndarray]:
    """Returns distinct words, the text as their numbers, and each word's occurrences in it."""
    pages = DATA / "webpages" / "gold.parquet"
    if pages.exists():
        texts = pq.read_table(pages, columns=["gold_text"])["gold_text"].drop_null()
    else:
        files = Path(pa.__file__).parents[1].glob("*.dist-info/METADATA")
        texts = pa.chunked_array([[path.read_text(errors="replace") for path in sorted(files)]])
    words = pc.list_flatten(pc.utf8_split_whitespace(texts)).combine_chunks().dictionary_encode()
    text = words.indices.to_numpy()[:POOL]
    order = np.argsort(text, kind="stable")
    starts = np.searchsorted(text[order], np.arange(len(words.dictionary) + 1))
    return words.dictionary, text, order, starts


def _chains(rng: np.random.Generator, n: int, n_words: int) -> np.ndarray:
    """Returns n documents as numbers of words."""
    _, text, order, starts = _pool()
    documents = np.empty((n, n_words), np.int32)
    word = rng.choice(text, n)
    for k in range(n_words):
        documents[:, k] = word
        first, last = starts[word], starts[word + 1]
        place = order[first + (rng.random(n) * (last - first)).astype(np.int64)]
        word = text[(place + 1) % len(text)]
    return documents


def batches(n: int, *, seed: int, n_words: int = WORDS) -> Iterator[Any]:
    """Yields tables (text, source) of the documents; source is what a copy is of, else -1."""
    dictionary, text, _, _ = _pool()
    rng = np.random.default_rng(seed)
    before = np.empty((0, n_words), np.int32)
    for start in range(0, n, BATCH):
        size = min(BATCH, n - start)
        documents, source = _chains(rng, size, n_words), np.full(size, -1)
        copies = np.arange(COPIES - 1, size, COPIES)
        originals = np.concatenate([before, documents])
        may_be_copied = np.arange(-len(before), size)
        may_be_copied = may_be_copied[~np.isin(may_be_copied, copies)]
        chosen = rng.choice(may_be_copied, len(copies))
        edited = rng.random((len(copies), n_words))
        edited = edited < rng.uniform(0, LARGEST_EDIT, (len(copies), 1))
        random_words = rng.choice(text, edited.shape)
        documents[copies] = np.where(edited, random_words, originals[len(before) + chosen])
        source[copies] = start + chosen
        before = documents
        ends = pa.array(np.arange(size + 1, dtype=np.int32) * n_words)
        words = dictionary.take(pa.array(documents.ravel()))
        texts = pc.binary_join(pa.ListArray.from_arrays(ends, words), " ")
        yield pa.table({"text": texts, "source": source})


def corpus(n: int, *, seed: int = 1, n_words: int = WORDS) -> Path:
    """Returns the Parquet file of n documents, made where it is missing."""
    path = FOLDER / f"documents-{n}-{seed}-{n_words}.parquet"
    if not path.exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        tables = batches(n, seed=seed, n_words=n_words)
        first = next(tables)
        with pq.ParquetWriter(partial, first.schema, compression="none") as writer:
            for table in (first, *tables):
                writer.write_table(table)
        partial.rename(path)
    return path
