"""Texts for training from files, in pieces of bounded size that can be counted on their own.

A text file is read a megabyte at a time and cut at the last place where a pre-token starts whatever
comes before and after (see `pretokenize`), never inside a special token or a character. A file
without any such place is read whole.
"""

import codecs
import gzip
import zlib
from collections.abc import Iterator, Sequence
from io import BufferedIOBase
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq
import regex

from lmcore.errors import InputError
from lmcore.tokenizer.config import CUSTOM, TokenizerConfig
from lmcore.tokenizer.pretokenize import last_cut

PIECE_BYTES: Final = 1 << 20
_ROWS: Final = 1024
_BEFORE_BLANK: Final = regex.compile(rb"(?r)(?<=[!-~]) ")


def read_texts(
    paths: Sequence[Path], config: TokenizerConfig, column: str = "text"
) -> Iterator[bytes]:
    """Yield the UTF-8 of every row of Parquet files and of every piece of text files, in order.

    Raises:
        InputError: where a file cannot be read or has no such column.
    """
    for path in paths:
        try:
            if path.suffix == ".parquet":
                yield from _read_column(path, column)
                continue
            is_packed = path.suffix == ".gz"
            with path.open("rb") as raw, gzip.open(raw) if is_packed else raw as file:
                yield from _read_pieces(file, config)
        except (OSError, EOFError, zlib.error, KeyError, pa.ArrowInvalid) as error:
            raise InputError(
                f"found {path} unusable ({error}); expected text, text.gz, or Parquet with a "
                f"column {column!r} of texts; check the path and the column"
            ) from error


def _read_column(path: Path, column: str) -> Iterator[bytes]:
    with pq.ParquetFile(path) as file:
        if column not in file.schema_arrow.names:
            raise KeyError(f"columns {', '.join(file.schema_arrow.names)}")
        for batch in file.iter_batches(_ROWS, columns=[column]):
            texts = batch.column(0).cast(pa.large_binary())
            yield from (text for text in texts.to_pylist() if text)


def _read_pieces(file: BufferedIOBase, config: TokenizerConfig) -> Iterator[bytes]:
    overhang = max((len(special.encode()) for special in config.special_tokens), default=1) - 1
    can_cut = not config.pattern.startswith(CUSTOM)
    waiting, n_bytes = b"", PIECE_BYTES
    while data := file.read(n_bytes):
        data = waiting + data
        cut = last_cut_of_bytes(data, len(data) - overhang, config.special_tokens) if can_cut else 0
        if cut:
            yield data[:cut]
        waiting = data[cut:]
        n_bytes = max(PIECE_BYTES, len(waiting))  # doubles: every byte is looked at O(1) times
    if waiting:
        yield waiting


def last_cut_of_bytes(data: bytes, stop: int, special_tokens: Sequence[str]) -> int:
    """Return the last place before `stop` to cut at, 0 where there is none.

    `stop` leaves so many bytes behind it that a special token that starts before it is whole.
    """
    match = _BEFORE_BLANK.search(data, 0, stop) if stop > 0 else None
    cut = match.start() if match is not None else 0
    if not cut and stop > 0:
        # Not the last character, which may be cut short: what it is decides.
        text = codecs.getincrementaldecoder("utf-8")("surrogateescape").decode(data[:stop])
        cut = len(text[: last_cut(text, 0, len(text))].encode(errors="surrogateescape"))
    for special in special_tokens:
        token = special.encode()
        inside = data.find(token, max(0, cut - len(token) + 1), cut + len(token) - 1)
        if 0 <= inside < cut < inside + len(token):
            return inside
    return cut
