"""Pipeline parallelism: layers cut into stages, a batch into microbatches that pass them.

GPipe (arXiv:1811.06965) sends all microbatches forward, then all back: a stage holds the
activations of all of them. 1F1B (arXiv:1806.03377) sends one back as soon as it can: stage i of p
holds at most p - i. Both leave a stage idle for p - 1 of the m + p - 1 slots, so the bubble is
(p - 1) / (m + p - 1) of the time. Gradients are summed in the order of the microbatches by both.

Sent: one activation forward and its gradient back, a microbatch and border.
"""

from collections.abc import Callable, Sequence

import torch
import torch.distributed as dist
from jaxtyping import Bool, Int64
from torch import Tensor

from lmcore.optim.sharded import share
from lmcore.parallel.stage import Rows, Stage

FORWARD, BACKWARD = "forward", "backward"
Action = tuple[str, int]


def order_of(schedule: str, stage: int, n_stages: int, n_microbatches: int) -> list[Action]:
    """What a stage does, in order: the forward or backward pass of a microbatch."""
    forward = [(FORWARD, i) for i in range(n_microbatches)]
    backward = [(BACKWARD, i) for i in range(n_microbatches)]
    if schedule == "gpipe":
        return forward + backward
    n_ahead = min(n_stages - 1 - stage, n_microbatches)
    alternating = [
        action for pair in zip(forward[n_ahead:], backward, strict=False) for action in pair
    ]
    return forward[:n_ahead] + alternating + backward[n_microbatches - n_ahead :]


class Pipeline:
    """Runs this process's stage; the processes of a pipeline call in step."""

    def __init__(self, stage: Stage, schedule: str, n_microbatches: int) -> None:
        self.stage, self.schedule, self.n_microbatches = stage, schedule, n_microbatches
        self.most_held = 0
        """microbatches whose activations were held at once, at most, so far"""
        group = stage.mesh.pipeline
        self._handle = group.handle
        self._before = group.ranks[group.rank - 1] if group.rank > 0 else None
        is_last = group.rank == group.size - 1
        self._after = None if is_last else group.ranks[group.rank + 1]
        self._sending: list[tuple[dist.Work, Tensor]] = []

    def step(
        self,
        ids: Int64[Tensor, "rows seq"],
        targets: Int64[Tensor, "rows seq"],
        positions: Int64[Tensor, "rows seq"] | None = None,
        mask: Bool[Tensor, "rows 1 seq seq"] | None = None,
        *,
        scale: float | None = None,
        before_last: Callable[[], None] = lambda: None,
    ) -> Tensor:
        """Passes the rows through the stages; returns their nats in the last stage, 0 elsewhere.

        With a `scale`, gradients of the scaled nats are added to the parameters'; without, there
        is no backward pass. `before_last` is called before the last backward pass.
        """
        group, n = self.stage.mesh.pipeline, min(self.n_microbatches, len(ids))
        every = self.stage.cut(ids, targets, positions, mask)
        shares = [share(len(ids), n, i) for i in range(n)]
        rows = [every[slice(one.start, one.stop)] for one in shares]
        actions = order_of(self.schedule, group.rank, group.size, n)
        if scale is None:
            actions = [action for action in actions if action[0] == FORWARD]
        total = torch.zeros((), device=ids.device)
        held: dict[int, tuple[Tensor, Tensor]] = {}
        came = self._exchange(None, self._expect(actions[0], rows))
        for k, (kind, i) in enumerate(actions):
            if kind == FORWARD:
                entered, left = self._forward(came, rows[i], scale)
                if self._after is None:
                    left = self.stage.nats(left, rows[i].targets)
                    total += left.detach()
                if scale is not None:
                    held[i] = (entered, left)
                    self.most_held = max(self.most_held, len(held))
                outgoing = None if self._after is None else (left.detach(), self._after)
            else:
                if i == n - 1:
                    before_last()
                entered, left = held.pop(i)
                assert scale is not None
                torch.autograd.backward(left * scale if came is None else left, came)
                gradient = entered.grad
                to = self._before
                outgoing = None if to is None or gradient is None else (gradient, to)
            following = actions[k + 1] if k + 1 < len(actions) else None
            came = self._exchange(outgoing, self._expect(following, rows))
        self._finish_sending()
        return total

    def _forward(
        self, came: Tensor | None, rows: Rows, scale: float | None
    ) -> tuple[Tensor, Tensor]:
        x = rows.ids if came is None else came
        if came is not None and scale is not None:
            x.requires_grad_()
        return x, self.stage.advance(x, rows)

    def _expect(self, action: Action | None, rows: Sequence[Rows]) -> tuple[Tensor, int] | None:
        """Where an action's input is to be received, and from whom; None where it has none."""
        if action is None:
            return None
        kind, i = action
        source = self._before if kind == FORWARD else self._after
        if source is None:
            return None
        shape = self.stage.shape_between(*rows[i].ids.shape)
        return torch.empty(shape, device=rows[i].ids.device), source

    def _exchange(
        self, outgoing: tuple[Tensor, int] | None, incoming: tuple[Tensor, int] | None
    ) -> Tensor | None:
        """Sends one tensor and receives another, together: apart, two stages could wait in a ring."""
        self._finish_sending()
        operations = []
        if outgoing is not None:
            tensor = outgoing[0].contiguous()
            operations.append(dist.P2POp(dist.isend, tensor, outgoing[1], self._handle))
        if incoming is not None:
            operations.append(dist.P2POp(dist.irecv, incoming[0], incoming[1], self._handle))
        if not operations:
            return None
        works = dist.batch_isend_irecv(operations)
        if outgoing is not None:
            self._sending.append((works[0], tensor))
        if incoming is None:
            return None
        works[-1].wait()
        return incoming[0]

    def _finish_sending(self) -> None:
        for work, _ in self._sending:
            work.wait()
        self._sending.clear()
