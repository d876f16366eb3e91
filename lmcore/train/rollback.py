"""A copy of everything that an update depends on, as of the last checkpoint, to go back to.

It is taken at the steps of the schedule (multiples of train.checkpoint_every, and the start), not
where a stopped run happened to leave a checkpoint, and it is part of every checkpoint: so a run
that was stopped and resumed goes back to where one never stopped would have. Memory: 12 bytes a
parameter with AdamW, and as much in each checkpoint; only under train.on_spike = roll_back.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

Numbers = Mapping[str, object]
"""As JSON has them."""


class KeptState:
    """Copies of tensors, by name, with the step and the numbers that go with them."""

    def __init__(self, live: Mapping[str, Tensor], numbers: Numbers) -> None:
        self.live = live
        self.copies = {name: tensor.detach().clone() for name, tensor in live.items()}
        self.step = 0
        self.numbers = numbers

    @torch.no_grad()
    def take(self, step: int, numbers: Numbers) -> None:
        """Copies the tensors as they are after a step."""
        for name, copy in self.copies.items():
            copy.copy_(self.live[name].detach())
        self.step, self.numbers = step, numbers

    @torch.no_grad()
    def put_back(self) -> Numbers:
        """Brings the tensors back and returns the numbers."""
        for name, copy in self.copies.items():
            self.live[name].detach().copy_(copy)
        return self.numbers
