"""Kept documents become unique documents: copies, boilerplate, repeated text, near duplicates."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lmcore.dedup.config import DedupConfig
from lmcore.dedup.earlier import read_earlier
from lmcore.dedup.pipeline import Document
from lmcore.dedup.pipeline import deduplicate as find_duplicates
from lmcore.dedup.setting import Setting
from tasks.curation import CLEAN_TEXTS, DECISIONS, SCORES
from tasks.earlier import SIGNATURES
from tasks.extraction import RECORDS
from tasks.job import Job, read_all
from warehouse.parquet import read_rows

OUTCOMES = "dedup_outcomes.parquet"
UNIQUE_TEXTS = "unique_texts.parquet"


def deduplicate(job: Job) -> None:
    """Deduplicate all documents that curation kept."""
    config = job.config(DedupConfig, "deduplicate")
    documents = list(_documents(job))
    earlier = read_earlier([path / SIGNATURES for path in job.paths("earlier")])
    keep = _new_folder(job.out / SIGNATURES) if config.keep_signatures else None
    with ThreadPoolExecutor(job.spec.workers) as pool:
        setting = Setting(scratch=job.work, keep=keep, run=pool.map)
        found = find_duplicates(documents, config, setting=setting, earlier=earlier)
    job.write("dedup_outcomes", OUTCOMES, (outcome._asdict() for outcome in found.outcomes))
    job.write("duplicates", "duplicates.parquet", (row._asdict() for row in found.duplicates))
    job.write("removed_lines", "removed_lines.parquet", (row._asdict() for row in found.removed))
    job.write(
        "unique_texts",
        UNIQUE_TEXTS,
        ({"doc_id": doc_id, "text": text} for doc_id, text in found.texts),
    )
    job.account("dedup_outcomes", len(documents))
    job.result.attributes = {
        "n_candidates": found.n_candidates,
        "n_pairs_skipped": found.n_pairs_skipped,
        "n_uncut": found.n_uncut,
        "n_earlier": len(earlier.doc_ids),
        "ngram_false_positives": found.ngram_false_positives,
    }


def _documents(job: Job) -> Iterator[Document]:
    """Yield the documents that curation kept, with URL and payload where the graph gives records."""
    kept = {
        row["doc_id"]
        for row in read_rows(job.path("decided") / DECISIONS)
        if row["outcome"] == "kept"
    }
    paths = job.paths("annotated")
    quality = {
        row["doc_id"]: float(str(row["quality"]))
        for row in read_all(paths, SCORES, ["doc_id", "quality"])
        if row["doc_id"] in kept
    }
    records = {
        row["record_id"]: (str(row["url"] or ""), str(row["payload_digest"] or ""))
        for row in read_all(job.paths("extracted"), RECORDS, ["record_id", "url", "payload_digest"])
        if row["record_id"] in kept
    }
    for row in read_all(paths, CLEAN_TEXTS):
        doc_id = row["doc_id"]
        if doc_id in kept:
            url, digest = records.get(doc_id, ("", ""))
            yield Document(str(doc_id), url, str(row["text"]), quality[doc_id], digest)


def _new_folder(path: Path) -> Path:
    path.mkdir()
    return path
