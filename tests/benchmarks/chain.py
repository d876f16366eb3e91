"""The whole chain, from a WARC file to clean Parquet: ours against datatrove's, step for step.

Reading, main text, Gopher's repetition and quality rules, C4 (without its demand for terminal
punctuation), FineWeb, MinHash with 14 bands of 8, masking, Parquet: the order of FineWeb's own script
(its language filter left out, whose model is a download). Ours extracts with the fast tier, and once
more with the recipes' default; datatrove with the trafilatura that it pins, favouring precision, as FineWeb
did. So the texts differ and with them some decisions: the pages that both keep are counted.

Ours also finds exact duplicates, verifies each near one, and counts every loss. Each side runs in its
own environment, as datatrove's trafilatura is not ours. Its deadline of 1 s a page, which a busy
machine would hit, is a minute here. Both read the shared crawl's first file.
"""

import shutil
import sys
from collections import Counter, deque
from collections.abc import Callable
from pathlib import Path

import bench_filters
import harness

PEERS = [
    *("datatrove==0.10.1", "spacy==3.8.18", "nltk", "trafilatura==1.11.0", "lxml_html_clean"),
    *("warcio", "faust-cchardet", "python-magic", "tldextract", "tokenizers"),
]
WORK = harness.ROOT / ".benchmarks" / "chain"
N_RUNS = 3
PAGE_SECONDS = 60.0
MIN_SHARED = 0.5
"""Of the pages that either side keeps, both must keep this share; extraction differs by design."""


def _ours(tier: str) -> Callable[[str, str], object]:
    from lmcore.crawl.config import ExtractConfig
    from lmcore.crawl.extract import extract_archive
    from lmcore.curate.decide import KEPT, decide
    from lmcore.curate.masking import mask_personal_data
    from lmcore.curate.statistics_compiled import CompiledMeasurer
    from lmcore.dedup.config import DedupConfig
    from lmcore.dedup.pipeline import Document, deduplicate
    from warehouse.parquet import write_rows

    extraction = ExtractConfig(tier=tier)
    near = DedupConfig(line_rule="none", permutations=112, bands=14, jaccard=0.72)
    measurer = CompiledMeasurer(bench_filters.CONFIG)
    measurer.measure(["load the kernels"], ["en"])
    deduplicate([Document("0", "", "load what it needs", 0.0)], near)

    def work(warc: str, out: str) -> object:
        path, outcomes, pages = Path(warc), Counter[str](), []
        for record in extract_archive(path, path.name, extraction):
            outcomes[record.outcome] += 1
            if record.text is not None:
                pages.append(record)
        decided = (
            (found, decide(bench_filters.row(found), bench_filters.CONFIG))
            for batch in bench_filters.batches([str(record.text) for record in pages])
            for found in measurer.measure(batch, ["en"] * len(batch))
        )
        kept = []
        for record, (found, outcome) in zip(pages, decided, strict=True):
            outcomes[outcome] += 1
            if outcome == KEPT:
                kept.append(Document(record.record_id, "", found.page.text, 0.0))
        unique = deduplicate(kept, near).texts
        urls = {record.record_id: record.url for record in pages}
        write_rows(
            Path(out),
            "unique_texts",
            ({"doc_id": urls[key], "text": mask_personal_data(text).text} for key, text in unique),
        )
        return {"pages": len(pages), "unique": len(unique), **outcomes}

    return work


def crawl2model() -> Callable[[str, str], object]:
    return _ours("fast")


def crawl2model_default() -> Callable[[str, str], object]:
    return _ours("precise")


