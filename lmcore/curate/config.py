"""What curation decides by: every threshold with its published source.

The fields fall into three parts, so that a change re-runs only what it must: `CLASSIFIER_FIELDS`
retrain the classifiers, `ANNOTATION_FIELDS` change scores, statistics or cleaned text, and
`DECISION_FIELDS` only the cheap decision over the columns. `labels`, `lid_model`, `lists` and
`perplexity_models` are paths: the content behind them is identity, the path is not.

Sources: Gopher = arXiv 2112.11446 table A1; C4 = arXiv 1910.10683 section 2.2; FineWeb = arXiv
2406.17557 section 3.6 with the values of datatrove's filters; RefinedWeb = arXiv 2306.01116 sections
3.1 and 3.2, appendix G, with the values of DCLM's code (arXiv 2406.11794) where the paper gives none.
"""

from dataclasses import dataclass

from lmcore.errors import ConfigError

CLASSIFIER_FIELDS = (
    "classifier_dim",
    "classifier_epochs",
    "classifier_learning_rate",
    "classifier_word_ngrams",
    "classifier_buckets",
    "classifier_min_chars",
    "classifier_max_chars",
    "classifier_max_texts",
    "classifier_test_fraction",
    "classifier_seed",
    "train_language_model",
    "perplexity_order",
    "perplexity_min_words",
    "perplexity_max_words",
)
"""Fields that change the bytes of the trained classifiers."""

ANNOTATION_FIELDS = (
    "c4_max_word_chars",
    "c4_min_words_per_line",
    "c4_drop_javascript_lines",
    "c4_drop_policy_lines",
    "c4_require_terminal_punctuation",
    "fineweb_short_line_chars",
    "refinedweb_drop_lines",
    "blocked_domains",
    "url_substrings",
    "url_words",
    "url_soft_words",
)
"""Fields that change an annotation: scores, statistics or the cleaned text."""

DECISION_FIELDS = (
    "url_reject_blocked",
    "url_max_substrings",
    "url_max_words",
    "url_max_soft_words",
    "languages",
    "min_language_score",
    "min_language_scores",
    "gopher_min_words",
    "gopher_max_words",
    "gopher_min_mean_word_length",
    "gopher_max_mean_word_length",
    "gopher_max_hash_ratio",
    "gopher_max_ellipsis_ratio",
    "gopher_max_bullet_lines",
    "gopher_max_ellipsis_lines",
    "gopher_min_alphabetic_words",
    "gopher_min_stop_words",
    "gopher_min_stop_word_occurrences",
    "gopher_max_duplicate_lines",
    "gopher_max_duplicate_paragraphs",
    "gopher_max_duplicate_line_chars",
    "gopher_max_duplicate_paragraph_chars",
    "gopher_max_top_ngram_chars",
    "gopher_max_duplicate_ngram_chars",
    "c4_min_sentences",
    "c4_reject_lorem_ipsum",
    "c4_reject_curly_bracket",
    "c4_max_bad_word_ratio",
    "fineweb_min_terminal_punctuation",
    "fineweb_max_short_lines",
    "fineweb_max_duplicate_line_chars",
    "fineweb_max_newlines_per_word",
    "refinedweb_max_flagged_words",
    "min_quality",
    "max_toxicity",
    "max_worst_sentence_toxicity",
    "max_toxic_sentences",
    "min_style",
    "min_educational",
    "max_hate",
    "max_nsfw",
    "min_reference",
    "max_perplexity",
    "perplexity_cutoffs",
    "perplexity_shares",
    "perplexity_buckets",
)
"""Fields that change only which documents are kept."""

