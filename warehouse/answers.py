"""Answers as text: an aligned table for people, CSV and JSON for programs; Parquet to a file.

Text from the web is shown on one line with its control characters made visible, so that no page
can write to a terminal.
"""

import csv
import io
import json
import math
import unicodedata
from collections.abc import Sequence
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from warehouse.errors import QueryError

FORMATS = ("table", "csv", "json", "parquet")
_MAX_CELL_CHARS = 80

Rows = Sequence[Sequence[object]]


def format_rows(columns: Sequence[str], rows: Rows, form: str = "table") -> str:
    """Write an answer as ``table``, ``csv`` or ``json``; QueryError for any other form."""
    writers = {"table": _to_table, "csv": _to_csv, "json": _to_json}
    if form not in writers:
        msg = f"Found the format {form!r}; expected one of {', '.join(FORMATS)}; name one."
        raise QueryError(msg)
    return writers[form](columns, rows)


def write_parquet(answer: pa.Table, out: BinaryIO) -> None:
    """Write an answer as one Parquet file."""
    pq.write_table(answer, out, compression="zstd")


def _to_csv(columns: Sequence[str], rows: Rows) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue()


def _to_json(columns: Sequence[str], rows: Rows) -> str:
    lines = [
        json.dumps(
            {name: _to_plain(value) for name, value in zip(columns, row, strict=True)},
            ensure_ascii=False,
            default=str,
        )
        for row in rows
    ]
    return "[" + ",\n ".join(lines) + "]\n"


def _to_plain(value: object) -> object:
    """JSON has no word for infinities and not-a-number."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _to_table(columns: Sequence[str], rows: Rows) -> str:
    cells = [[_to_cell(value) for value in row] for row in rows]
    widths = [
        max(width_of(text) for text in (name, *(row[at] for row in cells)))
        for at, name in enumerate(columns)
    ]
    right = [
        all(isinstance(row[at], int | float | None) for row in rows) for at in range(len(columns))
    ]
    lines = [list(columns), ["─" * width for width in widths], *cells]
    text = ""
    for line in lines:
        padded = [pad(*cell) for cell in zip(line, widths, right, strict=True)]
        text += "  ".join(padded).rstrip() + "\n"
    return text + f"({len(rows):,d} row{'' if len(rows) == 1 else 's'})\n"


def _to_cell(value: object) -> str:
    if value is None:
        return "·"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,d}"
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1e4 or not math.isfinite(value) else f"{value:,.0f}"
    text = to_printable(str(value))
    return text if len(text) <= _MAX_CELL_CHARS else text[: _MAX_CELL_CHARS - 1] + "…"


def to_printable(text: str) -> str:
    """One line without control characters: no name from outside can write to a terminal."""
    return "".join(letter if letter.isprintable() else "␣" for letter in text)


def width_of(text: str) -> int:
    """Columns on a terminal: wide letters take two, combining marks none."""
    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)
    return len(text) + wide - sum(unicodedata.combining(letter) > 0 for letter in text)


def pad(text: str, width: int, right: bool = False) -> str:
    """A cell of a column: numbers end together, texts begin together."""
    blanks = " " * (width - width_of(text))
    return blanks + text if right else text + blanks
