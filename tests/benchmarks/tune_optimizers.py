"""Tunes each optimizer on the task: `make tune-optimizers` writes optimizer_grid.json.

A search one field at a time: from a first point, both neighbours of a field's value on its ladder are
tried, and the better one followed while it is better; then the next field; until no neighbour of any field
is better. So the winner stands inside the grid: each neighbour of it was run and is worse, or its ladder
ends there by its nature (a decay of zero). A full product of AdamW's ladders would be 300,000 runs; this
takes some 25. Every optimizer gets the same rule and ladders as fine. A search that was ended early goes on
at the next call.

AdamW is tuned at 120 steps, and at those lengths at which they are compared with it Muon and SOAP
(80 steps). The seed is one that the comparison does not use; its noise is what limits the search: a
neighbour counts as better by more than 0.003 nats. A diverged run counts as infinite.

Cost: 5 to 10 CPU-seconds a run on a core with bfloat16; ten minutes in all.
"""

import json
import sys
from collections.abc import Mapping, Sequence

from optimizer_task import GRID_FILE, N_STEPS, Fields, keep_pages, train

SEED = 100
N_STEPS_FASTER = 80
"""Length at which Muon and SOAP are tuned: near what they need for AdamW's loss."""
_LEAST_GAIN = 0.003

Ladder = Sequence[float]
_LR: Ladder = tuple(8e-3 * 2 ** (k / 2) for k in range(-12, 15))
_DECAY: Ladder = (0.0, 0.03, 0.1, 0.3, 1.0, 3.0)
_RATIO: Ladder = tuple(2 ** (k / 2) for k in range(-6, 5))
_BETA1: Ladder = (0.0, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98)
_BETA2: Ladder = (0.9, 0.95, 0.98, 0.99, 0.999)
_WARMUP: Ladder = (0.03, 0.1, 0.2, 0.3)

SEARCHES: Mapping[str, tuple[int, Mapping[str, tuple[Ladder, float]]]] = {
    "adamw": (
        N_STEPS,
        {
            "beta1": (_BETA1, 0.8),
            "lr": (_LR, 8e-3),
            "hidden_lr_ratio": (_RATIO, 1.0),
            "beta2": (_BETA2, 0.99),
            "warmup_share": (_WARMUP, 0.2),
            "weight_decay": (_DECAY, 1.0),
        },
    ),
    "muon": (
        N_STEPS_FASTER,
        {
            "beta1": (_BETA1, 0.6),
            "momentum": (_BETA1, 0.7),
            "lr": (_LR, 1.6e-2),
            "hidden_lr_ratio": (_RATIO, 0.5),
            "beta2": (_BETA2, 0.99),
            "warmup_share": (_WARMUP, 0.2),
            "weight_decay": (_DECAY, 0.3),
        },
    ),
    "soap": (
        N_STEPS_FASTER,
        {
            "beta1": (_BETA1, 0.8),
            "lr": (_LR, 1.131e-2),
            "hidden_lr_ratio": (_RATIO, 0.7071),
            "beta2": (_BETA2, 0.98),
            "warmup_share": (_WARMUP, 0.2),
            "weight_decay": (_DECAY, 0.3),
        },
    ),
    "lion": (N_STEPS, {"lr": (_LR, 1e-3)}),
    "adafactor": (N_STEPS, {"lr": (_LR, 1.6e-2)}),
    "sgd": (N_STEPS, {"lr": (_LR, 0.5)}),
}
"""Of each optimizer: the steps of a run; of each field its ladder and the value of the first point."""


class Search:
    """The points of one optimizer that have been run, each once."""

    def __init__(self, optimizer: str, points: list[dict[str, object]]) -> None:
        self.steps, self.ladders = SEARCHES[optimizer]
        self.optimizer = optimizer
        self.points = points

    def loss(self, place: Mapping[str, int]) -> float:
        """The loss at a place on the ladders."""
        fields: Fields = {
            "optimizer": self.optimizer,
            **{name: ladder[place[name]] for name, (ladder, _) in self.ladders.items()},
        }
        for point in self.points:
            if point["fields"] == fields and point["steps"] == self.steps:
                return float(str(point["loss"]))
        outcome = train(fields, self.steps, SEED)
        self.points.append(
            {"fields": fields, "steps": self.steps, "seed": SEED, "loss": round(outcome.loss, 5)}
        )
        write(self.points)
        shown = ", ".join(f"{name} {value:.4g}" for name, value in fields.items() if name in place)
        print(
            f"{outcome.loss:.4f}  {outcome.cpu_seconds:5.1f} s  {self.optimizer}: {shown}",
            flush=True,
        )
        return outcome.loss

    def descend(self) -> dict[str, int]:
        """The place of which no neighbour is better."""
        place = {
            name: min(range(len(ladder)), key=lambda k: abs(ladder[k] / (first or 1.0) - 1.0))
            for name, (ladder, first) in self.ladders.items()
        }
        has_moved = True
        while has_moved:
            has_moved = False
            for name in self.ladders:
                for way in (1, -1):
                    while (better := self._neighbour(place, name, way)) is not None:
                        place, has_moved = better, True
        return place

    def _neighbour(self, place: dict[str, int], name: str, way: int) -> dict[str, int] | None:
        """The next place on this ladder, where it is better."""
        there = place | {name: place[name] + way}
        if not 0 <= there[name] < len(self.ladders[name][0]):
            return None
        return there if self.loss(there) < self.loss(place) - _LEAST_GAIN else None


def write(points: Sequence[Mapping[str, object]]) -> None:
    """Puts the recorded grid in its file, a point a line."""
    lines = ",\n ".join(json.dumps(point) for point in points)
    GRID_FILE.write_text(f"[\n {lines}\n]\n")


def main() -> None:
    """Runs what the file does not hold yet, for the optimizers that are named, or all."""
    keep_pages()
    points = json.loads(GRID_FILE.read_text()) if GRID_FILE.exists() else []
    for optimizer in sys.argv[1:] or SEARCHES:
        search = Search(optimizer, points)
        place = search.descend()
        print(f"best of {optimizer}: {search.loss(place):.4f} at {place}", flush=True)


if __name__ == "__main__":
    main()
