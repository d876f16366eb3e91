"""What decides the outcome of extraction. Standard library only: the recipe reads it early."""

from dataclasses import dataclass

from lmcore.errors import ConfigError

TIERS = ("fast", "precise", "union")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtractConfig:
    """How records become pages. Every field changes the rows, so every field is identity."""

    tier: str = "precise"
    """"fast" (resiliparse), "precise" (trafilatura for articles, own readers for threads, lists and
    catalogues; a sixth of the speed) or "union" (precise, and the lines that only fast found)."""

    forum_tier: str = ""
    """The tier for pages that are found to be forum threads; "" is `tier`."""

    listing_tier: str = ""
    """The tier for pages that are found to be lists, collections or front pages; "" is `tier`."""

    product_tier: str = ""
    """The tier for pages that are found to be about one product; "" is `tier`."""

    reads_pdf: bool = True
    """Whether PDF files are pages too; otherwise they are `not_html`."""

    max_pdf_pages: int = 1_000
    """Leaves of a PDF that are read; what follows them is left out."""

    max_outlinks: int = 100
    """Distinct links of a page that are kept as a column; all are counted."""

    respect_opt_out: bool = False
    """Whether pages that forbid indexing or mining their text (noindex, none, noai,
    tdm-reservation in headers or <meta>) are rejected as `opt_out`. The signals are a column
    either way; noimageai speaks of pictures and rejects nothing."""

    page_seconds: float = 10.0
    """CPU seconds one page may take; the child that exceeds them is killed (`timeout`).
    CPU time, so that a busy machine does not change outcomes."""

    page_memory_bytes: int = 4 << 30
    """Address space of the child that reads pages; one that asks for more is `extractor_error`."""

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
        for name in ("tier", "forum_tier", "listing_tier", "product_tier"):
            value = getattr(self, name)
            if value not in TIERS and (value or name == "tier"):
                raise ConfigError(
                    f"{name} is {value!r}, expected one of {', '.join(TIERS)}; "
                    f"set extract.{name} to one of them"
                )
        for name, low in (
            ("page_seconds", 0.0),
            ("max_page_bytes", 0),
            ("page_memory_bytes", (1 << 29) - 1),
            ("max_pdf_pages", 0),
            ("max_outlinks", -1),
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

    @property
    def tiers(self) -> dict[str, str]:
        """The tier of each type of page."""
        return {
            "article": self.tier,
            "forum": self.forum_tier or self.tier,
            "listing": self.listing_tier or self.tier,
            "product": self.product_tier or self.tier,
        }
