"""Documents to look at: what a stage kept and dropped, and what a condition would keep.

Read-only over the views of the catalog; stages have the names of ``accounting`` and ``rejections``.
A drawing is the same for the same rows and seed, whatever the order of files and the version of
DuckDB: documents come in the order of md5(seed and doc_id). Cost: one scan of the stage's outcomes,
and of the tables for the documents drawn.
"""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from warehouse.catalog import query, query_arrow
from warehouse.errors import QueryError

Document = Mapping[str, object]
"""A row: reason (null where the stage kept it), its record, its latest text, its scores."""

_OUTCOMES = {
    "extract": "SELECT record_id AS doc_id, nullif(outcome, 'page') AS reason FROM records",
    "annotate": "SELECT doc_id, NULL::VARCHAR AS reason FROM scores",
    "decide": "SELECT doc_id, nullif(outcome, 'kept') AS reason FROM decisions",
    "deduplicate": "SELECT doc_id, nullif(outcome, 'kept') AS reason FROM dedup_outcomes",
    "decontaminate": "SELECT doc_id, nullif(outcome, 'kept') AS reason FROM decontamination_outcomes",
    "tokens": "SELECT doc_id, NULL::VARCHAR AS reason FROM shards",
    "mix": "SELECT doc_id, nullif(outcome, 'drawn') AS reason FROM mixed_documents",
}
"""What went into each stage, and why it was dropped."""

_COUNTED = "SELECT reason, count(*) AS n FROM ({outcomes}) GROUP BY reason ORDER BY n DESC, reason"

_DRAWN = """
    SELECT doc_id FROM ({outcomes})
    WHERE CASE WHEN $reason IS NULL THEN reason IS NULL ELSE reason IN (SELECT unnest($reason)) END
    ORDER BY md5(concat($seed, ' ', doc_id)), doc_id LIMIT $n
"""

_DOCUMENTS = """
    WITH drawn AS (SELECT doc_id, reason FROM ({outcomes}) WHERE doc_id IN (SELECT unnest($ids)))
    SELECT o.reason, r.record_id AS doc_id, r.url, r.title, r.mime, r.http_status,
        p.survivor_id, p.survivor_url, p.jaccard, d.* EXCLUDE (doc_id, url, title, mime, http_status, reason)
    FROM drawn AS o JOIN records AS r ON r.record_id = o.doc_id
    LEFT JOIN documents AS d ON d.doc_id = r.record_id
    LEFT JOIN duplicates AS p ON p.doc_id = r.record_id
    WHERE r.record_id IN (SELECT unnest($ids))
"""

_CONDITION = "SELECT ({condition}\n) FROM scores LIMIT 0"

_DECIDED = """
    WITH matching AS (SELECT doc_id FROM scores WHERE ({condition}
    ))
    SELECT {columns}, coalesce(d.outcome, 'undecided') AS now, h.length AS n_tokens,
        s.doc_id IN (SELECT doc_id FROM matching) AS matches
    FROM scores AS s LEFT JOIN decisions AS d ON d.doc_id = s.doc_id
    LEFT JOIN shards AS h ON h.doc_id = s.doc_id
"""


@dataclass(frozen=True, slots=True)
class Drawing:
    """Documents of a stage, drawn at random, and how many there are of each kind."""

    stage: str
    pairs: tuple[tuple[Document | None, Document | None], ...]
    """a kept and a dropped one; beside a duplicate its survivor in place of another kept one"""
    n_kept: int
    n_dropped: Mapping[str, int]
    """by reason, the most frequent first"""


def draw(
    connection: duckdb.DuckDBPyConnection, stage: str, reason: str = "", *, n: int, seed: int = 0
) -> Drawing:
    """Draw n documents that a stage kept and n that it dropped, for one reason where one is named.

    Raises QueryError for a stage or a reason that the run does not have.
    """
    if n < 1:
        msg = f"Found {n} documents asked for; expected at least 1; name more with -n."
        raise QueryError(msg)
    n_kept, n_dropped = _count(connection, stage)
    if reason and reason not in n_dropped:
        raise _unknown_reason(stage, reason, n_dropped)
    kept = _draw(connection, stage, None, n, seed)
    dropped = _draw(connection, stage, [reason] if reason else list(n_dropped), n, seed)
    found = _documents(connection, stage, [*kept, *dropped])
    survivors = [str(found[doc_id]["survivor_id"] or "") for doc_id in dropped]
    if any(survivors):
        found |= _documents(connection, stage, survivors)
    left = [found[doc_id] for doc_id in kept]
    right = [found[doc_id] for doc_id in dropped]
    pairs: list[tuple[Document | None, Document | None]] = []
    for at in range(max(len(left), len(right))):
        survivor = found.get(survivors[at]) if at < len(right) else None
        beside = survivor or (left[at] if at < len(left) else None)
        pairs.append((beside, right[at] if at < len(right) else None))
    return Drawing(stage, tuple(pairs), n_kept, n_dropped)


