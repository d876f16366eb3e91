"""Main text of real pages: our tiers against trafilatura (default and fast) and resiliparse.

The pages are those of the shared crawl that have gold text (gold_kind beginning with `full`), from
the bytes of the payload; ours goes through the killable child with charset, limits, metadata and
links, peers are called on the bytes alone. Word-F1 is 2|A and B| / (|A| + |B|) over multisets of
lower-cased words, a mean over pages; two empty texts agree. Our rules were chosen on the domains
whose SHA-1 is even; both halves are in the last line.

Each contender's accuracy is that of the texts of a timed run, so speed and accuracy are of one run.
The two fast contenders take turns, 3 runs each and one thrown away; the others run once. In all some
210 s of CPU time.
"""

import hashlib
import os
import pickle
import re
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import harness

PEERS = ("trafilatura==2.3.1", "resiliparse==2.0.1")
N_RUNS = 3
_WORD = re.compile(r"\w+")
_MAX_BYTES = 1 << 24
FAST = ("fast", "trafilatura_fast")
ONCE = ("resiliparse", "precise", "trafilatura_default")
_PAGES = harness.ROOT / ".benchmarks" / "extraction-pages.pickle"
"""What main() reads once from the archives and every contender loads before its clock starts."""


class GoldPage(NamedTuple):
    """A page and the text that people found on it."""

    url: str
    body: bytes
    charset: str
    page_type: str
    domain: str
    text: str


def read_pages() -> list[GoldPage]:
    """The shared pages with gold text, in the order of the files."""
    import pyarrow.parquet as pq

    from lmcore.crawl import http
    from lmcore.crawl.warc import read_records

    folder = Path(os.environ.get("C2M_SHARED_DATA", "../shared/data")) / "webpages"
    if not folder.is_dir():
        sys.exit(f"found no {folder}; set C2M_SHARED_DATA to the shared data")
    gold = {
        row["warc_record_id"].strip("<>"): row
        for row in pq.read_table(folder / "gold.parquet").to_pylist()
    }
    pages = []
    for path in sorted((folder / "crawl-data").rglob("*.warc.gz")):
        with path.open("rb") as file:
            for raw in read_records(file, max_record_bytes=_MAX_BYTES):
                row = gold.get(raw.record_id.strip("<>"))
                if (
                    raw.record_type != "response"
                    or not row
                    or not row["gold_kind"].startswith("full")
                ):
                    continue
                response = http.parse_response(raw.block)
                assert response is not None, raw.url
                body = http.decode_body(response, max_bytes=_MAX_BYTES)
                _, charset = http.parse_content_type(response.content_type)
                kind, text = row["page_type"] or "untyped", row["gold_text"] or ""
                pages.append(GoldPage(raw.url, body, charset, kind, row["domain"], text))
    return pages


def _load_pages() -> list[GoldPage]:
    with _PAGES.open("rb") as file:
        return [GoldPage(*page) for page in pickle.load(file)]  # written by main() of this run


def _ours(tier: str) -> Callable[[], list[str]]:
    from lmcore.crawl.config import ExtractConfig
    from lmcore.crawl.worker import Worker

    pages = _load_pages()
    config = ExtractConfig(tier=tier, max_page_bytes=_MAX_BYTES)

    def work() -> list[str]:
        with Worker(config) as worker:
            return [worker.extract(p.body, p.charset, url=p.url).text for p in pages]

    return work


def fast() -> Callable[[], list[str]]:
    return _ours("fast")


def precise() -> Callable[[], list[str]]:
    return _ours("precise")


def _trafilatura(*, is_fast: bool) -> Callable[[], list[str]]:
    from trafilatura import extract

    pages = _load_pages()
    return lambda: [extract(page.body, fast=is_fast) or "" for page in pages]


def trafilatura_fast() -> Callable[[], list[str]]:
    return _trafilatura(is_fast=True)


def trafilatura_default() -> Callable[[], list[str]]:
    return _trafilatura(is_fast=False)


