"""Head, middle and tail: pages of a language by their perplexity, as CCNet splits them.

Where the limits lie is configuration (`perplexity_cutoffs`, such as "en=310.5:702.0") or, for languages
that it does not name, follows from the pages at hand: the perplexities below which the shares
`perplexity_shares` of a language's pages lie. Either way the decision over a page reads limits that are
fixed before the first page is decided, so it depends on no order. Cost: one sort.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache
from typing import NamedTuple

from lmcore.curate.config import CurateConfig

HEAD, MIDDLE, TAIL = BUCKETS = ("head", "middle", "tail")
"""From the least surprising pages to the most."""


@cache
def limits_of(cutoffs: tuple[str, ...]) -> Mapping[str, tuple[float, float]]:
    """The limits of each language: up to the first is head, up to the second middle."""
    limits = {}
    for entry in cutoffs:
        language, _, pair = entry.partition("=")
        head, _, middle = pair.partition(":")
        limits[language] = float(head), float(middle)
    return limits


def bucket_of(language: str, perplexity: float | None, config: CurateConfig) -> str | None:
    """The bucket of a page; None where it has no perplexity or its language no limits."""
    limits = limits_of(config.perplexity_cutoffs).get(language)
    if perplexity is None or limits is None:
        return None
    if perplexity <= limits[0]:
        return HEAD
    return MIDDLE if perplexity <= limits[1] else TAIL


class BucketCounts(NamedTuple):
    """Documents of one language; the limits are None where none of them has a perplexity."""

    language: str
    n_documents: int
    n_unscored: int
    head_limit: float | None
    middle_limit: float | None
    n_head: int
    n_middle: int
    n_tail: int


def count_buckets(
    pages: Iterable[tuple[str, float | None]], config: CurateConfig
) -> list[BucketCounts]:
    """Count (language, perplexity) pages, a row a language."""
    counts: dict[str, Counter[str | None]] = {}
    for language, perplexity in pages:
        counts.setdefault(language, Counter())[bucket_of(language, perplexity, config)] += 1
    limits = limits_of(config.perplexity_cutoffs)
    return [
        BucketCounts(
            language,
            found.total(),
            found[None],
            *limits.get(language, (None, None)),
            *(found[bucket] for bucket in BUCKETS),
        )
        for language, found in sorted(counts.items())
    ]


def with_cutoffs(config: CurateConfig, pages: Iterable[tuple[str, float | None]]) -> CurateConfig:
    """The configuration with limits for every language of (language, perplexity) pages.

    A limit is the perplexity of the last page of its share, so it splits off that share exactly where no
    two pages are equal.
    """
    known = limits_of(config.perplexity_cutoffs)
    found: dict[str, list[float]] = {}
    for language, perplexity in pages:
        if perplexity is not None and language not in known:
            found.setdefault(language, []).append(perplexity)
    added = []
    for language, values in sorted(found.items()):
        values.sort()
        head, middle = (
            values[max(round(len(values) * share) - 1, 0)] for share in config.perplexity_shares
        )
        added.append(f"{language}={head!r}:{middle!r}")
    return replace(config, perplexity_cutoffs=(*config.perplexity_cutoffs, *added))
