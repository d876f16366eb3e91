"""How training reads its tokens: packing, sources and their weights, epochs, curriculum.

The defaults read the stream in windows as it lies, every window once an epoch. Standard library only, so that a
plan can be drawn without numpy.
"""

from dataclasses import dataclass
from typing import Literal

from lmcore.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class DataConfig:
    """Identity of the order in which a run reads its tokens.

    Raises:
        ConfigError: on what is no order.
    """

    packing: Literal["none", "whole", "split"] = "none"
    """none: windows of the stream as it lies, across the borders of documents. whole and split pack documents
    into windows, and no token sees another document: whole cuts a document that is longer than a window and
    discards the rest, split puts the rest into other windows. The validation split is read as it lies"""
    sources: tuple[str, ...] = ()
    """parts of the training split to draw from, as `mix.method = "sources"` lays them out; empty: all as one"""
    weights: tuple[float, ...] = ()
    """share of the windows that each source gets; divided by their sum"""
    schedule: tuple[tuple[float, ...], ...] = ()
    """weights that change: rows of (share of the steps, weight of each source), linear between them"""
    max_epochs: float = 0.0
    """most times that a source is read; 0: as often as asked. Up to 4 are worth nearly as much as new text
    (Muennighoff et al. 2023, arXiv 2305.16264)"""
    over_cap: Literal["redistribute", "refuse"] = "redistribute"
    """what becomes of windows beyond max_epochs: the other sources get them by their weights (UniMax, Chung et
    al. 2023, arXiv 2304.09151), or the run is refused"""
    curriculum: Literal["none", "length", "rarity"] = "none"
    """what the first windows are sorted by: length of their documents (Pouransari et al. 2024, arXiv 2405.13226)
    or surprisal of their tokens by frequency (Platanios et al. 2019, arXiv 1903.09848), least first"""
    curriculum_share: float = 0.5
    """share of a source's windows that come sorted, within its first epoch; the same windows as unsorted"""

    def __post_init__(self) -> None:
        n_sources = len(self.sources)
        if len(set(self.sources)) < n_sources:
            raise ConfigError(
                f"found data.sources = {list(self.sources)}; expected each name once; correct it"
            )
        if self.weights and self.schedule:
            raise ConfigError(
                "found data.weights and data.schedule; expected one of them: a schedule of one row "
                "is constant; leave one out"
            )
        self._check_schedule(n_sources)
        rows = (*((self.weights,) if self.weights else ()), *(row[1:] for row in self.schedule))
        if n_sources and not rows:
            raise ConfigError(
                f"found {n_sources} data.sources without weights; expected data.weights or "
                "data.schedule; give each source a weight"
            )
        for row in rows:
            if len(row) != n_sources or any(weight < 0 for weight in row) or not sum(row) > 0:
                raise ConfigError(
                    f"found the weights {list(row)} for {n_sources} data.sources; expected one for "
                    "each, none below 0 and one above it; correct them"
                )
        if not 0.0 <= self.max_epochs < float("inf") or not 0.0 < self.curriculum_share <= 1.0:
            raise ConfigError(
                f"found data.max_epochs {self.max_epochs} and data.curriculum_share "
                f"{self.curriculum_share}; expected 0 or more, and more than 0 up to 1; change them"
            )

    def _check_schedule(self, n_sources: int) -> None:
        if any(len(row) != n_sources + 1 for row in self.schedule):
            raise ConfigError(
                f"found data.schedule {[list(row) for row in self.schedule]}; expected rows of "
                f"{n_sources + 1} numbers: a share of the steps and a weight for each of "
                f"{n_sources} data.sources; correct them"
            )
        shares = [row[0] for row in self.schedule]
        if shares != sorted(shares) or any(not 0.0 <= share <= 1.0 for share in shares):
            raise ConfigError(
                f"found the shares {shares} in data.schedule; expected rising ones from 0 to 1; "
                "sort the rows"
            )
