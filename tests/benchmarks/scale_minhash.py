"""Near deduplication of ten million documents: time and memory as they grow, in one process.

Documents are written by `minhash_corpus` while they are signed, so nothing but the index is on
disk: 0.9 GB a million documents of 100 words, two thirds of it their words. The time of writing
them is taken out of the rate of signing; everything is in the peak resident set, the chains of
words, too.

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
from lmcore.dedup.search import find_near_duplicates

BYTES_A_WORD = 9
"""Of words on disk, with room to spare for keys."""


class Source:
    """Batches of documents, and the processor time it took to write them."""

    def __init__(self, n: int, n_words: int) -> None:
        self.seconds = 0.0
        self._tables = minhash_corpus.batches(n, seed=3, n_words=n_words)

    def __iter__(self) -> Iterator[Any]:
        while True:
            started = time.process_time()
            table = next(self._tables, None)
            self.seconds += time.process_time() - started
            if table is None:
                return
            yield table["text"]


def run(n: int, n_words: int, scratch: Path) -> dict[str, float]:
    """Returns what one search took."""
    index, work = scratch / "index", scratch / "work"
    index.mkdir()
    work.mkdir()
    source = Source(n, n_words)
    started = time.process_time()
    write_parts(index, source, DedupConfig())
    signed = time.process_time()
    peak_of_signing = bench_minhash.peak_bytes()
    found = find_near_duplicates(index, DedupConfig(), work=work)
    ended = time.process_time()
    files = [path.stat().st_size for path in scratch.glob("*/*")]
    return {
        "documents": n,
        "removed": len(found.documents),
        "candidates": found.n_candidates,
        "sign_us": round((signed - started - source.seconds) / n * 1e6, 2),
        "search_us": round((ended - signed) / n * 1e6, 2),
        "peak_mb_signing": round(peak_of_signing / 1e6),
        "peak_mb": round(bench_minhash.peak_bytes() / 1e6),
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
