"""Text in memory to ends of pre-tokens: the compiled scanners and what they need around them.

A *block* is a buffer of bytes with `PADDING` behind, and *segments*: int64 rows (start, stop, id)
of it, in order, that are scanned as texts of their own. `id` is the special token that follows the
segment, -1 for none.
"""

import re
from collections.abc import Callable, Iterator
from typing import Final

import numpy as np

from lmcore.kernels.memory import PADDING
from lmcore.tokenizer.config import CUSTOM
from lmcore.tokenizer.kernels.characters import character_flags
from lmcore.tokenizer.kernels.scan_gpt2 import scan_gpt2
from lmcore.tokenizer.kernels.scan_words import scan_words
from lmcore.tokenizer.pretokenize import compile_pattern, pieces

Kernel = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, int], int]

SCANNERS: Final[dict[str, tuple[Kernel, int]]] = {
    "gpt2": (scan_gpt2, 0),
    "digits": (scan_gpt2, 1),
    "cl100k": (scan_words, 0),
    "o200k": (scan_words, 1),
}
"""Pattern -> kernel, and which of its two patterns."""

ENDS: Final = 1 << 14
"""Pre-tokens found before they are used: 128 kB that stay in the second-level cache."""


def to_block(parts: list[bytes]) -> np.ndarray:
    """Return the parts end to end in an array with padding behind."""
    return np.frombuffer(b"".join([*parts, b"\0" * PADDING]), np.uint8)


def split_specials(
    text: bytes, specials: tuple[bytes, ...], start: int
) -> list[tuple[int, int, int]]:
    """Return the bounds of what lies between special tokens (longest first), counted from start.

    The tokens are looked for by what they all begin with: some GB/s where that is `<|`, which is
    rare in text.
    """
    bounds: list[tuple[int, int, int]] = []
    begin, here, beginning = 0, 0, _common_beginning(specials)
    longest_first = sorted(specials, key=len, reverse=True)
    while beginning and (here := text.find(beginning, here)) >= 0:
        token = next((token for token in longest_first if text.startswith(token, here)), None)
        if token is None:
            here += 1
            continue
        bounds.append((start + begin, start + here, -1))
        begin = here = here + len(token)
    if not beginning and specials:
        found = re.finditer(b"|".join(map(re.escape, longest_first)), text)
        for match in found:
            bounds.append((start + begin, start + match.start(), -1))
            begin = match.end()
    return [*bounds, (start + begin, start + len(text), -1)]


def _common_beginning(tokens: tuple[bytes, ...]) -> bytes:
    """Return what all of the tokens begin with."""
    first, last = min(tokens, default=b""), max(tokens, default=b"")
    n_same = next((n for n, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), None)
    return first[:n_same]


def make_scanner(pattern: str, n_ends: int = ENDS) -> "Scanner | RegexScanner":
    """Return what finds the pre-tokens of a pattern, with room for so many at a time."""
    return RegexScanner(pattern) if pattern.startswith(CUSTOM) else Scanner(pattern, n_ends)


class RegexScanner:
    """The same for a pattern of one's own, with the `regex` engine: about 5 MB/s."""

    def __init__(self, pattern: str) -> None:
        self._expression = compile_pattern(pattern)
        self.ends = np.empty(0, np.int64)

    def scan(self, block: np.ndarray, segments: np.ndarray) -> Iterator[int]:
        """Fill `self.ends` once for each segment."""
        for start, stop, _ in segments.tolist():
            text = block[start:stop].tobytes().decode(errors="surrogateescape")
            found = pieces(self._expression, text)
            lengths = [len(piece.encode(errors="surrogateescape")) for piece in found]
            if lengths:
                self.ends = start + np.cumsum(lengths, dtype=np.int64)
                yield len(lengths)


class Scanner:
    """Finds the ends of pre-tokens, so many at a time, in arrays that are used again."""

    def __init__(self, pattern: str, n_ends: int = ENDS) -> None:
        self._kernel, self._variant = SCANNERS[pattern]
        self._flags = character_flags()
        self._cursor = np.zeros(2, np.int64)
        self.ends = np.empty(n_ends, np.int64)

    def scan(self, block: np.ndarray, segments: np.ndarray) -> Iterator[int]:
        """Yield how many of `self.ends` are filled, in order, until the segments are used up."""
        if not len(segments):
            return
        self._cursor[:] = 0, segments[0, 0]
        while self._cursor[0] < len(segments):
            n_ends = self._kernel(
                block, segments, self._cursor, self._flags, self.ends, self._variant
            )
            if n_ends:
                yield n_ends
