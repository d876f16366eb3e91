"""Lineage in both directions, of artifacts and of pages.

From an artifact to all it was made from and all that was made from it; from a page of the web to
its record, its outcomes, the shards that hold it and the models trained on them:
token -> shard -> document -> (crawl file, offset); rollout -> model -> shards. The facts are the
views ``lineage``, ``shards`` and ``records``; the same answers are SQL in ``warehouse/sql``.
A model has read a page when a window of its training batches held part of it (the view ``reads``).
"""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import duckdb

from warehouse.catalog import query
from warehouse.errors import UnknownArtifactError
from warehouse.questions import named
from warehouse.store import Store

MODEL_KINDS = ("pretrain", "checkpoint", "sweep", "sft", "dpo", "grpo")
_MIN_PREFIX = 6
_SHOWN_CHILDREN = 8
_KEY_CHARS = 12


@dataclass(frozen=True, slots=True)
class Node:
    """An artifact, or a source file (key empty, name its source)."""

    key: str
    kind: str
    name: str

    def __str__(self) -> str:
        label = self.kind if self.name == self.kind else f"{self.kind}  {self.name}"
        return f"{label}  {self.key[:_KEY_CHARS]}".rstrip()


@dataclass(frozen=True, slots=True)
class Place:
    """Where a document lies in token shards, and the models made from them."""

    tokens: Node
    split: str
    shard: int
    start: int
    length: int
    models: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """A record of a crawl file and all that became of it."""

    doc_id: str
    url: str
    warc_file: str
    warc_offset: int
    warc_length: int
    outcomes: tuple[tuple[str, str], ...]
    """(stage, outcome) in the selected run, in order"""
    places: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class Trace:
    """The answer: of an artifact its edges both ways, of a URL or document its pages."""

    asked: str
    node: Node | None = None
    parents: Mapping[Node, tuple[Node, ...]] | None = None
    """every ancestor's own inputs too"""
    children: Mapping[Node, tuple[Node, ...]] | None = None
    pages: tuple[Page, ...] = ()

    def ancestors(self) -> tuple[Node, ...]:
        """Everything the artifact was made from, nearest first."""
        return _reach(self.node, self.parents or {})

    def descendants(self) -> tuple[Node, ...]:
        """Everything made from the artifact, nearest first."""
        return _reach(self.node, self.children or {})

    def __str__(self) -> str:
        lines = []
        if self.node is not None:
            lines += [str(self.node), "", "made from"]
            lines += _tree(self.node, self.parents or {}) or ["  nothing: it is a source"]
            lines += ["", "made into"]
            lines += _tree(self.node, self.children or {}) or ["  nothing yet"]
        blocks = ["\n".join(lines)] if lines else []
        return "\n\n".join(blocks + ["\n".join(_page_lines(page)) for page in self.pages])


def trace(store: Store, connection: duckdb.DuckDBPyConnection, text: str) -> Trace:
    """Trace a key (or its beginning), a name, a URL or a doc_id.

    Raises UnknownArtifactError when nothing, or more than one artifact, is meant.
    """
    if not text.strip():
        msg = (
            "Found an empty id; expected a key or its beginning, a name, a URL or a doc_id; "
            "`c2m ls` lists the artifacts."
        )
        raise UnknownArtifactError(msg)
    node = _find_artifact(store, connection, text)
    if node is not None:
        parents, children = _edges(connection)
        return Trace(text, node, _within(node, parents), _within(node, children))
    pages = find_pages(connection, text)
    if not pages:
        raise _unknown(connection, text)
    return Trace(text, pages=pages)


def _find_artifact(store: Store, connection: duckdb.DuckDBPyConnection, text: str) -> Node | None:
    found = {
        artifact.key: Node(artifact.key, artifact.manifest.kind, artifact.manifest.name)
        for artifact in store.find(text)
        if len(text) >= _MIN_PREFIX or artifact.manifest.name == text
    }
    if len(found) > 1:  # several versions under one name: the selected run's is meant
        used = "SELECT key FROM run_artifacts JOIN runs USING (run_id) WHERE is_selected"
        chosen = {key for (key,) in query(connection, used)[1]} & found.keys()
        if len(chosen) != 1:
            listed = "; ".join(str(node) for node in list(found.values())[:5])
            msg = (
                f"Found {len(found)} artifacts for {text!r}: {listed}; expected one; "
                "give more of its key."
            )
            raise UnknownArtifactError(msg)
        return found[str(chosen.pop())]
    return next(iter(found.values()), None)


Edges = dict[Node, tuple[Node, ...]]


def _order(node: Node) -> tuple[str, str, str]:
    return node.kind, node.name, node.key


def _edges(connection: duckdb.DuckDBPyConnection) -> tuple[Edges, Edges]:
    """Every artifact's inputs, and every artifact's products."""
    sql = (
        "SELECT child_key, child_kind, child_name, parent_key, parent_kind, parent_name, source "
        "FROM lineage"
    )
    parents: dict[Node, dict[Node, None]] = {}
    children: dict[Node, dict[Node, None]] = {}
    for row in query(connection, sql)[1]:
        child_key, child_kind, child_name, key, kind, name, source = map(str, row)
        child = Node(child_key, child_kind, child_name)
        parent = Node(key, kind, name or source or "(no longer in the store)")
        parents.setdefault(child, {})[parent] = None
        children.setdefault(parent, {})[child] = None
    return (
        {node: tuple(sorted(near, key=_order)) for node, near in parents.items()},
        {node: tuple(sorted(near, key=_order)) for node, near in children.items()},
    )