def _count(connection: duckdb.DuckDBPyConnection, stage: str) -> tuple[int, dict[str, int]]:
    """Documents that a stage kept, and that it dropped by reason."""
    if stage not in _OUTCOMES:
        msg = (
            f"Found no stage {stage!r}{_nearest(stage, list(_OUTCOMES))}; expected one of "
            f"{', '.join(_OUTCOMES)}; name one with --stage."
        )
        raise QueryError(msg)
    rows = query(connection, _COUNTED.replace("{outcomes}", _OUTCOMES[stage]))[1]
    if not rows:
        msg = (
            f"Found no document that went into {stage} in this run; expected some; run its recipe "
            "as far as that, or name another run with --run."
        )
        raise QueryError(msg)
    counts = {reason: int(str(number)) for reason, number in rows}
    n_kept = counts.pop(None, 0)
    return n_kept, {str(reason): number for reason, number in counts.items()}


def _unknown_reason(stage: str, reason: str, known: Mapping[str, int]) -> QueryError:
    listed = ", ".join(f"{name} ({number:,d})" for name, number in known.items())
    return QueryError(
        f"Found no document that {stage} dropped for the reason {reason!r}"
        f"{_nearest(reason, list(known))}; expected one of: {listed or 'none, as it drops nothing'}; "
        "name one with --reason, or leave it out."
    )


def _nearest(name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
    return f" (did you mean {close[0]}?)" if close else ""


def _draw(
    connection: duckdb.DuckDBPyConnection,
    stage: str,
    reasons: Sequence[str] | None,
    n: int,
    seed: int,
) -> list[str]:
    """Ids of documents with one of the reasons, or with none."""
    sql = _DRAWN.replace("{outcomes}", _OUTCOMES[stage])
    rows = query(connection, sql, {"reason": reasons, "n": n, "seed": seed})[1]
    return [str(doc_id) for (doc_id,) in rows]


def _documents(
    connection: duckdb.DuckDBPyConnection, stage: str, ids: Sequence[str]
) -> dict[str, Document]:
    sql = _DOCUMENTS.replace("{outcomes}", _OUTCOMES[stage])
    rows = query_arrow(connection, sql, {"ids": list(ids)}).to_pylist()
    return {str(row["doc_id"]): row for row in rows}


def decided(
    connection: duckdb.DuckDBPyConnection, condition: str = "", columns: Sequence[str] = ()
) -> pa.Table:
    """Give each scored document: now (its outcome), n_tokens (null where in no shard), and more.

    ``matches`` says whether a condition over the columns of ``scores`` holds; it does not where it is
    null. ``columns`` are further ones of ``scores``. Raises QueryError for what is no condition.
    """
    if condition:
        _check_condition(connection, condition)
    names = dict.fromkeys(("doc_id", "n_chars", *columns))
    sql = _DECIDED.replace("{condition}", condition or "true")
    picked = ", ".join(f's."{name}"' for name in names)
    return query_arrow(connection, sql.replace("{columns}", picked))


def _check_condition(connection: duckdb.DuckDBPyConnection, condition: str) -> None:
    """Refuse what is not one expression: a text that closes the bracket it is put in, above all."""
    expected = (
        "expected a condition over the columns of scores, such as "
        "\"quality > 0.6 and language = 'en'\"; `c2m sql` without a question lists them."
    )
    try:
        condition.encode()
        duckdb.SQLExpression(condition)
        (statement,) = duckdb.extract_statements(f"SELECT ({condition}\n)")
    except (duckdb.Error, UnicodeEncodeError) as error:
        found = str(error).split("\n", maxsplit=1)[0]
        msg = f"Found {condition!r}, which is no SQL expression ({found}); {expected}"
        raise QueryError(msg) from error
    if statement.named_parameters:
        msg = f"Found {condition!r}, which has parameters; {expected}"
        raise QueryError(msg)
    answer = query_arrow(connection, _CONDITION.replace("{condition}", condition))
    kinds = [str(kind) for kind in answer.schema.types]
    if kinds != ["bool"]:
        msg = f"Found {condition!r}, which is {' and '.join(kinds[:3])}; {expected}"
        raise QueryError(msg)
