"""Spikes: a loss or a gradient norm that is not finite, or far above the last ones.

A step is compared with the mean and standard deviation of the last updates that were made (OLMo 2,
arXiv:2501.00656, takes 6 sigma over 128), once half of the window is there. Steps that were
refused do not enter the window: a spike must not raise the bar for the next. Numbers are the
same in every process, so all decide alike. Cost: two passes over at most `spike_window` floats.
"""

import math
import statistics
from collections import deque
from collections.abc import Mapping, Sequence

from lmcore.train.config import TrainConfig


class SpikeGuard:
    """The loss and gradient norm of the last updates."""

    def __init__(self, config: TrainConfig) -> None:
        self.sigmas = config.spike_sigmas
        self.least = max(config.spike_window // 2, 2)
        self.losses: deque[float] = deque(maxlen=config.spike_window)
        self.norms: deque[float] = deque(maxlen=config.spike_window)

    def find(self, loss: float, grad_norm: float) -> str | None:
        """Says in words what is wrong with a step, or None."""
        if not (math.isfinite(loss) and math.isfinite(grad_norm)):
            return f"loss {loss} and gradient norm {grad_norm} are not finite"
        if not self.sigmas:
            return None
        found = {"loss": (loss, self.losses), "gradient norm": (grad_norm, self.norms)}
        for name, (value, window) in found.items():
            limit = self._limit(window)
            if value > limit:
                return f"{name} {value:.6g} is above {limit:.6g}, {self.sigmas:g} sigma over the mean of {len(window)} updates"
        return None

    def accept(self, loss: float, grad_norm: float) -> None:
        """Remembers a step whose update was made."""
        self.losses.append(loss)
        self.norms.append(grad_norm)

    def state(self) -> dict[str, list[float]]:
        """What a checkpoint has to hold."""
        return {"losses": list(self.losses), "norms": list(self.norms)}

    def restore(self, state: Mapping[str, Sequence[float]]) -> None:
        """Goes back to a state."""
        for window, values in ((self.losses, state["losses"]), (self.norms, state["norms"])):
            window.clear()
            window.extend(values)

    def _limit(self, window: Sequence[float]) -> float:
        if len(window) < self.least:
            return math.inf
        mean = statistics.fmean(window)
        return mean + self.sigmas * statistics.stdev(window, mean)
