"""Groups documents whose normal forms are equal, by sha256.

Cost: one hash a document, 32 bytes of memory each; exact up to collisions of sha256.
"""

import hashlib
from collections.abc import Sequence

from lmcore.dedup.normalize import normalize


def exact_key(text: str) -> bytes:
    """Returns the sha256 of the normal form.

    A text of nothing but punctuation has an empty normal form and is keyed by its raw self,
    so that "***" and "???" are not duplicates.
    """
    normalized = normalize(text)
    content = f"normal:{normalized}" if normalized else f"raw:{text.strip()}"
    return hashlib.sha256(content.encode("utf-8", "surrogatepass")).digest()


def exact_survivors(texts: Sequence[str]) -> list[int]:
    """Returns, for each text, the index of the first text that equals it; its own if none does."""
    first: dict[bytes, int] = {}
    return [first.setdefault(exact_key(text), i) for i, text in enumerate(texts)]
