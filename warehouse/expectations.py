"""Row accounting: records in = kept + rejected by reason, recounted from the rows.

Cost: one scan of two columns of each table that states outcomes.
"""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pyarrow.parquet as pq

from warehouse.artifact import Accounting
from warehouse.errors import AccountingError
from warehouse.schemas import TABLES


def count_outcomes(table: str, paths: Iterable[Path], rows_in: int | None) -> Accounting:
    """Count a table's outcomes and hold them against the rows that went in.

    Raises AccountingError when rows are missing, doubled or invented.
    """
    outcomes = TABLES[table].outcomes
    if outcomes is None:
        msg = f"Found the table {table}, which states no outcomes; expected one that does."
        raise AccountingError(msg)
    counts: Counter[str] = Counter()
    ids: set[str] = set()
    rows = 0
    for path in paths:
        columns = [outcomes.id, outcomes.column] if outcomes.column else [outcomes.id]
        data = pq.read_table(path, columns=columns)
        rows += data.num_rows
        ids.update(data.column(outcomes.id).to_pylist())
        found = data.column(outcomes.column).to_pylist() if outcomes.column else []
        counts.update(found or {outcomes.kept: data.num_rows})
    if len(ids) != rows:
        msg = (
            f"Found {rows:,d} rows for {len(ids):,d} distinct {outcomes.id} in {table}; "
            "expected one outcome for each; the stage counts something twice."
        )
        raise AccountingError(msg)
    if rows_in is not None and rows_in != rows:
        msg = (
            f"Found {rows:,d} outcomes in {table} for {rows_in:,d} rows that went in; "
            "expected as many; the stage loses or invents rows."
        )
        raise AccountingError(msg)
    kept = counts.pop(outcomes.kept, 0)
    return Accounting(rows_in=rows, rows_kept=kept, rejected=dict(sorted(counts.items())))
