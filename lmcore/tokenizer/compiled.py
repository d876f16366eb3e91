"""The compiled encoder of one tokenizer: when it is worth while, and its use by several threads.

Up to `WARM_BYTES` of text are encoded in plain Python, which needs nothing to be loaded, and up to
`COLD_BYTES` where the kernels have not been compiled on this machine yet. A single text of
`AT_ONCE_BYTES` never waits for a compiler, however many there are; a corpus does once.
"""

import functools
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from lmcore.kernels import compiling

if TYPE_CHECKING:
    from lmcore.tokenizer.encoder import Encoder

_MODULE: Final = "lmcore.tokenizer.kernels.encode"
WARM_BYTES: Final = 1 << 22
COLD_BYTES: Final = 1 << 23
AT_ONCE_BYTES: Final = 1 << 16
LOADED_BYTES: Final = 1 << 30
"""Address space that numba and LLVM are given to load in; they map some 0.5 GB."""
BATCH_CHARS: Final = 1 << 20
"""Text of one call of an encoder: enough to make the calls cheap, little enough to share out."""

Part = tuple[bytes, int]
"""UTF-8 of a text, and the id of the special token behind it or -1."""


def is_worth_while(n_bytes: int) -> bool:
    """Return whether kernels should be used once so much text has been, or is to be, dealt with."""
    if n_bytes <= WARM_BYTES or not compiling.is_installed():
        return False
    if n_bytes <= COLD_BYTES and would_wait():
        return False
    return _has_room()


def would_wait() -> bool:
    """Return whether the encoder's kernels have to be compiled before they can be used."""
    return not compiling.is_compiled(_MODULE)


def _has_room() -> bool:
    """Return whether a limit on the address space leaves enough to load numba and LLVM."""
    try:
        import resource  # Unix alone
    except ImportError:
        return True
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    status = Path("/proc/self/statm")
    if limit == resource.RLIM_INFINITY or not status.exists():
        return True
    used = int(status.read_text().split()[0]) * resource.getpagesize()
    return limit - used >= LOADED_BYTES


class CompiledEncoder:
    """Encoders of one tokenizer, one for each thread at work, sharing merges and cache."""

    def __init__(
        self, pattern: str, byte_ids: list[int], merges: Sequence[tuple[int, int, int]]
    ) -> None:
        """Take the pattern, the ids of the bytes, and (left, right, new) in order of rank."""
        compiling.announce("the tokenizer's encoder, about 15 s", _MODULE)
        from lmcore.tokenizer.encoder import Encoder, MergeTable, PretokenCache  # loads kernels

        rows = np.array(merges, np.int64).reshape(-1, 3)
        table = MergeTable(byte_ids, rows)
        self._make: Callable[[], Encoder] = functools.partial(
            Encoder, pattern, table, PretokenCache()
        )
        self._idle: list[Encoder] = []
        self._lock = threading.Lock()

    @contextmanager
    def encoder(self) -> Iterator["Encoder"]:
        """Lend an encoder that no other thread uses."""
        with self._lock:
            encoder = self._idle.pop() if self._idle else None
        encoder = encoder or self._make()
        try:
            yield encoder
        finally:
            with self._lock:
                self._idle.append(encoder)

    def encode(self, parts: Iterable[Part]) -> np.ndarray:
        """Return the ids of the parts (uint32), one after another."""
        with self.encoder() as encoder:
            return encoder.encode(parts)[0].copy()

    def encode_all(
        self, texts: Iterable[str], to_parts: Callable[[str], Sequence[Part]], workers: int
    ) -> Iterator[np.ndarray]:
        """Yield the ids of each text, in order, several batches at a time.

        A thread turns its texts into parts itself: the interpreter's lock is held for that, and
        a thread that did it for all would keep the others from entering their kernels.
        """
        encode = functools.partial(self._encode_batch, to_parts)
        if workers == 1:
            for batch in _batches(texts):
                yield from encode(batch)
            return
        with ThreadPoolExecutor(workers) as pool:
            waiting: list[Future[list[np.ndarray]]] = []
            for batch in _batches(texts):
                waiting.append(pool.submit(encode, batch))
                if len(waiting) > 2 * workers:
                    yield from waiting.pop(0).result()
            for future in waiting:
                yield from future.result()

    def _encode_batch(
        self, to_parts: Callable[[str], Sequence[Part]], texts: list[str]
    ) -> list[np.ndarray]:
        last: list[int] = []  # part of each text

        def parts() -> Iterator[Part]:  # one text at a time, so that they share their memory
            n_parts = 0
            for text in texts:
                found = to_parts(text)
                n_parts += len(found)
                last.append(n_parts - 1)
                yield from found

        with self.encoder() as encoder:
            ids, marks = encoder.encode(parts())
            ids = ids.copy()
        return [ids[a:b] for a, b in pairwise([0, *marks[last].tolist()])]


def _batches(texts: Iterable[str]) -> Iterator[list[str]]:
    """Yield texts together until they hold `BATCH_CHARS`."""
    batch: list[str] = []
    n_chars = 0
    for text in texts:
        batch.append(text)
        n_chars += len(text)
        if n_chars >= BATCH_CHARS:
            yield batch
            batch, n_chars = [], 0
    if batch:
        yield batch
