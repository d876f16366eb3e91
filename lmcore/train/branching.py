"""Which runs make the same weights up to a step, so that one may go on from the other's checkpoint.

Standard library only, but for the schedules: whoever looks for a checkpoint needs no torch. Cost:
two evaluations of a schedule a step, 0.1 s for 100,000 steps.
"""

from collections.abc import Mapping
from typing import Any, Final

from lmcore.optim.schedule import SCHEDULES

FREE_FIELDS: Final = (
    *("threads", "world_size", "parallel", "checkpoint_every"),
    *("recompute", "offload_activations", "max_spikes"),
)
"""Train fields that may always differ; the first three change the last bits of sums, and no more."""
SCHEDULE_FIELDS: Final = ("steps", "schedule", "decay_share", "min_lr_ratio", "decay_end_ratio")
"""Train fields that may differ while the numbers that they make do not."""

Train = Mapping[str, Any]  # TrainConfig's fields, as JSON holds them


def free_fields(train: Train) -> set[str]:
    """Train fields that may differ between a run and what goes on from its checkpoint."""
    # under roll_back the interval says where a run goes back to
    return set(FREE_FIELDS) - ({"checkpoint_every"} if train["on_spike"] == "roll_back" else set())


def is_same_up_to(step: int, one: Train, other: Train) -> bool:
    """Whether two runs, of one model and the same tokens, have equal weights after a step.

    Equal up to the order of sums, where threads or world_size differ.
    """
    may_differ = {*free_fields(one), *SCHEDULE_FIELDS}
    if {k: v for k, v in one.items() if k not in may_differ} != {
        k: v for k, v in other.items() if k not in may_differ
    }:
        return False
    if all(one[name] == other[name] for name in SCHEDULE_FIELDS):
        return True
    is_planned = one["data"]["curriculum"] != "none" or one["data"]["sources"]
    if is_planned and one["steps"] != other["steps"]:
        return False  # what is read, and when, depends on the number of steps
    return step <= min(one["steps"], other["steps"]) and all(
        learning_rate(one, n) == learning_rate(other, n)
        and weight_decay(one, n) == weight_decay(other, n)
        for n in range(1, step + 1)
    )


def learning_rate(train: Train, step: int) -> float:
    """The learning rate of update number `step`, counted from 1."""
    extra = {"decay_share": train["decay_share"]} if train["schedule"] == "wsd" else {}
    return SCHEDULES[train["schedule"]](
        step,
        steps=train["steps"],
        lr=train["lr"],
        min_lr_ratio=train["min_lr_ratio"],
        warmup_steps=train["warmup_steps"],
        **extra,
    )


def weight_decay(train: Train, step: int) -> float:
    """The weight decay of update number `step`, counted from 1: a straight line over the steps."""
    decay: float = train["weight_decay"]
    left: float = (1.0 - train["decay_end_ratio"]) * step / train["steps"]
    return decay * (1.0 - left)
