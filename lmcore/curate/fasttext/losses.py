"""From the mean of a line's rows to probabilities, for each of fastText's losses.

Softmax; a sigmoid for each label (one-vs-all, negative sampling), which fastText
reads from a table; or hierarchical softmax, where the
labels are the leaves of a Huffman tree over their counts and a label's probability is the product of
the turns on its path. fastText adds 1e-5 to what it reports; we do not.
"""

from typing import Final

import numpy as np

from lmcore.curate.fasttext.format import HIERARCHICAL_SOFTMAX, SOFTMAX, FastTextModel

_TABLE_SIZE: Final = 512
_TABLE_END: Final = 8.0
_PER_UNIT: Final = _TABLE_SIZE / (2 * _TABLE_END)


def probabilities_of_means(model: FastTextModel, means: np.ndarray) -> np.ndarray:
    """Probabilities [line, label] of means of input rows [line, dim]."""
    return probabilities_of_logits(model, means @ model.output_rows.T)


def probabilities_of_logits(model: FastTextModel, logits: np.ndarray) -> np.ndarray:
    """Probabilities [line, label] of the products with the output rows."""
    if model.loss == SOFTMAX:
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        shares: np.ndarray = powers / powers.sum(axis=1, keepdims=True)
        return shares
    if model.loss == HIERARCHICAL_SOFTMAX:
        return _leaves(model, _sigmoid(logits))
    return _tabulated_sigmoid(logits)


def _sigmoid(x: np.ndarray) -> np.ndarray:
    turns: np.ndarray = 0.5 + 0.5 * np.tanh(0.5 * x)  # without overflow
    return turns


def _tabulated_sigmoid(x: np.ndarray) -> np.ndarray:
    """The sigmoid as fastText reads it for these losses: from 512 values between -8 and 8."""
    places = np.clip((x + _TABLE_END) * _PER_UNIT, 0, _TABLE_SIZE).astype(np.int64)
    found = _sigmoid(places / _PER_UNIT - _TABLE_END)
    found[x < -_TABLE_END] = 0.0
    found[x > _TABLE_END] = 1.0
    return found


def _leaves(model: FastTextModel, turns: np.ndarray) -> np.ndarray:
    """Walk the tree from its root: the right child takes the turn, the left what is left of it."""
    n_labels = len(model.labels)
    children = huffman_children(model.label_counts)
    mass = np.empty((len(turns), 2 * n_labels - 1))
    mass[:, -1] = 1.0
    for inner in range(n_labels - 2, -1, -1):
        left, right = children[inner]
        mass[:, left] = mass[:, n_labels + inner] * (1.0 - turns[:, inner])
        mass[:, right] = mass[:, n_labels + inner] * turns[:, inner]
    return mass[:, :n_labels]


def huffman_children(counts: tuple[int, ...]) -> list[tuple[int, int]]:
    """The (left, right) nodes of each inner node, the root last; node k < n_labels is label k.

    Counts fall, as in every dictionary of fastText, so the smallest nodes stand at two fronts.
    """
    n_labels = len(counts)
    weights = [*counts, *[10**15] * (n_labels - 1)]
    leaf, inner = n_labels - 1, n_labels
    children = []
    for node in range(n_labels, 2 * n_labels - 1):
        pair = []
        for _ in range(2):
            if leaf >= 0 and weights[leaf] < weights[inner]:
                pair.append(leaf)
                leaf -= 1
            else:
                pair.append(inner)
                inner += 1
        weights[node] = weights[pair[0]] + weights[pair[1]]
        children.append((pair[0], pair[1]))
    return children
