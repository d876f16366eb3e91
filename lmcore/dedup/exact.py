"""Groups documents whose normal forms are equal, by sha256.

Cost: one hash a document, 32 bytes of memory each; exact up to collisions of sha256.
"""

import hashlib
from collections.abc import Sequence

from lmcore.dedup.compiled import is_worth_while, normal_forms


def _key(text: str, normal: bytes) -> bytes:
    """Returns the sha256 of the normal form.

    A text of nothing but punctuation has an empty normal form and is keyed by its raw self,
    so that "***" and "???" are not duplicates.
    """
    raw = b"" if normal else b"raw:" + text.strip().encode("utf-8", "surrogatepass")
    return hashlib.sha256(raw or b"normal:" + normal).digest()


def exact_survivors(texts: Sequence[str]) -> list[int]:
    """Returns, for each text, the index of the first text that equals it; its own if none does."""
    first: dict[bytes, int] = {}
    forms = normal_forms(texts, compiled=is_worth_while(texts))
    keys = (_key(text, normal) for text, normal in zip(texts, forms, strict=True))
    return [first.setdefault(key, i) for i, key in enumerate(keys)]
