"""What a table is: its columns, what each means, and how its rows are counted."""

from dataclasses import dataclass

import pyarrow as pa

_TYPES = {
    "text": pa.string(),
    "int": pa.int64(),
    "float": pa.float64(),
    "bool": pa.bool_(),
    "texts": pa.list_(pa.string()),
}


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its name, one of our five types, and what it means."""

    name: str
    type: str
    doc: str


@dataclass(frozen=True, slots=True)
class Outcomes:
    """How a table's rows account for a stage's rows: the id, the outcome, and the word for kept.

    Without an outcome column every row is kept: the stage rejects nothing.
    """

    id: str
    column: str = ""
    kept: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """One table: its name, what a row is, its columns, and how its rows are counted."""

    name: str
    doc: str
    columns: tuple[Column, ...]
    outcomes: Outcomes | None = None

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema that its files must have."""
        return pa.schema([(column.name, _TYPES[column.type]) for column in self.columns])


def read_columns(lines: str) -> tuple[Column, ...]:
    """Read columns from lines of ``name type doc``."""
    return tuple(Column(*line.split(maxsplit=2)) for line in lines.strip().splitlines())


def table(name: str, doc: str, columns: str, outcomes: Outcomes | None = None) -> Table:
    """A table whose columns are read from lines of ``name type doc``."""
    return Table(name, doc, read_columns(columns), outcomes)
