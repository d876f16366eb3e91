"""The stages held against the sample crawl's ground truth.

Nothing here feeds back into a stage: the truth is read after everything has been decided. Nor does
a stage judge itself: whether two pages are duplicates is worked out here from their cleaned texts,
in the plainest way, and what deduplication says of them is compared with it. Pages planted as
exact copies whose extracted texts differ (one with its headline, one without) are near duplicates.
A measure without a single case has no row: a share of nothing is neither good nor bad.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from lmcore.crawl.record import hash_id
from lmcore.curate.calibration import roc_auc
from lmcore.curate.pii import EMAIL_MASK, IP_MASK, PHONE_MASK
from tasks.curation import CLEAN_TEXTS, DECISIONS, SCORES
from tasks.extraction import RECORDS, TEXTS
from tasks.job import Job, Row, read_all
from tasks.sources import TRUTH
from warehouse.parquet import read_rows

NEAR = 0.8
SHINGLE_WORDS = 5
MASKS = {EMAIL_MASK, PHONE_MASK, IP_MASK}
PRIVATE = ("emails", "phones", "ips")
_CJK = "\u3040-\u30ff\u3400-\u9fff"
_WORD = re.compile(rf"[{_CJK}]|[^\W{_CJK}]+")
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
        *_judge_duplicates(truth, clean, job),
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
    """A planted number must be a mask where its line stands; on a line that went, it is no case."""
    masked: dict[str, list[bool]] = {kind: [] for kind in PRIVATE}
    dropped: list[bool] = []
    for doc_id, row in truth.items():
        kinds = {value: kind for kind in PRIVATE for value in _list(row[kind])}
        if not kinds or doc_id not in clean:
            continue
        for line in texts[doc_id].split("\n"):
            found = what_stands_for(list(kinds), line, clean[doc_id])
            dropped += [stands is None for _, stands in found]
            for value, stands in found:
                if stands is not None:
                    masked[kinds[value]].append(stands in MASKS)
    for kind, hits in masked.items():
        yield from _mean("annotate", f"masked {kind} recall", 0.98, hits)
    everything = (hit for hits in masked.values() for hit in hits)
    yield from _mean("annotate", "masked PII recall", 0.98, everything)
    yield from _mean("annotate", "planted PII on lines that were dropped", None, dropped)


def what_stands_for(values: Sequence[str], line: str, cleaned: str) -> list[tuple[str, str | None]]:
    """Each value in a line, and what the cleaned text has in its place; None where the line is gone."""
    longest_first = sorted(values, key=len, reverse=True)
    parts = re.split("(" + "|".join(map(re.escape, longest_first)) + ")", line.strip())
    found = parts[1::2]
    if not found:
        return []
    around = "(.+?)".join(map(re.escape, parts[::2]))
    kept = re.search(f"^{around}$", cleaned, re.MULTILINE)
    return list(zip(found, kept.groups() if kept else [None] * len(found), strict=True))


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


class Comparison(NamedTuple):
    """How alike two pages are: word for word the same, and the Jaccard similarity of their shingles."""

    is_exact: bool
    jaccard: float


def words_of(text: str) -> list[str]:
    """Lower-case words without accents; a Chinese or Japanese character is a word."""
    bare = "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c))
    return _WORD.findall(unicodedata.normalize("NFC", bare).lower())


def _shingles(words: Sequence[str]) -> set[tuple[str, ...]]:
    last = max(len(words) - SHINGLE_WORDS, 0)
    return {tuple(words[i : i + SHINGLE_WORDS]) for i in range(last + 1)} if words else set()


def compare(a: str, b: str, removed_lines: set[tuple[str, ...]]) -> Comparison:
    """Compare two cleaned texts; lines that deduplication removed everywhere count for no shingle."""
    first, second = (
        _shingles([word for line in lines if tuple(line) not in removed_lines for word in line])
        for lines in ([words_of(line) for line in text.split("\n")] for text in (a, b))
    )
    common = len(first & second)
    union = len(first) + len(second) - common
    return Comparison(words_of(a) == words_of(b), common / union if union else 0.0)


def _judge_duplicates(truth: Rows, clean: Mapping[str, str], job: Job) -> Iterator[Row]:
    """Planted pairs of which both sides reached deduplication, and all documents removed.

    A pair counts as recognised only where both belong to one survivor, not where either is gone.
    """
    folder = job.path("deduplicated")
    entered = {str(row["doc_id"]) for row in read_rows(folder / "dedup_outcomes.parquet")}
    removed = {str(row["doc_id"]): row for row in read_rows(folder / "duplicates.parquet")}
    lines = {
        tuple(words_of(str(row["line"])))
        for row in read_rows(folder / "removed_lines.parquet")
        if row["kind"] == "line"
    }
    by_url = {str(row["url"]): doc_id for doc_id, row in truth.items()}
    pairs = [
        (doc_id, by_url[str(row["duplicate_of"])])
        for doc_id, row in sorted(truth.items())
        if row["duplicate_of"] is not None and str(row["duplicate_of"]) in by_url
    ]
    exact, near = [], []
    for a, b in pairs:
        if a in entered and b in entered:
            found = compare(clean[a], clean[b], lines)
            if found.is_exact:
                exact.append(_is_recognised(a, b, removed, exactly=True))
            elif found.jaccard >= NEAR:
                near.append(_is_recognised(a, b, removed, exactly=False))
    yield from _mean("deduplicate", "exact duplicate recall", 0.95, exact)
    yield from _mean("deduplicate", "near duplicate recall", 0.95, near)
    right = (
        found.is_exact if row["kind"] == "exact" else found.jaccard >= NEAR
        for doc_id, row in removed.items()
        if row["kind"] in {"exact", "near"} and str(row["survivor_id"]) in clean
        for found in [compare(clean[doc_id], clean[str(row["survivor_id"])], lines)]
    )
    yield from _mean("deduplicate", "precision (true Jaccard >= 0.8)", 1.0, right)
    yield from _judge_against_plan(pairs, removed, truth)


def _is_recognised(a: str, b: str, removed: Rows, *, exactly: bool) -> bool:
    """Whether two documents have one survivor; ``exactly``: and are called equal to each other."""
    survivors = {str(removed[d]["survivor_id"]) if d in removed else d for d in (a, b)}
    # two copies of which neither stays have the same relation to the page that does
    kinds = {removed[d]["kind"] for d in (a, b) if d in removed}
    is_called_equal = len(kinds) == 1 and ((a in removed and b in removed) or "exact" in kinds)
    return len(survivors) == 1 and (is_called_equal or not exactly)


def _judge_against_plan(
    pairs: Sequence[tuple[str, str]], removed: Rows, truth: Rows
) -> Iterator[Row]:
    """Of the removed documents, how many belong to a planted group of one text."""
    group = {doc_id: doc_id for doc_id in truth} | dict(pairs)

    def root(doc_id: str) -> str:
        while group[doc_id] != doc_id:
            doc_id = group[doc_id]
        return doc_id

    planted = (
        root(doc_id) == root(str(row["survivor_id"]))
        for doc_id, row in removed.items()
        if str(row["survivor_id"]) in group
    )
    yield from _mean("deduplicate", "removed within a planted group", 1.0, planted)
