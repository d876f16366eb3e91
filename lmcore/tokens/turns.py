"""Which source the i-th window of a run comes from, and how many windows that source gave before it.

Both are pure functions of (seed, i), in whole numbers. A source with share p of the windows takes draw i where
floor((i + 1) p + phase) > floor(i p + phase); what it leaves goes to the next source by the same rule, and so on
(error diffusion over a chain, as in Bresenham 1965). So after any number of draws a source is within one draw and
its part of the chain's rounding of its exact share: every batch holds the mixture, and no block has to end for it.

Weights that change are stages of constant shares, a ramp up to `_RAMP_STAGES` of them, each with the weights of
its middle, so that a ramp gives what its integral says. Shares are 40-bit fractions. Cost: a few microseconds a
draw and source, a binary search over the stages, no memory beside them.
"""

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Final, NamedTuple

from lmcore.errors import InputError
from lmcore.tokens.batches import mix_bits
from lmcore.tokens.data_config import DataConfig

_UNIT: Final = 1 << 40
_RAMP_STAGES: Final = 64


class Turn(NamedTuple):
    """Whose window it is."""

    source: int
    rank: int
    """windows that the source gave before"""


class Stage(NamedTuple):
    """Draws in which the shares stay as they are."""

    first: int
    """the first draw of the stage; it lasts until the next one"""
    shares: tuple[int, ...]
    """of each source, out of their sum"""


