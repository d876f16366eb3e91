"""Parquet as we write it: zstd, fixed row groups, rows in the order given, schema checked.

Two writes of equal rows give equal bytes (measured over processes and hash seeds).
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa
import pyarrow.parquet as pq

from warehouse.errors import SchemaError
from warehouse.schemas import TABLES
from warehouse.table import Table

ROW_GROUP_ROWS = 8192


class TableWriter:
    """Writes rows of one table to one Parquet file in bounded memory."""

    def __init__(self, path: Path, table: Table) -> None:
        self._schema = table.schema
        self._rows: list[Mapping[str, object]] = []
        path.parent.mkdir(parents=True, exist_ok=True)
        self._writer = pq.ParquetWriter(path, self._schema, compression="zstd")

    def write(self, row: Mapping[str, object]) -> None:
        """Append one row; SchemaError when its columns are not the table's."""
        self._rows.append(row)
        if len(self._rows) >= ROW_GROUP_ROWS:
            self._flush()

    def _flush(self) -> None:
        if self._rows:
            self._writer.write_table(to_arrow(self._rows, self._schema))
            self._rows = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self._flush()
        self._writer.close()


def to_arrow(rows: list[Mapping[str, object]], schema: pa.Schema) -> pa.Table:
    """Turn rows into an Arrow table; a missing or an unknown column is a SchemaError."""
    names = set(schema.names)
    for row in rows:
        if row.keys() != names:
            odd = sorted(names.symmetric_difference(row.keys()))
            msg = f"Found a row that differs in the columns {odd}; expected {schema.names}."
            raise SchemaError(msg)
    try:
        return pa.Table.from_pylist(rows, schema=schema)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        msg = f"Found a value that does not fit its column ({error}); expected {schema}."
        raise SchemaError(msg) from error


def write_rows(path: Path, table: str, rows: Iterable[Mapping[str, object]]) -> int:
    """Write all rows of a table's file and return how many there were."""
    count = 0
    with TableWriter(path, TABLES[table]) as writer:
        for row in rows:
            writer.write(row)
            count += 1
    return count


def read_rows(path: Path, columns: list[str] | None = None) -> Iterator[dict[str, object]]:
    """Yield the rows of a file, one row group in memory at a time."""
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=ROW_GROUP_ROWS, columns=columns):
            yield from batch.to_pylist()


def count_rows(path: Path) -> int:
    """Rows of a file, from its footer."""
    with pq.ParquetFile(path) as file:
        return int(file.metadata.num_rows)


def check_schema(path: Path, table: Table) -> int:
    """Return the rows of a table's file; SchemaError when its columns are not the table's."""
    with pq.ParquetFile(path) as file:
        found = file.schema_arrow
        rows = int(file.metadata.num_rows)
    if not found.equals(table.schema, check_metadata=False):
        msg = (
            f"Found the columns {found.names} in {path.name}; expected those of the table "
            f"{table.name}: {table.schema.names}; write it with warehouse.parquet."
        )
        raise SchemaError(msg)
    return rows
