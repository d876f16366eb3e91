"""What a mixture means, in the plainest words; tests hold the fast forms against these.

Cost: a step for each copy of each document, and for UniMax a step a group.
"""

from collections.abc import Mapping, Sequence

from lmcore.mixing.draw import hash_order
from lmcore.mixing.groups import Document


def unimax_reference(sizes: Mapping[str, int], budget: int, max_epochs: float) -> dict[str, float]:
    """Algorithm 1 of the UniMax paper: from the smallest group on, an equal part of what is left."""
    left = float(budget)
    tokens: dict[str, float] = {}
    ascending = sorted(sizes, key=lambda group: (sizes[group], group))
    for place, group in enumerate(ascending):
        equal_part = left / (len(ascending) - place)
        tokens[group] = min(equal_part, sizes[group] * max_epochs)
        left -= tokens[group]
    return tokens


def draw_reference(
    documents: Sequence[Document], asked: Mapping[str, int], seed: int
) -> dict[str, int]:
    """Pass over each group in the order of its hashes, again and again, while whole passes fit."""
    copies = {document.doc_id: 0 for document in documents}
    for group, tokens in asked.items():
        mine = [document for document in documents if document.group == group]
        mine.sort(key=lambda document: (hash_order(document.doc_id, seed), document.doc_id))
        left = tokens
        while mine and sum(document.n_tokens for document in mine) <= left:
            for document in mine:
                copies[document.doc_id] += 1
                left -= document.n_tokens
        for document in mine:
            if document.n_tokens <= left:
                copies[document.doc_id] += 1
                left -= document.n_tokens
    return copies
