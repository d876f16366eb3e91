"""Groups of documents: buckets of a number, and many small groups gathered into one."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from lmcore.errors import InputError

OTHER: Final = "other"
"""The group of all documents that are in no group of their own."""


class Document(NamedTuple):
    """A document of the training split: its group, and its tokens with the end-of-text one."""

    doc_id: str
    group: str
    n_tokens: int


def bucket(value: float, edges: Sequence[float]) -> str:
    """Name the bucket of a value: ``<0.5``, ``0.5-0.8`` (0.8 left out) or ``>=0.8``."""
    at = bisect_right(edges, value)
    if not edges:
        return "all"
    if at == 0:
        return f"<{edges[0]:g}"
    if at == len(edges):
        return f">={edges[-1]:g}"
    return f"{edges[at - 1]:g}-{edges[at]:g}"


def gather(
    documents: Iterable[Document], *, named: Sequence[str] = (), max_groups: int
) -> list[Document]:
    """Put documents into ``other`` unless their group is named or, without names, one of the largest.

    Raises:
        InputError: where no document is in a named group.
    """
    documents = list(documents)
    sizes = group_tokens(documents)
    missing = [name for name in named if name not in sizes and name != OTHER]
    if missing:
        raise InputError(
            f"found no document in the groups {', '.join(missing)} of mix.groups; expected some of "
            f"{', '.join(sorted(sizes))}; correct the names or leave them out"
        )
    largest = sorted(sizes, key=lambda group: (-sizes[group], group))
    if not named and len(largest) > max_groups:
        largest = largest[: max_groups - 1]
    kept = set(named or largest)
    return [doc if doc.group in kept else doc._replace(group=OTHER) for doc in documents]


def group_tokens(documents: Iterable[Document]) -> Mapping[str, int]:
    """Count the tokens of each group, by name in order."""
    sizes: Counter[str] = Counter()
    for document in documents:
        sizes[document.group] += document.n_tokens
    return dict(sorted(sizes.items()))
