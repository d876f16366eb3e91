"""Keys by which documents are the same at once: payload digest, canonical URL, sha256 of the text.

Cost: one hash a document, 32 bytes of memory each; exact up to collisions of sha256.
"""

import hashlib
from collections.abc import Iterator, Sequence

from lmcore.crawl import url as urls
from lmcore.dedup.compiled import is_worth_while, normal_forms


def text_keys(texts: Sequence[str]) -> Iterator[bytes]:
    """Yields the sha256 of each text's normal form.

    A text of nothing but punctuation has an empty normal form and is keyed by its raw self,
    so that "***" and "???" are not duplicates.
    """
    forms = normal_forms(texts, compiled=is_worth_while(texts))
    for text, normal in zip(texts, forms, strict=True):
        raw = b"" if normal else b"raw:" + text.strip().encode("utf-8", "surrogatepass")
        yield hashlib.sha256(raw or b"normal:" + normal).digest()


def url_key(url: str) -> bytes:
    """Returns the sha256 of the canonical URL; nothing where there is none."""
    name = urls.canonical(url)
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest() if name else b""


def payload_key(digest: str) -> bytes:
    """Returns the digest as it was archived; nothing where there is none."""
    return digest.strip().encode("utf-8", "surrogatepass")
