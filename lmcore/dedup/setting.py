"""Where a search for near duplicates works, and which earlier crawls it is searched against."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

Paired = tuple[list[Path], int]
Runner = Callable[[Callable[[range], Paired], Iterable[range]], Iterable[Paired]]
"""Applies a function that can be pickled to each range of buckets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What a search needs beside texts and configuration."""

    scratch: Path | None = None
    """Where files may lie for the while, about as large as the texts; the system's folder for
    temporary files if None."""

    keep: Path | None = None
    """An empty folder in which the signatures stay, for searches of later crawls."""

    earlier: tuple[Path, ...] = ()
    """Such folders of earlier crawls."""

    run: Runner = map
    """What runs buckets: `map`, or that of a thread or process pool, of Dask, of Ray. The result
    is the same."""
