"""Turns compute budgets and shapes into training runs of whole steps.

C = 6 N D. N, the count that enters every law here, is the number of parameters that a token is
multiplied with: all matrices and norms, and the output projection, which is the tied embedding.
At these sizes it cannot be left out: with d_model 64 and 4,096 tokens of vocabulary it is two
thirds of the compute, and leaving it out is what bent Kaplan's exponent (arXiv:2406.19146).
Attention scores are not counted, as in Chinchilla; they add T / (12 d_model) of a layer.

Steps are whole, so 6 N D meets the budget within half a step. Cost: arithmetic only.
"""

from dataclasses import dataclass

from lmcore.model.config import ModelConfig
from lmcore.scaling.config import ScalingConfig


@dataclass(frozen=True, slots=True)
class SweepPoint:
    """One run of the sweep.

    n_params: N of the laws, output projection included.
    n_params_non_embedding: without the tied embedding.
    n_tokens: D, tokens trained on: steps * batch_size * context_length.
    flops: 6 N D as it comes out with whole steps; budget_flops is what was asked for.
    epochs: n_tokens over the training tokens there are.
    """

    name: str
    budget_flops: float
    flops: float
    d_model: int
    n_layers: int
    n_heads: int
    context_length: int
    batch_size: int
    steps: int
    warmup_steps: int
    lr: float
    n_params: int
    n_params_non_embedding: int
    n_tokens: int
    epochs: float


@dataclass(frozen=True, slots=True)
class SkippedPoint:
    """A run of the sweep that is not worth its compute, and why."""

    name: str
    budget_flops: float
    d_model: int
    n_layers: int
    reason: str


def _sweep(
    config: ScalingConfig, vocab_size: int, available_tokens: int
) -> list[tuple[SweepPoint, str]]:
    """Returns every point with the reason to skip it, empty where there is none."""
    rows = []
    for budget in sorted(config.budgets):
        for d_model, n_layers in sorted(config.sizes):
            point = _point(config, budget, (d_model, n_layers), vocab_size, available_tokens)
            reason = ""
            if point.steps < config.min_steps:
                reason = f"{point.steps:,d} steps, fewer than {config.min_steps:,d}"
            elif point.n_tokens > config.max_epochs * available_tokens:
                reason = (
                    f"{point.n_tokens:,d} tokens, more than {config.max_epochs:g} epochs "
                    f"of {available_tokens:,d}"
                )
            rows.append((point, reason))
    return rows


def _point(
    config: ScalingConfig,
    budget: float,
    size: tuple[int, int],
    vocab_size: int,
    available_tokens: int,
) -> SweepPoint:
    d_model, n_layers = size
    model = ModelConfig(
        d_model=d_model,
        n_layers=n_layers,
        n_heads=d_model // config.head_dim,
        context_length=config.context_length,
    )
    n_params = model.n_parameters(vocab_size)
    step_tokens = config.batch_size * config.context_length
    steps = max(1, round(budget / (6 * n_params * step_tokens)))
    n_tokens = steps * step_tokens
    return SweepPoint(
        name=f"c{budget:.6g}-d{d_model}-l{n_layers}",
        budget_flops=budget,
        flops=6.0 * n_params * n_tokens,
        d_model=d_model,
        n_layers=n_layers,
        n_heads=model.n_heads,
        context_length=config.context_length,
        batch_size=config.batch_size,
        steps=steps,
        warmup_steps=int(config.warmup_share * steps),
        lr=min(config.max_lr, config.lr * (config.lr_width / d_model) ** config.lr_exponent),
        n_params=n_params,
        n_params_non_embedding=model.n_non_embedding_parameters(),
        n_tokens=n_tokens,
        epochs=n_tokens / max(1, available_tokens),
    )


def plan(config: ScalingConfig, vocab_size: int, available_tokens: int) -> list[SweepPoint]:
    """Returns the runs to train, by budget, then size; `skipped` returns the others.

    available_tokens is the length of the training split.
    """
    sweep = _sweep(config, vocab_size, available_tokens)
    return [point for point, reason in sweep if not reason]


def skipped(config: ScalingConfig, vocab_size: int, available_tokens: int) -> list[SkippedPoint]:
    """Returns the runs that `plan` leaves out, each with its reason."""
    return [
        SkippedPoint(point.name, point.budget_flops, point.d_model, point.n_layers, reason)
        for point, reason in _sweep(config, vocab_size, available_tokens)
        if reason
    ]
