"""What another decision would keep, counted over the scores: no stage runs again.

Two questions. ``by_condition``: which documents would a SQL condition keep, whatever the rules say?
``by_thresholds``: which would the rules of ``lmcore.curate.decide`` keep with other thresholds? The
second is what a run with these thresholds decides, document by document.

Tokens are those of the decision, before deduplication and decontamination, which are not run again. A document in the run's shards counts with its
tokens there; any other with those that the run's tokenizer makes of its cleaned text, or with an
estimate from its characters. Cost: 150,000 documents a second for the rules; counting costs what
encoding the texts of the documents in no shard costs; memory is the scores of all documents.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pyarrow as pa

from lmcore.curate.buckets import with_cutoffs
from lmcore.curate.config import DECISION_FIELDS, CurateConfig
from lmcore.curate.decide import KEPT, OPTIONAL_COLUMNS, decide
from lmcore.errors import ConfigError, InputError
from lmcore.sections import from_section
from lmcore.tokenizer.bpe import Tokenizer
from tasks.curation import CLEAN_TEXTS
from tasks.graph import Section
from tasks.inspection import run_section
from tasks.job import read_all
from warehouse import catalog, inspection
from warehouse.errors import CorruptArtifactError
from warehouse.schemas import TABLES
from warehouse.store import Store

CONDITION = "condition"
"""The outcome of a document that the rules keep and a condition does not."""

_BATCH_ROWS = 8192

Row = Mapping[str, Any]  # a row of scores with what became of the document: text and numbers
Judge = Callable[[Row], str]


class Change(NamedTuple):
    """Documents with one outcome now and one then; the same one for those that nothing changes for."""

    now: str
    then: str
    documents: int
    documents_in_shards: int
    tokens_in_shards: int
    tokens_elsewhere: int | None
    """of the documents in no shard; none where unknown, or kept neither now nor then"""


@dataclass(frozen=True, slots=True)
class WhatIf:
    """The answer: what changes, kept documents first, and how tokens in no shard were found."""

    changes: tuple[Change, ...]
    method: str
    """counted, estimated or unknown"""

    def total(self, *, then: bool) -> Change:
        """Add up what is kept now, or would be kept then."""
        kept = [c for c in self.changes if (c.then if then else c.now) == KEPT]
        elsewhere = [c.tokens_elsewhere for c in kept]
        known = [number for number in elsewhere if number is not None]
        return Change(
            KEPT,
            KEPT,
            sum(c.documents for c in kept),
            sum(c.documents_in_shards for c in kept),
            sum(c.tokens_in_shards for c in kept),
            sum(known) if len(known) == len(elsewhere) else None,
        )


def by_condition(
    store: Store, connection: duckdb.DuckDBPyConnection, condition: str, *, estimate: bool = False
) -> WhatIf:
    """Say what a condition over the columns of ``scores`` would keep; QueryError where it is none."""

    def judge(row: Row) -> str:
        if row["matches"]:
            return KEPT
        return CONDITION if row["now"] == KEPT else str(row["now"])

    return _answer(store, connection, inspection.decided(connection, condition), judge, estimate)


def by_thresholds(
    store: Store,
    connection: duckdb.DuckDBPyConnection,
    thresholds: Section,
    *,
    estimate: bool = False,
) -> WhatIf:
    """Say what the rules would keep with other thresholds, the run's own in place of all not named.

    Raises ConfigError for a field of curate that decides nothing, InputError for scores that are not whole.
    """
    for name in thresholds:
        if name not in DECISION_FIELDS:
            msg = (
                f"Found the field curate.{name}, which changes scores or classifiers and no decision; "
                f"expected one of {', '.join(DECISION_FIELDS)}; for others, run the recipe with it."
            )
            raise ConfigError(msg)
    section = run_section(connection, "curate")
    own = {name: section[name] for name in DECISION_FIELDS if name in section}
    columns = [column.name for column in TABLES["scores"].columns]
    scores = inspection.decided(connection, columns=columns)
    pages = zip(*(scores[name].to_pylist() for name in ("language", "perplexity")), strict=True)
    config = with_cutoffs(from_section(CurateConfig, {**own, **thresholds}), pages)

    def judge(row: Row) -> str:
        missing = [name for name in columns if row[name] is None and name not in OPTIONAL_COLUMNS]
        if missing:
            msg = (
                f"Found document {row['doc_id']} without {', '.join(missing)}; expected every score "
                "that the rules read; an earlier version wrote these scores: run the recipe again."
            )
            raise InputError(msg)
        return decide(row, config)

    return _answer(store, connection, scores, judge, estimate)


def _answer(
    store: Store,
    connection: duckdb.DuckDBPyConnection,
    scores: pa.Table,
    judge: Judge,
    estimate: bool,
) -> WhatIf:
    """Judge every document and add up by what it is now and would be then."""
    documents, in_shards, tokens, chars, chars_in_shards = (Counter[Pair]() for _ in range(5))
    elsewhere: dict[str, Pair] = {}
    for row in _rows(scores):
        pair = (str(row["now"]), judge(row))
        documents[pair] += 1
        if row["n_tokens"] is not None:
            in_shards[pair] += 1
            tokens[pair] += row["n_tokens"]
            chars_in_shards[pair] += row["n_chars"] or 0
        elif KEPT in pair:
            chars[pair] += row["n_chars"] or 0
            elsewhere[row["doc_id"]] = pair
    found: Mapping[Pair, int] = {}
    tokenizer = None if estimate or not elsewhere else _tokenizer(store, connection)
    method = "counted"
    if tokenizer is not None:
        found = _count_tokens(_clean_texts(store, connection), elsewhere, tokenizer)
    elif elsewhere and chars_in_shards.total():
        method = "estimated"
        ratio = tokens.total() / chars_in_shards.total()
        found = {pair: round(number * ratio) for pair, number in chars.items()}
    elif elsewhere:
        method = "unknown"
    changes = []
    for pair, number in documents.items():
        is_known = KEPT in pair and (method != "unknown" or number == in_shards[pair])
        beyond = found.get(pair, 0) if is_known else None
        changes.append(Change(*pair, number, in_shards[pair], tokens[pair], beyond))
    changes.sort(key=lambda change: (change.now != KEPT, change.then != KEPT, *change[:2]))
    return WhatIf(tuple(changes), method)


Pair = tuple[str, str]


def _rows(table: pa.Table) -> Iterator[Row]:
    for batch in table.to_batches(max_chunksize=_BATCH_ROWS):
        yield from batch.to_pylist()


def _folders(store: Store, connection: duckdb.DuckDBPyConnection, kind: str) -> list[Path]:
    """Folders of the selected run's artifacts of a kind that are in the store."""
    sql = (
        "SELECT DISTINCT key FROM run_artifacts JOIN runs USING (run_id) "
        "WHERE is_selected AND is_present AND state IN ('hit', 'ran') AND kind = $kind ORDER BY key"
    )
    rows = catalog.query(connection, sql, {"kind": kind})[1]
    return [store.path_of(kind, str(key)) for (key,) in rows]