def datatrove() -> Callable[[str, str], object]:
    from datatrove.pipeline import dedup, extractors, filters  # type: ignore[import-not-found]
    from datatrove.pipeline.formatters import PIIFormatter  # type: ignore[import-not-found]
    from datatrove.pipeline.readers import (  # type: ignore[import-not-found]
        ParquetReader,
        WarcReader,
    )
    from datatrove.pipeline.writers import ParquetWriter  # type: ignore[import-not-found]
    from datatrove.utils.hashing import HashConfig  # type: ignore[import-not-found]
    from loguru import logger  # type: ignore[import-not-found]

    logger.remove()

    def run(*steps: object, rank: int = 0, world_size: int = 1) -> None:
        data = None
        for step in steps:
            data = step.run(data, rank, world_size)  # type: ignore[attr-defined]
        deque(data or (), maxlen=0)

    def work(warc: str, out: str) -> object:
        folder, path = Path(out).with_suffix(""), Path(warc)
        shutil.rmtree(folder, ignore_errors=True)
        kept, sigs, buckets, removed = (str(folder / name) for name in ("1", "2", "3", "4"))
        config = dedup.MinhashConfig(
            num_buckets=14, hashes_per_bucket=8, n_grams=5, hash_config=HashConfig(hash_fc="sha1")
        )
        run(
            WarcReader(str(path.parent), glob_pattern=path.name),
            extractors.Trafilatura(favour_precision=True, timeout=PAGE_SECONDS),
            filters.GopherRepetitionFilter(),
            filters.GopherQualityFilter(),
            filters.C4QualityFilter(filter_no_terminal_punct=False),
            filters.FineWebQualityFilter(),
            ParquetWriter(kept),
        )
        run(ParquetReader(kept), dedup.MinhashDedupSignature(sigs, config))
        for bucket in range(config.num_buckets):
            step = dedup.MinhashDedupBuckets(sigs, buckets, config=config)
            run(step, rank=bucket, world_size=config.num_buckets)
        run(dedup.MinhashDedupCluster(buckets, removed, config=config))
        run(
            ParquetReader(kept),
            dedup.MinhashDedupFilter(removed),
            PIIFormatter(),
            ParquetWriter(str(folder / "5")),
        )
        (clean,) = (folder / "5").glob("*.parquet")
        shutil.copy(clean, out)
        return {}

    return work


def _urls(path: Path) -> set[str]:
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    if "doc_id" in table.column_names:
        return set(table["doc_id"].to_pylist())
    return {row["url"] for row in table["metadata"].to_pylist()}


def measure() -> dict[str, harness.Figure]:
    """Print the table of the chain; return its figures."""
    peer = harness.peer_environment("chain", *PEERS)
    warcs = sorted((bench_filters.DATA / "webpages" / "crawl-data").rglob("*.warc.gz"))
    if not warcs:
        raise SystemExit(
            f"found no WARC below {bench_filters.DATA}; expected the shared crawl: name its folder"
        )
    WORK.mkdir(parents=True, exist_ok=True)
    pythons = {
        "crawl2model": Path(sys.executable),
        "crawl2model_default": Path(sys.executable),
        "datatrove": peer,
    }
    runs: dict[str, list[harness.Run]] = {name: [] for name in pythons}
    script, urls = Path(__file__).resolve(), {}
    for number in range(N_RUNS):
        for name, python in list(pythons.items())[:: 1 if number % 2 else -1]:
            out = WORK / f"{name}.parquet"
            out.unlink(missing_ok=True)
            runs[name].append(harness.run_once(python, script, name, str(warcs[0]), str(out)))
            if urls.setdefault(name, _urls(out)) != _urls(out):
                raise SystemExit(f"{name} kept other pages than before, expected the same each run")
    seconds = {name: harness.median_seconds(found) for name, found in runs.items()}
    theirs, rows = urls["datatrove"], []
    for name, found in urls.items():
        both, either = len(found & theirs), len(found | theirs)
        if not found or both < MIN_SHARED * either:
            raise SystemExit(
                f"{name} keeps {len(found)} pages and datatrove {len(theirs)}, {both} of them the"
                f" same; expected {MIN_SHARED:.0%} of all: look into {WORK}"
            )
        rows.append([name, len(found), both, f"{seconds[name]:.2f}"])
        rows[-1].append(f"{seconds['datatrove'] / seconds[name]:.1f}")
    print(f"\nFrom {warcs[0].name} to clean Parquet, CPU medians of {N_RUNS}:\n")
    header = ["", "pages kept", "by datatrove too", "seconds", "datatrove's time / this"]
    print(harness.to_table(header, rows))
    return {
        "chain_vs_datatrove": round(seconds["datatrove"] / seconds["crawl2model"], 1),
        "chain_vs_datatrove_default_extractor": round(
            seconds["datatrove"] / seconds["crawl2model_default"], 1
        ),
    }


if __name__ == "__main__":
    print(harness.to_last_line(measure()))
