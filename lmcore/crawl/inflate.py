"""Decompressors of one member of an archive: in bounded pieces, or at once.

`Gzip`, `Lz4` and `Zstd` hand out pieces of bounded size, whatever the member holds: they read large
and damaged members. Nearly all members are small and whole: `WholeMembers` gives such a gzip member
to one call of libdeflate (the wheel `deflate`), from a window over the file. libdeflate must be told
where a member ends, so the next one's first bytes are looked for; where a member's data happen to
hold these (once in 17 million bytes), and where libdeflate finds anything wrong, zlib has the word.
A header's own checksum, which libdeflate does not check, is left to zlib as well.

Memory: a window of 1 MiB and one member of up to 16 MiB. Cost, one core, of a member that holds 3 kB
and 54 kB: 12 and 72 µs at once, XXX in pieces.
"""

import zlib
from collections.abc import Iterator
from io import BufferedIOBase

import lz4.frame
import zstandard
from deflate import DeflateError, gzip_decompress

_OUTPUT_BYTES = 1 << 18
_ZSTD_INPUT_BYTES = 1 << 10
"""zstd has no limit on output: 1 KiB of run-length blocks is 32 MiB at the very most."""
_GZIP = zlib.MAX_WBITS | 16
_WINDOW_BYTES = 1 << 20
_WHOLE_BYTES = 1 << 24
_FLAGS, _HEADER_CHECKSUM = 3, 2
_LEAST_BYTES = 18
"""Header and trailer of a gzip member."""

GZIP_MAGIC = b"\x1f\x8b\x08"
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
    """The small, undamaged gzip members of a file, each inflated at once."""

    def __init__(self, file: BufferedIOBase) -> None:
        self._file = file
        self._window = b""
        self._start = 0

    def inflate(self, position: int) -> tuple[bytearray, int] | None:
        """What the member at this place holds, and where it ends.

        None where it is damaged, cut off, larger than is inflated at once, or holds what looks like
        the beginning of another.
        """
        window, at = self._window, position - self._start
        end = window.find(GZIP_MAGIC, at + _LEAST_BYTES) if at >= 0 else -1
        if end < 0:
            window, at = self._read_window(position), 0
            end = window.find(GZIP_MAGIC, _LEAST_BYTES)
            if end < 0 and _LEAST_BYTES <= len(window) < _WINDOW_BYTES:
                end = len(window)  # the last of the file
        if end < 0 or window[at + _FLAGS] & _HEADER_CHECKSUM:
            return None
        if not 0 < int.from_bytes(window[end - 4 : end], "little") <= _WHOLE_BYTES:
            return None  # the wheel allots what the trailer states, and takes 0 at its word
        try:
            return gzip_decompress(memoryview(window)[at:end]), self._start + end
        except (DeflateError, ValueError):
            return None

    def _read_window(self, position: int) -> bytes:
        self._file.seek(position)
        self._window, self._start = self._file.read(_WINDOW_BYTES), position
        return self._window
