"""Kept documents become unique documents: exact, boilerplate lines, near duplicates."""

from lmcore.dedup.config import DedupConfig
from lmcore.dedup.pipeline import Document
from lmcore.dedup.pipeline import deduplicate as find_duplicates
from tasks.curation import CLEAN_TEXTS, DECISIONS, SCORES
from tasks.job import Job, read_all
from warehouse.parquet import read_rows

OUTCOMES = "dedup_outcomes.parquet"
UNIQUE_TEXTS = "unique_texts.parquet"


def deduplicate(job: Job) -> None:
    """Deduplicate all documents that curation kept."""
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
    documents = [
        Document(str(row["doc_id"]), "", str(row["text"]), quality[row["doc_id"]])
        for row in read_all(paths, CLEAN_TEXTS)
        if row["doc_id"] in kept
    ]
    found = find_duplicates(documents, job.config(DedupConfig, "deduplicate"), scratch=job.work)
    job.write("dedup_outcomes", OUTCOMES, (outcome._asdict() for outcome in found.outcomes))
    job.write("duplicates", "duplicates.parquet", (row._asdict() for row in found.duplicates))
    job.write("removed_lines", "removed_lines.parquet", (row._asdict() for row in found.lines))
    job.write(
        "unique_texts",
        UNIQUE_TEXTS,
        ({"doc_id": doc_id, "text": text} for doc_id, text in found.texts),
    )
    job.account("dedup_outcomes", len(kept))
    job.result.attributes = {
        "n_candidates": found.n_candidates,
        "n_pairs_skipped": found.n_pairs_skipped,
        "n_uncut": found.n_uncut,
    }
