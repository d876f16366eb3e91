"""DuckDB over the store: in memory, read-only, one view a table.

The views list the files of the manifests explicitly, so a half-written artifact is never read.
``connect`` checks the files against the manifests as a lookup does; a table with a damaged file
becomes a view that answers with an error instead of with wrong rows. No file of DuckDB's own is
ever written, so readers never block a run. Cost: 1,000 artifacts open in about 0.5 s.
"""

import contextlib
import difflib
import glob
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import duckdb
import pyarrow as pa

from warehouse import selects
from warehouse.errors import QueryError
from warehouse.schemas import TABLES
from warehouse.selects import quote
from warehouse.snapshot import (
    Snapshot,
    fact_rows,
    live_parts,
    read,
    telemetry_parts,
    used_keys,
)
from warehouse.store import Store
from warehouse.table import Column, Table
from warehouse.views import FACTS, LIVE_METRICS, STEP_TELEMETRY, VIEWS

_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "threads": 2,
    "python_enable_replacements": False,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "temp_directory": "",
}
_READ_ONLY = (duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN)
_EXPLAIN = re.compile(r"\s*explain\s+(?:analyze\s+)?", re.IGNORECASE)
_MISSING = re.compile(r"Table with name (\S+) does not exist")
_KEY_PART = 3
"""objects/<kind>/<key>: the part of a path, counted from the store's root, that is the key"""
_ARTIFACT_COLUMN = Column("artifact", "text", "key of the artifact that holds the row")

Row = tuple[object, ...]


def connect(store: Store, run_id: str | None = None) -> duckdb.DuckDBPyConnection:
    """Open the catalog on one run: the latest completed, the newest where none has completed.

    ``run_id`` may be a prefix. Raises QueryError when no run, or more than one, has it.
    """
    snapshot = read(Store(store.root.absolute()), run_id)
    connection = duckdb.connect(":memory:", config=_CONFIG)
    try:
        for name, rows in fact_rows(snapshot).items():
            _create_facts(connection, FACTS[name], rows)
        _create_views(connection, snapshot)
        _lock(connection, snapshot)
    except BaseException:
        connection.close()
        raise
    return connection


def _create_facts(
    connection: duckdb.DuckDBPyConnection, table: Table, rows: list[dict[str, object]]
) -> None:
    schema = table.schema
    columns = {name: [row.get(name) for row in rows] for name in schema.names}
    connection.register("incoming", pa.table(columns, schema=schema))
    connection.execute(f'CREATE TABLE "{table.name}" AS FROM incoming')
    connection.unregister("incoming")


def _create_views(connection: duckdb.DuckDBPyConnection, snapshot: Snapshot) -> None:
    used = used_keys(snapshot)
    held = selects.by_table(snapshot.artifacts)
    part = len(snapshot.store.root.parts) + _KEY_PART
    key = {"artifact": f"string_split(filename, '/')[{part}]"}
    run_rows = {}
    for name, table in TABLES.items():
        keyed = Table(name, table.doc, (*table.columns, _ARTIFACT_COLUMN))
        everything = held.get(name, [])
        of_run = [(artifact, paths) for artifact, paths in everything if artifact.key in used]
        all_rows = selects.rows(keyed, everything, snapshot.damaged, key)
        connection.execute(f'CREATE VIEW "all_{name}" AS {all_rows}')
        run_rows[name] = selects.rows(table, of_run, snapshot.damaged, {})
        if name not in VIEWS:
            connection.execute(f'CREATE VIEW "{name}" AS {run_rows[name]}')
    for live, parts in ((LIVE_METRICS, live_parts), (STEP_TELEMETRY, telemetry_parts)):
        connection.execute(f'CREATE VIEW "{live.name}" AS {_of_parts(live, parts(snapshot))}')
    for name, view in VIEWS.items():
        sql = view.sql.replace("{rows}", run_rows.get(name, ""))
        connection.execute(f'CREATE VIEW "{name}" AS {sql}')


def _of_parts(table: Table, found: Iterable[tuple[str, str, str, list[Path]]]) -> str:
    selected = [
        selects.files(
            table, parts, {"run_id": quote(run_id), "name": quote(step), "stage": quote(stage)}
        )
        for run_id, step, stage, parts in found
    ]
    return " UNION ALL ".join(selected) or selects.nothing(table)


def _lock(connection: duckdb.DuckDBPyConnection, snapshot: Snapshot) -> None:
    """Leave the connection nothing to read but artifacts, live metrics and telemetry."""
    folders = [snapshot.store.objects]
    for found in (live_parts(snapshot), telemetry_parts(snapshot)):
        folders += [parts[0].parent for _, _, _, parts in found]
    # DuckDB compares the name as it stands in read_parquet: escaped.
    names = {name for path in folders for name in (str(path), glob.escape(str(path)))}
    connection.execute(f"SET allowed_directories = [{', '.join(map(quote, sorted(names)))}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def execute(
    connection: duckdb.DuckDBPyConnection, sql: str, parameters: Mapping[str, object] | None = None
) -> pa.Table:
    """Answer one read-only question as an Arrow table; QueryError where it has no answer."""
    statement = _check_statement(sql, parameters or {})
    try:
        connection.execute("BEGIN TRANSACTION READ ONLY")
        try:
            return connection.execute(statement, dict(parameters or {})).to_arrow_table()
        finally:
            connection.execute("ROLLBACK")
    except duckdb.Error as error:
        raise _explain(connection, error) from error


