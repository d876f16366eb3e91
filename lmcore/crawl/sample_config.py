"""What identifies a sample crawl: its seed and its size.

Kept apart from the generator so that planning a run reads no word list.
Cost: none.
"""

from dataclasses import dataclass

from lmcore.errors import ConfigError

MIN_PAGES = 100
"""Fewer pages could not hold every phenomenon once."""

MAX_FILES = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleConfig:
    """A sample crawl: same config, same bytes."""

    seed: int = 0
    """Seed of every random stream; the k-th page of a kind depends on the seed and k alone."""

    n_pages: int = 4000
    """HTML pages with a main text (about 8 % more responses come on top: redirects, images, …)."""

    n_files: int = 4
    """WARC files over which the records are spread."""

    def __post_init__(self) -> None:
        if self.n_pages < MIN_PAGES:
            raise ConfigError(
                f"n_pages is {self.n_pages:,d}, at least {MIN_PAGES} are needed to show every"
                " phenomenon; raise n_pages"
            )
        if not 1 <= self.n_files <= MAX_FILES:
            raise ConfigError(
                f"n_files is {self.n_files:,d}, expected 1 to {MAX_FILES}; change n_files"
            )
