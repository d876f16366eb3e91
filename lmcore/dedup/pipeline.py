"""Deduplicates a corpus: exact, then lines, then near; every document gets an outcome.

The order. Exact first: it is cheap, and copies of one page must not make its lines look like
boilerplate. Lines before near: a banner shared by two short pages raises their similarity,
and two banners around one article lower it, so similarity is measured on the text that will
be trained on. The price: lines of a text that more than line_max_documents edited copies share
count as boilerplate; the limit is set above usual cluster sizes, and `lines` shows what went.

One survivor a cluster: a copy of a document that is removed for being near to a third one points
at that third one, so nothing points at a document that is gone.

One order of preference decides every survivor: higher quality, then longer text, then
smaller doc_id. Nothing depends on the order in which documents come.

Cost: all texts in memory, and 0.9 ms a 400-word document on one core (4,000 in 3.7 s).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from lmcore.dedup.config import DedupConfig
from lmcore.dedup.exact import exact_survivors
from lmcore.dedup.lines import FrequentLine, remove_frequent_lines
from lmcore.dedup.minhash import near_duplicates
from lmcore.errors import InputError

KEPT = "kept"
EXACT_DUPLICATE = "exact_duplicate"
NEAR_DUPLICATE = "near_duplicate"
EMPTY_AFTER_LINE_DEDUP = "empty_after_line_dedup"
OUTCOMES = (KEPT, EXACT_DUPLICATE, EMPTY_AFTER_LINE_DEDUP, NEAR_DUPLICATE)


_KINDS = {EXACT_DUPLICATE: "exact", NEAR_DUPLICATE: "near"}
_Removal = tuple[str, str, str, float]  # document, survivor, outcome, Jaccard


@dataclass(frozen=True, slots=True)
class Document:
    """A document to deduplicate; quality (any finite number) decides which copy survives."""

    doc_id: str
    url: str
    text: str
    quality: float


class Outcome(NamedTuple):
    """What became of a document: one of OUTCOMES."""

    doc_id: str
    outcome: str


class Duplicate(NamedTuple):
    """Why a document was removed.

    kind: "exact" where its normal form is its survivor's, else "near". A copy of a document that
        is near to the survivor is near to it, too: the kind says how the two differ that are named.
    survivor_id: the document that stays, never one that is removed itself.
    cluster_id: the smallest doc_id among the survivor and all documents removed for it.
    jaccard: true Jaccard similarity with the survivor: of the texts after line deduplication
        for near duplicates; 1.0 for exact ones, equal texts being equal sets.
    """

    doc_id: str
    kind: str
    survivor_id: str
    cluster_id: str
    jaccard: float


@dataclass(frozen=True, slots=True)
class Deduplication:
    """The result; every list is sorted by doc_id (lines by line).

    outcomes: one a document.
    duplicates: one a document that is an exact or a near duplicate.
    texts: (doc_id, text after line deduplication) of the documents kept.
    lines: the lines that were removed everywhere.
    n_candidates, n_pairs_skipped, n_uncut: see lmcore.dedup.minhash.NearDuplicates.
    """

    outcomes: list[Outcome]
    duplicates: list[Duplicate]
    texts: list[tuple[str, str]]
    lines: list[FrequentLine]
    n_candidates: int
    n_pairs_skipped: int
    n_uncut: int


def _by_preference(documents: Sequence[Document]) -> list[Document]:
    seen: set[str] = set()
    for document in documents:
        if document.doc_id in seen:
            raise InputError(
                f"two documents have the doc_id {document.doc_id!r}, expected distinct ids; "
                "give each document its own"
            )
        if not math.isfinite(document.quality):
            raise InputError(
                f"document {document.doc_id!r} has quality {document.quality}, "
                "expected a finite number; use 0.0 where there is no score"
            )
        seen.add(document.doc_id)
    return sorted(documents, key=lambda d: (-d.quality, -len(d.text), d.doc_id))


def _duplicates(removed: Sequence[_Removal]) -> list[Duplicate]:
    """Returns the rows of the documents removed, sorted by doc_id."""
    cluster_of: dict[str, str] = {}
    for doc_id, survivor_id, _, _ in removed:
        cluster_of[survivor_id] = min(doc_id, cluster_of.get(survivor_id, survivor_id))
    return sorted(
        Duplicate(doc_id, _KINDS[outcome], survivor_id, cluster_of[survivor_id], similarity)
        for doc_id, survivor_id, outcome, similarity in removed
    )


def deduplicate(
    documents: Sequence[Document], config: DedupConfig, *, scratch: Path | None = None
) -> Deduplication:
    """Returns what becomes of each document.

    scratch: where files may lie for the while; see lmcore.dedup.minhash.near_duplicates.
    Raises InputError where two documents share a doc_id or a quality is not finite.
    """
    ranked = _by_preference(documents)
    first_of = exact_survivors([document.text for document in ranked])
    distinct = [i for i, first in enumerate(first_of) if i == first]
    texts, lines = remove_frequent_lines(
        [ranked[i].text for i in distinct],
        rule=config.line_rule,
        max_documents=config.line_max_documents,
    )
    remaining = {i: text for i, text in zip(distinct, texts, strict=True) if text.strip()}
    order = list(remaining)
    near = near_duplicates(list(remaining.values()), config, scratch=scratch)
    near_of = {order[i]: (order[j], value) for i, (j, value) in near.duplicates.items()}

    outcomes: list[Outcome] = []
    removed: list[_Removal] = []
    kept: list[tuple[str, str]] = []
    for i, (document, first) in enumerate(zip(ranked, first_of, strict=True)):
        survivor, similarity = near_of.get(first, (first, 1.0))
        if first not in remaining:
            outcome = EMPTY_AFTER_LINE_DEDUP  # a copy of an emptied document is emptied, too
        elif survivor == i:
            outcome = KEPT
            kept.append((document.doc_id, remaining[i]))
        else:
            outcome = EXACT_DUPLICATE if survivor == first else NEAR_DUPLICATE
            removed.append((document.doc_id, ranked[survivor].doc_id, outcome, similarity))
        outcomes.append(Outcome(document.doc_id, outcome))
    return Deduplication(
        outcomes=sorted(outcomes),
        duplicates=_duplicates(removed),
        texts=sorted(kept),
        lines=lines,
        n_candidates=near.n_candidates,
        n_pairs_skipped=near.n_pairs_skipped,
        n_uncut=near.n_uncut,
    )
