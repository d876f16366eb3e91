"""Token shards written once more with other numbers of copies of their training documents.

Copy 0 of every document comes first, in the order of the shards that are read, then copy 1 of those that
have one, and so on, so that copies of a document lie far apart. The validation split is taken as it is.

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
) -> list[MixedRow]:
    """Write the mixture of the shards in source and return a row for each copy, as they lie.

    Raises:
        InputError: where no document has a copy, or source holds no shards.
    """
    shards = TokenShards(source, "train")
    listing = read_listing(source)
    train = [row for row in index if row.split == "train"]
    bases = _bases(listing["splits"]["train"]["files"])
    rows = list(_place(train, copies, shard_tokens))
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
    write_file(out_dir / FILE_NAME, (json.dumps(listing, indent=1) + "\n").encode())
    return rows


def _bases(files: Iterable[Mapping[str, Any]]) -> list[int]:  # JSON: values of many types
    """Return the tokens before each shard."""
    bases = [0]
    for file in files:
        bases.append(bases[-1] + file["n_tokens"])
    return bases


def _place(
    train: list[IndexRow], copies: Mapping[str, int], shard_tokens: int
) -> Iterator[MixedRow]:
    shard, start, copy = 0, 0, 0
    waiting = [row for row in train if copies[row.doc_id] > 0]
    while waiting:
        for row in waiting:
            if start and start + row.length > shard_tokens:
                shard, start = shard + 1, 0
            yield MixedRow(row.doc_id, copy, shard, start, row.length)
            start += row.length
        copy += 1
        waiting = [row for row in waiting if copies[row.doc_id] > copy]
