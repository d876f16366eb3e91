"""What decides the outcome of extraction. Standard library only: the recipe reads it early."""

from dataclasses import dataclass

from lmcore.errors import ConfigError

EXTRACTORS = ("trafilatura", "resiliparse")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtractConfig:
    """How records become pages. Every field changes the rows, so every field is identity."""

    extractor: str = "trafilatura"
    """"trafilatura" (best F1, about 36 pages a second) or "resiliparse" (about 12 times faster)."""

    page_seconds: float = 10.0
    """CPU seconds one page may take; the child that exceeds them is killed (`timeout`).
    CPU time, so that a busy machine does not change outcomes."""

    max_page_bytes: int = 8_388_608
    """Largest payload, before and after HTTP decoding; larger ones are `too_large`."""

    max_depth: int = 1_000
    """Deepest nesting of elements handed to an HTML parser; deeper ones are `too_deep`.
    Parsing 20,000 nested elements takes 14 s; browsers stop at 512."""

    min_text_chars: int = 1
    """Fewer characters of main text than this are `no_text`."""

    max_replacement_rate: float = 0.01
    """Largest share of undecodable characters in a page; above it the page is `bad_charset`."""

    def __post_init__(self) -> None:
        if self.extractor not in EXTRACTORS:
            raise ConfigError(
                f"extractor is {self.extractor!r}, expected one of {', '.join(EXTRACTORS)}; "
                "set extract.extractor to one of them"
            )
        for name, low in (
            ("page_seconds", 0.0),
            ("max_page_bytes", 0),
            ("max_depth", 0),
            ("min_text_chars", 0),
        ):
            value = getattr(self, name)
            if not value > low:
                raise ConfigError(f"{name} is {value}, expected more than {low}; raise it")
        if not 0.0 <= self.max_replacement_rate <= 1.0:
            raise ConfigError(
                f"max_replacement_rate is {self.max_replacement_rate}, expected 0 to 1; "
                "it is a share of a page's characters"
            )
