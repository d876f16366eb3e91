"""What defines a deduplication: change a field, change which documents survive.

Standard library only, so that a plan can be read without numpy or datasketch.
"""

from dataclasses import dataclass

from lmcore.errors import ConfigError

LINE_RULES = ("documents", "cs336", "none")
ENGINES = ("auto", "kernels", "datasketch")


@dataclass(frozen=True, slots=True, kw_only=True)
class DedupConfig:
    """Exact, line and near deduplication.

    The candidate search finds a pair of true Jaccard similarity s with probability
    P(s) = 1 - (1 - s^r)^b for b bands of r rows. 21 bands of 6 rows (126 permutations):

        P(0.9) = 1 - (1 - .5314)^21 = 1 - 1.2e-7
        P(0.8) = 1 - (1 - .2621)^21 = .9983      the required recall is .99
        P(0.7) = .928    P(0.5) = .281    P(0.3) = .015

    16 bands of 8 rows, a common setting, has P(0.8) = .947; 32 of 4 has P(0.5) = .873,
    three times the candidates for recall that is not needed. Every candidate is verified
    by its true Jaccard similarity, so the bands decide recall and cost, never precision.
    """

    payloads: bool = False
    """Whether documents of one archived payload (its digest) are duplicates."""

    urls: bool = False
    """Whether documents of one canonical URL are duplicates: of several captures of a page one
    stays, whatever their texts."""

    line_rule: str = "documents"
    """Which lines go. "documents": lines that stand, normalised, in more than
    line_max_documents distinct documents. "cs336": raw lines that occur more than once
    anywhere, twice in one document included. "none": no line goes. A line that goes, goes
    everywhere."""

    line_max_documents: int = 20
    """A line in more distinct documents than this is boilerplate. Well above the number of
    edited copies that one text usually has, because a text copied to more documents than
    this loses its common lines in all of them."""

    host_line_max_documents: int = 0
    """A line in more documents of one host than this goes from all of that host; 0: none does."""

    paragraph_words: int = 0
    """A paragraph of at least so many words that a better document holds goes; 0: none does."""

    substring_words: int = 0
    """A run of at least so many words that stands in a better document goes; 50 is usual, 0: none
    does."""

    ngram_words: int = 0
    """A line whose n-grams of so many words a Bloom filter has from better documents goes; 13 is
    usual, 0: none does."""

    ngram_share: float = 0.8
    """The share of a line's n-grams that must be there."""

    ngram_false_positives: float = 1e-6
    """How often the filter may take an n-gram for one that it has: what it is made for."""

    engine: str = "auto"
    """What finds near duplicates: "kernels", "datasketch" (in Python), or "auto", which takes
    kernels where the corpus is worth loading them for. The result is the same."""

    keep_signatures: bool = False
    """Whether the artifact keeps what a later crawl is searched against: band keys, words, and
    the keys of URLs, payloads and texts."""

    earlier: tuple[str, ...] = ()
    """Earlier crawls, deduplicated with keep_signatures: keys of their deduplicate artifacts, ids of
    their runs, or folders of artifacts in other stores. What they kept comes before every new
    document and is signed no more."""

    shingle_words: int = 5
    """Words in a shingle; each character is a word in scripts that write no spaces."""

    permutations: int = 126
    """Length of a signature; a multiple of bands."""

    bands: int = 21
    """Bands a signature is cut into; documents that agree in a whole band are candidates."""

    jaccard: float = 0.8
    """A near duplicate has at least this true Jaccard similarity with its survivor."""

    bucket_leaders: int = 256
    """In a bucket of more documents than this, each document is compared with this many of
    the best ones instead of with all; the pairs left out are counted."""

    cluster_leaders: int = 256
    """A component is cut around at most this many representatives; the documents that are left
    then are kept, and counted."""

    seed: int = 1
    """Seed of the permutations."""

    def __post_init__(self) -> None:
        if self.line_rule not in LINE_RULES:
            raise ConfigError(
                f"line_rule is {self.line_rule!r}, expected one of {', '.join(LINE_RULES)}; choose one"
            )
        if self.engine not in ENGINES:
            raise ConfigError(
                f"engine is {self.engine!r}, expected one of {', '.join(ENGINES)}; choose one"
            )
        if self.engine == "datasketch" and (self.keep_signatures or self.earlier):
            raise ConfigError(
                "engine is 'datasketch', expected kernels where signatures are kept or searched; "
                "set engine to 'auto', or neither keep_signatures nor earlier"
            )
        self._check_numbers()

    def _check_numbers(self) -> None:
        for name in (
            "host_line_max_documents",
            "paragraph_words",
            "substring_words",
            "ngram_words",
        ):
            if getattr(self, name) < 0:
                raise ConfigError(
                    f"{name} is {getattr(self, name)}, expected 0 (off) or more; raise it"
                )
        for name in (
            "line_max_documents",
            "shingle_words",
            "permutations",
            "bands",
            "bucket_leaders",
            "cluster_leaders",
        ):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}, expected at least 1; raise it")
        if self.permutations % self.bands:
            raise ConfigError(
                f"{self.permutations} permutations do not divide into {self.bands} bands; "
                f"expected a multiple, such as {self.permutations // self.bands * self.bands or self.bands}"
            )
        for name in ("jaccard", "ngram_share"):
            if not 0.0 < getattr(self, name) <= 1.0:
                raise ConfigError(
                    f"{name} is {getattr(self, name)}, expected a number in (0, 1]; 0.8 is usual"
                )
        if not 1e-15 <= self.ngram_false_positives < 1.0:
            raise ConfigError(
                f"ngram_false_positives is {self.ngram_false_positives}, expected a number in "
                "[1e-15, 1); 1e-6 is usual"
            )
        if not 0 <= self.seed < 2**32:
            raise ConfigError(f"seed is {self.seed}, expected 0 to 4,294,967,295; choose another")
