"""Token shards written once more with other numbers of copies of their training documents.

Copy 0 of every document comes first, in the order of the shards that are read, then copy 1 of those that
have one, and so on, so that copies of a document lie far apart. The validation split is taken as it is.

Where groups are given, each lies in one stretch of the stream by itself, in the order of their names, and
`shards.json` lists the stretches as `sources`, for training to draw from by weight:

    "sources": [{"name": "de", "start": 0, "n_tokens": 4096}, {"name": "en", "start": 4096, "n_tokens": 8192}]

Cost: a copy of the tokens; memory is a document and a row for each of its copies.
"""

import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from lmcore.errors import InputError
from lmcore.tokenizer.files import write_file
from lmcore.tokens.shards import (
    FILE_NAME,
    IndexRow,
    TokenShards,
    read_listing,
    shard_name,
    summarise,
)


class MixedRow(NamedTuple):
    """Where one copy of a document lies in the training split."""

    doc_id: str
    copy: int
    shard: int
    start: int
    length: int


def write_mixed(
    source: Path,
    index: Iterable[IndexRow],
    copies: Mapping[str, int],
    out_dir: Path,
    shard_tokens: int,
    *,
    groups: Mapping[str, str] | None = None,
) -> list[MixedRow]:
    """Write the mixture of the shards in source and return a row for each copy, as they lie.

    Raises:
        InputError: where no document has a copy, or source holds no shards.
    """
    shards = TokenShards(source, "train")
    listing = read_listing(source)
    train = [row for row in index if row.split == "train"]
    bases = _bases(listing["splits"]["train"]["files"])
    parts = _parts(train, groups)
    rows = list(_place(_passes(parts.values(), copies), shard_tokens))
    if not rows:
        raise InputError(
            f"found no copy of any of {len(train):,d} documents in the mixture; expected some; give "
            "mix.n_tokens or mix.proxy_steps more, or a group with documents more weight"
        )
    by_id = {row.doc_id: row for row in train}
    out_dir.mkdir(parents=True, exist_ok=True)
    for number in range(rows[-1].shard + 1):
        with (out_dir / shard_name("train", number)).open("wb") as file:
            for row in (row for row in rows if row.shard == number):
                there = by_id[row.doc_id]
                file.write(shards.read(bases[there.shard] + there.start, there.length).data)
    for entry in listing["splits"]["validation"]["files"]:
        shutil.copyfile(source / entry["name"], out_dir / entry["name"])
    placed = [
        IndexRow(row.doc_id, "train", row.shard, row.start, row.length, by_id[row.doc_id].n_bytes)
        for row in rows
    ]
    listing["splits"]["train"] = summarise("train", placed)
    if groups is not None:
        listing["sources"] = _sources(parts, copies)
    write_file(out_dir / FILE_NAME, (json.dumps(listing, indent=1) + "\n").encode())
    return rows


def _bases(files: Iterable[Mapping[str, Any]]) -> list[int]:  # JSON: values of many types
    """Return the tokens before each shard."""
    bases = [0]
    for file in files:
        bases.append(bases[-1] + file["n_tokens"])
    return bases


def _parts(train: list[IndexRow], groups: Mapping[str, str] | None) -> Mapping[str, list[IndexRow]]:
    """Part the documents into groups, by name; all are one where none are given."""
    parts: dict[str, list[IndexRow]] = {}
    for row in train:
        parts.setdefault(groups[row.doc_id] if groups is not None else "", []).append(row)
    return dict(sorted(parts.items()))


def _sources(
    parts: Mapping[str, list[IndexRow]], copies: Mapping[str, int]
) -> list[dict[str, object]]:
    sources: list[dict[str, object]] = []
    start = 0
    for name, rows in parts.items():
        n_tokens = sum(row.length * copies[row.doc_id] for row in rows)
        sources.append({"name": name, "start": start, "n_tokens": n_tokens})
        start += n_tokens
    return sources


def _passes(
    parts: Iterable[list[IndexRow]], copies: Mapping[str, int]
) -> Iterator[tuple[IndexRow, int]]:
    """Yield part after part every document's copy 0, then copy 1 of those that have one, and so on."""
    for part in parts:
        copy, waiting = 0, [row for row in part if copies[row.doc_id] > 0]
        while waiting:
            yield from ((row, copy) for row in waiting)
            copy += 1
            waiting = [row for row in waiting if copies[row.doc_id] > copy]


def _place(passes: Iterable[tuple[IndexRow, int]], shard_tokens: int) -> Iterator[MixedRow]:
    shard, start = 0, 0
    for row, copy in passes:
        if start and start + row.length > shard_tokens:
            shard, start = shard + 1, 0
        yield MixedRow(row.doc_id, copy, shard, start, row.length)
        start += row.length
