"""How many pages of each kind a sample crawl has, and their order."""

from collections.abc import Callable, Iterator, Sequence
from random import Random

from lmcore.crawl import sample_noise as noise
from lmcore.crawl.sample_config import SampleConfig
from lmcore.crawl.sample_pages import PageKey, capture_page
from lmcore.crawl.sample_wire import Capture

LANGUAGES = ("de", "fr", "es", "it", "pt", "nl", "pl", "ru", "zh", "ja")

SHARES = {
    "story": 0.17, "article": 0.14, "encyclopedia": 0.09, "qa": 0.10, "forum": 0.05, "product": 0.04,
    "spam": 0.06, "abuse": 0.03, "short": 0.01, "exact": 0.03, "near": 0.03,
}  # fmt: skip
"""Three quarters of the pages are English; the rest is shared by the other languages."""

EXTRAS = {
    "redirect": 0.02, "error": 0.015, "image": 0.015, "asset": 0.01, "robots": 0.005, "dns": 0.003,
    "empty": 0.002, "no_text": 0.003, "too_large": 0.0, "too_deep": 0.0, "spoilt_http": 0.004, "spoilt_record": 0.0,
}  # fmt: skip
"""Responses on top of the pages, as a share of them."""

_LEAST = {
    "near": 12,
    "exact": 4,
    "asset": 4,
    "spoilt_http": 6,
    "no_text": 2,
    "spoilt_record": len(noise.DAMAGES) - 1,
}


def count(kind: str, n_pages: int) -> int:
    """How often a kind occurs in a crawl of n_pages; every kind occurs."""
    share = SHARES.get(kind, EXTRAS.get(kind, (1 - sum(SHARES.values())) / len(LANGUAGES)))
    return max(_LEAST.get(kind, 1), round(share * n_pages))


def page_keys(config: SampleConfig) -> list[PageKey]:
    """All sound responses of the crawl in the order in which they were fetched."""
    kinds = [*SHARES, *LANGUAGES, *EXTRAS]
    keys = [PageKey(kind, k) for kind in kinds for k in range(count(kind, config.n_pages))]
    Random(f"{config.seed}:order").shuffle(keys)
    return keys


_NOISE: dict[str, Callable[[int, str, Random], Capture]] = {
    "redirect": noise.redirect, "error": noise.error, "image": noise.image, "asset": noise.asset,
    "robots": noise.robots, "dns": noise.dns, "empty": noise.empty, "no_text": noise.no_text,
    "too_large": noise.too_large, "too_deep": noise.too_deep,
}  # fmt: skip
_HOSTS = ("www.maple-street.example", "static.harbor-times.example", "www.garden-post.example")


def capture_of(seed: int, key: PageKey) -> Capture:
    """The capture that a key names: a page, a response that is no page, or a broken page."""
    rng = Random(f"{seed}:noise:{key.kind}:{key.k}")
    if key.kind in _NOISE:
        return _NOISE[key.kind](key.k, _HOSTS[key.k % len(_HOSTS)], rng)
    if key.kind == "spoilt_http":
        page = capture_page(seed, PageKey("story", 10**6 + 1 + key.k), plain=True)
        return noise.spoil_http(page, key.k, rng)
    if key.kind == "spoilt_record":
        page = capture_page(seed, PageKey("story", 2 * 10**6 + key.k), plain=True)
        return noise.spoil_record(page, tuple(noise.DAMAGES)[key.k])
    return capture_page(seed, key)


def captures(seed: int, keys: Sequence[PageKey], *, cut: bool) -> Iterator[Capture]:
    """The captures of one file in order; `cut` adds a last one whose download broke off."""
    for key in keys:
        yield capture_of(seed, key)
    if cut:
        yield noise.spoil_record(capture_page(seed, PageKey("story", 10**6), plain=True), "cut")