def _reach(start: Node | None, edges: Mapping[Node, tuple[Node, ...]]) -> tuple[Node, ...]:
    seen: dict[Node, None] = {}
    wave = list(edges.get(start, ())) if start is not None else []
    while wave:
        fresh = [node for node in dict.fromkeys(wave) if node not in seen]
        seen.update(dict.fromkeys(fresh))
        wave = [near for node in fresh for near in edges.get(node, ())]
    return tuple(seen)


def _within(start: Node, edges: Edges) -> Edges:
    nodes = {start, *_reach(start, edges)}
    return {node: near for node, near in edges.items() if node in nodes}


def _tree(start: Node, edges: Mapping[Node, tuple[Node, ...]]) -> list[str]:
    """Indented lines; what was shown above is named once more without its own branches."""
    shown: set[Node] = set()

    def walk(node: Node, depth: int) -> Iterator[str]:
        near = edges.get(node, ())
        for child in near[:_SHOWN_CHILDREN]:
            again = child in shown and child in edges
            yield "  " * depth + str(child) + ("  (above)" if again else "")
            if not again:
                shown.add(child)
                yield from walk(child, depth + 1)
        if len(near) > _SHOWN_CHILDREN:
            yield "  " * depth + f"... and {len(near) - _SHOWN_CHILDREN:,d} more"

    return list(walk(start, 1))


def find_pages(connection: duckdb.DuckDBPyConnection, text: str) -> tuple[Page, ...]:
    """Records of a URL or doc_id in any artifact, with all that became of them."""
    sql = (
        "SELECT DISTINCT record_id, url, warc_file, warc_offset, warc_length FROM all_records "
        "WHERE url = $text OR record_id = $text ORDER BY warc_file, warc_offset, record_id"
    )
    pages = []
    for doc_id, url, warc_file, offset, length in query(connection, sql, {"text": text})[1]:
        page = Page(
            str(doc_id),
            str(url),
            str(warc_file),
            _int(offset),
            _int(length),
            _outcomes(connection, str(doc_id)),
            _places(connection, str(doc_id), str(url)),
        )
        pages.append(page)
    return tuple(pages)


def _int(value: object) -> int:
    assert isinstance(value, int)
    return value


def _outcomes(connection: duckdb.DuckDBPyConnection, doc_id: str) -> tuple[tuple[str, str], ...]:
    sql = """
        SELECT stage, outcome FROM (
            SELECT 1 AS place, 'extract' AS stage, outcome FROM records WHERE record_id = $doc_id
            UNION ALL
            SELECT 2, 'decide', outcome FROM decisions WHERE doc_id = $doc_id
            UNION ALL
            SELECT 3, 'deduplicate', outcome FROM dedup_outcomes WHERE doc_id = $doc_id
            UNION ALL
            SELECT 4, 'decontaminate', outcome
            FROM decontamination_outcomes WHERE doc_id = $doc_id
            UNION ALL
            SELECT 5, 'mix', outcome FROM mixed_documents WHERE doc_id = $doc_id
        ) ORDER BY place
    """
    rows = query(connection, sql, {"doc_id": doc_id})[1]
    return tuple((str(stage), str(outcome)) for stage, outcome in rows)


def _places(connection: duckdb.DuckDBPyConnection, doc_id: str, url: str) -> tuple[Place, ...]:
    sql = (
        "SELECT a.key, a.kind, a.name, s.split, s.shard, s.start, s.length FROM places AS s "
        "JOIN artifacts AS a ON a.key = s.tokens_key WHERE s.doc_id = $doc_id ORDER BY ALL"
    )
    rows = query(connection, sql, {"doc_id": doc_id})[1]
    readers: dict[str, list[Node]] = {}
    if rows:
        columns, found = query(connection, named("checkpoints_of_url").sql, {"url": url})
        for values in found:
            reader = dict(zip(columns, map(str, values), strict=True))
            if reader["doc_id"] == doc_id:
                node = Node(reader["key"], reader["kind"], reader["name"])
                readers.setdefault(reader["tokens_key"], []).append(node)
    places = []
    for key, kind, name, split, shard, start, length in rows:
        tokens = Node(str(key), str(kind), str(name))
        models = tuple(readers.get(tokens.key, ()))
        places.append(Place(tokens, str(split), _int(shard), _int(start), _int(length), models))
    return tuple(places)


def _page_lines(page: Page) -> Iterator[str]:
    yield page.url
    yield f"  document  {page.doc_id}"
    size = f", {page.warc_length:,d} bytes" if page.warc_length >= 0 else ""
    yield f"  record    {page.warc_file} at byte {page.warc_offset:,d}{size}"
    steps = " -> ".join(f"{stage}: {outcome}" for stage, outcome in page.outcomes)
    yield f"  outcomes  {steps or 'none in the selected run'}"
    if not page.places:
        yield "  tokens    in no shard"
    for place in page.places:
        yield (
            f"  tokens    {place.tokens.key[:_KEY_CHARS]} {place.split} shard {place.shard}, "
            f"{place.length:,d} tokens from {place.start:,d}"
        )
        for node in place.models:
            yield f"    trained {node}"
        if not place.models:
            held_out = place.split != "train"
            why = ": the split is held out" if held_out else "; no step has read it yet"
            yield f"    trained no model{why}"


def _unknown(connection: duckdb.DuckDBPyConnection, text: str) -> UnknownArtifactError:
    names = [str(name) for (name,) in query(connection, "SELECT DISTINCT name FROM artifacts")[1]]
    near = difflib.get_close_matches(text, sorted(names), n=3, cutoff=0.5)
    hint = f" (the nearest names are {', '.join(near)})" if near else ""
    return UnknownArtifactError(
        f"Found no artifact and no page {text!r}{hint}; expected a key or at least {_MIN_PREFIX} "
        "characters of it, a name, a URL or a doc_id; `c2m ls` lists the artifacts, and the "
        "table `documents` the pages."
    )
