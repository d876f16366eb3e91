"""How ``c2m sample`` and ``c2m whatif`` read: pages side by side, counts under one another.

On a terminal wide enough a kept page stands beside a dropped one, else below it. Off a terminal nothing
is cut but the text after its first lines; ``--format json`` has all of it.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from flows import recipe as recipes
from flows.tables import Column, lines
from lmcore.curate.decide import KEPT
from lmcore.errors import ConfigError
from tasks.graph import Section
from tasks.inspection import deciding_columns, run_section, threshold_of
from tasks.whatif import Change, WhatIf, by_condition, by_thresholds
from warehouse import catalog
from warehouse.answers import Rows, format_rows, pad, to_printable, width_of
from warehouse.errors import QueryError
from warehouse.inspection import Document, Drawing, draw
from warehouse.store import Store

_TEXT_LINES = 6
_MIN_SIDE = 36
"""narrower than two of these, pages stand below one another"""
_BETWEEN = " │ "

_TOTALS = (
    Column(""),
    Column("documents", is_number=True),
    Column("in shards", 1, is_number=True),
    Column("tokens in shards", 2, is_number=True),
    Column("tokens elsewhere", 3, is_number=True),
    Column("tokens", is_number=True),
)
_CHANGES = (
    Column("now"),
    Column("what if"),
    Column("documents", is_number=True),
    Column("tokens", is_number=True),
)


def sample(store: Store, asked: argparse.Namespace, width: int | None) -> Iterator[str]:
    """Lines of ``c2m sample``; ``width`` of the terminal, or none off one."""
    connection = catalog.connect(store, asked.run or None)
    drawing = draw(connection, asked.stage, asked.reason, n=asked.n, seed=asked.seed)
    curate = run_section(connection, "curate")
    if asked.format == "json":
        return _json(*sample_rows(drawing, curate))
    return sample_lines(drawing, curate, asked.seed, width)


def whatif(store: Store, asked: argparse.Namespace, width: int | None) -> Iterator[str]:
    """Lines of ``c2m whatif``; ``width`` of the terminal, or none off one."""
    if bool(asked.condition.strip()) == bool(asked.set):
        found = "a condition and --set" if asked.set else "neither a condition nor --set"
        msg = f"Found {found}; expected one of them; `c2m whatif --help` says what each answers."
        raise QueryError(msg)
    other = thresholds(asked.set)
    connection = catalog.connect(store, asked.run or None)
    answer = (
        by_thresholds(store, connection, other, estimate=asked.estimate)
        if other
        else by_condition(store, connection, asked.condition, estimate=asked.estimate)
    )
    return _json(*whatif_rows(answer)) if asked.format == "json" else whatif_lines(answer, width)


def _json(columns: Sequence[str], rows: Rows) -> Iterator[str]:
    yield format_rows(columns, rows, "json").removesuffix("\n")


class Seen(NamedTuple):
    """A page and what to look at: names and values of the columns and the threshold that decided."""

    document: Document
    deciding: Mapping[str, object]


def _seen(drawing: Drawing, pair: int, curate: Section) -> tuple[Seen | None, Seen | None]:
    """Show on both pages of a pair what decided over the dropped one."""
    kept, dropped = drawing.pairs[pair]
    reason = str(dropped["reason"]) if dropped else ""
    columns = deciding_columns(drawing.stage, reason)
    threshold = threshold_of(reason, curate) if drawing.stage == "decide" else None

    def see(document: Document | None) -> Seen | None:
        if document is None:
            return None
        deciding = {name: document[name] for name in columns}
        if document["jaccard"] is not None:
            deciding["jaccard"] = document["jaccard"]
        return Seen(document, deciding | (dict([threshold]) if threshold else {}))

    return see(kept), see(dropped)


def sample_rows(drawing: Drawing, curate: Section) -> tuple[list[str], list[list[object]]]:
    """Columns and rows of the pages drawn, for a program: whole, one row a page."""
    rows = []
    for at in range(len(drawing.pairs)):
        for seen, side in zip(_seen(drawing, at, curate), ("kept", "dropped"), strict=True):
            if seen is not None:
                given = {"pair": at, "side": side, "deciding": seen.deciding}
                rows.append(given | dict(seen.document))
    columns = list(rows[0]) if rows else []
    return columns, [[row[name] for name in columns] for row in rows]


def sample_lines(drawing: Drawing, curate: Section, seed: int, width: int | None) -> Iterator[str]:
    """Lines of ``c2m sample``; ``width`` of the terminal, or none off one."""
    n_dropped = sum(drawing.n_dropped.values())
    reasons = ", ".join(f"{reason} {n:,d}" for reason, n in drawing.n_dropped.items())
    head = (
        f"{drawing.stage}: {drawing.n_kept:,d} kept, {n_dropped:,d} dropped"
        f"{f' ({reasons})' if reasons else ''}; seed {seed}"
    )
    yield from _wrap(head, width)
    side = (width - len(_BETWEEN)) // 2 if width is not None else 0
    for at in range(len(drawing.pairs)):
        kept, dropped = _seen(drawing, at, curate)
        if side >= _MIN_SIDE and drawing.n_dropped:
            yield "─" * side + "─┼─" + "─" * side
            yield from _beside(_page_lines(kept, side), _page_lines(dropped, side), side)
        else:
            for page in (kept, dropped):
                if page is not None:
                    yield "─" * (width or 2 * _MIN_SIDE)
                    yield from _page_lines(page, width)


def _beside(left: Sequence[str], right: Sequence[str], side: int) -> Iterator[str]:
    for at in range(max(len(left), len(right))):
        first = left[at] if at < len(left) else ""
        second = right[at] if at < len(right) else ""
        yield (pad(first, side) + _BETWEEN + second).rstrip()


def _page_lines(page: Seen | None, width: int | None) -> list[str]:
    """Outcome, URL, what decided, and the first lines of the text."""
    if page is None:
        return []
    document = page.document
    outcome = KEPT if document["reason"] is None else f"dropped: {document['reason']}"
    deciding = ", ".join(f"{name} {_plain(value)}" for name, value in page.deciding.items())
    shown = [*_wrap(outcome, width), *_wrap(str(document["url"]), width), *_wrap(deciding, width)]
    text = document["text"] if document["text"] is not None else document["title"]
    written = [line for line in str(text or "(no text)").splitlines() if line.strip()]
    # a page may be one line of a megabyte: no more of it is laid out than can be shown
    room = None if width is None else width * (_TEXT_LINES + 1)
    laid_out = [part for line in written[:_TEXT_LINES] for part in _wrap(line[:room], width)]
    is_cut = len(laid_out) > _TEXT_LINES or len(written) > _TEXT_LINES
    return [*shown, "", *laid_out[:_TEXT_LINES], *(["…"] if is_cut else [])]


def _plain(value: object) -> str:
    if value is None:
        return "·"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(str, value)) + "]"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _wrap(text: str, width: int | None) -> Iterator[str]:
    """Break a line at blanks, or within a word where it has none, by columns of the terminal."""
    line = to_printable(text)
    if width is None:
        yield line
        return
    while width_of(line) > width:
        end = _fitting(line, width)
        blank = line.rfind(" ", 1, end + 1)
        cut = blank if blank > 0 else end
        yield line[:cut].rstrip()
        line = line[cut:].lstrip()
    yield line


def _fitting(line: str, width: int) -> int:
    """How many characters from the first take at most so many columns; at least one."""
    used = 0
    for at, letter in enumerate(line):
        used += width_of(letter)
        if used > width:
            return max(at, 1)
    return len(line)


def thresholds(overrides: Sequence[str]) -> Section:
    """Read ``curate.field=value`` as a recipe's ``--set`` does; ConfigError for any other section."""
    for override in overrides:
        section = override.partition(".")[0].strip()
        if section != "curate":
            msg = (
                f"Found --set {override!r}; expected a threshold of the stage decide, such as "
                "curate.min_quality=0.6; for anything else, run the recipe with it."
            )
            raise ConfigError(msg)
    # which recipe does not matter: what is set is all that is read from it
    curate = recipes.load("smoke", overrides).curate
    names = [text.partition("=")[0].partition(".")[2].strip() for text in overrides]
    return {name: getattr(curate, name) for name in names}


