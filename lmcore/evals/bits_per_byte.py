"""Bits per byte of documents under a model: comparable across tokenizers.

A document is the sequence t_1 … t_n of its text and then `<|endoftext|>`; it is predicted from a
leading `<|endoftext|>`, as in the shards, and the closing one is scored too. So exp(-nats) is a
probability of the document as a whole, its end included, and sums to one over all documents; the
bytes are those of the text in UTF-8. A document that is longer than the context is read in windows
that overlap by half: every token is scored once and, but for the start, sees at least half a
context.

Windows are sorted by length before they are batched (little padding), padding is in the future of
every token, and sums are taken in float64 in the order of the tokens: another batch size changes
the result by less than 1e-5.
Cost: one forward pass over the tokens, two where documents exceed the context.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from lmcore.errors import InputError
from lmcore.model.loss import token_logps
from lmcore.model.transformer import Transformer
from lmcore.tokenizer.bpe import Tokenizer


@dataclass(frozen=True, slots=True)
class DocumentScore:
    """What one document costs."""

    doc_id: str
    source: str
    nats: float
    """-log p of its tokens and its end."""
    n_tokens: int
    """Tokens scored, the end included."""
    n_bytes: int
    """Bytes of its text in UTF-8."""


@dataclass(frozen=True, slots=True)
class SourceScore:
    """What the documents of one source cost together."""

    source: str
    n_documents: int
    n_tokens: int
    n_bytes: int
    nats: float
    bits_per_byte: float
    """nats / (ln 2 · bytes)."""


@dataclass(frozen=True, slots=True)
class _Window:
    document: int
    ids: list[int]
    """Tokens fed, then the last target: one more than is fed."""
    n_scored: int
    """How many targets, from the end, this window scores."""


def score_documents(
    model: Transformer,
    tokenizer: Tokenizer,
    documents: Iterable[tuple[str, str, str]],
    *,
    batch_size: int = 16,
) -> list[DocumentScore]:
    """Scores (doc_id, source, text) documents, in order."""
    listed = list(documents)
    encoded = [tokenizer.encode(text) for _, _, text in listed]
    windows = [
        window
        for i, ids in enumerate(encoded)
        for window in _cut(i, [tokenizer.eot_id, *ids, tokenizer.eot_id], model)
    ]
    nats = [0.0] * len(listed)
    order = sorted(range(len(windows)), key=lambda i: len(windows[i].ids))
    scores: dict[int, float] = {}
    for start in range(0, len(order), batch_size):
        part = order[start : start + batch_size]
        scores.update(zip(part, _window_nats(model, [windows[i] for i in part]), strict=True))
    for i, window in enumerate(windows):
        nats[window.document] += scores[i]
    return [
        DocumentScore(doc_id, source, nats[i], len(encoded[i]) + 1, len(text.encode()))
        for i, (doc_id, source, text) in enumerate(listed)
    ]


def sum_by_source(scores: Iterable[DocumentScore]) -> list[SourceScore]:
    """Returns one row for each source, sorted by its name.

    Raises InputError for a source without a byte of text.
    """
    by_source: dict[str, list[DocumentScore]] = {}
    for score in scores:
        by_source.setdefault(score.source, []).append(score)
    return [_sum_source(source, part) for source, part in sorted(by_source.items())]


def bits_per_byte(nats: float, n_bytes: int) -> float:
    """Returns nats / (ln 2 · n_bytes); raises InputError for 0 bytes."""
    if n_bytes < 1:
        raise InputError(
            f"Bits per byte were asked for {n_bytes:,d} bytes; expected at least 1. "
            "Leave out empty documents."
        )
    return nats / (math.log(2) * n_bytes)


def _sum_source(source: str, scores: Sequence[DocumentScore]) -> SourceScore:
    nats = math.fsum(score.nats for score in scores)
    n_bytes = sum(score.n_bytes for score in scores)
    n_tokens = sum(score.n_tokens for score in scores)
    return SourceScore(source, len(scores), n_tokens, n_bytes, nats, bits_per_byte(nats, n_bytes))


def _cut(document: int, ids: list[int], model: Transformer) -> Iterable[_Window]:
    """Yields windows of at most a context that score every token but the first exactly once."""
    size = model.config.context_length
    n_done = 1  # the leading <|endoftext|> is given
    while n_done < len(ids):
        # the first window scores all it sees; the others move on by half a context
        end = min(len(ids), size + 1 if n_done == 1 else n_done + max(1, size // 2))
        start = max(0, end - size - 1)
        yield _Window(document, ids[start:end], end - n_done)
        n_done = end


@torch.inference_mode()
def _window_nats(model: Transformer, windows: Sequence[_Window]) -> list[float]:
    width = max(len(window.ids) for window in windows)
    ids = torch.tensor([window.ids + [0] * (width - len(window.ids)) for window in windows])
    logps = token_logps(model(ids[:, :-1]), ids[:, 1:])
    return [_scored_nats(row, window) for row, window in zip(logps, windows, strict=True)]


def _scored_nats(logps: Float[Tensor, " targets"], window: _Window) -> float:
    end = len(window.ids) - 1
    return -logps[end - window.n_scored : end].double().sum().item()
