"""Learning rates as pure functions of the step: nothing to save, nothing to restore."""

import math
from collections.abc import Callable


def cosine(step: int, *, steps: int, lr: float, min_lr_ratio: float, warmup_steps: int) -> float:
    """The learning rate of update number `step`, counted from 1.

    Rises in a straight line to `lr` at `warmup_steps`, falls along half a cosine to
    `min_lr_ratio * lr` at `steps`, and stays there (arXiv:1608.03983 without restarts).
    """
    if step < warmup_steps:
        return lr * step / warmup_steps
    if step >= steps:
        return lr * min_lr_ratio
    progress = (step - warmup_steps) / (steps - warmup_steps)
    return lr * (min_lr_ratio + (1.0 - min_lr_ratio) * 0.5 * (1.0 + math.cos(math.pi * progress)))


def linear(step: int, *, steps: int, lr: float, min_lr_ratio: float, warmup_steps: int) -> float:
    """Rises as `cosine` does, then falls in a straight line to `min_lr_ratio * lr` at `steps`."""
    if step < warmup_steps:
        return lr * step / warmup_steps
    if step >= steps:
        return lr * min_lr_ratio
    progress = (step - warmup_steps) / (steps - warmup_steps)
    return lr * (1.0 - (1.0 - min_lr_ratio) * progress)


def inverse_sqrt(
    step: int, *, steps: int, lr: float, min_lr_ratio: float, warmup_steps: int
) -> float:
    """Rises as `cosine` does, then falls as 1 / sqrt(step) (arXiv:1706.03762).

    Never below `min_lr_ratio * lr`; `steps` plays no part, so a run may be lengthened.
    """
    del steps
    if step < warmup_steps:
        return lr * step / warmup_steps
    return lr * max(min_lr_ratio, math.sqrt(max(warmup_steps, 1) / max(step, 1)))


def wsd(  # the quantities of the schedule
    step: int,
    *,
    steps: int,
    lr: float,
    min_lr_ratio: float,
    warmup_steps: int,
    decay_share: float = 0.2,
) -> float:
    """Warm-up, stable, decay (arXiv:2404.06395): constant until the last share of the steps.

    The decay falls as 1 - sqrt(progress) to `min_lr_ratio * lr` (arXiv:2405.18392). Up to its beginning
    nothing depends on `steps`, so runs of other lengths can branch from a checkpoint of the stable part.
    """
    if step < warmup_steps:
        return lr * step / warmup_steps
    n_decay = max(round(steps * decay_share), 1)
    start = max(steps - n_decay, warmup_steps)
    if step <= start:
        return lr
    progress = min((step - start) / max(steps - start, 1), 1.0)
    return lr * (1.0 - (1.0 - min_lr_ratio) * math.sqrt(progress))


SCHEDULES: dict[str, Callable[..., float]] = {
    "cosine": cosine,
    "linear": linear,
    "inverse_sqrt": inverse_sqrt,
    "wsd": wsd,
}
"""By the name that a recipe gives; each is a pure function of the step."""
