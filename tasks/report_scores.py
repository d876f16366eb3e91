"""Scores of the report: how pages spread over what decided most, and where the thresholds lie."""

from collections.abc import Mapping, Sequence

import duckdb
from markupsafe import Markup

from tasks import report_figures as figures
from tasks.inspection import RULES, threshold_of
from warehouse.catalog import query

_ALWAYS = ("language_score", "quality", "toxicity", "perplexity")
_MOST = 12
_N_BINS = 40
_FAR = 1000
"""a threshold so many times beyond the pages is one that is off"""
_SHOWN = 0.99
"""share of pages inside the axis; what lies beyond stands in the last bin"""


def histograms(
    connection: duckdb.DuckDBPyConnection, curate: Mapping[str, object]
) -> Sequence[Markup]:
    """A histogram of each general score, and of each measure whose rule rejected most pages."""
    found = []
    for reason in (*_ALWAYS, *_busiest(connection)):
        (column, *_) = RULES[reason].columns
        drawn = _histogram(connection, column, threshold_of(reason, curate))
        if drawn is not None:
            found.append(drawn)
    return found


def _busiest(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Reasons of curation that a number decides, most pages first."""
    rows = query(connection, _REASONS)[1]
    measured = [
        str(reason)
        for (reason,) in rows
        if reason in RULES
        and reason not in _ALWAYS
        and len(RULES[str(reason)].columns) == 1
        and RULES[str(reason)].columns[0] in _numbers(connection)
    ]
    return measured[: _MOST - len(_ALWAYS)]


_REASONS = """
    SELECT reason FROM rejections WHERE stage = 'decide'
    GROUP BY reason ORDER BY count(*) DESC, reason
"""


def _numbers(connection: duckdb.DuckDBPyConnection) -> frozenset[str]:
    """Columns of the scores that hold numbers."""
    sql = """
        SELECT column_name FROM information_schema.columns
        WHERE table_name = 'scores' AND data_type IN ('BIGINT', 'DOUBLE')
    """
    return frozenset(str(name) for (name,) in query(connection, sql)[1])


def _histogram(
    connection: duckdb.DuckDBPyConnection, column: str, threshold: tuple[str, object] | None
) -> Markup | None:
    """Pages by one column, which is a name of ours and never text from outside."""
    name, value = threshold or ("", None)
    limit = float(value) if isinstance(value, int | float) else None
    ((most,),) = query(connection, _MOST_PAGES.replace("{column}", column), {"shown": _SHOWN})[1]
    if most is None:
        return None
    if limit is not None and limit > _FAR * float(str(most)):
        limit = None
    end = _end(float(str(most)), limit)
    width = end / _N_BINS
    columns, rows = query(
        connection, _BINS.replace("{column}", column), {"width": width, "n": _N_BINS}
    )
    bins = [dict(zip(columns, row, strict=True)) for row in rows]
    keeps = "keeps from" if "min_" in name else "keeps to"
    return figures.histogram(column, bins, limit, keeps, end=end)


def _end(most: float, limit: float | None) -> float:
    """The end of the axis: 1 for shares, else a little beyond pages and threshold alike."""
    needed = max(most, (limit or 0.0) * 1.25)
    return 1.0 if needed <= 1.0 and (limit is None or limit >= 0.2) else needed or 1.0


_MOST_PAGES = "SELECT quantile_cont({column}, $shown::DOUBLE) FROM documents"

_BINS = """
    SELECT greatest(least(floor({column} / $width), $n - 1), 0) * $width AS low,
        count(*) FILTER (kept) AS kept, count(*) FILTER (NOT kept) AS rejected
    FROM documents WHERE {column} IS NOT NULL GROUP BY low ORDER BY low
"""
