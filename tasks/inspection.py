"""What decided over a document: the score columns that a rule reads, and its threshold.

The rules are in ``lmcore.curate.decide``; here stands which columns and which threshold a person has to
see to judge one of them. A test turns each column past its threshold and asks the rules for the reason.
"""

import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import duckdb

from tasks.graph import Section
from warehouse import catalog

_GENERAL = ("language", "language_score", "quality", "toxicity")
_OF_STAGE = {
    "extract": ("http_status", "mime"),
    "annotate": _GENERAL,
    "decide": _GENERAL,
    "deduplicate": ("quality", "n_chars"),
    "decontaminate": ("quality", "n_chars"),
    "tokens": ("n_tokens", "split"),
    "mix": ("n_tokens", "language", "quality"),
}
"""Columns that a stage goes by, or makes, whatever the reason."""


class Rule(NamedTuple):
    """What a rule of curation reads: columns of ``scores``, and a field of the section curate."""

    columns: tuple[str, ...]
    threshold: str
    """empty where the rule has none"""
    place: int | None
    """which of the thresholds, where the field holds several"""


def _read_rules(lines: str) -> dict[str, Rule]:
    """Read rules from lines of ``reason columns threshold[.place]``."""
    rules = {}
    for line in lines.strip().splitlines():
        reason, columns, threshold = line.split()
        name, _, place = threshold.partition(".")
        rules[reason] = Rule(
            tuple(columns.split(",")), name.strip("-"), int(place) if place else None
        )
    return rules


RULES: Mapping[str, Rule] = _read_rules(
    """
    url_domain url_block url_reject_blocked
    url_subdomain url_block url_reject_blocked
    url_address url_block url_reject_blocked
    url_substrings n_url_substrings url_max_substrings
    url_words n_url_words url_max_words
    url_soft_words n_url_soft_words url_max_soft_words
    language language languages
    language_score language_score min_language_score
    gopher_too_few_words n_words gopher_min_words
    gopher_too_many_words n_words gopher_max_words
    gopher_short_words mean_word_length gopher_min_mean_word_length
    gopher_long_words mean_word_length gopher_max_mean_word_length
    gopher_hashes hash_ratio gopher_max_hash_ratio
    gopher_ellipses ellipsis_ratio gopher_max_ellipsis_ratio
    gopher_bullet_lines bullet_lines gopher_max_bullet_lines
    gopher_ellipsis_lines ellipsis_lines gopher_max_ellipsis_lines
    gopher_alphabetic_words alphabetic_words gopher_min_alphabetic_words
    gopher_stop_words n_stop_words gopher_min_stop_words
    gopher_stop_word_occurrences n_stop_word_occurrences gopher_min_stop_word_occurrences
    gopher_duplicate_lines duplicate_lines gopher_max_duplicate_lines
    gopher_duplicate_paragraphs duplicate_paragraphs gopher_max_duplicate_paragraphs
    gopher_duplicate_line_chars duplicate_line_chars gopher_max_duplicate_line_chars
    gopher_duplicate_paragraph_chars duplicate_paragraph_chars gopher_max_duplicate_paragraph_chars
    gopher_top_2gram top_2gram_chars gopher_max_top_ngram_chars.0
    gopher_top_3gram top_3gram_chars gopher_max_top_ngram_chars.1
    gopher_top_4gram top_4gram_chars gopher_max_top_ngram_chars.2
    gopher_duplicate_5gram duplicate_5gram_chars gopher_max_duplicate_ngram_chars.0
    gopher_duplicate_6gram duplicate_6gram_chars gopher_max_duplicate_ngram_chars.1
    gopher_duplicate_7gram duplicate_7gram_chars gopher_max_duplicate_ngram_chars.2
    gopher_duplicate_8gram duplicate_8gram_chars gopher_max_duplicate_ngram_chars.3
    gopher_duplicate_9gram duplicate_9gram_chars gopher_max_duplicate_ngram_chars.4
    gopher_duplicate_10gram duplicate_10gram_chars gopher_max_duplicate_ngram_chars.5
    c4_empty n_lines_removed,n_lines -
    c4_lorem_ipsum has_lorem_ipsum c4_reject_lorem_ipsum
    c4_curly_bracket has_curly_bracket c4_reject_curly_bracket
    c4_bad_words bad_word_ratio c4_max_bad_word_ratio
    c4_too_few_sentences n_sentences c4_min_sentences
    fineweb_terminal_punctuation terminal_punctuation_lines fineweb_min_terminal_punctuation
    fineweb_short_lines short_lines fineweb_max_short_lines
    fineweb_duplicate_line_chars line_duplicate_chars fineweb_max_duplicate_line_chars
    fineweb_newlines newlines_per_word fineweb_max_newlines_per_word
    refinedweb_flagged_words flagged_words refinedweb_max_flagged_words
    toxicity toxicity max_toxicity
    worst_sentence_toxicity worst_sentence_toxicity max_worst_sentence_toxicity
    toxic_sentences toxic_sentences max_toxic_sentences
    hate hate max_hate
    nsfw nsfw max_nsfw
    quality quality min_quality
    style style min_style
    educational educational min_educational
    reference reference min_reference
    perplexity perplexity max_perplexity
    perplexity_bucket perplexity,language perplexity_buckets
    """
)
"""reason of ``decide`` -> what to look at"""


def deciding_columns(stage: str, reason: str) -> Sequence[str]:
    """Name the columns that say why a document was dropped, and why one beside it was not."""
    rule = RULES.get(reason) if stage == "decide" else None
    return rule.columns if rule else _OF_STAGE[stage]


def threshold_of(reason: str, curate: Section) -> tuple[str, object] | None:
    """Return the name and value of the threshold behind a reason; none where it has none."""
    rule = RULES.get(reason)
    if rule is None or rule.threshold not in curate:
        return None
    value = curate[rule.threshold]
    if rule.place is not None and isinstance(value, list | tuple):
        value = value[rule.place]
    return f"curate.{rule.threshold}", value


def run_section(connection: duckdb.DuckDBPyConnection, name: str) -> Section:
    """Return a section of the selected run's recipe; empty where it has none."""
    rows = catalog.query(connection, "SELECT config FROM runs WHERE is_selected")[1]
    sections = json.loads(str(rows[0][0])) if rows else {}
    section: Section = sections.get(name, {})
    return section
