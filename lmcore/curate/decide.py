"""Keep a document, or name the first rule that rejects it.

The decision reads columns only, so another threshold costs one cheap pass over the sidecar table. Rules
are tried in the order of `REASONS`: the address, language, Gopher quality, Gopher repetition, C4,
FineWeb, RefinedWeb, toxicity and its kin, quality and its kin, perplexity. Toxicity comes before quality because
abuse is of low quality, too, and its reason should say what
it is. A value on a threshold passes. 150,000 rows a second.
"""

from collections.abc import Callable, Mapping
from typing import Any

from lmcore.curate.buckets import bucket_of
from lmcore.curate.config import CurateConfig
from lmcore.curate.words import UNSPACED_LANGUAGES

KEPT = "kept"
"""The outcome of a document that passes every rule."""

OPTIONAL_COLUMNS = frozenset({"educational", "hate", "nsfw", "reference", "perplexity"})
"""Columns that are null where nothing taught the head or the language's model; its rule then rejects nothing."""

Row = Mapping[str, Any]  # one row of a Parquet table: str, int, float and bool values
_Rule = Callable[[Row, CurateConfig], bool]


def _is_spaced(row: Row) -> bool:
    return row["language"] not in UNSPACED_LANGUAGES


def _has_too_few_stop_words(row: Row, config: CurateConfig) -> bool:
    return bool(0 <= row["n_stop_words"] < config.gopher_min_stop_words)


def _top_ngram_rule(i: int) -> _Rule:
    column = f"top_{i + 2}gram_chars"
    return lambda row, config: row[column] > config.gopher_max_top_ngram_chars[i]


def _duplicate_ngram_rule(i: int) -> _Rule:
    column = f"duplicate_{i + 5}gram_chars"
    return lambda row, config: row[column] > config.gopher_max_duplicate_ngram_chars[i]


def _is_in_dropped_bucket(row: Row, config: CurateConfig) -> bool:
    bucket = bucket_of(row["language"], row["perplexity"], config)
    return bucket is not None and bucket not in config.perplexity_buckets


def _url_rule(match: str) -> _Rule:
    return lambda row, config: config.url_reject_blocked and row["url_block"] == match


