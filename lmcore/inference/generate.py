"""Text from a model: batched decoding with a cache.

Prompts of different lengths are padded on the left, so that every sequence gets its next token
in the same column; positions and masks make the padding invisible. The prompt is read in one
forward (prefill), then each step reads one token per sequence. Sequences that have ended leave
the batch once half of it is done. Cost per token: 2 FLOPs per parameter and 4 d_model per layer
and cached token; memory: the cache (see lmcore.model.cache) and one row of logits per sequence.
"""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lmcore.errors import InputError
from lmcore.model.cache import KVCache
from lmcore.model.transformer import Transformer


@dataclass(frozen=True, slots=True)
class Generation:
    """The tokens that a model wrote after one prompt."""

    ids: list[int]
    """New tokens, the stop token included where one was reached."""
    logps: list[float]
    """Log-probability of each, in nats, under the model itself (temperature 1, all tokens)."""


@torch.inference_mode()
def generate(  # noqa: PLR0913  # two operands and five independent choices
    model: Transformer,
    prompts: Sequence[Sequence[int]],
    *,
    max_new_tokens: int,
    temperature: float = 1.0,
    top_p: float = 1.0,
    stop_ids: AbstractSet[int] = frozenset(),
    generator: torch.Generator | None = None,
) -> list[Generation]:
    """Continues every prompt until a stop token or `max_new_tokens`.

    Temperature 0 takes the likeliest token. Otherwise every step draws one uniform number per
    prompt, whether or not its sequence has ended, so the draws of one sequence do not depend on
    where the others stop.

    Raises:
        InputError: a prompt is empty or does not leave room for the new tokens; sampling
            without a generator.
    """
    _check(model, prompts, max_new_tokens, temperature, top_p)
    if temperature > 0.0 and generator is None:
        raise InputError(
            f"temperature is {temperature} and there is no generator; sampling needs a seeded "
            "torch.Generator: pass one, or set temperature to 0"
        )
    if not prompts or max_new_tokens == 0:
        return [Generation([], []) for _ in prompts]
    decoder = _Decoder(model, prompts, max_new_tokens)
    chosen_ids = torch.zeros(len(prompts), max_new_tokens, dtype=torch.int64)
    chosen_logps = torch.zeros(len(prompts), max_new_tokens)
    lengths = [0] * len(prompts)
    stops = torch.tensor(sorted(stop_ids), dtype=torch.int64)
    logits = decoder.prefill()
    for step in range(max_new_tokens):
        draws = None
        if temperature > 0.0:
            draws = torch.rand(len(prompts), generator=generator)[decoder.rows]
        ids, logps = next_tokens(logits, draws, temperature=temperature, top_p=top_p)
        chosen_ids[decoder.rows, step] = ids
        chosen_logps[decoder.rows, step] = logps
        decoder.end(torch.isin(ids, stops))
        for row in decoder.just_ended:
            lengths[row] = step + 1
        if decoder.is_done or step + 1 == max_new_tokens:
            break
        logits = decoder.read(ids)
    return [
        Generation(ids[:n], logps[:n])
        for ids, logps, n in zip(
            chosen_ids.tolist(),
            chosen_logps.tolist(),
            [n or max_new_tokens for n in lengths],
            strict=True,
        )
    ]


def next_tokens(
    logits: Float[Tensor, "batch vocab"],
    draws: Float[Tensor, " batch"] | None,
    *,
    temperature: float = 1.0,
    top_p: float = 1.0,
) -> tuple[Int[Tensor, " batch"], Float[Tensor, " batch"]]:
    """Picks one token per row and its log-probability at temperature 1.

    With `draws` (uniform in [0, 1)) the token is the first whose cumulative probability exceeds
    the draw; without, the likeliest. `top_p` keeps the fewest likeliest tokens whose
    probabilities sum to at least that much (arXiv:1904.09751).
    """
    highest = logits.amax(dim=-1, keepdim=True)
    if draws is None:
        ids = logits.argmax(dim=-1)
        total = (logits - highest).exp_().sum(dim=-1)
    else:
        weights = (logits - highest).exp_()
        total = weights.sum(dim=-1)
        if temperature != 1.0:
            weights = ((logits - highest) / temperature).exp_()
        if top_p < 1.0:
            weights = _nucleus(weights, top_p)
        # a draw is at most 1 - 2^-24, so the threshold rounds to less than the last entry and
        # the search ends on a token of positive weight
        cumulative = weights.cumsum(dim=-1)
        threshold = draws[:, None] * cumulative[:, -1:]
        ids = torch.searchsorted(cumulative, threshold, right=True)[:, 0]
    chosen = logits.gather(1, ids[:, None])[:, 0]
    return ids, chosen - highest[:, 0] - total.log()


