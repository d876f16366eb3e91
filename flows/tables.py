"""Tables of the command line: whole on a pipe, fitted to a terminal without cutting what is copied.

Off a terminal every column is there and nothing is cut. On one, the columns that are needed least
are left out until the rest fits; names and keys stay whole, because the next command takes them.
"""

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tasks.planning import Planned
from warehouse.answers import pad, to_printable, width_of
from warehouse.artifact import Artifact

_GAP = "  "
_KEY_CHARS = 12
_MIN_WRAP = 24
"""narrower than this, a wrapped text gets lines of its own"""


@dataclass(frozen=True, slots=True)
class Column:
    """A column and how it may be made to fit."""

    name: str
    rank: int = 0
    """the highest goes first where room is short; 0 always stays"""
    is_number: bool = False


LISTING = (
    Column("kind", 2),
    Column("name"),
    Column("key"),
    Column("content", 7),
    Column("files", 6, is_number=True),
    Column("bytes", 3, is_number=True),
    Column("kept", 4, is_number=True),
    Column("rejected", 5, is_number=True),
)
PLAN = (Column("step"), Column("state"), Column("why"))


def listing(artifacts: Sequence[Artifact], width: int | None) -> Iterator[str]:
    """Lines of ``c2m ls``; ``width`` of the terminal, or none off one."""
    rows = []
    for manifest in (artifact.manifest for artifact in artifacts):
        counted = manifest.accounting
        cells = (
            manifest.kind,
            manifest.name,
            manifest.key[:_KEY_CHARS],
            manifest.content[:_KEY_CHARS],
            f"{len(manifest.files):,d}",
            f"{sum(entry.bytes for entry in manifest.files):,d}",
            f"{counted.rows_kept:,d}" if counted else "",
            f"{sum(counted.rejected.values()):,d}" if counted else "",
        )
        rows.append(cells)
    return lines(LISTING, rows, width)


def planning(planned: Sequence[Planned], width: int | None) -> Iterator[str]:
    """Lines of ``c2m plan``: the key of what is cached, the reason of what is not."""
    rows = [(entry.step, entry.state, entry.why or entry.key[:_KEY_CHARS]) for entry in planned]
    yield from lines(PLAN, rows, width)
    counts = {s: sum(entry.state == s for entry in planned) for s in ("cached", "run", "unknown")}
    yield (
        f"{counts['cached']} cached, {counts['run']} to run, {counts['unknown']} unknown until then"
    )


def lines(
    columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int | None
) -> Iterator[str]:
    """Align rows under their columns' names; a last column of text is wrapped on a terminal."""
    cells = [[to_printable(text) for text in row] for row in ([c.name for c in columns], *rows)]
    widths = [max(width_of(row[at]) for row in cells) for at in range(len(columns))]
    shown = _fitting(columns, widths, width)
    last = shown[-1]
    offset = sum(widths[at] + len(_GAP) for at in shown[:-1])
    for row in cells:
        head = "".join(pad(row[at], widths[at], columns[at].is_number) + _GAP for at in shown[:-1])
        if width is None or columns[last].is_number or offset + width_of(row[last]) <= width:
            yield (head + pad(row[last], widths[last], columns[last].is_number)).rstrip()
        else:
            yield from _wrapped(head, row[last], offset, width)


def _fitting(columns: Sequence[Column], widths: Sequence[int], width: int | None) -> list[int]:
    shown = list(range(len(columns)))

    def room() -> int:
        return sum(widths[at] for at in shown) + len(_GAP) * (len(shown) - 1)

    while width is not None and room() > width and any(columns[at].rank for at in shown):
        shown.remove(max(shown, key=lambda at: columns[at].rank))
    return shown


def _wrapped(head: str, text: str, offset: int, width: int) -> Iterator[str]:
    """Beside its row where there is room for it, else below."""
    is_beside = width - offset >= _MIN_WRAP
    indent = offset if is_beside else 2 * len(_GAP)
    parts = textwrap.wrap(
        text, max(width - indent, _MIN_WRAP), break_long_words=False, break_on_hyphens=False
    )
    if not is_beside:
        yield head.rstrip()
        head = " " * indent
    for part in parts:
        yield head + part
        head = " " * indent
