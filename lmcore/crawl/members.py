"""Compressed members of an archive, each with its place in the file, damage included.

A `.warc.gz` file is a chain of gzip members, one record each. Common readers hand over one endless
stream, so one damaged member ends the file, without a word (truncation) or with an error (a hole),
and every later record is lost. Here a file is a chain of spans: bounded streams that begin where a
record begins. After damage the next member that inflates to the start of a record is looked for,
and the lost span is known to the byte. gzip members, zstd frames (with the dictionary frame of
`.warc.zst`) and lz4 frames look alike to the caller; a plain file is one span. Members that were
cut without regard to records (pzstd, bgzip) are joined to the span they continue. The kind is told
by content, never by the file's name.

Memory: one chunk of input and one of output, whatever the file. Cost: inflation and a copy.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BufferedIOBase
from itertools import chain

import zstandard

from lmcore.crawl.inflate import (
    GZIP_MAGIC,
    INFLATION_ERRORS,
    Gzip,
    Inflater,
    Lz4,
    WholeMembers,
    Zstd,
)

_CHUNK_BYTES = 1 << 15
_PLAIN_BYTES = 1 << 18
_STEP_BYTES = 1 << 8
_PROBE_BYTES = 1 << 12
_SCAN_BYTES = 1 << 20
_DICTIONARY_BYTES = 1 << 24
_BOMB_BYTES = 1 << 26
_BOMB_RATIO = 300
"""A member that passes both is taken for damaged: text deflates 3 to 10 times."""

WARC_LINE = rb"WARC/\d+\.\d+\r?\n"
ARC_LINE = (
    rb"[A-Za-z][A-Za-z0-9+.-]{0,20}:[^\r\n]{1,8192} [0-9A-Fa-f.:]{3,45} (?:\d{8,20}|null)"
    rb" [^\r\n]{0,400} ?-?\w{1,20}\r?\n"
)
"""URL, IP address, date, MIME type, (in ARC 2 five more,) length."""
RECORD_START = re.compile(WARC_LINE + rb"|" + ARC_LINE)


class _Damage(Exception):  # noqa: N818  (control flow inside this module, no error for a caller)
    """The member cannot be inflated further."""


_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_LZ4_MAGIC = b"\x04\x22\x4d\x18"
_ZSTD_SKIPPABLE = re.compile(rb"[\x50-\x5f]\x2a\x4d\x18", re.DOTALL)
_CODECS: dict[bytes, Callable[[], Inflater]] = {
    GZIP_MAGIC: Gzip,
    _ZSTD_MAGIC: Zstd,
    _LZ4_MAGIC: Lz4,
}


def starts_like_record(data: bytes) -> bool:
    """Whether the bytes begin, after blank lines, like a WARC or ARC record."""
    return RECORD_START.match(data.lstrip(b"\r\n")) is not None


class Span:
    """Bytes from the start of one record to where the next could start.

    `end` and `damaged` are final once `read` has returned b"", or at once where `whole` is set.
    """

    __slots__ = ("_archive", "_chunks", "_file", "damaged", "end", "start", "whole")

    def __init__(self, file: BufferedIOBase, start: int) -> None:
        self._file = file
        self._archive: _Archive | None = None
        self._chunks: Iterator[bytes] | None = None
        self.start = self.end = start
        self.damaged = False
        self.whole: bytearray | None = None
        """All that a member holds, where it was inflated at once; `read` gives it too."""

    def renew(self, start: int, whole: bytearray, end: int, archive: "_Archive") -> None:
        """Becomes the span of a member that was inflated at once."""
        self._archive, self._chunks, self.damaged = archive, None, False
        self.start, self.end, self.whole = start, end, whole

    @property
    def compressed(self) -> bool:
        """Whether `start` and `end` are places of members, not of the bytes read."""
        return self._archive is not None

    def attach(self, chunks: Iterator[bytes], archive: "_Archive") -> None:
        """Sets where the bytes come from."""
        self._chunks, self._archive = chunks, archive

    def read(self) -> bytes:
        """The next bytes as they were before compression; b"" at the end."""
        if self._chunks is None:
            self._chunks = iter(()) if self.whole is None else iter((bytes(self.whole),))
        return next(self._chunks, b"")

    def join(self) -> bool:
        """Goes on into the next member, where that continues a record and does not begin one."""
        return self._archive is not None and self._archive.join(self)

    def rewind(self, position: int) -> bool:
        """Reads on from an earlier place; only a plain file can."""
        if not self.compressed:
            self._chunks = _read_plain(self._file, self, position)
        return not self.compressed

    def drain(self) -> None:
        """Reads on to the end, so that `end` is known."""
        while self.read():
            pass


@dataclass(slots=True)
class _Member:
    start: int
    chunks: Iterator[bytes]
    first: bytes = b""
    end: int = -1


class _Archive:
    """The members of one compressed file, one after the other."""

    def __init__(self, file: BufferedIOBase, magic: bytes, *, at_once: bool) -> None:
        self._file = file
        self._magic = magic
        self._whole = WholeMembers(file) if at_once and magic == GZIP_MAGIC else None
        self._size = file.seek(0, 2)
        self._dictionary: zstandard.ZstdCompressionDict | None = None
        self._position = 0
        self._waiting: _Member | None = None

    def spans(self, start: int) -> Iterator[Span]:
        self._position = start
        try:
            while self._position < self._size:
                if self._whole is not None and self._waiting is None:
                    yield from self._whole_spans(self._whole)
                    if self._position >= self._size:
                        return
                following = self._next_span()
                if following is None:
                    return
                yield following
                following.drain()
        finally:
            if self._whole is not None:
                self._whole.close()

    def _whole_spans(self, whole: WholeMembers) -> Iterator[Span]:
        """Members inflated at once, up to one that cannot be or one that others were joined to."""
        span = Span(self._file, self._position)  # one stands for all, each in its turn
        for data, end in whole.run(self._position):
            span.renew(self._position, data, end, self)
            self._position = end
            yield span
            if self._position != end or self._waiting is not None:
                return

    def _next_span(self) -> Span | None:
        """What stands at this place, read piece by piece; None for padding up to the end."""
        member = self._waiting or self._open(self._position)
        self._waiting = None
        span = Span(self._file, self._position if member is None else member.start)
        span.attach(iter(()), self)
        if member is not None:
            span.attach(self._read_span(span, member), self)
        elif self._is_padding(self._position):
            return None
        else:
            self._give_up(span)
        return span

    def _at(self, position: int, n_bytes: int) -> bytes:
        self._file.seek(position)
        return self._file.read(n_bytes)

    def _is_padding(self, position: int) -> bool:
        """Whether only zero bytes are left, as tape blocks leave them."""
        return self._size - position < _SCAN_BYTES and not self._at(position, -1).strip(b"\0\r\n")

    def _inflater(self) -> Inflater:
        if self._magic == _ZSTD_MAGIC:
            return Zstd(self._dictionary)
        return _CODECS[self._magic]()

    def _open(self, position: int) -> _Member | None:
        """The member at this place; None where there is none."""
        while self._magic == _ZSTD_MAGIC:
            frame = self._at(position, 8)
            if not _ZSTD_SKIPPABLE.match(frame) or len(frame) < 8:
                break
            length = int.from_bytes(frame[4:], "little")
            if frame[0] == 0x5D and position == 0 and length <= _DICTIONARY_BYTES:
                self._dictionary = _load_dictionary(self._at(8, length))
            position += 8 + length
        if not self._at(position, 4).startswith(self._magic):
            self._position = max(self._position, position)
            return None
        member = _Member(position, iter(()))
        member.chunks = self._inflate(member)
        return member

    def _inflate(self, member: _Member) -> Iterator[bytes]:
        inflater = self._inflater()
        position, produced = member.start, 0
        while not inflater.eof:
            data = self._at(position, _CHUNK_BYTES)
            if not data:
                raise _Damage
            position += len(data)
            try:
                for output in inflater.push(data):
                    produced += len(output)
                    if produced > max(_BOMB_BYTES, _BOMB_RATIO * (position - member.start)):
                        raise _Damage
                    yield output
            except INFLATION_ERRORS as error:
                yield from self._salvage(member.start, position - len(data), produced)
                raise _Damage from error
        member.end = position - len(inflater.rest)

    def _salvage(self, start: int, damage: int, produced: int) -> Iterator[bytes]:
        """What a damaged member holds before its damage: an error swallows all that it is given.

        So what follows the sound steps of the chunk at `damage` is given byte by byte: an lz4 block
        of up to 4 MiB comes out only with its last byte.
        """
        damage += self._count_sound(start, damage)
        inflater = self._inflater()
        single = (bytes([byte]) for byte in self._at(damage, _STEP_BYTES))
        try:
            for data in chain(self._chunks_between(start, damage), single):
                for output in inflater.push(data):
                    if len(output) > produced:
                        yield output[produced:]
                    produced = max(0, produced - len(output))
        except INFLATION_ERRORS:
            return

    def _count_sound(self, start: int, damage: int) -> int:
        """Bytes of the chunk at `damage` that inflate, in steps."""
        inflater, n_sound = self._inflater(), 0
        chunk = self._at(damage, _CHUNK_BYTES)
        steps = (chunk[at : at + _STEP_BYTES] for at in range(0, len(chunk), _STEP_BYTES))
        try:
            for data in self._chunks_between(start, damage):
                for _ in inflater.push(data):
                    pass
            for data in steps:
                for _ in inflater.push(data):
                    pass
                n_sound += len(data)
        except INFLATION_ERRORS:
            return n_sound
        return 0

    def _chunks_between(self, start: int, end: int) -> Iterator[bytes]:
        for place in range(start, end, _CHUNK_BYTES):
            yield self._at(place, min(_CHUNK_BYTES, end - place))

    def _read_span(self, span: Span, member: _Member) -> Iterator[bytes]:
        if member.first:
            yield member.first
        try:
            yield from member.chunks
        except _Damage:
            self._give_up(span)
        else:
            span.end = self._position = member.end

    def join(self, span: Span) -> bool:
        """Continues a span that has been read with the member that follows, if that is a part."""
        following = None if span.damaged or self._waiting else self._open(span.end)
        if following is None:
            return False
        try:
            following.first = next(following.chunks, b"")
        except _Damage:
            return False
        if starts_like_record(following.first):
            self._waiting = following
            return False
        span.attach(self._read_span(span, following), self)
        return True

    def _give_up(self, span: Span) -> None:
        span.damaged = True
        span.end = self._position = self._resynchronise(max(span.start, self._position) + 1)

    def _resynchronise(self, start: int) -> int:
        """The next place where a member begins and inflates to the start of a record."""
        while start < self._size:
            block = self._at(start, _SCAN_BYTES)
            found = block.find(self._magic)
            while found >= 0:
                if self._probe(start + found):
                    return start + found
                found = block.find(self._magic, found + 1)
            if len(block) < _SCAN_BYTES:
                break
            start += len(block) - len(self._magic) + 1
        return self._size

    def _probe(self, position: int) -> bool:
        try:
            output = next(self._inflater().push(self._at(position, _PROBE_BYTES)), b"")
        except INFLATION_ERRORS:
            return False
        return starts_like_record(output)


def _load_dictionary(data: bytes) -> zstandard.ZstdCompressionDict | None:
    """The dictionary of a `.warc.zst` file, itself compressed or not; None where it is damaged."""
    if data.startswith(_ZSTD_MAGIC):
        try:
            data = zstandard.ZstdDecompressor().decompressobj().decompress(data)
        except zstandard.ZstdError:
            return None
    return zstandard.ZstdCompressionDict(data)


def _read_plain(file: BufferedIOBase, span: Span, position: int) -> Iterator[bytes]:
    while True:
        file.seek(position)
        data = file.read(_PLAIN_BYTES)
        if not data:
            return
        position = span.end = position + len(data)
        yield data


def _find_magic(file: BufferedIOBase) -> tuple[bytes, int]:
    """The compression's magic and where its first member starts; b"" for a plain file."""
    file.seek(0)
    head = file.read(_PROBE_BYTES)
    for magic in _CODECS:
        if head.startswith(magic):
            return magic, 0
    if _ZSTD_SKIPPABLE.match(head):
        return _ZSTD_MAGIC, 0
    if not RECORD_START.search(head):  # a damaged beginning: is there anything after it?
        for magic in _CODECS:
            archive = _Archive(file, magic, at_once=False)
            start = archive._resynchronise(0)  # noqa: SLF001  (same module)
            if start < file.seek(0, 2):
                return magic, 0
    return b"", 0


def read_spans(file: BufferedIOBase, *, at_once: bool = True) -> Iterator[Span]:
    """The spans of an archive in order, damaged ones included; each must be read before the next.

    `at_once` says whether small members may be inflated with one call.
    """
    magic, start = _find_magic(file)
    if magic:
        yield from _Archive(file, magic, at_once=at_once).spans(start)
        return
    span = Span(file, 0)
    span.rewind(0)
    yield span
