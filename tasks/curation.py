"""Classifiers are trained, documents are scored, and one cheap stage decides over the scores."""

import dataclasses
import json

from lmcore.curate import perplexity
from lmcore.curate.annotate import annotate as annotate_documents
from lmcore.curate.buckets import bucket_of, count_buckets, with_cutoffs
from lmcore.curate.classifiers import DESCRIPTION, train
from lmcore.curate.config import CurateConfig
from lmcore.curate.decide import decide as decide_document
from tasks.extraction import RECORDS, TEXTS, require_pages
from tasks.job import Job, read_all
from warehouse.parquet import count_rows

SCORES = "scores.parquet"
CLEAN_TEXTS = "clean_texts.parquet"
DECISIONS = "decisions.parquet"

_QUANTILES = ("held_out_p10", "held_out_p33", "held_out_p50", "held_out_p67", "held_out_p90")


def classifiers(job: Job) -> None:
    """Train the classifiers from the label sets, and the n-gram models of good text."""
    labels = []
    for path in job.paths("labels"):
        labels += sorted(path.glob("*.parquet")) if path.is_dir() else [path]
    train(labels, job.out, job.config(CurateConfig, "curate"))
    described = json.loads((job.out / DESCRIPTION).read_text())
    job.write(
        "classifiers",
        "classifiers.parquet",
        [
            {
                "name": name,
                "n_train": found["n_train"],
                "n_test": found["n_test"],
                "auc": found["roc_auc"],
                "base_rate": found["base_rate"],
                **found["operating_point"],
            }
            for name, found in sorted(described.items())
        ],
    )
    models = job.out / perplexity.DESCRIPTION
    job.write(
        "perplexity_models",
        "perplexity_models.parquet",
        [
            {
                "language": language,
                **{name: found[name] for name in ("n_texts", "n_words", "n_ngrams", "n_held_out")},
                **dict(zip(_QUANTILES, found["held_out_quantiles"], strict=True)),
            }
            for language, found in json.loads(models.read_text()).items()
        ]
        if models.exists()
        else [],
    )


def annotate(job: Job) -> None:
    """Score every page of one crawl file, and clean its text; nothing is dropped here."""
    extracted = job.path("extracted")
    urls = {
        row["record_id"]: str(row["url"])
        for row in read_all([extracted], RECORDS, ["record_id", "url", "outcome"])
        if row["outcome"] == "page"
    }
    documents = (
        (str(row["doc_id"]), urls[row["doc_id"]], str(row["text"]))
        for row in read_all([extracted], TEXTS)
    )
    models = job.paths("lid_model")
    total = count_rows(extracted / TEXTS)
    config = job.config(CurateConfig, "curate")
    with job.writer("scores", SCORES) as scores, job.writer("clean_texts", CLEAN_TEXTS) as texts:
        for done, annotation in enumerate(
            annotate_documents(
                documents,
                job.path("classifiers"),
                config,
                models[0] if models else None,
                job.paths("lists"),
                job.paths("perplexity_models"),
            )
        ):
            row = dataclasses.asdict(annotation)
            texts.write({"doc_id": row["doc_id"], "text": row.pop("text")})
            scores.write(row)
            job.progress(done, total, f"{done:,d} documents")
    job.account("scores", total)


def decide(job: Job) -> None:
    """Decide over the scores of all documents: kept, or the first rule that rejects."""
    require_pages(job.paths("extracted"))
    paths = job.paths("annotated")
    pages = [
        (str(row["language"]), None if row["perplexity"] is None else float(str(row["perplexity"])))
        for row in read_all(paths, SCORES, ["language", "perplexity"])
    ]
    config = with_cutoffs(job.config(CurateConfig, "curate"), pages)
    job.write(
        "decisions",
        DECISIONS,
        (
            {
                "doc_id": row["doc_id"],
                "outcome": decide_document(row, config),
                "perplexity_bucket": bucket_of(*page, config),
            }
            for row, page in zip(read_all(paths, SCORES), pages, strict=True)
        ),
    )
    job.write(
        "perplexity_buckets",
        "perplexity_buckets.parquet",
        (counts._asdict() for counts in count_buckets(pages, config)),
    )
    job.account("decisions", sum(count_rows(path / CLEAN_TEXTS) for path in paths))
