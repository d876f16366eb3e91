"""Files that lie elsewhere, by http(s) or s3: identity, ranged reads, downloads that resume.

fsspec brings the protocols (s3 through s3fs, the extra `remote`). A file is known by its length and
by its ETag or another checksum that the server states, so it is never read to be identified.
Weather (a broken connection, a busy server, a short answer) is retried with growing pauses; a file
that is not there is an error at once. Memory: one piece of 8 MiB.
"""

import fcntl
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

from lmcore.errors import InputError, TransientError

_PIECE_BYTES = 1 << 23
_PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0)
_BUSY = frozenset({408, 425, 429})
_VERSIONS = ("ETag", "Content-MD5", "Digest", "Last-Modified", "LastModified")
_REMOTE = re.compile(r"(https?|s3)://", re.IGNORECASE)
T = TypeVar("T")
Sleep = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file elsewhere as its server describes it."""

    url: str
    n_bytes: int
    version: str
    """Its ETag, or the next best that the server states."""

    @property
    def content(self) -> str:
        """64 hexadecimal digits that change when the file does."""
        return sha256(f"{self.n_bytes}\n{self.version}".encode()).hexdigest()


def is_remote(path: str) -> bool:
    """Whether a path is a URL that is read here."""
    return _REMOTE.match(path) is not None


def open_filesystem(url: str) -> Any:  # fsspec has no types
    """The fsspec file system of a URL; InputError where its library is missing."""
    import fsspec

    protocol = url.split("://", 1)[0].lower()
    try:
        return fsspec.filesystem(protocol)
    except ImportError as error:
        raise InputError(
            f"reading {url} needs a library that is missing ({error}), expected it beside"
            " crawl2model; install it with `pip install 'crawl2model[remote]'`"
        ) from error


def _status_of(error: BaseException | None) -> int:
    """The HTTP status behind an error of aiohttp's or botocore's, 0 where it has none."""
    status = getattr(error, "status", None)
    response = getattr(error, "response", None)
    if isinstance(response, dict):  # botocore's
        status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    return status if isinstance(status, int) else 0


def _is_weather(error: Exception) -> bool:
    """Whether the same call may succeed later; fsspec hides many causes in FileNotFoundError."""
    is_hidden = isinstance(error, FileNotFoundError) and isinstance(error.__cause__, Exception)
    cause = error.__cause__ if is_hidden else error
    status = _status_of(cause)
    if status:
        return status in _BUSY or status >= 500
    return not isinstance(cause, FileNotFoundError | PermissionError | ValueError)


def _retry(call: Callable[[], T], url: str, sleep: Sleep) -> T:
    for pause in (*_PAUSES, None):
        try:
            return call()
        except InputError:
            raise
        except Exception as error:  # each protocol has errors of its own
            what = f"reading {url} failed ({type(error).__name__}: {error})"
            if not _is_weather(error):
                raise InputError(
                    f"{what}, expected a file that is there and may be read; correct the URL"
                ) from error
            if pause is None:
                raise TransientError(
                    f"{what} {len(_PAUSES) + 1} times, expected an answer; try again later"
                ) from error
            sleep(pause)
    raise AssertionError("the last pause is None")


def find_remote(url: str, *, sleep: Sleep = time.sleep) -> RemoteFile:
    """What the server says of a file.

    Raises InputError where there is none or nothing identifies it, TransientError for weather.
    """
    filesystem = open_filesystem(url)
    filesystem.invalidate_cache()
    info = _retry(lambda: filesystem.info(url), url, sleep)
    version = next((str(info[name]) for name in _VERSIONS if info.get(name)), "")
    n_bytes = info.get("size")
    if not version or not isinstance(n_bytes, int):
        raise InputError(
            f"{url} is described by length {n_bytes} and version {version!r}, expected a length"
            " and an ETag, a checksum or a date; download it and name the local file"
        )
    return RemoteFile(url, n_bytes, version.strip('"'))


def read_range(url: str, start: int, n_bytes: int, *, sleep: Sleep = time.sleep) -> bytes:
    """Bytes of a remote file.

    Raises InputError where the server ignores ranges or the file is not there, TransientError for
    weather.
    """
    filesystem = open_filesystem(url)

    def read() -> bytes:
        data = bytes(filesystem.cat_file(url, start=start, end=start + n_bytes))
        if len(data) > n_bytes:
            raise InputError(
                f"{url} answers {len(data):,d} bytes when asked for {n_bytes:,d} from {start:,d}"
                " on, expected a server that honours Range; download the file and name it"
            )
        if len(data) < n_bytes:
            raise ConnectionError(f"{len(data):,d} bytes instead of {n_bytes:,d}")
        return data

    return _retry(read, url, sleep) if n_bytes else b""


def download(remote: RemoteFile, folder: Path, *, sleep: Sleep = time.sleep) -> Path:
    """The file in a folder that keeps it, downloaded as far as it is not there yet.

    What an earlier call left goes on where it stopped; one process downloads, others wait. Raises
    InputError and TransientError as `read_range`, and the latter where the file changes meanwhile.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path, part = folder / remote.content, folder / f"{remote.content}.part"
    if path.exists():
        return path
    with part.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if path.exists():  # another process was first
            return path
        done = file.tell()
        while done < remote.n_bytes:
            n_bytes = min(_PIECE_BYTES, remote.n_bytes - done)
            file.write(read_range(remote.url, done, n_bytes, sleep=sleep))
            file.flush()
            done += n_bytes
        if find_remote(remote.url, sleep=sleep) != remote or done != remote.n_bytes:
            file.truncate(0)
            raise TransientError(
                f"{remote.url} changed while it was downloaded, expected {remote.n_bytes:,d} bytes"
                f" of version {remote.version}; try again"
            )
        part.replace(path)
    return path