@dataclass(frozen=True, slots=True)
class Turns:
    """The source of every draw of a run."""

    stages: tuple[Stage, ...]
    before: tuple[tuple[int, ...], ...]
    """draws of each source before each stage"""
    phases: tuple[tuple[int, ...], ...]
    """what each source of the chain is owed when a stage begins, out of what is left to it there"""

    @classmethod
    def of_stages(cls, stages: Sequence[Stage], seed: int) -> "Turns":
        """Count what each stage gives, once; what a source is owed at its end goes into the next one."""
        shares = stages[0].shares
        before = [(0,) * len(shares)]
        drawn = (mix_bits(mix_bits(seed) + source) for source in range(len(shares)))
        phases = [tuple(bits % rest for bits, rest in zip(drawn, _rests(shares), strict=True))]
        for stage, following in pairwise(stages):
            n_draws = following.first - stage.first
            counts, owed = _split(stage.shares, phases[-1], n_draws)
            before.append(tuple(a + b for a, b in zip(before[-1], counts, strict=True)))
            rests = zip(owed, _rests(stage.shares), _rests(following.shares), strict=True)
            phases.append(tuple(one * new // old for one, old, new in rests))
        return cls(tuple(stages), tuple(before), tuple(phases))

    def turn(self, index: int) -> Turn:
        """Return the source of a draw, and how many it gave before."""
        number = bisect_right(self.stages, index, key=lambda stage: stage.first) - 1
        stage = self.stages[number]
        left = index - stage.first
        chain = zip(stage.shares, _rests(stage.shares), self.phases[number], strict=True)
        for source, (share, rest, phase) in enumerate(chain):
            n_taken = (left * share + phase) // rest
            if ((left + 1) * share + phase) // rest > n_taken:
                return Turn(source, self.before[number][source] + n_taken)
            left -= n_taken
        raise AssertionError("the last source takes what the others leave")

    def counts(self, n_draws: int) -> tuple[int, ...]:
        """Return how many of the first draws fall to each source."""
        number = bisect_right(self.stages, n_draws, key=lambda stage: stage.first) - 1
        stage = self.stages[number]
        inside, _ = _split(stage.shares, self.phases[number], n_draws - stage.first)
        return tuple(a + b for a, b in zip(self.before[number], inside, strict=True))


def _rests(shares: Sequence[int]) -> list[int]:
    """Return what is left to each source of the chain and those after it; 1 where that is nothing."""
    rests, rest = [], sum(shares)
    for share in shares:
        rests.append(max(rest, 1))
        rest -= share
    return rests


def _split(
    shares: Sequence[int], phases: Sequence[int], left: int
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return what each source gets of the first draws of a stage, and what it is owed then."""
    counts, owed = [], []
    for share, rest, phase in zip(shares, _rests(shares), phases, strict=True):
        n_taken, remainder = divmod(left * share + phase, rest)
        counts.append(n_taken)
        owed.append(remainder)
        left -= n_taken
    return tuple(counts), tuple(owed)


def plan_turns(
    config: DataConfig, n_windows: Sequence[int], *, steps: int, batch_size: int, seed: int
) -> tuple[Turns, tuple[str, ...]]:
    """Return the turns of sources with so many windows, and a sentence for each that a cap holds back.

    Raises:
        InputError: where the run asks for more windows than the cap on epochs leaves.
    """
    stages = _stages(config, len(n_windows), steps, batch_size)
    notes: tuple[str, ...] = ()
    n_draws = steps * batch_size
    if config.max_epochs:
        stages, notes = _cap(config, stages, n_windows, n_draws)
    return Turns.of_stages([Stage(first, _whole(row)) for first, row in stages], seed), notes


Weighted = list[tuple[int, list[Fraction]]]
"""First draw of a stage and the weights in it, which add up to 1."""


def _whole(weights: Sequence[Fraction]) -> tuple[int, ...]:
    """Turn weights into whole shares of `_UNIT`, the largest rests rounded up."""
    exact = [weight * _UNIT for weight in weights]
    shares = [math.floor(one) for one in exact]
    rests = sorted(range(len(exact)), key=lambda k: shares[k] - exact[k])
    for k in rests[: _UNIT - sum(shares)]:
        shares[k] += 1
    return tuple(shares)


def _stages(config: DataConfig, n_sources: int, steps: int, batch_size: int) -> Weighted:
    if not config.sources:
        return [(0, [Fraction(1, n_sources)] * n_sources)]
    rows = config.schedule or ((0.0, *config.weights),)
    knots = [(round(row[0] * steps), _normal(row[1:])) for row in rows]
    stages: Weighted = [(0, knots[0][1])]
    for (start, low), (stop, high) in pairwise(knots):
        n_stages = 0 if low == high else min(stop - start, _RAMP_STAGES)
        edges = [start + (stop - start) * k // max(n_stages, 1) for k in range(n_stages + 1)]
        for first, last in pairwise(edges):
            middle = Fraction(first + last - 2 * start, 2 * (stop - start))
            row = [a + (b - a) * middle for a, b in zip(low, high, strict=True)]
            _append(stages, first, row)
        _append(stages, stop, high)
    return [(step * batch_size, row) for step, row in stages]


def _normal(weights: Sequence[float]) -> list[Fraction]:
    total = sum(map(Fraction, weights))
    return [Fraction(weight) / total for weight in weights]


def _append(stages: Weighted, step: int, row: list[Fraction]) -> None:
    """Let a row hold from a step on; one that begins at the same step gives way."""
    if stages[-1][0] == step:
        stages[-1] = (step, row)
    elif stages[-1][1] != row:
        stages.append((step, row))


def _cap(
    config: DataConfig, stages: Weighted, n_windows: Sequence[int], n_draws: int
) -> tuple[Weighted, tuple[str, ...]]:
    """Hold every source at max_epochs; the others take over in each stage, by their weights."""
    names = config.sources or ("the training split",) * len(n_windows)
    caps = [math.floor(Fraction(str(config.max_epochs)) * n) for n in n_windows]
    lengths = _lengths(stages, n_draws)
    wanted = _totals(stages, lengths, len(caps))
    held: dict[int, list[Fraction]] = {}  # a capped source's weight in each stage
    current = stages
    while over := [
        k
        for k in range(len(caps))
        if k not in held and _totals(current, lengths, len(caps))[k] > caps[k]
    ]:
        if config.over_cap == "refuse" or len(caps) == 1:
            raise _too_often(config, names[over[0]], wanted[over[0]], n_windows[over[0]])
        totals = _totals(current, lengths, len(caps))
        for k in over:
            held[k] = [row[k] * caps[k] / totals[k] for _, row in current]
        current = [
            (first, _share_out(config, row, {k: held[k][number] for k in held}, n_draws, sum(caps)))
            for number, (first, row) in enumerate(stages)
        ]
    notes = tuple(
        f"{names[k]} asked for {float(wanted[k] / n_windows[k]):.2f} epochs of {n_windows[k]:,d} "
        f"windows and gets {config.max_epochs:g}, the most that data.max_epochs allows; the other "
        "sources take the rest by their weights"
        for k in sorted(held)
    )
    return current, notes


def _lengths(stages: Weighted, n_draws: int) -> list[int]:
    """Draws of each stage, of a run that ends."""
    firsts = [min(first, n_draws) for first, _ in stages] + [n_draws]
    return [b - a for a, b in pairwise(firsts)]


def _totals(stages: Weighted, lengths: Sequence[int], n_sources: int) -> list[Fraction]:
    rows = [row for _, row in stages]
    pairs = list(zip(rows, lengths, strict=True))
    return [sum((row[k] * n for row, n in pairs), Fraction(0)) for k in range(n_sources)]


def _share_out(
    config: DataConfig,
    row: Sequence[Fraction],
    held: dict[int, Fraction],
    n_draws: int,
    n_allowed: int,
) -> list[Fraction]:
    """Give what the held sources leave in a stage to the others."""
    free = sum((weight for k, weight in enumerate(row) if k not in held), Fraction(0))
    left = 1 - sum(held.values(), Fraction(0))
    if left and not free:
        raise InputError(
            f"found a run of {n_draws:,d} windows over sources that may give {n_allowed:,d} in "
            f"{config.max_epochs:g} epochs, and a part of it in which no source with a weight has "
            "any left; expected fewer; lower pretrain.steps, raise pretrain.data.max_epochs, give "
            "other weights or more text"
        )
    return [held[k] if k in held else weight * left / free for k, weight in enumerate(row)]


def _too_often(config: DataConfig, name: str, wanted: Fraction, n_windows: int) -> InputError:
    return InputError(
        f"found that {name} would be read {float(wanted / n_windows):.2f} times ({int(wanted):,d} "
        f"windows of {n_windows:,d}); expected at most pretrain.data.max_epochs = "
        f"{config.max_epochs:g}; raise it, lower pretrain.steps or its weight, or give more text"
    )
