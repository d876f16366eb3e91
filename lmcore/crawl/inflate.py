"""Decompressors of one member of an archive: in bounded pieces, or at once.

`Gzip`, `Lz4` and `Zstd` hand out pieces of bounded size, whatever the member holds: they read large
and damaged members. Nearly all members are small and whole: `WholeMembers` gives such a gzip member
to one call of libdeflate (the wheel `deflate`), from a window over the file. libdeflate must be told
where a member ends, so the next one's first bytes are looked for in the whole window at once; where
a member's data happen to hold these (once in 17 million bytes), and where libdeflate finds anything
wrong, zlib has the word. A header's own checksum, which libdeflate does not check, is left to zlib
as well. libdeflate does not tell how much it has read, so no second border is ever tried: two
members of equal size would pass for one.

Memory: a window of 1 MiB and one member of up to 16 MiB. Cost, one core, of a member that holds 3 kB
and 54 kB: 7 and 53 µs at once, 9 and 122 µs in pieces; 0.14 ns a byte to find where members begin,
of which `bytes.find` takes 0.6.
"""

import zlib
from bisect import bisect_left
from collections.abc import Iterator
from io import BufferedIOBase

import lz4.frame
import numpy as np
import zstandard
from deflate import DeflateError, gzip_decompress
from numpy.typing import NDArray

_OUTPUT_BYTES = 1 << 18
_ZSTD_INPUT_BYTES = 1 << 10
"""zstd has no limit on output: 1 KiB of run-length blocks is 32 MiB at the very most."""
_GZIP = zlib.MAX_WBITS | 16
_WINDOW_BYTES = 1 << 20
_WHOLE_BYTES = 1 << 24
_FLAGS, _HEADER_CHECKSUM = 3, 2
_WINDOWS: list[NDArray[np.uint8]] = []
_MAX_WINDOWS = 2
_LEAST_BYTES = 18
"""Header and trailer of a gzip member."""

GZIP_MAGIC = b"\x1f\x8b\x08"
_MAGIC_PAIR = int.from_bytes(GZIP_MAGIC[:2], "little")
INFLATION_ERRORS = (zlib.error, zstandard.ZstdError, RuntimeError, EOFError)


class Gzip:
    """A gzip member."""

    def __init__(self) -> None:
        self._object = zlib.decompressobj(_GZIP)

    @property
    def eof(self) -> bool:
        """Whether the end has been reached."""
        return self._object.eof

    @property
    def rest(self) -> bytes:
        """Bytes that were given and lie behind the end."""
        return self._object.unused_data

    def push(self, data: bytes) -> Iterator[bytes]:
        """What the next bytes give, in pieces."""
        while True:
            output = self._object.decompress(data, _OUTPUT_BYTES)
            if output:
                yield output
            data = self._object.unconsumed_tail
            if self._object.eof or (not data and len(output) < _OUTPUT_BYTES):
                return


class Lz4:
    """An lz4 frame."""

    def __init__(self) -> None:
        self._object = lz4.frame.LZ4FrameDecompressor()

    @property
    def eof(self) -> bool:
        """Whether the end has been reached."""
        return bool(self._object.eof)

    @property
    def rest(self) -> bytes:
        """Bytes that were given and lie behind the end."""
        return self._object.unused_data or b""

    def push(self, data: bytes) -> Iterator[bytes]:
        """What the next bytes give, in pieces."""
        while True:
            output = self._object.decompress(data, _OUTPUT_BYTES)
            if output:
                yield output
            data = b""
            if self._object.eof or self._object.needs_input:
                return


class Zstd:
    """A zstd frame."""

    def __init__(self, dictionary: zstandard.ZstdCompressionDict | None = None) -> None:
        self._object = zstandard.ZstdDecompressor(dict_data=dictionary).decompressobj()
        self._rest = b""

    @property
    def eof(self) -> bool:
        """Whether the end has been reached."""
        return self._object.eof

    @property
    def rest(self) -> bytes:
        """Bytes that were given and lie behind the end."""
        return self._rest

    def push(self, data: bytes) -> Iterator[bytes]:
        """What the next bytes give, in pieces."""
        for start in range(0, len(data), _ZSTD_INPUT_BYTES):
            end = start + _ZSTD_INPUT_BYTES
            output = self._object.decompress(data[start:end])
            if output:
                yield output
            if self._object.eof:
                self._rest = self._object.unused_data + data[end:]
                return