_SHARES = (
    "min_language_score",
    "gopher_max_hash_ratio",
    "gopher_max_ellipsis_ratio",
    "gopher_max_bullet_lines",
    "gopher_max_ellipsis_lines",
    "gopher_min_alphabetic_words",
    "gopher_max_duplicate_lines",
    "gopher_max_duplicate_paragraphs",
    "gopher_max_duplicate_line_chars",
    "gopher_max_duplicate_paragraph_chars",
    "fineweb_min_terminal_punctuation",
    "fineweb_max_short_lines",
    "fineweb_max_duplicate_line_chars",
    "refinedweb_max_flagged_words",
    "min_quality",
    "max_toxicity",
    "max_worst_sentence_toxicity",
    "max_toxic_sentences",
    "min_style",
    "min_educational",
    "max_hate",
    "max_nsfw",
    "min_reference",
)
_POSITIVE = (
    "classifier_dim",
    "classifier_epochs",
    "classifier_learning_rate",
    "classifier_word_ngrams",
    "classifier_buckets",
    "classifier_max_texts",
    "c4_max_word_chars",
    "gopher_max_words",
    "gopher_max_mean_word_length",
    "perplexity_max_words",
    "max_perplexity",
)
_NOT_NEGATIVE = (
    "classifier_min_chars",
    "classifier_max_chars",
    "classifier_seed",
    "c4_min_words_per_line",
    "fineweb_short_line_chars",
    "gopher_min_words",
    "gopher_min_mean_word_length",
    "gopher_min_stop_words",
    "gopher_min_stop_word_occurrences",
    "c4_min_sentences",
    "c4_max_bad_word_ratio",
    "url_max_substrings",
    "url_max_words",
    "url_max_soft_words",
    "fineweb_max_newlines_per_word",
    "perplexity_order",
    "perplexity_min_words",
)
_BUCKETS = {"head", "middle", "tail"}


