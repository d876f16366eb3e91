"""Common Crawl's path lists: `warc.paths.gz` and its like name the files of a crawl, one a line.

A line is a path below the place where `crawl-data/` lies: the list's own address says where.
"""

import zlib
from pathlib import Path

from lmcore.crawl.remote import find_remote, is_remote, read_range
from lmcore.errors import InputError

_ROOT = "crawl-data/"
_SUFFIXES = (".paths", ".paths.gz")
_MAX_BYTES = 1 << 26
"""A list of Common Crawl's names 100,000 files in 14 MB."""


def is_path_list(path: str) -> bool:
    """Whether a path or URL names a list of paths."""
    return path.endswith(_SUFFIXES)


def read_path_list(path: str, max_files: int = 0) -> list[str]:
    """Paths or URLs that a list names, the first `max_files` of them; 0 takes all.

    Raises InputError where there is no such list, or it names nothing.
    """
    try:
        data = read_range(path, 0, find_remote(path).n_bytes) if is_remote(path) else _read(path)
        if data.startswith(b"\x1f\x8b"):
            data = zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(data, _MAX_BYTES)
        lines = [line.strip() for line in data.decode().splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError, zlib.error) as error:
        raise InputError(
            f"the path list {path} cannot be read ({error}), expected one path a line, plain or"
            " gzip; correct it or name another"
        ) from error
    if not lines:
        raise InputError(f"the path list {path} is empty, expected one path a line; name another")
    cut = path.find(_ROOT)
    base = path[:cut] if cut >= 0 else path[: path.rfind("/") + 1]
    taken = lines[:max_files] if max_files else lines
    return [line if is_remote(line) else base + line for line in taken]


def _read(path: str) -> bytes:
    return Path(path).read_bytes()
