"""One dial: from a compute budget, or a depth, to width, heads, batch, steps and learning rate.

Rules, each with its source; a key that the recipe states is taken as it is, and what follows from it too.

    shape     d_model = 64 n_layers, heads of 32 (64 from d_model 512 on): nanochat's one dial (Karpathy 2025).
              A budget takes the width, in steps of 32 (of 64), whose optimal run costs most nearly as much
    tokens    D = 20 N for AdamW, N the parameters that multiply, output matrix included (Hoffmann et al. 2022,
              arXiv 2203.15556); 10.5 per parameter outside the embedding for Muon and SOAP (nanochat, measured).
              A budget is then spent exactly: D = C / FLOPs a token
    batch     0.58 D^0.571 tokens (Step Law, Li et al. 2025, arXiv 2503.04715). The power of D is what McCandlish
              et al. 2018 (arXiv 1812.06162) call critical batch size; Zhang et al. 2024 (arXiv 2410.21676) and
              Bergsma et al. 2025 (arXiv 2505.13738) measure 0.46 and 0.47
    lr        1.79 n^-0.713 D^0.307, n without embeddings (Step Law); times sqrt(batch / optimal batch) where the
              recipe states the batch (Malladi et al. 2022, arXiv 2205.10287); at most 0.01, 0.02 up to
              d_model 64 (measured, below)
    warm-up   a tenth of the steps, at most 500
    epochs    at most 4 (Muennighoff et al. 2023, arXiv 2305.16264)

Checked against our own grid (4 layers of 128, 614,400 tokens in batches of 2,048): the rules say lr 6.3e-3 and
batches of 1,176 tokens; tuned, AdamW was best at 8.0e-3 (4.946 nats), 5.7e-3 (4.984) before 1.1e-2 (5.052).
At 1.5e12 FLOPs of the same books the dial's width of 32 ends at 5.005 nats, and the same budget in widths of 64,
96, 128 and 192 at 5.084, 5.278, 5.523 and 5.840. At half that rate it ends at 5.076, and there half and double
the batch cost 0.03 and 0.06.
A replication of the Step Law did not find its exponent of D again: below 10^17 FLOPs these are priors. The laws
that a recipe's own sweep fits say more: give `dial.tokens_per_parameter` what they say.

Cost: arithmetic; 0.4 ms a budget.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from lmcore.errors import ConfigError
from lmcore.model.config import ModelConfig

ASPECT: Final = 64
_WIDTH_STEP: Final = 32
_MAX_WIDTH: Final = 1 << 14
_MIN_LAYERS: Final = 2
_WIDE: Final = 512
"""from this width on, heads of 64 and windows of 1,024 tokens"""
_MIN_STEPS: Final = 20
"""a run of fewer measures its warm-up"""
_MAX_LR: Final = 1e-2
"""twice that up to `_NARROW`: 0.02 beats 0.01 by 0.07 nats at d_model 32 and equals it at 64; at 128, 8e-3 is best"""
_NARROW: Final = 64
_TOLERANCE: Final = 0.1
"""of the budget, that a run may miss it by"""
_MATRIX_OPTIMIZERS: Final = ("muon", "soap")
_WITH_LR_RULE: Final = ("adamw", *_MATRIX_OPTIMIZERS)


@dataclass(frozen=True, slots=True, kw_only=True)
class DialConfig:
    """One number that a recipe may state instead of a model and its training.

    Raises:
        ConfigError: on more than one number, or one below 0.
    """

    compute: float = 0.0
    """FLOPs of pretraining, forward and backward, as `c2m plan` counts them"""
    seconds: float = 0.0
    """time of pretraining on this machine; turned into compute when the recipe is read"""
    depth: int = 0
    """layers"""
    flops_per_second: float = 0.0
    """FLOPs a second of all processes' matrix products, for seconds; 0: measured once and kept in the store"""
    tokens_per_parameter: float = 0.0
    """0: 20, or 10.5 outside the embedding for Muon and SOAP"""
    max_epochs: float = 4.0
    """most times that the training split is read"""

    def __post_init__(self) -> None:
        for name in ("compute", "seconds", "depth", "flops_per_second", "tokens_per_parameter"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ConfigError(
                    f"found dial.{name} {getattr(self, name)}; expected 0 or more; change it"
                )
        if not 0.0 < self.max_epochs < float("inf"):
            raise ConfigError(
                f"found dial.max_epochs {self.max_epochs}; expected more than 0; raise it"
            )
        given = [name for name in ("compute", "seconds", "depth") if getattr(self, name)]
        if len(given) > 1:
            raise ConfigError(
                f"found dial.{' and dial.'.join(given)}; expected one number; leave the others out"
            )

    @property
    def is_set(self) -> bool:
        """Whether the recipe states a number at all."""
        return bool(self.compute or self.seconds or self.depth)


class Derived(NamedTuple):
    """One value that a recipe did not state."""

    key: str
    """section.key, as the recipe names it"""
    value: int | float
    rule: str
    """where the value comes from, with its numbers"""


Stated = Mapping[str, object]
"""Values that the recipe states, by section.key."""


def compute_of(seconds: float, flops_per_second: float, step_share: float) -> float:
    """Turn time into FLOPs, to two digits: a measurement is not known better."""
    return float(f"{seconds * flops_per_second * step_share:.1e}")


def derive(dial: DialConfig, stated: Stated, vocab_size: int) -> list[Derived]:
    """Return every value that follows from the dial, in the order of the rules.

    Raises:
        ConfigError: where the stated values leave no run of this size, or one too short to be one.
    """
    if not dial.is_set:
        return []
    if dial.seconds:
        raise ConfigError(
            f"found dial.seconds {dial.seconds:g} and no rate; expected FLOPs: state "
            "dial.flops_per_second as well, or run it with `c2m run`, which measures it once"
        )
    stated = {name: value for name, value in stated.items() if value is not None}
    shape = _depth_shape(dial, stated) if dial.depth else _budget_shape(dial, stated, vocab_size)
    derived = list(_shape_values(dial, shape))
    derived += _training_values(dial, stated, shape, vocab_size)
    return [value for value in derived if value.key not in stated]


def _number(stated: Stated, key: str, default: float = 0.0) -> float:
    value = stated.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConfigError(f"found {key} = {value!r}; expected a number; correct the value")
    return float(value)


def _shape(stated: Stated, d_model: int, n_layers: int) -> ModelConfig:
    """Build the model of a width and depth; what the recipe states of it stays."""
    head_dim = 64 if d_model >= _WIDE else 32
    fields: dict[str, object] = {
        "d_model": d_model,
        "n_layers": n_layers,
        "n_heads": max(1, d_model // head_dim),
        "context_length": 1024 if d_model >= _WIDE else 256,
    }
    fields |= {
        name.removeprefix("model."): value
        for name, value in stated.items()
        if name.startswith("model.")
    }
    return ModelConfig(**fields)  # type: ignore[arg-type]  # a recipe's values, checked there


def _depth_shape(dial: DialConfig, stated: Stated) -> ModelConfig:
    return _shape(stated, ASPECT * dial.depth, dial.depth)


def _budget_shape(dial: DialConfig, stated: Stated, vocab_size: int) -> ModelConfig:
    """Find the shape whose optimal run costs most nearly the budget."""

    def miss(shape: ModelConfig) -> float:
        tokens = _tokens_by_ratio(dial, stated, shape, vocab_size)
        fixed = _stated_tokens(stated, shape)
        cost = (fixed or tokens) * shape.training_flops_per_token(vocab_size)
        return abs(math.log(cost / dial.compute))

    return min(_candidates(stated), key=miss)


def _candidates(stated: Stated) -> Iterator[ModelConfig]:
    n_layers = int(_number(stated, "model.n_layers"))
    d_model = int(_number(stated, "model.d_model"))
    narrow = range(_WIDTH_STEP, _WIDE, _WIDTH_STEP)
    wide = range(_WIDE, _MAX_WIDTH + 1, 2 * _WIDTH_STEP)
    for width in [d_model] if d_model else [*narrow, *wide]:
        yield _shape(stated, width, n_layers or max(_MIN_LAYERS, round(width / ASPECT)))


def _stated_tokens(stated: Stated, shape: ModelConfig) -> int:
    """Return the tokens of a run whose steps and batch are stated; 0 where they are not."""
    steps, batch = (_number(stated, f"pretrain.{name}") for name in ("steps", "batch_size"))
    return int(steps * batch) * shape.context_length


def _ratio(dial: DialConfig, stated: Stated) -> tuple[float, bool, str]:
    """Return tokens per parameter, whether the embedding is left out, and whose rule that is."""
    optimizer = str(stated.get("pretrain.optimizer", "adamw"))
    is_matrix = optimizer in _MATRIX_OPTIMIZERS
    if dial.tokens_per_parameter:
        return dial.tokens_per_parameter, False, "dial.tokens_per_parameter"
    if is_matrix:
        return 10.5, True, f"nanochat's measured optimum with {optimizer}"
    return 20.0, False, "Chinchilla, arXiv 2203.15556"


def _tokens_by_ratio(
    dial: DialConfig, stated: Stated, shape: ModelConfig, vocab_size: int
) -> float:
    ratio, without_embedding, _ = _ratio(dial, stated)
    return ratio * _parameters(shape, vocab_size, without_embedding)


def _parameters(shape: ModelConfig, vocab_size: int, without_embedding: bool) -> int:
    """Count what a token is multiplied with; the look-up of an untied embedding is none of it."""
    n_params = shape.n_non_embedding_parameters()
    return n_params if without_embedding else n_params + vocab_size * shape.d_model


def _shape_values(dial: DialConfig, shape: ModelConfig) -> Iterator[Derived]:
    if dial.depth:
        yield Derived("model.n_layers", shape.n_layers, "dial.depth")
        rule = f"{ASPECT} x {dial.depth} layers: nanochat's aspect ratio"
        yield Derived("model.d_model", shape.d_model, rule)
    else:
        rule = (
            f"the multiple of {shape.head_dim} whose run at the optimal tokens costs most nearly "
            f"{dial.compute:.3g} FLOPs"
        )
        yield Derived("model.d_model", shape.d_model, rule)
        rule = f"d_model / {ASPECT}, at least {_MIN_LAYERS}: nanochat's aspect ratio"
        yield Derived("model.n_layers", shape.n_layers, rule)
    rule = f"d_model / {shape.head_dim}: heads of 32, of 64 from d_model {_WIDE} on"
    yield Derived("model.n_heads", shape.n_heads, rule)
    rule = f"256, 1,024 from d_model {_WIDE} on"
    yield Derived("model.context_length", shape.context_length, rule)


def _training_values(
    dial: DialConfig, stated: Stated, shape: ModelConfig, vocab_size: int
) -> Iterator[Derived]:
    tokens, tokens_rule = _tokens(dial, stated, shape, vocab_size)
    best_batch = 0.58 * tokens**0.571
    batch, steps = _batch_and_steps(stated, shape, tokens, best_batch)
    _check(dial, shape, vocab_size, batch, steps)
    yield Derived(
        "pretrain.batch_size",
        batch,
        f"0.58 D^0.571 = {best_batch:,.0f} tokens, in windows of {shape.context_length:,d}: Step Law, "
        "arXiv 2503.04715",
    )
    yield Derived("pretrain.steps", steps, tokens_rule)
    drawn = float(steps * batch * shape.context_length)
    if "pretrain.lr" not in stated:
        yield _learning_rate(stated, shape, drawn, batch)
    warmup = min(max(1, round(0.1 * steps)), 500, steps)
    yield Derived("pretrain.warmup_steps", warmup, "a tenth of the steps, at most 500")
    every = max(1, steps // 20)
    yield Derived("pretrain.eval_every", every, "20 times a run")
    yield Derived("pretrain.checkpoint_every", max(1, steps // 10), "10 times a run")
    rule = "repeated tokens are worth nearly as much as new ones up to 4 times, arXiv 2305.16264"
    yield Derived("pretrain.data.max_epochs", dial.max_epochs, rule)


def _tokens(
    dial: DialConfig, stated: Stated, shape: ModelConfig, vocab_size: int
) -> tuple[float, str]:
    """Return D and the rule that gives the steps."""
    ratio, without_embedding, source = _ratio(dial, stated)
    n_params = _parameters(shape, vocab_size, without_embedding)
    what = "outside the embedding" if without_embedding else "that multiply"
    if fixed := _stated_tokens(stated, shape):
        return float(fixed), "stated"
    if dial.compute:
        per_token = shape.training_flops_per_token(vocab_size)
        tokens = dial.compute / per_token
        return tokens, (
            f"D = {dial.compute:.3g} FLOPs / {per_token:,d} a token = {tokens:,.0f} tokens: "
            f"{tokens / n_params:.1f} for each of {n_params:,d} parameters {what} (optimal {ratio:g}: {source})"
        )
    tokens = ratio * n_params
    return tokens, (
        f"D = {ratio:g} x {n_params:,d} parameters {what} = {tokens:,.0f} tokens: {source}"
    )


def _batch_and_steps(
    stated: Stated, shape: ModelConfig, tokens: float, best_batch: float
) -> tuple[int, int]:
    window, ranks = shape.context_length, max(1, int(_number(stated, "pretrain.world_size", 1.0)))
    batch = int(_number(stated, "pretrain.batch_size"))
    steps = int(_number(stated, "pretrain.steps"))
    if not batch:
        wanted = tokens / steps / window if steps else best_batch / window
        batch = ranks * max(1, round(wanted / ranks))
    return batch, steps or max(1, round(tokens / (batch * window)))


def _learning_rate(stated: Stated, shape: ModelConfig, tokens: float, batch: int) -> Derived:
    optimizer = str(stated.get("pretrain.optimizer", "adamw"))
    if optimizer not in _WITH_LR_RULE:
        raise ConfigError(
            f"found pretrain.optimizer {optimizer!r} and no pretrain.lr; expected one of "
            f"{', '.join(_WITH_LR_RULE)}, for which there is a rule; state pretrain.lr"
        )
    n_params = shape.n_non_embedding_parameters()
    lr = 1.79 * n_params**-0.713 * tokens**0.307
    rule = f"1.79 n^-0.713 D^0.307 for n = {n_params:,d} outside the embedding: Step Law"
    if "pretrain.batch_size" in stated:
        scale = math.sqrt(batch * shape.context_length / (0.58 * tokens**0.571))
        lr *= scale
        rule += f", x {scale:.2f} = sqrt(batch / optimal batch), arXiv 2205.10287"
    most = _MAX_LR if shape.d_model > _NARROW else 2 * _MAX_LR
    if lr > most:
        lr = most
        rule += f", at most {most:g}"
    return Derived("pretrain.lr", float(f"{lr:.2e}"), rule)


def _check(dial: DialConfig, shape: ModelConfig, vocab_size: int, batch: int, steps: int) -> None:
    """Refuse a run that is none, or that misses the budget."""
    per_step = batch * shape.context_length * shape.training_flops_per_token(vocab_size)
    size = f"d_model {shape.d_model:,d}, {shape.n_layers:,d} layers, {vocab_size:,d} tokens"
    if steps < _MIN_STEPS:
        raise ConfigError(
            f"found a dial that leaves {steps:,d} steps of {batch:,d} windows for {size}; expected "
            f"at least {_MIN_STEPS}, that is {_MIN_STEPS * per_step:.2g} FLOPs; raise the dial, or "
            "lower tokenizer.vocab_size, pretrain.batch_size or model.context_length"
        )
    flops = float(steps * per_step)
    if dial.compute and abs(flops / dial.compute - 1.0) > _TOLERANCE:
        raise ConfigError(
            f"found stated values that make a run of {flops:.3g} FLOPs ({steps:,d} steps of {batch:,d} "
            f"windows for {size}); expected {dial.compute:.3g} within {_TOLERANCE:.0%}, the dial; state "
            "fewer of model and pretrain, or no dial"
        )
