"""Near deduplication of ten million documents: time and memory as they grow, in one process.

Documents are written by `minhash_corpus` while they are signed, so nothing but the index is on
disk: 0.9 GB a million documents of 100 words, two thirds of it their words. The time of writing
them is taken out of the rate of signing; everything is in the peak resident set, the chains of
words, too. Recall and precision are those of the first 100,000 documents, which are written once more
and compared by the slow reference after the peak was read.

    make scale-minhash
    make scale-minhash DOCUMENTS=1000000
"""

import argparse
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bench_minhash
import harness
import minhash_corpus

from lmcore.dedup.config import DedupConfig
from lmcore.dedup.index import write_parts
from lmcore.dedup.search import Removals, find_near_duplicates
from lmcore.memory import peak_resident_bytes

SEED = 3
N_CHECKED = 100_000
BYTES_A_WORD = 9
"""Of words on disk, with room to spare for keys."""


class Source:
    """Batches of documents, and the processor time it took to write them."""

    def __init__(self, n: int, n_words: int) -> None:
        self.seconds = 0.0
        self._tables = minhash_corpus.batches(n, seed=SEED, n_words=n_words)

    def __iter__(self) -> Iterator[Any]:
        while True:
            started = time.process_time()
            table = next(self._tables, None)
            self.seconds += time.process_time() - started
            if table is None:
                return
            yield table["text"]


def check(found: Removals, n: int, n_words: int) -> tuple[float, float]:
    """Recall and precision among the first documents, by exact similarities."""
    texts: list[str] = []
    sources: list[int] = []
    for table in minhash_corpus.batches(n, seed=SEED, n_words=n_words):
        texts += table["text"].to_pylist()
        sources += table["source"].to_pylist()
        if len(texts) >= N_CHECKED:
            break
    truth = bench_minhash.Truth(texts)
    removed = set(found.documents[found.documents < len(texts)].tolist())
    pairs = truth.pairs(sources)
    n_found = sum(not removed.isdisjoint(pair) for pair in pairs)
    claimed = [
        pair
        for pair in zip(found.survivors.tolist(), found.documents.tolist(), strict=True)
        if max(pair) < len(texts)
    ]
    n_right = sum(truth.jaccard(*pair) >= bench_minhash.THRESHOLD for pair in claimed)
    return n_found / len(pairs), n_right / len(claimed)


def run(n: int, n_words: int, scratch: Path) -> dict[str, float]:
    """Returns what one search took."""
    index, work = scratch / "index", scratch / "work"
    index.mkdir()
    work.mkdir()
    source = Source(n, n_words)
    started = time.process_time()
    write_parts(index, source, DedupConfig())
    signed = time.process_time()
    peak_of_signing = peak_resident_bytes()
    found = find_near_duplicates(index, DedupConfig(), work=work)
    ended = time.process_time()
    peak = peak_resident_bytes()
    recall, precision = check(found, n, n_words)
    files = [path.stat().st_size for path in scratch.glob("*/*")]
    return {
        "documents": n,
        "removed": len(found.documents),
        "candidates": found.n_candidates,
        "sign_us": round((signed - started - source.seconds) / n * 1e6, 2),
        "search_us": round((ended - signed) / n * 1e6, 2),
        "peak_mb_signing": round(peak_of_signing / 1e6),
        "peak_mb": round(peak / 1e6),
        "recall": round(recall, 5),
        "precision": round(precision, 5),
        "disk_gb": round(sum(files) / 1e9, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=10_000_000)
    parser.add_argument("--words", type=int, default=100)
    parser.add_argument("--scratch", type=Path, default=None)
    options = parser.parse_args()
    needed = options.documents * options.words * BYTES_A_WORD
    free = shutil.disk_usage(options.scratch or tempfile.gettempdir()).free
    if free < needed:
        parser.error(
            f"found {free / 1e9:.0f} GB free, expected {needed / 1e9:.0f}; "
            "give another folder with --scratch, or fewer --documents"
        )
    with tempfile.TemporaryDirectory(prefix="c2m-scale-", dir=options.scratch) as name:
        figures = run(options.documents, options.words, Path(name))
    print(harness.to_table(list(figures), [list(figures.values())]))
    print(harness.to_last_line(figures))


if __name__ == "__main__":
    main()
