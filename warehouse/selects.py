"""SELECT statements over explicit lists of Parquet files, typed by the tables of the warehouse.

Artifacts outlive schemas: files written by an earlier version of a stage may lack columns, which
are null then, or have columns that are gone, which are left out. One footer is read for each
version of a stage, not for each file.
"""

import glob
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from warehouse.artifact import Artifact
from warehouse.table import Table

DAMAGED = "`c2m verify` lists what is damaged"
"""The end of what a damaged table says."""
SQL_TYPES = {
    "text": "VARCHAR",
    "int": "BIGINT",
    "float": "DOUBLE",
    "bool": "BOOLEAN",
    "texts": "VARCHAR[]",
}

Held = tuple[Artifact, list[Path]]
"""An artifact and its files of one table."""


def quote(text: str) -> str:
    """A text as a SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def nothing(table: Table) -> str:
    """No rows, all columns typed."""
    columns = (f'NULL::{SQL_TYPES[column.type]} AS "{column.name}"' for column in table.columns)
    return f"SELECT {', '.join(columns)} WHERE false"


def failure(table: Table, problem: str) -> str:
    """SELECT that fails with the problem as soon as anything asks it for rows."""
    error = f"error({quote(f'{problem} {DAMAGED} and the next run of its recipe rebuilds it.')})"
    columns = (
        f'CAST({error} AS {SQL_TYPES[column.type]}) AS "{column.name}"' for column in table.columns
    )
    return f"FROM range(1) SELECT {', '.join(columns)} WHERE {error} IS NULL"


def files(table: Table, paths: Sequence[Path], given: Mapping[str, str]) -> str:
    """Rows of files that share one schema; ``given`` holds SQL for columns that no file has."""
    known = set(pq.read_schema(paths[0]).names)
    picked = []
    for column in table.columns:
        value = f'"{column.name}"' if column.name in known else "NULL"
        value = given.get(column.name, value)
        picked.append(f'CAST({value} AS {SQL_TYPES[column.type]}) AS "{column.name}"')
    # A glob character in a path is part of its name here.
    listed = ", ".join(quote(glob.escape(str(path))) for path in paths)
    return f"FROM read_parquet([{listed}], filename = true) SELECT {', '.join(picked)}"


def by_table(artifacts: Iterable[Artifact]) -> dict[str, list[Held]]:
    """Which artifacts hold rows of each table, by name and key, and in which files."""
    found: dict[str, list[Held]] = {}
    for artifact in sorted(artifacts, key=lambda one: (one.manifest.name, one.key)):
        for table, paths in artifact.tables().items():
            found.setdefault(table, []).append((artifact, paths))
    return found


def rows(
    table: Table, held: Iterable[Held], damaged: Mapping[str, str], given: Mapping[str, str]
) -> str:
    """Rows of a table over artifacts; an error in their place where one of them is damaged."""
    versions: dict[tuple[str, int], list[Path]] = {}
    for artifact, paths in held:
        if artifact.key in damaged:
            return failure(table, damaged[artifact.key])
        version = (artifact.manifest.kind, artifact.manifest.code_version)
        versions.setdefault(version, []).extend(paths)
    try:
        selects = [files(table, paths, given) for paths in versions.values()]
    except (pa.ArrowInvalid, OSError) as error:
        return failure(table, f"Found a file of {table.name} that is no Parquet ({error}).")
    return " UNION ALL ".join(selects) or nothing(table)
