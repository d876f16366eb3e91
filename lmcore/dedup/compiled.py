"""When kernels are worth while: loading them takes a second, compiling them, once a machine, 20.

Plain Python deduplicates 3 MB a second, so up to `WARM_BYTES` it is done first, and up to
`COLD_BYTES` where the kernels have not been compiled yet. Both ways give the same results.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Final

from lmcore.dedup.normalize import normalize
from lmcore.kernels import compiling

_MODULES: Final = tuple(
    f"lmcore.dedup.kernels.{name}" for name in ("normal", "sign", "buckets", "compare")
)
WARM_BYTES: Final = 1 << 22
COLD_BYTES: Final = 1 << 26


def is_worth_while(texts: Sequence[str]) -> bool:
    """Returns whether Python would take longer over these texts than kernels take to be ready."""
    n_bytes = sum(map(len, texts))
    if n_bytes <= WARM_BYTES or not compiling.is_installed():
        return False
    return n_bytes > COLD_BYTES or compiling.is_compiled(*_MODULES)


def announce() -> None:
    """Says that a pause is coming, where kernels have to be compiled."""
    compiling.announce("the kernels of deduplication, about 20 s", *_MODULES)


def announce_substrings() -> None:
    """Says the same of the kernels for repeated runs of words."""
    compiling.announce("the kernels of repeated runs, about 3 s", "lmcore.dedup.kernels.suffixes")


def normal_forms(texts: Iterable[str], *, compiled: bool) -> Iterator[bytes]:
    """Yields the normal form of each text in UTF-8."""
    if not compiled:
        yield from (normalize(text).encode() for text in texts)
        return
    announce()
    from lmcore.dedup.signing import Normalizer, blocks  # loads kernels

    normalizer = Normalizer(splits=False)
    for block in blocks([texts]):
        normal = normalizer(block)
        data = normal.data[: normal.bounds[-1]].tobytes()
        yield from (data[start:stop] for start, stop in pairwise(normal.bounds.tolist()))
