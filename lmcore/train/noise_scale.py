"""The critical batch size, from the gradients of a step's microbatches (arXiv:1812.06162).

The mean gradient of n targets has the expected square |G|^2 + S / n: G is the true gradient and S
the trace of the covariance of one target's. Two sizes make two equations (appendix A.1), so the
squares of the microbatches and of their sum give unbiased estimates of both, also where the
microbatches hold unequal numbers of targets: then 1 / n is their mean of 1 / n. B_simple = S / |G|^2
is the batch, in targets, beyond which a larger one saves less than half of what it costs. The
ratio of two noisy numbers is biased, so each is averaged over steps first, and then divided.

Targets of a window are not independent; S is that of a window's targets as they come, spread over
them, so with one window a microbatch the batch in windows is B_simple / context length.
Cost: one copy of the gradients in a step that measures, and a norm for each microbatch.
"""

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn

from lmcore.optim.clipping import gradient_norm

_KEEP = 0.9
"""Share that the averages keep at each measurement: they look back over about ten."""


def gradient_noise(
    squares: Sequence[float], counts: Sequence[int], whole_square: float
) -> tuple[float, float]:
    """Unbiased |G|^2 and S, from |mean gradient|^2 of each microbatch and of all targets together.

    `counts` are the targets of each microbatch, at least two of them above 0.
    """
    pairs = [(square, n) for square, n in zip(squares, counts, strict=True) if n]
    small = sum(square for square, _ in pairs) / len(pairs)
    small_inverse = sum(1.0 / n for _, n in pairs) / len(pairs)
    whole_inverse = 1.0 / sum(n for _, n in pairs)
    noise = (small - whole_square) / (small_inverse - whole_inverse)
    return whole_square - noise * whole_inverse, noise


def gradient_noise_reference(
    small_square: float, small: int, big_square: float, big: int
) -> tuple[float, float]:
    """The same for microbatches of equal size, as the paper writes it."""
    signal = (big * big_square - small * small_square) / (big - small)
    noise = (small_square - big_square) / (1.0 / small - 1.0 / big)
    return signal, noise


class MicroGradients:
    """Takes the gradient of each microbatch out of the parameters, and puts their sum back.

    The sum is made in the order in which autograd would have added, so it has the same bits.
    """

    def __init__(self, parameters: Iterable[nn.Parameter]) -> None:
        self.parameters = list(parameters)
        self.sums: list[Tensor] = []
        self.squares: list[float] = []
        self.counts: list[int] = []

    def take(self, n_targets: int) -> None:
        """Moves the gradient of a microbatch with so many targets into the sum."""
        gradients = [p.grad for p in self.parameters if p.grad is not None]
        self.squares.append(gradient_norm(gradients) ** 2)
        self.counts.append(n_targets)
        if self.sums:
            torch._foreach_add_(self.sums, gradients)
        else:
            self.sums = gradients
        for parameter in self.parameters:
            parameter.grad = None

    def put_back(self) -> None:
        """Leaves the sum where the optimizer looks for it."""
        for parameter, gradient in zip(self.parameters, self.sums, strict=True):
            parameter.grad = gradient

    def noise(self, factor: float) -> tuple[float, float] | None:
        """Signal and noise, where gradients are those of `factor` times the sum of nats.

        None where fewer than two microbatches have a target.
        """
        counts = self.counts
        if sum(n > 0 for n in counts) < 2:
            return None
        squares = [
            square / (factor * n) ** 2 if n else 0.0
            for square, n in zip(self.squares, counts, strict=True)
        ]
        whole = (gradient_norm(self.sums) / (factor * sum(counts))) ** 2
        return gradient_noise(squares, counts, whole)


class NoiseScale:
    """Running averages of signal and noise."""

    def __init__(self) -> None:
        self.signal = 0.0
        self.noise = 0.0

    def add(self, signal: float, noise: float) -> None:
        """Takes a measurement in; a common factor of both averages does not change their ratio."""
        self.signal = _KEEP * self.signal + (1.0 - _KEEP) * signal
        self.noise = _KEEP * self.noise + (1.0 - _KEEP) * noise

    @property
    def critical_batch(self) -> float | None:
        """B_simple in targets; None while the averages say nothing (a signal lost in the noise)."""
        is_known = self.signal > 0.0 and self.noise > 0.0
        return self.noise / self.signal if is_known else None

    def state(self) -> dict[str, float]:
        """What a checkpoint has to hold."""
        return {"signal": self.signal, "noise": self.noise}

    def restore(self, state: Mapping[str, float]) -> None:
        """Goes back to a state."""
        self.signal, self.noise = float(state["signal"]), float(state["noise"])