# reason -> does the rule reject the row?
_RULES: dict[str, _Rule] = {
    **{f"url_{match}": _url_rule(match) for match in ("domain", "subdomain", "address")},
    "url_substrings": lambda row, config: row["n_url_substrings"] > config.url_max_substrings,
    "url_words": lambda row, config: row["n_url_words"] > config.url_max_words,
    "url_soft_words": lambda row, config: row["n_url_soft_words"] > config.url_max_soft_words,
    "language": lambda row, config: (
        bool(config.languages) and row["language"] not in config.languages
    ),
    "language_score": lambda row, config: (
        row["language_score"] < config.min_score_of(row["language"])
    ),
    "gopher_too_few_words": lambda row, config: row["n_words"] < config.gopher_min_words,
    "gopher_too_many_words": lambda row, config: row["n_words"] > config.gopher_max_words,
    "gopher_short_words": lambda row, config: (
        _is_spaced(row) and row["mean_word_length"] < config.gopher_min_mean_word_length
    ),
    "gopher_long_words": lambda row, config: (
        _is_spaced(row) and row["mean_word_length"] > config.gopher_max_mean_word_length
    ),
    "gopher_hashes": lambda row, config: row["hash_ratio"] > config.gopher_max_hash_ratio,
    "gopher_ellipses": lambda row, config: row["ellipsis_ratio"] > config.gopher_max_ellipsis_ratio,
    "gopher_bullet_lines": lambda row, config: row["bullet_lines"] > config.gopher_max_bullet_lines,
    "gopher_ellipsis_lines": lambda row, config: (
        row["ellipsis_lines"] > config.gopher_max_ellipsis_lines
    ),
    "gopher_alphabetic_words": lambda row, config: (
        row["alphabetic_words"] < config.gopher_min_alphabetic_words
    ),
    "gopher_stop_words": _has_too_few_stop_words,
    "gopher_stop_word_occurrences": lambda row, config: (
        0 <= row["n_stop_word_occurrences"] < config.gopher_min_stop_word_occurrences
    ),
    "gopher_duplicate_lines": lambda row, config: (
        row["duplicate_lines"] > config.gopher_max_duplicate_lines
    ),
    "gopher_duplicate_paragraphs": lambda row, config: (
        row["duplicate_paragraphs"] > config.gopher_max_duplicate_paragraphs
    ),
    "gopher_duplicate_line_chars": lambda row, config: (
        row["duplicate_line_chars"] > config.gopher_max_duplicate_line_chars
    ),
    "gopher_duplicate_paragraph_chars": lambda row, config: (
        row["duplicate_paragraph_chars"] > config.gopher_max_duplicate_paragraph_chars
    ),
    **{f"gopher_top_{i + 2}gram": _top_ngram_rule(i) for i in range(3)},
    **{f"gopher_duplicate_{i + 5}gram": _duplicate_ngram_rule(i) for i in range(6)},
    "c4_empty": lambda row, _config: row["n_lines_removed"] >= row["n_lines"],
    "c4_lorem_ipsum": lambda row, config: config.c4_reject_lorem_ipsum and row["has_lorem_ipsum"],
    "c4_curly_bracket": lambda row, config: (
        config.c4_reject_curly_bracket and row["has_curly_bracket"]
    ),
    "c4_bad_words": lambda row, config: row["bad_word_ratio"] > config.c4_max_bad_word_ratio,
    "c4_too_few_sentences": lambda row, config: row["n_sentences"] < config.c4_min_sentences,
    "fineweb_terminal_punctuation": lambda row, config: (
        row["terminal_punctuation_lines"] < config.fineweb_min_terminal_punctuation
    ),
    "fineweb_short_lines": lambda row, config: row["short_lines"] > config.fineweb_max_short_lines,
    "fineweb_duplicate_line_chars": lambda row, config: (
        row["line_duplicate_chars"] > config.fineweb_max_duplicate_line_chars
    ),
    "fineweb_newlines": lambda row, config: (
        row["newlines_per_word"] > config.fineweb_max_newlines_per_word
    ),
    "refinedweb_flagged_words": lambda row, config: (
        row["flagged_words"] > config.refinedweb_max_flagged_words
    ),
    "toxicity": lambda row, config: row["toxicity"] > config.max_toxicity,
    "worst_sentence_toxicity": lambda row, config: (
        row["worst_sentence_toxicity"] > config.max_worst_sentence_toxicity
    ),
    "toxic_sentences": lambda row, config: row["toxic_sentences"] > config.max_toxic_sentences,
    "hate": lambda row, config: row["hate"] is not None and row["hate"] > config.max_hate,
    "nsfw": lambda row, config: row["nsfw"] is not None and row["nsfw"] > config.max_nsfw,
    "quality": lambda row, config: row["quality"] < config.min_quality,
    "style": lambda row, config: row["style"] < config.min_style,
    "educational": lambda row, config: (
        row["educational"] is not None and row["educational"] < config.min_educational
    ),
    "reference": lambda row, config: (
        row["reference"] is not None and row["reference"] < config.min_reference
    ),
    "perplexity": lambda row, config: (
        row["perplexity"] is not None and row["perplexity"] > config.max_perplexity
    ),
    "perplexity_bucket": _is_in_dropped_bucket,
}

REASONS: tuple[str, ...] = tuple(_RULES)
"""Every reason for a rejection, in the order in which the rules are tried."""


def decide(row: Row, config: CurateConfig) -> str:
    """`KEPT`, or the reason of the first rule that rejects the row (columns of `Annotation`).

    Buckets of perplexity are those that the configuration has cutoffs for (`buckets.with_cutoffs`).
    """
    for reason, rejects in _RULES.items():
        if rejects(row, config):
            return reason
    return KEPT