def resiliparse() -> Callable[[], list[str]]:
    from resiliparse.extract.html2text import extract_plain_text
    from resiliparse.parse.encoding import bytes_to_str, detect_encoding

    pages = _load_pages()
    return lambda: [
        extract_plain_text(
            bytes_to_str(p.body, detect_encoding(p.body) or "utf-8"), main_content=True
        )
        for p in pages
    ]


def word_f1(found: str, expected: str) -> float:
    """Word-F1 over multisets; two empty texts agree."""
    ours, theirs = (Counter(_WORD.findall(text.lower())) for text in (found, expected))
    n_words = ours.total() + theirs.total()
    return 2 * (ours & theirs).total() / n_words if n_words else 1.0


def is_chosen_on(page: GoldPage) -> bool:
    """Whether the page is of the half of the domains on which rules were chosen."""
    return int(hashlib.sha1(page.domain.encode()).hexdigest(), 16) % 2 == 0


def _mean(scores: Sequence[float]) -> float:
    return sum(scores) / len(scores) if scores else 0.0


def _check(texts: object, name: str, n_pages: int) -> list[str]:
    assert isinstance(texts, list)
    n_empty = sum(not text for text in texts)
    if len(texts) != n_pages or n_empty > n_pages // 10:
        sys.exit(
            f"{name} gave {len(texts)} texts, {n_empty} empty, of {n_pages} pages; expected one each, few empty"
        )
    return texts


def main() -> None:
    python = harness.peer_environment("extraction", *PEERS)
    script = Path(__file__)
    pages = read_pages()
    _PAGES.write_bytes(pickle.dumps([tuple(page) for page in pages]))
    runs = harness.interleave(python, script, FAST, n_runs=N_RUNS)
    runs |= {name: [harness.run_once(python, script, name)] for name in ONCE}
    _PAGES.unlink()
    scores = {
        name: [
            word_f1(text, page.text)
            for text, page in zip(_check(found[0].outcome, name, len(pages)), pages, strict=True)
        ]
        for name, found in runs.items()
    }
    rates = {name: len(pages) / harness.median_seconds(found) for name, found in runs.items()}
    kinds = ["all", *sorted({page.page_type for page in pages})]
    places = {
        kind: [k for k, page in enumerate(pages) if kind in ("all", page.page_type)]
        for kind in kinds
    }

    def f1(name: str, chosen: Sequence[int]) -> float:
        return _mean([scores[name][k] for k in chosen])

    rows = [
        [kind, len(places[kind]), *(f"{f1(name, places[kind]):.3f}" for name in runs)]
        for kind in kinds
    ]
    rows.append(["pages per CPU second", "", *(f"{rates[name]:.1f}" for name in runs)])
    print(harness.to_table(["word-F1", "pages", *runs], rows))
    gains = {
        f"extract_precise_f1_minus_trafilatura_default{suffix}": f1("precise", chosen)
        - f1("trafilatura_default", chosen)
        for suffix, chosen in [
            ("", places["all"]),
            *((f"_{kind}", places[kind]) for kind in kinds[1:]),
            ("_chosen_half", [k for k, page in enumerate(pages) if is_chosen_on(page)]),
            ("_other_half", [k for k, page in enumerate(pages) if not is_chosen_on(page)]),
        ]
    }
    figures: dict[str, harness.Figure] = {
        "extract_fast_vs_trafilatura_fast": round(rates["fast"] / rates["trafilatura_fast"], 2),
        "extract_fast_f1_minus_trafilatura_fast": round(
            f1("fast", places["all"]) - f1("trafilatura_fast", places["all"]), 4
        ),
        **{key: round(gain, 4) for key, gain in gains.items()},
        **{f"{name}_pages_per_cpu_second": round(rate, 1) for name, rate in rates.items()},
        **{f"{name}_f1": round(f1(name, places["all"]), 4) for name in runs},
        "extract_n_pages": len(pages),
    }
    print(harness.to_last_line(figures))


if __name__ == "__main__":
    main()
