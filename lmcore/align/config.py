"""Configurations of the alignment stages: problems, SFT, DPO and GRPO.

Why one file: the three stages share their problems and are read side by side in a recipe.
Cost: standard library only, so that a plan can be made without torch.

Every field is part of a stage's identity, `threads` too: oneDNN splits its sums by thread, so
another number of threads gives other bits.
"""

import math
from dataclasses import dataclass

from lmcore.errors import ConfigError

OPERATIONS = ("+", "-", "*")
"""Operations that a problem may ask for."""

KL_ESTIMATORS = ("k2", "k3")
"""Estimators of the KL divergence that may stand in a loss.

With x = log π - log π_ref, k1 = x has the gradient of E[x] at fixed π_ref, which is zero in
expectation: a loss with k1 ignores the reference without a word, so it is refused.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemConfig:
    """Arithmetic problems: every ordered pair of operands, split by a hash of the unordered one."""

    operation: str = "+"
    """What is asked for: one of + - *."""
    min_operand: int = 0
    """Smallest operand."""
    max_operand: int = 99
    """Largest operand; there are (max - min + 1)² problems."""
    template: str = "What is {a} {operation} {b}?"
    """The prompt; {a}, {operation} and {b} are replaced."""
    held_out_fraction: float = 0.1
    """Share of the unordered pairs that no training stage ever sees."""
    validation_fraction: float = 0.03
    """Share of the unordered pairs on which SFT checks whether to stop, and never trains."""
    seed: int = 0
    """Changes which pairs are held out and the order of the problems."""

    def __post_init__(self) -> None:
        _require(self.operation in OPERATIONS, "operation", self.operation, f"one of {OPERATIONS}")
        _require(self.min_operand >= 0, "min_operand", self.min_operand, "0 or more")
        _require(
            self.min_operand < self.max_operand < 10_000,
            "max_operand",
            self.max_operand,
            "above min_operand and below 10,000 (the problems are listed in memory)",
        )
        _require(
            all(self.template.count(part) == 1 for part in ("{a}", "{operation}", "{b}")),
            "template",
            self.template,
            "each of {a}, {operation} and {b} once",
        )
        for name in ("held_out_fraction", "validation_fraction"):
            _require(0 < getattr(self, name) < 0.5, name, getattr(self, name), "in (0, 0.5)")


@dataclass(frozen=True, slots=True, kw_only=True)
class SFTConfig:
    """Supervised fine-tuning on right answers, loss on the assistant's tokens only."""

    n_demonstrations: int = 0
    """How many problems of the train split come with an answer; 0 = all of them."""
    steps: int = 400
    """Most optimiser steps; training may end earlier, see `stop_accuracy`."""
    batch_size: int = 128
    """Demonstrations in a step."""
    microbatch_size: int = 0
    """Demonstrations in one forward pass, 0 = batch_size; the gradient is the same."""
    lr: float = 1e-3
    """Peak learning rate of AdamW."""
    min_lr_ratio: float = 1.0
    """Learning rate at the last step as a share of the peak (cosine); 1 = constant."""
    warmup_steps: int = 20
    """Steps of linear warm-up."""
    weight_decay: float = 0.0
    """Decoupled weight decay."""
    beta1: float = 0.9
    """AdamW's decay of the first moment."""
    beta2: float = 0.95
    """AdamW's decay of the second moment."""
    clip_norm: float = 1.0
    """Largest global norm of a gradient."""
    stop_accuracy: float = 1.0
    """Stops at the first check whose greedy accuracy exceeds this; 1 = train all the steps.

    Checked on the validation split, never on held-out problems. SFT passes from hardly any to most
    problems within a few dozen steps, so a count of steps alone does not say where it ends.
    """
    check_every: int = 20
    """Steps between two checks of the accuracy."""
    n_check: int = 128
    """Problems of the validation split that a check asks (0.1 s on one core)."""
    seed: int = 0
    """Order of the demonstrations."""
    threads: int = 2
    """Threads of torch (changes the last bits)."""

    def __post_init__(self) -> None:
        _require_optimiser(self.lr, self.min_lr_ratio, self.beta1, self.beta2)
        _require(self.n_demonstrations >= 0, "n_demonstrations", self.n_demonstrations, "≥ 0")
        for name in ("steps", "batch_size", "check_every", "n_check", "threads"):
            _require_positive(name, getattr(self, name))
        for name in ("microbatch_size", "warmup_steps", "weight_decay"):
            _require(getattr(self, name) >= 0, name, getattr(self, name), "0 or more")
        _require(self.clip_norm > 0, "clip_norm", self.clip_norm, "above 0")
        _require(0 < self.stop_accuracy <= 1, "stop_accuracy", self.stop_accuracy, "in (0, 1]")