def whatif_rows(answer: WhatIf) -> tuple[list[str], list[list[object]]]:
    """Columns and rows of what changes and what does not, for a program."""
    columns = [*Change._fields, "method"]
    return columns, [[*change, answer.method] for change in answer.changes]


_METHODS = {
    "counted": "with the run's tokenizer, before deduplication",
    "estimated": "estimated from their characters, before deduplication",
    "unknown": "unknown: nothing of this run is tokenised",
}


def whatif_lines(answer: WhatIf, width: int | None) -> Iterator[str]:
    """Lines of ``c2m whatif``; ``width`` of the terminal, or none off one."""
    now, then = answer.total(then=False), answer.total(then=True)
    rows = [("now", *_counts(now)), ("what if", *_counts(then))]
    yield from lines(_TOTALS, rows, width)
    yield from _wrap(
        f"tokens elsewhere: of documents in no shard, {_METHODS[answer.method]}", width
    )
    changes = [change for change in answer.changes if change.now != change.then]
    yield ""
    if not changes:
        yield "no decision changes"
        return
    cells = [(c.now, c.then, f"{c.documents:,d}", _tokens(c)) for c in changes]
    yield from lines(_CHANGES, cells, width)


def _counts(total: Change) -> tuple[str, ...]:
    elsewhere = total.tokens_elsewhere
    return (
        f"{total.documents:,d}",
        f"{total.documents_in_shards:,d}",
        f"{total.tokens_in_shards:,d}",
        "·" if elsewhere is None else f"{elsewhere:,d}",
        _tokens(total),
    )


def _tokens(change: Change) -> str:
    """Tokens in and out of shards; no number where a part of them is unknown."""
    if change.tokens_elsewhere is None:
        return "·"
    return f"{change.tokens_in_shards + change.tokens_elsewhere:,d}"
