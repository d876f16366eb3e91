"""The stages held against the sample crawl's ground truth.

Nothing here feeds back into a stage: the truth is read after everything has been decided.
Duplicates count as found when the document was removed or lost its twin; near duplicates are
those with a true Jaccard similarity of at least 0.8. A measure without a single case has no row:
a share of nothing is neither good nor bad.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from lmcore.crawl.record import hash_id
from lmcore.curate.calibration import roc_auc
from tasks.curation import CLEAN_TEXTS, DECISIONS, SCORES
from tasks.extraction import RECORDS, TEXTS
from tasks.job import Job, Row, read_all
from tasks.sources import TRUTH
from warehouse.parquet import read_rows

NEAR = 0.8
NO_LANGUAGE = (None, "la")
"""Languages of pages without a truth to decide by: none known, and the blind text of spam"""
Rows = Mapping[str, Row]


def judge(job: Job) -> None:
    """Score extraction, languages, classifiers, masking, decisions and deduplication."""
    truth = {
        hash_id(str(row["warc_file"]), str(row["warc_record_id"])): row
        for row in read_rows(job.path("truth") / TRUTH)
    }
    extracted, annotated = job.paths("extracted"), job.paths("annotated")
    records = {str(row["record_id"]): row for row in read_all(extracted, RECORDS)}
    texts = {str(row["doc_id"]): str(row["text"]) for row in read_all(extracted, TEXTS)}
    clean = {str(row["doc_id"]): str(row["text"]) for row in read_all(annotated, CLEAN_TEXTS)}
    scores = {str(row["doc_id"]): row for row in read_all(annotated, SCORES)}
    outcomes = {
        str(row["doc_id"]): str(row["outcome"])
        for row in read_rows(job.path("decided") / DECISIONS)
    }
    rows = [
        *_judge_extraction(truth, records, texts),
        *_judge_language(truth, scores),
        *_judge_classifier("quality", "is_high_quality", truth, scores),
        *_judge_classifier("toxicity", "is_toxic", truth, scores),
        *_judge_masking(truth, texts, clean),
        *_judge_decisions(truth, outcomes),
        *_judge_duplicates(truth, job),
    ]
    job.write("stage_quality", "stage_quality.parquet", rows)


def _row(stage: str, measure: str, value: float, target: float | None, n: int) -> Row:
    return {"stage": stage, "measure": measure, "value": value, "target": target, "n": n}


def _mean(stage: str, measure: str, target: float | None, found: Iterable[float]) -> Iterator[Row]:
    """The row of a mean, or of a share where the cases are true or false; none without cases."""
    cases = [float(case) for case in found]
    if cases:
        yield _row(stage, measure, sum(cases) / len(cases), target, len(cases))


def word_f1(found: str, gold: str) -> float:
    """F1 over multisets of lower-case words: 2 |A and B| / (|A| + |B|)."""
    a, b = Counter(found.lower().split()), Counter(gold.lower().split())
    total = a.total() + b.total()
    return 2 * (a & b).total() / total if total else 1.0


def _judge_extraction(truth: Rows, records: Rows, texts: Mapping[str, str]) -> Iterator[Row]:
    hits = (
        doc_id in records and records[doc_id]["outcome"] in str(row["expected_outcome"]).split("|")
        for doc_id, row in truth.items()
    )
    yield from _mean("extract", "outcome as expected", 0.95, hits)
    pages = [(doc_id, row) for doc_id, row in truth.items() if row["expected_outcome"] == "page"]
    f1 = (word_f1(texts.get(doc_id, ""), str(row["main_text"])) for doc_id, row in pages)
    yield from _mean("extract", "word F1 of main text", 0.9, f1)
    lines = (
        line not in texts[doc_id]
        for doc_id, row in pages
        if doc_id in texts
        for line in _list(row["boilerplate"])
    )
    yield from _mean("extract", "boilerplate lines kept out", None, lines)


def _list(value: object) -> list[str]:
    assert isinstance(value, list)
    return [str(entry) for entry in value]


def _judge_language(truth: Rows, scores: Rows) -> Iterator[Row]:
    known = [(d, row) for d, row in truth.items() if row["language"] is not None and d in scores]
    hits = (scores[doc_id]["language"] == row["language"] for doc_id, row in known)
    yield from _mean("annotate", "language accuracy", 0.95, hits)


def _judge_classifier(name: str, label: str, truth: Rows, scores: Rows) -> Iterator[Row]:
    known = [
        (float(str(scores[doc_id][name])), bool(row[label]))
        for doc_id, row in sorted(truth.items())
        if row[label] is not None and row["language"] == "en" and doc_id in scores
    ]
    labels = [int(is_positive) for _, is_positive in known]
    if 0 < sum(labels) < len(labels):
        auc = roc_auc([score for score, _ in known], labels)
        yield _row("annotate", f"{name} ROC-AUC", auc, 0.9, len(known))


def _judge_masking(
    truth: Rows, texts: Mapping[str, str], clean: Mapping[str, str]
) -> Iterator[Row]:
    """Planted numbers that reached the extracted text must be gone from the cleaned one."""
    gone = {
        kind: [
            value not in clean[doc_id]
            for doc_id, row in truth.items()
            if doc_id in clean
            for value in _list(row[kind])
            if value in texts[doc_id]
        ]
        for kind in ("emails", "phones", "ips")
    }
    for kind, found in gone.items():
        yield from _mean("annotate", f"masked {kind} recall", 0.98, found)
    everything = (hit for found in gone.values() for hit in found)
    yield from _mean("annotate", "masked PII recall", 0.98, everything)


def _judge_decisions(truth: Rows, outcomes: Mapping[str, str]) -> Iterator[Row]:
    """Of the pages that reached the decision: what should stay stays, what should go goes.

    The truth calls for good English pages. A page that was kept and later removed as a duplicate
    counts as kept; one that may be no page at all, or is in no known language, does not count.
    """
    known = [
        (row, outcomes[doc_id] == "kept")
        for doc_id, row in truth.items()
        if doc_id in outcomes
        and row["expected_outcome"] == "page"
        and row["language"] not in NO_LANGUAGE
    ]
    english = [(row, kept) for row, kept in known if row["language"] == "en"]
    abusive = (not kept for row, kept in known if row["is_toxic"] is True)
    yield from _mean("decide", "abusive pages rejected", 0.95, abusive)
    poor = (not kept for row, kept in english if row["is_high_quality"] is False)
    yield from _mean("decide", "low-quality English pages rejected", 0.9, poor)
    foreign = (not kept for row, kept in known if row["language"] != "en")
    yield from _mean("decide", "pages in other languages rejected", 0.95, foreign)
    good = (kept for row, kept in english if row["is_high_quality"] is True)
    yield from _mean("decide", "good English pages kept", 0.95, good)
    right = (
        row["language"] == "en" and row["is_high_quality"] is True for row, kept in known if kept
    )
    yield from _mean("decide", "kept pages that are good English ones", 0.95, right)


def _judge_duplicates(truth: Rows, job: Job) -> Iterator[Row]:
    """Pairs of which both sides reached deduplication; unplanted removals count against precision."""
    outcomes = {
        str(row["doc_id"]): str(row["outcome"])
        for row in read_rows(job.path("deduplicated") / "dedup_outcomes.parquet")
    }
    removed = {
        str(row["doc_id"]): row
        for row in read_rows(job.path("deduplicated") / "duplicates.parquet")
    }
    by_url = {str(row["url"]): doc_id for doc_id, row in truth.items()}
    pairs = [
        (doc_id, by_url[str(row["duplicate_of"])], row)
        for doc_id, row in sorted(truth.items())
        if row["duplicate_of"] is not None and str(row["duplicate_of"]) in by_url
    ]
    entered = [(a, b, row) for a, b, row in pairs if a in outcomes and b in outcomes]
    for kind in ("exact", "near"):
        wanted = [
            (a, b) for a, b, row in entered if row["duplicate_kind"] == kind and _is_right(row)
        ]
        hits = (a in removed or b in removed for a, b in wanted)
        yield from _mean("deduplicate", f"{kind} duplicate recall", 0.95, hits)
    right = (_is_right(row) for row in removed.values())
    yield from _mean("deduplicate", "precision (true Jaccard >= 0.8)", 1.0, right)
    yield from _judge_against_plan(pairs, removed, truth)


def _is_right(row: Row) -> bool:
    return float(str(row["jaccard"])) >= NEAR


def _judge_against_plan(
    pairs: Sequence[tuple[str, str, Row]], removed: Rows, truth: Rows
) -> Iterator[Row]:
    """Of the removed documents, how many belong to a planted group of one text."""
    group = {doc_id: doc_id for doc_id in truth} | {a: b for a, b, _ in pairs}

    def root(doc_id: str) -> str:
        while group[doc_id] != doc_id:
            doc_id = group[doc_id]
        return doc_id

    planted = (root(doc_id) == root(str(row["survivor_id"])) for doc_id, row in removed.items())
    yield from _mean("deduplicate", "removed within a planted group", 1.0, planted)