@dataclass(frozen=True, slots=True, kw_only=True)
class DPOConfig:
    """Direct preference optimisation (arXiv:2305.18290): right answers over wrong ones."""

    steps: int = 60
    """Optimiser steps."""
    batch_size: int = 64
    """Preference pairs in a step."""
    microbatch_size: int = 0
    """Pairs in one forward pass, 0 = batch_size; the gradient is the same."""
    lr: float = 1e-4
    """Peak learning rate of AdamW."""
    min_lr_ratio: float = 1.0
    """Learning rate at the last step as a share of the peak (cosine); 1 = constant."""
    warmup_steps: int = 5
    """Steps of linear warm-up."""
    weight_decay: float = 0.0
    """Decoupled weight decay."""
    beta1: float = 0.9
    """AdamW's decay of the first moment."""
    beta2: float = 0.95
    """AdamW's decay of the second moment."""
    clip_norm: float = 1.0
    """Largest global norm of a gradient."""
    beta: float = 0.1
    """Strength of the pull towards the reference model."""
    nll_coefficient: float = 1.0
    """Weight of the right answer's loss a token beside the preference (arXiv:2404.19733); 0 = DPO."""
    malformed_fraction: float = 0.1
    """Share of the rejected answers that are right but badly formatted; the rest are wrong."""
    seed: int = 0
    """Order of the pairs and choice of the rejected answers."""
    threads: int = 2
    """Threads of torch (changes the last bits)."""

    def __post_init__(self) -> None:
        _require_optimiser(self.lr, self.min_lr_ratio, self.beta1, self.beta2)
        for name in ("steps", "batch_size", "threads"):
            _require_positive(name, getattr(self, name))
        for name in ("microbatch_size", "warmup_steps", "weight_decay"):
            _require(getattr(self, name) >= 0, name, getattr(self, name), "0 or more")
        _require(self.clip_norm > 0, "clip_norm", self.clip_norm, "above 0")
        _require(self.beta > 0, "beta", self.beta, "above 0")
        _require(self.nll_coefficient >= 0, "nll_coefficient", self.nll_coefficient, "0 or more")
        _require(
            0 <= self.malformed_fraction <= 1,
            "malformed_fraction",
            self.malformed_fraction,
            "between 0 and 1",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class GRPOConfig:
    """Group-relative policy optimisation (arXiv:2402.03300) against the verifier."""

    steps: int = 60
    """Rounds of sampling followed by an update."""
    prompts_per_step: int = 64
    """Problems sampled in a step, each answered group_size times."""
    group_size: int = 8
    """Rollouts a prompt; the rewards are compared within the group."""
    max_new_tokens: int = 6
    """Longest rollout; one that has not ended by then counts as wrong."""
    temperature: float = 1.0
    """Of the sampling. Log-probabilities are those of the untempered policy, so 1 is on-policy."""
    updates_per_step: int = 1
    """Passes over the rollouts of a step; from the second on, the clipping bites."""
    microbatch_groups: int = 0
    """Groups in one forward pass, 0 = all; the gradient is the same."""
    clip_epsilon: float = 0.2
    """The ratio of new to old probabilities is clipped to [1 - ε, 1 + ε]."""
    advantage_epsilon: float = 1e-4
    """Added to the standard deviation of a group's rewards."""
    kl_coefficient: float = 0.0
    """Weight of the KL divergence from the starting model in the loss; 0 = no reference model."""
    kl_estimator: str = "k2"
    """k2 = x²/2 (right gradient on-policy) or k3 = e^-x - 1 + x (GRPO's; biased gradient)."""
    lr: float = 3e-4
    """Peak learning rate of AdamW."""
    min_lr_ratio: float = 1.0
    """Learning rate at the last step as a share of the peak (cosine); 1 = constant."""
    warmup_steps: int = 0
    """Steps of linear warm-up."""
    weight_decay: float = 0.0
    """Decoupled weight decay."""
    beta1: float = 0.9
    """AdamW's decay of the first moment."""
    beta2: float = 0.95
    """AdamW's decay of the second moment."""
    clip_norm: float = 1.0
    """Largest global norm of a gradient."""
    seed: int = 0
    """Order of the problems and the sampling."""
    threads: int = 2
    """Threads of torch (changes the last bits)."""

    def __post_init__(self) -> None:
        _require_optimiser(self.lr, self.min_lr_ratio, self.beta1, self.beta2)
        for name in ("steps", "prompts_per_step", "max_new_tokens", "updates_per_step", "threads"):
            _require_positive(name, getattr(self, name))
        for name in ("microbatch_groups", "warmup_steps", "weight_decay", "kl_coefficient"):
            _require(getattr(self, name) >= 0, name, getattr(self, name), "0 or more")
        for name in ("temperature", "clip_epsilon", "advantage_epsilon", "clip_norm"):
            _require(getattr(self, name) > 0, name, getattr(self, name), "above 0")
        _require(
            self.group_size >= 2, "group_size", self.group_size, "2 or more (an unbiased deviation)"
        )
        _require(
            self.kl_estimator in KL_ESTIMATORS,
            "kl_estimator",
            self.kl_estimator,
            f"one of {KL_ESTIMATORS} (k1 in a loss has no gradient in expectation)",
        )


def _require(is_met: bool, name: str, found: object, expected: str) -> None:
    if not is_met:
        raise ConfigError(f"{name} is {found!r}; expected {expected}. Change it in the recipe.")


def _require_positive(name: str, value: int) -> None:
    _require(value >= 1, name, value, "1 or more")


def _require_optimiser(lr: float, min_lr_ratio: float, beta1: float, beta2: float) -> None:
    _require(math.isfinite(lr) and lr > 0, "lr", lr, "a finite number above 0")
    _require(0 <= min_lr_ratio <= 1, "min_lr_ratio", min_lr_ratio, "between 0 and 1")
    for name, value in (("beta1", beta1), ("beta2", beta2)):
        _require(0 <= value < 1, name, value, "in [0, 1)")
