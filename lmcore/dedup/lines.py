"""Removes the lines that too many documents share: banners, footers, "share this".

Two passes: count, then cut. A line that goes, goes everywhere, so no document keeps it for
having come first, and the order of documents does not matter.

Two rules. `documents` counts in how many distinct documents a line stands, in normal form,
and leaves lines without words (blank lines, rules) alone. `cs336` is the rule of Stanford
CS336's data assignment: raw lines, every occurrence counted, those seen more than once go,
blank lines too.

Cost: 5 us a line of 12 words, 3 with kernels; about 60 bytes a line for its key, and 120 a
distinct line for its count.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import NamedTuple

from lmcore.dedup.compiled import is_worth_while, normal_forms
from lmcore.dedup.normalize import normalize

_LINE = re.compile(r"[^\n]*\n|[^\n]+")


class FrequentLine(NamedTuple):
    """A line that was removed everywhere.

    line: as it was compared (normal form, or raw under the rule `cs336`).
    n_documents: distinct documents it stood in.
    n_removed: occurrences that were removed.
    """

    line: str
    n_documents: int
    n_removed: int


def split_lines(text: str) -> list[str]:
    r"""Splits after each "\n" and nowhere else; joined, the lines are the text."""
    return _LINE.findall(text)


def _raw(line: str) -> str:
    return line.removesuffix("\n")


def _key(comparable: bytes) -> bytes:
    return hashlib.blake2b(comparable, digest_size=16).digest()


def _keys_by_text(texts: Sequence[str], *, exact: bool) -> list[list[bytes]]:
    """Returns a key for each line of each text."""
    comparable: Iterable[bytes]
    lines = (line for text in texts for line in split_lines(text))
    if exact:
        comparable = (_raw(line).encode("utf-8", "surrogatepass") for line in lines)
    else:
        comparable = normal_forms(lines, compiled=is_worth_while(texts))
    keys = map(_key, comparable)
    return [list(islice(keys, len(split_lines(text)))) for text in texts]


def remove_frequent_lines(
    texts: Sequence[str], *, rule: str, max_documents: int
) -> tuple[list[str], list[FrequentLine]]:
    """Returns the texts without their frequent lines, and those lines, sorted.

    A text without frequent lines comes back as it is, byte for byte.
    """
    if rule == "none":
        return list(texts), []
    exact = rule == "cs336"
    comparable = _raw if exact else normalize
    limit = 1 if exact else max_documents
    keys_of = _keys_by_text(texts, exact=exact)
    counts: Counter[bytes] = Counter()
    for keys in keys_of:
        counts.update(keys if exact else set(keys))
    frequent = {key for key, count in counts.items() if count > limit}
    if not exact:
        frequent.discard(_key(b""))

    n_documents: Counter[str] = Counter()
    n_removed: Counter[str] = Counter()
    kept_texts = []
    for text, keys in zip(texts, keys_of, strict=True):
        if frequent.isdisjoint(keys):
            kept_texts.append(text)
            continue
        keyed = list(zip(split_lines(text), keys, strict=True))
        removed = [comparable(line) for line, key in keyed if key in frequent]
        n_removed.update(removed)
        n_documents.update(set(removed))
        kept_texts.append("".join(line for line, key in keyed if key not in frequent))
    rows = [FrequentLine(line, n_documents[line], n_removed[line]) for line in sorted(n_removed)]
    return kept_texts, rows
