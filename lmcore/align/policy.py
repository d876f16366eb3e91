"""Log-probabilities of completions under a model, with nothing computed twice.

Two savings over a padded batch of whole sequences:
* the head (d_model by vocabulary, the largest matrix of a small model) runs only on positions that
  predict a supervised token: 3 of 15 in a short answer;
* the completions of one prompt share a row: the prompt stands once, followed by every completion,
  and a mask lets each see the prompt and itself. Eight answers of 3 tokens to a prompt of 12 take
  12 + 8·2 = 28 positions instead of 8·14 = 112 (the last token of a completion is never fed).

Positions continue from the prompt in each completion, so RoPE sees what it would see alone; the
tests hold the shared rows against one forward pass for each sequence.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lmcore.align.chat import Chat
from lmcore.errors import InputError
from lmcore.model.loss import linear_cross_entropy, token_logps
from lmcore.model.transformer import Transformer

Tokens = Sequence[int]


@dataclass(frozen=True, slots=True)
class Packed:
    """Rows of tokens, and the supervised tokens as flat vectors in the order of completions."""

    ids: Int[Tensor, "rows seq"]
    positions: Int[Tensor, "rows seq"] | None
    """Place of each token in its own sequence; None = the column."""
    mask: Bool[Tensor, "rows 1 seq seq"] | None
    """True where a token may see another; None = causal."""
    sources: Int[Tensor, " tokens"]
    """Flat index into rows * seq of the position that predicts each supervised token."""
    targets: Int[Tensor, " tokens"]
    """The supervised tokens."""
    owners: Int[Tensor, " tokens"]
    """Which completion (or conversation) each belongs to."""
    n_tokens: Int[Tensor, " completions"]
    """Supervised tokens of each completion."""


def pack_chats(chats: Sequence[Chat], pad_id: int = 0) -> Packed:
    """Pads conversations on the right, one a row; supervised tokens come from the masks.

    Padding is in the future of every token, so that any `pad_id` gives the same log-probabilities.
    The first token of a row is never predicted, so it may not be supervised (InputError).
    """
    width = max(len(chat.ids) for chat in chats)
    ids = torch.tensor([chat.ids + [pad_id] * (width - len(chat.ids)) for chat in chats])
    supervised = torch.tensor(
        [chat.is_supervised + [False] * (width - len(chat.ids)) for chat in chats]
    )
    if bool(supervised[:, 0].any()):
        raise InputError(
            "A conversation starts with a supervised token; expected a prompt first, because "
            "nothing predicts the first token. Put <|user|> before it."
        )
    rows, columns = supervised.nonzero(as_tuple=True)
    return Packed(
        ids=ids[:, :-1],  # nothing follows the last token
        positions=None,
        mask=None,
        sources=rows * (width - 1) + columns - 1,
        targets=ids[rows, columns],
        owners=rows,
        n_tokens=supervised.sum(1),
    )


def pack_groups(prompts: Sequence[Tokens], groups: Sequence[Sequence[Tokens]]) -> Packed:
    """Puts each prompt and all its completions (groups[i] answers prompts[i]) in one row.

    Raises InputError for an empty prompt or completion.
    """
    _check_groups(prompts, groups)
    fed = [
        len(prompt) + sum(len(completion) - 1 for completion in group)
        for prompt, group in zip(prompts, groups, strict=True)
    ]
    n_rows, width = len(prompts), max(fed)
    ids = torch.zeros(n_rows, width, dtype=torch.int64)
    positions = torch.zeros(n_rows, width, dtype=torch.int64)
    # 0 = prompt, k = k-th completion, -1 = padding
    part = torch.full((n_rows, width), -1, dtype=torch.int64)
    sources: list[int] = []
    for row, (prompt, group) in enumerate(zip(prompts, groups, strict=True)):
        start = len(prompt)
        ids[row, :start] = torch.tensor(prompt)
        positions[row, :start] = torch.arange(start)
        part[row, :start] = 0
        for k, completion in enumerate(group, start=1):
            end = start + len(completion) - 1
            ids[row, start:end] = torch.tensor(completion[:-1], dtype=torch.int64)
            positions[row, start:end] = torch.arange(end - start) + len(prompt)
            part[row, start:end] = k
            sources.append(row * width + len(prompt) - 1)
            sources.extend(range(row * width + start, row * width + end))
            start = end
    lengths = torch.tensor([len(completion) for group in groups for completion in group])
    return Packed(
        ids=ids,
        positions=positions,
        mask=_tree_mask(part),
        sources=torch.tensor(sources),
        targets=torch.tensor([t for group in groups for completion in group for t in completion]),
        owners=torch.repeat_interleave(lengths),
        n_tokens=lengths,
    )


def supervised_features(model: Transformer, packed: Packed) -> Float[Tensor, "tokens d_model"]:
    """Returns the features that predict each supervised token."""
    room = model.config.context_length
    if packed.positions is not None and int(packed.positions.max()) >= room:
        raise InputError(
            f"A sequence has {int(packed.positions.max()) + 1:,d} tokens; the model has room for "
            f"{room:,d}. Shorten the completions or raise model.context_length."
        )
    features = model.features(packed.ids, packed.positions, packed.mask)
    return features.flatten(0, 1)[packed.sources]


def completion_logps(model: Transformer, packed: Packed) -> Float[Tensor, " tokens"]:
    """Returns the log-probability of each supervised token, in nats."""
    return token_logps(model.logits(supervised_features(model, packed)), packed.targets)


def completion_nll(model: Transformer, packed: Packed) -> Float[Tensor, ""]:
    """Returns -Σ log p over the supervised tokens; the logits are never in memory at once."""
    features = supervised_features(model, packed)
    return linear_cross_entropy(features, model.head_weight, packed.targets)


def completion_logps_reference(
    model: Transformer, prompts: Sequence[Tokens], groups: Sequence[Sequence[Tokens]]
) -> Float[Tensor, " tokens"]:
    """The same as `completion_logps` of `pack_groups`, one sequence and one token at a time."""
    logps: list[Tensor] = []
    for prompt, group in zip(prompts, groups, strict=True):
        for completion in group:
            sequence = [*prompt, *completion]
            table = model(torch.tensor([sequence]))[0].log_softmax(-1)
            logps.extend(table[i - 1, sequence[i]] for i in range(len(prompt), len(sequence)))
    return torch.stack(logps)


def _tree_mask(part: Int[Tensor, "rows seq"]) -> Bool[Tensor, "rows 1 seq seq"]:
    """True where the key is no later and in the prompt or in the query's own completion."""
    width = part.shape[1]
    query, key = part[:, :, None], part[:, None, :]
    earlier = torch.ones(width, width, dtype=torch.bool).tril()
    visible = earlier & ((key == 0) | (key == query))  # padding sees padding: no empty row
    return visible[:, None]


def _check_groups(prompts: Sequence[Tokens], groups: Sequence[Sequence[Tokens]]) -> None:
    if not prompts or any(not prompt for prompt in prompts):
        raise InputError("A prompt has 0 tokens; expected at least 1. Put <|user|> before it.")
    if any(not completion for group in groups for completion in group):
        raise InputError(
            "A completion has 0 tokens; expected at least <|end|>. Encode it with the template."
        )