@dataclass(frozen=True, slots=True, kw_only=True)
class CurateConfig:
    """Labels, models, rules and thresholds of curation."""

    labels: str = ""
    """Folder, file or glob of labelled Parquet; empty: the sample crawl's own labels."""
    lid_model: str = ""
    """Path of a fastText language model such as lid.176.bin; empty: the built-in detector."""

    lists: str = ""
    """Folder, file or glob of lists, a line an entry: `domains.txt`, `url_substrings.txt`,
    `url_words.txt`, `url_soft_words.txt`, `bad_words.en.txt` and so on (the format of UT1's and
    LDNOOBW's lists). What they hold is added to the recipe's own; a list of bad words takes the place
    of the short English one that is shipped."""
    perplexity_models: str = ""
    """Folder, file or glob of ARPA files such as en.arpa.gz, in place of the models trained here."""
    train_language_model: bool = False
    """Train a language model from the label file named langid (columns text and lang), and ask it."""

    perplexity_order: int = 5
    """Words of the longest n-grams of the models that pages' perplexity is taken under (CCNet: 5);
    0: none is trained."""
    perplexity_min_words: int = 5_000
    """A language with fewer words of reference text has no model."""
    perplexity_max_words: int = 20_000_000
    """Most words of reference text of a language, chosen by hash; 60 bytes of memory an n-gram."""

    classifier_dim: int = 16
    """Dimension of a word vector."""
    classifier_epochs: int = 25
    """Passes over the training texts."""
    classifier_learning_rate: float = 0.5
    """fastText's initial rate, decayed linearly to 0."""
    classifier_word_ngrams: int = 2
    """Longest word n-gram that is a feature."""
    classifier_buckets: int = 50_000
    """Hash buckets of the n-grams; buckets * dim * 4 bytes = 3.2 MB of the model file."""
    classifier_min_chars: int = 0
    """Shortest character n-gram that is a feature."""
    classifier_max_chars: int = 0
    """Longest character n-gram; 0: none. 2 to 5 help where spelling is free (toxicity of comments)."""
    classifier_max_texts: int = 8_000
    """Most texts of a label set that are used, chosen by hash, as many of each class as there are."""
    classifier_test_fraction: float = 0.2
    """Share of a label set without a split that is held out, by hash of the text."""
    classifier_seed: int = 0
    """Seed of fastText."""

    c4_max_word_chars: int = 1000
    """C4: a line with a longer word is removed."""
    c4_min_words_per_line: int = 3
    """C4: a line with fewer words is removed."""
    c4_drop_javascript_lines: bool = True
    """C4: a line that holds "javascript" is removed."""
    c4_drop_policy_lines: bool = True
    """C4: a line that names a cookie policy, privacy policy or terms of use is removed."""
    c4_require_terminal_punctuation: bool = False
    """C4: a line without final . ? ! or quote is removed. Off as in FineWeb: it costs 30 % of tokens."""
    fineweb_short_line_chars: int = 30
    """FineWeb: a line of at most so many characters is short."""

    refinedweb_drop_lines: bool = False
    """RefinedWeb, DCLM: remove upper-case, numeric and one-word lines, counters and buttons."""
    blocked_domains: tuple[str, ...] = ()
    """Domains (their subdomains too) or addresses (host/path and what is below) to reject."""
    url_substrings: tuple[str, ...] = ("porn", "hentai", "xvideo", "xnxx", "livesex", "sexcam")
    """RefinedWeb, "strict": one of these within an address, blanks and signs left out."""
    url_words: tuple[str, ...] = ("milf", "bdsm", "camgirl", "camgirls", "blowjob", "cumshot")
    """RefinedWeb, "hard": one of these as a word of an address."""
    url_soft_words: tuple[str, ...] = (
        *("sex", "sexy", "xxx", "adult", "erotic", "nude", "nudes", "naked", "escort", "escorts"),
        *("webcam", "cams", "babes", "fetish", "amateur", "casino", "viagra"),
    )
    """RefinedWeb, "soft": words that say little alone, and much together."""

    url_reject_blocked: bool = True
    """RefinedWeb: an address on a block list is rejected."""
    url_max_substrings: int = 0
    """RefinedWeb: `url_substrings` in an address."""
    url_max_words: int = 0
    """RefinedWeb: `url_words` in an address."""
    url_max_soft_words: int = 1
    """RefinedWeb and datatrove reject two different `url_soft_words` in an address."""
    languages: tuple[str, ...] = ("en",)
    """Languages kept (ISO 639-1); none named: every language."""
    min_language_score: float = 0.65
    """FineWeb: lowest score of the language; below it the page is a mixture or no prose."""
    min_language_scores: tuple[str, ...] = ()
    """Other lowest scores, such as "fr=0.82" (FineWeb-2 tunes one for each language)."""

    gopher_min_words: int = 50
    """Gopher: fewest words."""
    gopher_max_words: int = 100_000
    """Gopher: most words."""
    gopher_min_mean_word_length: float = 3.0
    """Gopher: characters a word; not applied to languages written without blanks."""
    gopher_max_mean_word_length: float = 10.0
    """Gopher: characters a word; not applied to languages written without blanks."""
    gopher_max_hash_ratio: float = 0.1
    """Gopher: `#` characters for each word."""
    gopher_max_ellipsis_ratio: float = 0.1
    """Gopher: ellipses for each word."""
    gopher_max_bullet_lines: float = 0.9
    """Gopher: share of lines that begin with a bullet."""
    gopher_max_ellipsis_lines: float = 0.3
    """Gopher: share of lines that end with an ellipsis."""
    gopher_min_alphabetic_words: float = 0.8
    """Gopher: share of words with an alphabetic character."""
    gopher_min_stop_words: int = 2
    """Gopher as datatrove has it: distinct stop words; not applied to languages without a list."""
    gopher_min_stop_word_occurrences: int = 0
    """Gopher as DCLM has it counts every occurrence (2, and 0 distinct ones)."""
    gopher_max_duplicate_lines: float = 0.30
    """Gopher repetition: share of lines seen before in the page."""
    gopher_max_duplicate_paragraphs: float = 0.30
    """Gopher repetition: share of paragraphs seen before in the page."""
    gopher_max_duplicate_line_chars: float = 0.20
    """Gopher repetition: share of characters in lines seen before."""
    gopher_max_duplicate_paragraph_chars: float = 0.20
    """Gopher repetition: share of characters in paragraphs seen before."""
    gopher_max_top_ngram_chars: tuple[float, ...] = (0.20, 0.18, 0.16)
    """Gopher repetition: share of characters in the most frequent 2-, 3- and 4-gram."""
    gopher_max_duplicate_ngram_chars: tuple[float, ...] = (0.15, 0.14, 0.13, 0.12, 0.11, 0.10)
    """Gopher repetition: share of characters in 5- to 10-grams seen before."""

    c4_min_sentences: int = 5
    """C4: fewest sentences after the line rules."""
    c4_reject_lorem_ipsum: bool = True
    """C4: a page with "lorem ipsum" is placeholder text."""
    c4_reject_curly_bracket: bool = True
    """C4: a page with "{" is code."""
    c4_max_bad_word_ratio: float = 1.0
    """C4: bad words for each word; 0 rejects a page with a single one. Off as in FineWeb: it removes medicine and law."""

    fineweb_min_terminal_punctuation: float = 0.12
    """FineWeb: share of lines that end in terminal punctuation."""
    fineweb_max_short_lines: float = 0.67
    """FineWeb: share of short lines."""
    fineweb_max_duplicate_line_chars: float = 0.01
    """FineWeb: share of characters in lines seen before."""
    fineweb_max_newlines_per_word: float = 0.3
    """FineWeb: newlines for each word."""
    refinedweb_max_flagged_words: float = 1.0
    """RefinedWeb, DCLM: 0.05, share of words in flagged lines. Off as in FineWeb."""

    min_quality: float = 0.2
    """Lowest calibrated probability of high quality; low, as labels rarely match the pages at hand."""
    max_toxicity: float = 0.8
    """Highest calibrated probability of toxicity."""
    max_worst_sentence_toxicity: float = 1.0
    """Highest probability of toxicity of a single sentence; 1: the rule is off (Dolma removes from 0.4)."""
    max_toxic_sentences: float = 1.0
    """Largest share of sentences whose probability of toxicity is 0.5 or more; 1: off."""
    min_style: float = 0.0
    """Lowest probability of high quality by how a page is written; 0: off."""
    min_educational: float = 0.0
    """Lowest probability of educational value; 0: off. A page without the score passes, here and below."""
    max_hate: float = 1.0
    """Highest probability of hate; 1: off."""
    max_nsfw: float = 1.0
    """Highest probability of sexual content; 1: off."""
    min_reference: float = 0.0
    """Lowest probability of being like the reference texts; 0: off."""
    max_perplexity: float = 1e9
    """Highest perplexity; 1e9: off. A page whose language has no model passes, here and below."""
    perplexity_cutoffs: tuple[str, ...] = ()
    """Limits of head and middle, such as "en=310.5:702"; a language without takes those of its pages."""
    perplexity_shares: tuple[float, ...] = (1 / 3, 2 / 3)
    """CCNet: head and middle end at these shares of a language's pages, the least surprising first."""
    perplexity_buckets: tuple[str, ...] = ("head", "middle", "tail")
    """Buckets that are kept; CCNet's users take head, or head and middle. All: off."""

    def __post_init__(self) -> None:
        for name in _SHARES:
            self._check(name, 0.0 <= getattr(self, name) <= 1.0, "a share from 0 to 1")
        for name in _POSITIVE:
            self._check(name, getattr(self, name) > 0, "more than 0")
        for name in _NOT_NEGATIVE:
            self._check(name, getattr(self, name) >= 0, "0 or more")
        for name, n in (("gopher_max_top_ngram_chars", 3), ("gopher_max_duplicate_ngram_chars", 6)):
            shares = getattr(self, name)
            is_valid = len(shares) == n and all(0.0 <= share <= 1.0 for share in shares)
            self._check(name, is_valid, f"{n} shares from 0 to 1")
        self._check(
            "min_language_scores",
            all(map(_is_language_score, self.min_language_scores)),
            'entries such as "fr=0.82"',
        )
        self._check_perplexity()
        self._check(
            "classifier_test_fraction", 0.0 < self.classifier_test_fraction < 1.0, "between 0 and 1"
        )

    def _check_perplexity(self) -> None:
        low, high = self.perplexity_shares if len(self.perplexity_shares) == 2 else (1.0, 0.0)
        self._check("perplexity_shares", 0.0 < low <= high < 1.0, "two shares, ascending")
        self._check(
            "perplexity_buckets",
            bool(self.perplexity_buckets) and {*self.perplexity_buckets} <= _BUCKETS,
            "some of head, middle and tail",
        )
        self._check(
            "perplexity_cutoffs",
            all(map(_are_cutoffs, self.perplexity_cutoffs)),
            'entries such as "en=310.5:702"',
        )

    def min_score_of(self, language: str) -> float:
        """The lowest score that a page of this language passes with."""
        for entry in self.min_language_scores:
            name, _, score = entry.partition("=")
            if name == language:
                return float(score)
        return self.min_language_score

    def _check(self, name: str, is_valid: bool, expected: str) -> None:
        if not is_valid:
            raise ConfigError(
                f"found curate.{name} = {getattr(self, name)!r}; expected {expected}: change it in the recipe"
            )


def _are_cutoffs(entry: str) -> bool:
    name, _, pair = entry.partition("=")
    try:
        head, middle = map(float, pair.split(":"))
    except ValueError:
        return False
    return bool(name) and 0.0 < head <= middle


def _is_language_score(entry: str) -> bool:
    name, _, score = entry.partition("=")
    try:
        return bool(name) and 0.0 <= float(score) <= 1.0
    except ValueError:
        return False
