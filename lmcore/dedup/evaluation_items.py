"""Files of evaluation sets become items: an id and the text that a document is searched for.

Sets name their columns in many ways. Where the recipe states none, an item's text is all it has of the
usual names, in the order of `TEXT_COLUMNS`: what is read, what is asked, what can be chosen, what is right.

Cost: one pass of a file; memory is the set's texts.
"""

import gzip
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from lmcore.dedup.contamination_config import SUFFIXES, DecontaminateConfig
from lmcore.errors import InputError

ID_COLUMNS: Final = ("id", "item_id", "task_id", "question_id", "key")
TEXT_COLUMNS: Final = (
    ("context", "passage", "article", "ctx", "context_options"),
    ("question", "prompt", "query", "problem", "instruction", "input", "text"),
    ("choices", "options", "endings", "A", "B", "C", "D"),
    ("answers", "answer", "target", "continuation"),
)
"""Usual names of what is read, asked, chosen from, and right."""
_ASKED = 2
"""An item has a column of the first two kinds; choices and answers alone are no item."""

Row = Mapping[str, Any]  # JSON: values of many types
Item = tuple[str, str]
"""An id, unique in its set, and a text."""


def set_name(file_name: str) -> str:
    """Name a set as its file is named, without the suffix."""
    return file_name.removesuffix(next((end for end in SUFFIXES if file_name.endswith(end)), ""))


def read_items(path: Path, file_name: str, config: DecontaminateConfig) -> list[Item]:
    """Read the items of one set.

    Raises:
        InputError: where the file cannot be read, has none of the columns, or its stated ids repeat.
    """
    rows = list(_read_rows(path, file_name))
    columns = list(dict.fromkeys(name for row in rows for name in row))
    texts = _text_columns(columns, file_name, config.text_columns) if rows else ()
    ids = _ids(rows, columns, file_name, config.id_column)
    return [
        (item_id, "\n".join(filter(None, (_to_text(row.get(name)) for name in texts))))
        for item_id, row in zip(ids, rows, strict=True)
    ]


def _read_rows(path: Path, file_name: str) -> Iterator[Row]:
    try:
        if file_name.endswith(".parquet"):
            yield from pq.read_table(path).to_pylist()
            return
        with gzip.open(path, "rt") if file_name.endswith(".gz") else path.open() as file:
            yield from _read_lines(file, file_name)
    except (pa.ArrowException, OSError, EOFError, UnicodeDecodeError) as error:
        raise InputError(
            f"found the evaluation set {file_name}, which cannot be read ({error}); expected "
            f"{', '.join(SUFFIXES)}; correct it or leave it out of decontaminate.sets"
        ) from error


def _read_lines(lines: Iterable[str], file_name: str) -> Iterator[Row]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise InputError(
                f"found no JSON in line {number:,d} of {file_name} ({error}); expected an object a "
                "line; correct that line"
            ) from error
        if not isinstance(row, dict):
            raise InputError(
                f"found a {type(row).__name__} in line {number:,d} of {file_name}; expected an "
                "object with named columns; correct that line"
            )
        yield row


def _text_columns(columns: Sequence[str], file_name: str, stated: Sequence[str]) -> Sequence[str]:
    if stated:
        missing = [name for name in stated if name not in columns]
        found: Sequence[str] = () if missing else stated
    else:
        found = [name for names in TEXT_COLUMNS for name in names if name in columns]
        asked = [name for names in TEXT_COLUMNS[:_ASKED] for name in names]
        found = found if set(found) & set(asked) else ()
    if not found:
        wanted = stated or [name for names in TEXT_COLUMNS[:_ASKED] for name in names]
        raise InputError(
            f"found the columns {', '.join(columns)} in the evaluation set {file_name}; expected "
            f"{'all' if stated else 'one'} of {', '.join(wanted)}; name the columns of its text in "
            "decontaminate.text_columns"
        )
    return found


def _ids(rows: Sequence[Row], columns: Sequence[str], file_name: str, stated: str) -> list[str]:
    """Return ids that differ: the stated column's, a usual one's where they do, else row numbers."""
    names = [stated] if stated else [name for name in ID_COLUMNS if name in columns]
    for name in names:
        ids = [_to_text(row.get(name)) for row in rows]
        if len(set(ids)) == len(ids) and all(ids):
            return ids
    if stated:
        raise InputError(
            f"found ids that are missing or repeat in the column {stated!r} of the evaluation set "
            f"{file_name}; expected an id of its own for each item; leave decontaminate.id_column "
            "empty to number the rows"
        )
    return [f"row {number}" for number in range(len(rows))]


def _to_text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return "\n".join(filter(None, map(_to_text, value)))
    return str(value)
