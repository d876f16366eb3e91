"""Shipped questions: one SQL file each in ``warehouse/sql``, its first line what it answers."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from warehouse.errors import QueryError

FOLDER = Path(__file__).parent / "sql"


@dataclass(frozen=True, slots=True)
class Question:
    """A shipped question: what it answers, its SQL and the parameters it needs."""

    name: str
    answers: str
    sql: str
    parameters: tuple[str, ...]


def named_questions() -> dict[str, Question]:
    """Every shipped question by name."""
    return {path.stem: _read(path) for path in sorted(FOLDER.glob("*.sql"))}


def named(name: str, tables: Sequence[str] = ()) -> Question:
    """One shipped question; the name of one of ``tables`` asks for all of its rows.

    Raises QueryError with the nearest names where there is neither.
    """
    questions = named_questions()
    if name in questions:
        return questions[name]
    if name in tables:
        return Question(name, f"all rows of {name}", f'FROM "{name}"', ())
    near = difflib.get_close_matches(name, [*questions, *tables], n=3, cutoff=0.5)
    hint = f" (the nearest are {', '.join(near)})" if near else ""
    also = "the name of a table, or SQL" if tables else "or SQL"
    msg = (
        f"Found no shipped question {name!r}{hint}; expected one of {', '.join(questions)}, "
        f"{also}; `c2m sql` without a question lists them all."
    )
    raise QueryError(msg)


_HINTS = {
    "id": "`c2m ls` lists names and keys of artifacts",
    "url": '`c2m sql "select url from all_records"` lists all URLs',
}


def hint_at_nothing(question: Question, parameters: Mapping[str, object]) -> str:
    """What to try where a question found no rows for its parameters; empty where it takes none."""
    if not question.parameters:
        return ""
    given = " and ".join(f"{name} = {parameters[name]!r}" for name in question.parameters)
    where = "; ".join(_HINTS[name] for name in question.parameters if name in _HINTS)
    return f"Found no rows of {question.name} for {given}; is it spelled as in the store? {where}."


def _read(path: Path) -> Question:
    text = path.read_text()
    first, _, sql = text.partition("\n")
    (statement,) = duckdb.extract_statements(sql)
    parameters = tuple(sorted(statement.named_parameters))
    return Question(path.stem, first.removeprefix("--").strip(), sql, parameters)