def _clean_texts(store: Store, connection: duckdb.DuckDBPyConnection) -> Iterator[tuple[str, str]]:
    """Yield every document of the run with its cleaned text, a row group in memory at a time."""
    for row in read_all(_folders(store, connection, "annotate"), CLEAN_TEXTS):
        yield str(row["doc_id"]), str(row["text"])


def _tokenizer(store: Store, connection: duckdb.DuckDBPyConnection) -> Tokenizer | None:
    """Return the run's tokenizer; none where the run made none, or it is damaged."""
    for folder in _folders(store, connection, "tokenizer"):
        try:
            artifact = store.read("tokenizer", folder.name)
            if artifact is not None:
                store.check(artifact, rehash=False)
                return Tokenizer.load(folder)
        except CorruptArtifactError:
            return None
    return None


def _count_tokens(
    texts: Iterator[tuple[str, str]], wanted: Mapping[str, Pair], tokenizer: Tokenizer
) -> Counter[Pair]:
    """Count the tokens of the wanted documents as the shards do, end-of-text included."""
    waiting: deque[Pair] = deque()

    def chosen() -> Iterator[str]:
        for doc_id, text in texts:
            if doc_id in wanted:
                waiting.append(wanted[doc_id])
                yield text

    counts: Counter[Pair] = Counter()
    for ids in tokenizer.encode_batch(chosen()):
        counts[waiting.popleft()] += len(ids) + 1
    return counts
