"""What a step does with its gradient: an update, or what train.on_spike says of a spike.

Everything that an update depends on beside the weights is here: the optimizers' moments, the loss
scale, the average of the weights, the window of losses, and the copy that a roll-back returns to.
A checkpoint holds it all (`state` and `scalars`), so a run that goes on from one makes the same
bits. Learning rate and weight decay are pure functions of the step: nothing is restored.
"""

import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from lmcore.errors import InputError
from lmcore.optim.build import build_optimizers, state_tensors
from lmcore.optim.ema import WeightAverage
from lmcore.parallel.engine import Parallel
from lmcore.sections import to_section
from lmcore.train import branching
from lmcore.train.config import TrainConfig
from lmcore.train.loss_scale import LossScale
from lmcore.train.noise_scale import NoiseScale
from lmcore.train.rollback import KeptState
from lmcore.train.spikes import SpikeGuard

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of a step."""

    event: str | None = None
    """Why there was no update, in words; None where there was one."""
    back_to: int | None = None
    """Step that the run has gone back to; the next one follows it."""

    @property
    def is_update(self) -> bool:
        """Whether the weights move."""
        return self.event is None


class Updates:
    """The optimizers of a run's parameters, and what guards them."""

    def __init__(self, config: TrainConfig, parallel: Parallel) -> None:
        self.config = config
        self.parallel = parallel
        self.parameters: Mapping[str, nn.Parameter] = parallel.parameters
        self.optimizers = build_optimizers(
            config.optimizer,
            parallel.updated,
            lr=config.lr,
            betas=(config.beta1, config.beta2),
            momentum=config.momentum,
            weight_decay=config.weight_decay,
            hidden_lr_ratio=config.hidden_lr_ratio,
            dtype=torch.bfloat16 if config.precision == "bfloat16" else torch.float32,
        )
        groups = [group for optimizer in self.optimizers for group in optimizer.param_groups]
        self.groups = [(group, bool(group.get("weight_decay"))) for group in groups]
        is_scaled = config.precision == "float16"
        self.scale = LossScale(config.loss_scale, config.loss_scale_interval) if is_scaled else None
        is_averaged = config.ema_decay > 0.0
        self.average = WeightAverage(self.parameters, config.ema_decay) if is_averaged else None
        self.guard = SpikeGuard(config)
        self.noise = NoiseScale()
        self.n_updates = 0
        self.n_spikes = 0
        self.n_passed_over = 0
        """Batches that roll-backs have passed over."""
        self.before_update: Callable[[], None] = lambda: None
        """Called before a tensor of `state` changes: a checkpoint may still be reading them."""
        is_kept = config.on_spike == "roll_back"
        self.kept = KeptState(self._live(), self._numbers()) if is_kept else None

    @property
    def loss_scale(self) -> float | None:
        """Factor of the loss in the backward pass; None means 1."""
        return None if self.scale is None else self.scale.value

    def unscale(self) -> None:
        """Divides the gradients by the loss scale."""
        if self.scale is not None:
            self.scale.unscale(self.parameters.values())

    def judge(self, step: int, loss: float, grad_norm: float) -> Verdict:
        """Says whether a step's update is to be made; goes back where that is the policy.

        Raises:
            InputError: a spike, and the run is to stop or has passed over train.max_spikes.
        """
        is_overflow = math.isfinite(loss) and not math.isfinite(grad_norm)
        if self.scale is not None and is_overflow and self.scale.can_fall:
            event = self.scale.fall()
            logger.info("overflow step=%d %s", step, event)
            return Verdict(event=event)
        reason = self.guard.find(loss, grad_norm)
        if reason is None:
            return Verdict()
        self._refuse_spike(step, reason)
        self.n_spikes += 1
        if self.kept is None:
            logger.warning("skip step=%d %s", step, reason)
            return Verdict(event=f"skip: {reason}")
        back_to = self.kept.step
        self.before_update()
        self._restore_numbers(self.kept.put_back())
        self.n_passed_over += step - back_to
        logger.warning("roll_back step=%d to=%d %s", step, back_to, reason)
        return Verdict(event=f"roll_back to step {back_to}: {reason}", back_to=back_to)

    def make(
        self, step: int, loss: float, grad_norm: float, noise: tuple[float, float] | None
    ) -> None:
        """Makes the update of a step."""
        lr, decay = learning_rate(self.config, step), weight_decay(self.config, step)
        for group, decays in self.groups:
            group["lr"] = lr * group["lr_ratio"]
            if decays:
                group["weight_decay"] = decay
        self.before_update()
        for optimizer in self.optimizers:
            optimizer.step()
        self.parallel.finish_update()
        self.n_updates += 1
        if self.average is not None:
            self.average.update()
        if self.scale is not None:
            self.scale.hold()
        if noise is not None:
            self.noise.add(*noise)
        self.guard.accept(loss, grad_norm)

    def keep(self, step: int, verdict: Verdict) -> None:
        """Takes the copy that a roll-back returns to, at the steps that leave a checkpoint."""
        is_due = step % self.config.checkpoint_every == 0 and verdict.back_to is None
        if self.kept is not None and is_due:
            self.before_update()
            self.kept.take(step, self._numbers())

    def state(self) -> dict[str, Tensor]:
        """The tensors beside the weights, this process's part, not copied.

        The optimizers' are "optimizer.<slot>.<parameter>", the average of the weights
        "ema.<parameter>", what a roll-back brings back "kept.<one of these or model.parameter>".
        """
        kept = {} if self.kept is None else self.kept.copies
        return self._slots() | {f"kept.{name}": tensor for name, tensor in kept.items()}

    def scalars(self) -> dict[str, object]:
        """The numbers that the next step depends on, as JSON."""
        return {
            **self._numbers(),
            "n_spikes": self.n_spikes,
            "n_passed_over": self.n_passed_over,
            "kept_step": None if self.kept is None else self.kept.step,
            "kept": None if self.kept is None else self.kept.numbers,
        }

    def restore(self, scalars: Mapping[str, Any]) -> None:  # JSON: values of many types
        """Goes back to the numbers; the tensors have been filled."""
        self._restore_numbers(scalars)
        self.n_spikes = int(scalars["n_spikes"])
        self.n_passed_over = int(scalars["n_passed_over"])
        if self.kept is not None:
            self.kept.step, self.kept.numbers = int(scalars["kept_step"]), scalars["kept"]

    def _slots(self) -> dict[str, Tensor]:
        found = state_tensors(self.optimizers, self.parallel.updated)
        slots = {f"optimizer.{name}": tensor for name, tensor in found.items()}
        if self.average is not None:
            slots |= {f"ema.{name}": tensor for name, tensor in self.average.sums.items()}
        return slots

    def _live(self) -> dict[str, Tensor]:
        weights = {f"model.{name}": p.detach() for name, p in self.parameters.items()}
        return weights | self._slots()

    def _numbers(self) -> dict[str, object]:
        """The part of the numbers that a roll-back brings back."""
        return {
            "n_updates": self.n_updates,
            "loss_scale": None if self.scale is None else self.scale.state(),
            "spikes": self.guard.state(),
            "noise": self.noise.state(),
        }

    def _restore_numbers(self, numbers: Mapping[str, Any]) -> None:  # JSON: values of many types
        self.n_updates = int(numbers["n_updates"])
        for group, _ in self.groups:
            group["step"] = self.n_updates
        if self.scale is not None:
            self.scale.restore(numbers["loss_scale"])
        self.guard.restore(numbers["spikes"])
        self.noise.restore(numbers["noise"])

    def _refuse_spike(self, step: int, reason: str) -> None:
        config = self.config
        if config.on_spike != "stop" and self.n_spikes < config.max_spikes:
            return
        before = f", after {self.n_spikes:,d} spikes" if self.n_spikes else ""
        raise InputError(
            f"found that {reason} in step {step:,d} of {config.steps:,d} at lr "
            f"{learning_rate(config, step):g}{before}; expected finite numbers like those before; "
            f"lower pretrain.lr (now {config.lr:g}), lengthen pretrain.warmup_steps (now "
            f"{config.warmup_steps:,d}), or pass over spikes with pretrain.on_spike skip or roll_back "
            f"(now {config.on_spike}) and pretrain.max_spikes (now {config.max_spikes:,d})"
        )


def learning_rate(config: TrainConfig, step: int) -> float:
    """The learning rate of update number `step`, counted from 1."""
    return branching.learning_rate(to_section(config), step)


def weight_decay(config: TrainConfig, step: int) -> float:
    """The weight decay of update number `step`, counted from 1."""
    return branching.weight_decay(to_section(config), step)