def _nucleus(weights: Float[Tensor, "batch vocab"], top_p: float) -> Float[Tensor, "batch vocab"]:
    """Sets to zero what lies outside the smallest likeliest set of mass top_p."""
    ordered, order = weights.sort(dim=-1, descending=True, stable=True)
    before = ordered.cumsum(dim=-1) - ordered
    outside = before >= top_p * ordered.sum(dim=-1, keepdim=True)
    outside[:, 0] = False
    return weights.masked_fill(torch.zeros_like(outside).scatter_(1, order, outside), 0.0)


class _Decoder:
    """The sequences still being written: their rows, cache, positions and padding."""

    def __init__(
        self, model: Transformer, prompts: Sequence[Sequence[int]], max_new_tokens: int
    ) -> None:
        width = max(len(prompt) for prompt in prompts)
        self.model = model
        self.rows = torch.arange(len(prompts))
        self.padding = torch.tensor([width - len(prompt) for prompt in prompts])
        self.prompts = torch.tensor([[0] * (width - len(p)) + list(p) for p in prompts])
        self.is_ragged = bool(self.padding.any())
        self.capacity = width + max_new_tokens - 1
        self.cache = KVCache(model.config, 0, self.capacity)
        self.live = torch.ones(len(prompts), dtype=torch.bool)
        self.just_ended: list[int] = []

    @property
    def is_done(self) -> bool:
        return not bool(self.live.any())

    def prefill(self) -> Float[Tensor, "batch vocab"]:
        """Reads every prompt; equal prompts, as in a group of rollouts, are read once."""
        table = torch.cat((self.padding[:, None], self.prompts), dim=1)
        unique, copies = torch.unique(table, dim=0, return_inverse=True)
        padding, prompts = unique[:, 0], unique[:, 1:]
        self.cache = KVCache(self.model.config, len(unique), self.capacity)
        features = self.model.features(prompts, *self._places(padding), self.cache)
        logits = self.model.logits(features[:, -1])
        self.cache.keep(copies)
        return logits[copies]

    def _places(
        self, padding: Int[Tensor, " prompts"]
    ) -> tuple[Int[Tensor, "prompts seq"] | None, Bool[Tensor, "prompts 1 seq seq"] | None]:
        """Positions and mask of left-padded prompts; None, the defaults, where none is padded."""
        if not self.is_ragged:
            return None, None
        columns = torch.arange(self.prompts.shape[1])
        visible = (columns >= padding[:, None])[:, None, None, :] & (columns <= columns[:, None])
        # a padding token sees itself, because a row without any key has no softmax
        mask = visible | torch.eye(len(columns), dtype=torch.bool)
        return (columns - padding[:, None]).clamp(min=0), mask

    def read(self, ids: Int[Tensor, " batch"]) -> Float[Tensor, "live vocab"]:
        """Feeds each live sequence its newest token; may drop the sequences that ended."""
        n_live = int(self.live.sum())
        if 2 * n_live <= len(self.rows):
            ids = ids[self.live]
            kept = self.live.nonzero()[:, 0]
            self.cache.keep(kept)
            self.rows, self.padding = self.rows[kept], self.padding[kept]
            self.live = self.live[kept]
        positions = (self.cache.length - self.padding)[:, None]
        mask = None
        if self.is_ragged:
            mask = self._visible(self.cache.length + 1)[:, None, None, :]
        features = self.model.features(ids[:, None], positions, mask, self.cache)
        return self.model.logits(features[:, 0])

    def end(self, stopped: Bool[Tensor, " batch"]) -> None:
        """Marks the live sequences that have just written a stop token."""
        stopped = stopped & self.live
        self.just_ended = self.rows[stopped].tolist()
        self.live &= ~stopped

    def _visible(self, n_columns: int) -> Bool[Tensor, "batch columns"]:
        return torch.arange(n_columns) >= self.padding[:, None]


def _check(
    model: Transformer,
    prompts: Sequence[Sequence[int]],
    max_new_tokens: int,
    temperature: float,
    top_p: float,
) -> None:
    shortest = min((len(prompt) for prompt in prompts), default=1)
    longest = max((len(prompt) for prompt in prompts), default=1)
    if shortest == 0:
        raise InputError("a prompt has no token; every prompt needs at least one: add <|user|>")
    if max_new_tokens < 0 or temperature < 0.0 or not 0.0 < top_p <= 1.0:
        raise InputError(
            f"max_new_tokens={max_new_tokens}, temperature={temperature}, top_p={top_p}; "
            "expected counts and temperatures of at least 0 and top_p in (0, 1]"
        )
    # the last new token is written, never read
    needed, room = longest + max_new_tokens - 1, model.config.context_length
    if needed > room:
        raise InputError(
            f"a prompt of {longest:,d} tokens and {max_new_tokens:,d} new ones need {needed:,d} "
            f"positions; the model has {room:,d}: shorten one of them"
        )
