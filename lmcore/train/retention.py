"""Which checkpoints of a run a newer one supersedes."""

from collections.abc import Iterable


def superseded(steps: Iterable[int], *, keep_last: int, keep_every: int) -> list[int]:
    """Steps whose checkpoints go: all but the last ones and those at multiples of keep_every.

    With keep_last 0 none goes; with keep_every 0 no multiple is spared.
    """
    if not keep_last:
        return []
    older = sorted(steps)[:-keep_last]
    return [step for step in older if not (keep_every and step % keep_every == 0)]