Inflater = Gzip | Lz4 | Zstd
"""One member's decompressor: output in bounded pieces, the end known, and the bytes after it."""


class WholeMembers:
    """The small, undamaged gzip members of a file, each inflated at once.

    One window is filled again and again, and handed from file to file: memory that is new to the
    process costs more to touch than to fill.
    """

    def __init__(self, file: BufferedIOBase) -> None:
        self._file = file
        try:
            self._bytes = _WINDOWS.pop()
        except IndexError:
            self._bytes = np.empty(_WINDOW_BYTES, np.uint8)
        self._view = memoryview(self._bytes.data)
        self._start = self._n_bytes = 0
        self._borders: list[int] = []
        self._sizes: list[int] = []

    def run(self, position: int) -> Iterator[tuple[bytearray, int]]:
        """What the members from this place on hold, and where each ends.

        It stops before one that is damaged, cut off or larger than is inflated at once.
        """
        view = self._view
        while True:
            at = position - self._start
            if at < 0 or not self._borders or self._borders[-1] < at + _LEAST_BYTES:
                self._fill(position)
                at = 0
            start, begin = self._start, at
            first = bisect_left(self._borders, at + _LEAST_BYTES)
            for border, n_bytes in zip(self._borders[first:], self._sizes[first:], strict=True):
                if border < at + _LEAST_BYTES:
                    continue  # inside the member before
                end, data = border, None
                # the wheel allots what the trailer states, and takes 0 at its word
                if 0 < n_bytes <= _WHOLE_BYTES and not view[at + _FLAGS] & _HEADER_CHECKSUM:
                    try:
                        data = gzip_decompress(view[at:border])
                    except (DeflateError, ValueError):
                        data = None
                if data is None:
                    found = self._inflate_to_its_end(at)
                    if found is None:
                        return
                    data, end = found
                at = end
                yield data, start + end
            if at == begin or at == self._n_bytes < _WINDOW_BYTES:
                return
            position = start + at

    def close(self) -> None:
        """Leaves the window to the next file."""
        if len(_WINDOWS) < _MAX_WINDOWS:
            _WINDOWS.append(self._bytes)

    def _inflate_to_its_end(self, at: int) -> tuple[bytearray, int] | None:
        """A member by zlib, which knows its end: its data may hold what looks like a border."""
        stream = zlib.decompressobj(_GZIP)
        try:
            data = stream.decompress(self._view[at : self._n_bytes], _WHOLE_BYTES)
        except zlib.error:
            return None
        return (bytearray(data), self._n_bytes - len(stream.unused_data)) if stream.eof else None

    def _fill(self, position: int) -> None:
        """Lets the window begin at this place; what it shows already is not read again."""
        at, view = position - self._start, self._view
        n_kept = self._n_bytes - at if 0 <= at <= self._n_bytes else 0
        view[:n_kept] = view[at : at + n_kept]
        self._file.seek(position + n_kept)
        self._start = position
        self._n_bytes = n_kept + self._file.readinto(view[n_kept:])
        borders = find_magic(self._bytes[: self._n_bytes])
        if self._n_bytes < _WINDOW_BYTES:
            borders = np.append(borders, self._n_bytes)  # the file's end
        borders = borders[borders >= _LEAST_BYTES]
        sizes = self._bytes[borders[:, None] - np.arange(4, 0, -1)].view("<u4")
        self._borders, self._sizes = borders.tolist(), sizes.ravel().tolist()


def find_magic(data: NDArray[np.uint8]) -> NDArray[np.intp]:
    """Where gzip's magic stands, in order."""
    found = []
    for first in (0, 1):
        pairs = data[first : first + (len(data) - first) // 2 * 2].view("<u2")
        found.append(2 * np.flatnonzero(pairs == _MAGIC_PAIR) + first)
    places: NDArray[np.intp] = np.sort(np.concatenate(found))
    places = places[places < len(data) - 2]
    is_magic: NDArray[np.bool_] = data[places + 2] == GZIP_MAGIC[2]
    return places[is_magic]
