"""Learning rates as pure functions of the step: nothing to save, nothing to restore."""

import math


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