def query(
    connection: duckdb.DuckDBPyConnection, sql: str, parameters: Mapping[str, object] | None = None
) -> tuple[list[str], list[Row]]:
    """Answer one read-only question as column names and rows; QueryError where it has none."""
    with _reading(connection, sql, parameters or {}) as answer:
        return list(answer.columns), answer.fetchall()


def query_arrow(
    connection: duckdb.DuckDBPyConnection, sql: str, parameters: Mapping[str, object] | None = None
) -> pa.Table:
    """Answer one read-only question as an Arrow table; QueryError where it has none."""
    with _reading(connection, sql, parameters or {}) as answer:
        return answer.to_arrow_table()


@contextlib.contextmanager
def _reading(
    connection: duckdb.DuckDBPyConnection, sql: str, parameters: Mapping[str, object]
) -> Iterator[duckdb.DuckDBPyRelation]:
    """Give the answer inside a read-only transaction: not even a WITH can write."""
    statement = _check_statement(sql, parameters)
    try:
        connection.execute("BEGIN TRANSACTION READ ONLY")
        try:
            yield connection.sql(statement, params=dict(parameters) or None)
        finally:
            connection.execute("ROLLBACK")
    except duckdb.Error as error:
        raise _explain(connection, error) from error


def _check_statement(sql: str, parameters: Mapping[str, object]) -> str:
    """Return the one SELECT or EXPLAIN in a text, or raise QueryError."""
    try:
        statements = duckdb.extract_statements(sql)
        kinds = [statement.type for statement in statements]
        if kinds == [duckdb.StatementType.EXPLAIN]:
            inner = _EXPLAIN.sub("", statements[0].query, count=1)
            kinds += [statement.type for statement in duckdb.extract_statements(inner)]
    except duckdb.Error as error:
        msg = (
            f"Found SQL that DuckDB cannot read ({_first_line(error)}); expected one SELECT; "
            "`c2m sql` without a question lists all tables and shipped questions."
        )
        raise QueryError(msg) from error
    if not statements or len(statements) > 1 or any(kind not in _READ_ONLY for kind in kinds):
        raise _refusal(", ".join(kind.name for kind in kinds) or "no statement")
    wanted = set(statements[0].named_parameters)
    if wanted != parameters.keys():
        msg = (
            f"Found the parameters {sorted(parameters) or 'none'}; expected "
            f"{sorted(wanted) or 'none'}; give each as --set NAME=VALUE."
        )
        raise QueryError(msg)
    return str(statements[0].query)


def _refusal(found: str) -> QueryError:
    return QueryError(
        f"Found {found}; expected one statement that reads: SELECT, WITH, DESCRIBE, SHOW or "
        "EXPLAIN; artifacts never change, so use --format and a redirect to save an answer."
    )


def _first_line(error: Exception) -> str:
    return str(error).split("\n", maxsplit=1)[0]


def _explain(connection: duckdb.DuckDBPyConnection, error: duckdb.Error) -> QueryError:
    """Say what is wrong with a question in one paragraph."""
    missing = _MISSING.search(str(error))
    if missing:
        names = [row[0] for row in connection.execute("SHOW TABLES").fetchall()]
        near = difflib.get_close_matches(missing[1].lower(), names, n=3, cutoff=0.5)
        hint = f"the nearest are {', '.join(near)}" if near else "none has a similar name"
        return QueryError(
            f"Found no table {missing[1]!r} in the store; expected one of its {len(names)} tables "
            f"and views ({hint}); `c2m sql` without a question lists them all."
        )
    if isinstance(error, duckdb.TransactionException):
        return _refusal("a statement that writes")
    if isinstance(error, duckdb.PermissionException):
        return QueryError(
            f"Found a question that leaves the store ({_first_line(error)}); expected one over "
            "its tables; `c2m sql` without a question lists them all."
        )
    if selects.DAMAGED in str(error):
        return QueryError(_first_line(error).removeprefix("Invalid Input Error: "))
    lines = " ".join(line.strip() for line in str(error).split("\n\n", maxsplit=1)[0].splitlines())
    return QueryError(
        f"Found a question that DuckDB cannot answer ({lines}); expected SQL over the store's "
        "tables; `c2m sql` without a question lists all tables and columns."
    )


def describe() -> tuple[Table, ...]:
    """Every table and view with its documented columns, in the order of the journey.

    Each table also exists as ``all_<table>``: the rows of every artifact, with its key in the
    column ``artifact``.
    """
    views = {name: view.table for name, view in VIEWS.items()}
    views |= {table.name: table for table in (LIVE_METRICS, STEP_TELEMETRY)}
    tables = {name: views.pop(name, table) for name, table in TABLES.items()}
    return (*tables.values(), *views.values(), *FACTS.values())
