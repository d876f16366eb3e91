"""Shipped questions: one SQL file each in ``warehouse/sql``, its first line what it answers."""

import difflib
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


def named(name: str) -> Question:
    """One shipped question; QueryError with the nearest names where there is none."""
    questions = named_questions()
    if name not in questions:
        near = difflib.get_close_matches(name, questions, n=3, cutoff=0.5)
        hint = f" (the nearest are {', '.join(near)})" if near else ""
        msg = (
            f"Found no shipped question {name!r}{hint}; expected one of {', '.join(questions)}, "
            "or SQL; `c2m sql` without a question lists them all."
        )
        raise QueryError(msg)
    return questions[name]


def _read(path: Path) -> Question:
    text = path.read_text()
    first, _, sql = text.partition("\n")
    (statement,) = duckdb.extract_statements(sql)
    parameters = tuple(sorted(statement.named_parameters))
    return Question(path.stem, first.removeprefix("--").strip(), sql, parameters)
