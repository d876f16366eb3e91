from dataclasses import fields
from typing import Any

import pytest

from lmcore.curate.annotate import Annotation
from lmcore.curate.config import (
    ANNOTATION_FIELDS,
    CLASSIFIER_FIELDS,
    DECISION_FIELDS,
    CurateConfig,
)
from lmcore.curate.decide import KEPT, REASONS, decide
from lmcore.errors import ConfigError


def make_row(**changes: Any) -> dict[str, Any]:
    row = {field.name: 0 for field in fields(Annotation)}
    good = {
        "doc_id": "1",
        "n_lines": 10,
        "language": "en",
        "language_score": 0.99,
        "quality": 0.9,
        "style": 0.9,
        "educational": None,
        "hate": None,
        "nsfw": None,
        "reference": None,
        "perplexity": None,
        "n_words": 400,
        "mean_word_length": 5.0,
        "alphabetic_words": 0.95,
        "n_stop_words": 6,
        "n_stop_word_occurrences": 60,
        "n_sentences": 20,
        "terminal_punctuation_lines": 0.9,
    }
    return row | good | changes


CONFIG = CurateConfig(
    min_quality=0.5,
    max_toxicity=0.5,
    max_worst_sentence_toxicity=0.9,
    max_toxic_sentences=0.4,
    max_hate=0.5,
    max_nsfw=0.5,
    min_style=0.3,
    min_educational=0.3,
    min_reference=0.3,
    max_perplexity=900.0,
    perplexity_cutoffs=("en=100:300.5",),
    perplexity_buckets=("head", "middle"),
    gopher_min_stop_word_occurrences=2,
    c4_max_bad_word_ratio=0.01,
    refinedweb_max_flagged_words=0.05,
)
"""Every rule switched on."""

# reason -> (column, last value that passes, first that does not)
LIMITS = {
    "url_domain": ("url_block", "", "domain"),
    "url_subdomain": ("url_block", "", "subdomain"),
    "url_address": ("url_block", "", "address"),
    "url_substrings": ("n_url_substrings", 0, 1),
    "url_words": ("n_url_words", 0, 1),
    "url_soft_words": ("n_url_soft_words", 1, 2),
    "language": ("language", "en", "de"),
    "language_score": ("language_score", 0.65, 0.6499),
    "gopher_too_few_words": ("n_words", 50, 49),
    "gopher_too_many_words": ("n_words", 100_000, 100_001),
    "gopher_short_words": ("mean_word_length", 3.0, 2.99),
    "gopher_long_words": ("mean_word_length", 10.0, 10.01),
    "gopher_hashes": ("hash_ratio", 0.1, 0.101),
    "gopher_ellipses": ("ellipsis_ratio", 0.1, 0.101),
    "gopher_bullet_lines": ("bullet_lines", 0.9, 0.901),
    "gopher_ellipsis_lines": ("ellipsis_lines", 0.3, 0.301),
    "gopher_alphabetic_words": ("alphabetic_words", 0.8, 0.799),
    "gopher_stop_words": ("n_stop_words", 2, 1),
    "gopher_stop_word_occurrences": ("n_stop_word_occurrences", 2, 1),
    "gopher_duplicate_lines": ("duplicate_lines", 0.3, 0.301),
    "gopher_duplicate_paragraphs": ("duplicate_paragraphs", 0.3, 0.301),
    "gopher_duplicate_line_chars": ("duplicate_line_chars", 0.2, 0.201),
    "gopher_duplicate_paragraph_chars": ("duplicate_paragraph_chars", 0.2, 0.201),
    "gopher_top_2gram": ("top_2gram_chars", 0.2, 0.201),
    "gopher_top_3gram": ("top_3gram_chars", 0.18, 0.181),
    "gopher_top_4gram": ("top_4gram_chars", 0.16, 0.161),
    "gopher_duplicate_5gram": ("duplicate_5gram_chars", 0.15, 0.151),
    "gopher_duplicate_6gram": ("duplicate_6gram_chars", 0.14, 0.141),
    "gopher_duplicate_7gram": ("duplicate_7gram_chars", 0.13, 0.131),
    "gopher_duplicate_8gram": ("duplicate_8gram_chars", 0.12, 0.121),
    "gopher_duplicate_9gram": ("duplicate_9gram_chars", 0.11, 0.111),
    "gopher_duplicate_10gram": ("duplicate_10gram_chars", 0.1, 0.101),
    "c4_empty": ("n_lines_removed", 9, 10),
    "c4_lorem_ipsum": ("has_lorem_ipsum", False, True),
    "c4_curly_bracket": ("has_curly_bracket", False, True),
    "c4_bad_words": ("bad_word_ratio", 0.01, 0.011),
    "c4_too_few_sentences": ("n_sentences", 5, 4),
    "fineweb_terminal_punctuation": ("terminal_punctuation_lines", 0.12, 0.119),
    "fineweb_short_lines": ("short_lines", 0.67, 0.671),
    "fineweb_duplicate_line_chars": ("line_duplicate_chars", 0.01, 0.0101),
    "fineweb_newlines": ("newlines_per_word", 0.3, 0.301),
    "refinedweb_flagged_words": ("flagged_words", 0.05, 0.051),
    "toxicity": ("toxicity", 0.5, 0.501),
    "worst_sentence_toxicity": ("worst_sentence_toxicity", 0.9, 0.901),
    "toxic_sentences": ("toxic_sentences", 0.4, 0.401),
    "hate": ("hate", 0.5, 0.501),
    "nsfw": ("nsfw", 0.5, 0.501),
    "quality": ("quality", 0.5, 0.499),
    "style": ("style", 0.3, 0.299),
    "educational": ("educational", 0.3, 0.299),
    "reference": ("reference", 0.3, 0.299),
    "perplexity": ("perplexity", None, 900.1),
    "perplexity_bucket": ("perplexity", 300.5, 300.6),
}


def test_decide_limits_cover_every_reason_in_its_order() -> None:
    assert tuple(LIMITS) == REASONS


@pytest.mark.parametrize("reason", REASONS)
def test_decide_value_beyond_one_limit_names_that_rule(reason: str) -> None:
    column, passing, failing = LIMITS[reason]
    assert decide(make_row(**{column: passing}), CONFIG) == KEPT
    assert decide(make_row(**{column: failing}), CONFIG) == reason


def test_decide_several_broken_rules_name_the_first() -> None:
    broken: dict[str, Any] = {}
    for reason in reversed(REASONS):
        if reason in {"gopher_too_many_words", "url_subdomain", "url_address", "perplexity"}:
            continue  # reads the column of another rule
        column, _, failing = LIMITS[reason]
        broken[column] = failing
        assert decide(make_row(**broken), CONFIG) == reason


def test_decide_abusive_page_of_low_quality_is_rejected_as_toxic() -> None:
    assert decide(make_row(quality=0.0, toxicity=1.0), CurateConfig()) == "toxicity"


def test_decide_page_without_a_line_is_empty() -> None:
    assert decide(make_row(n_lines=0), CurateConfig()) == "c4_empty"


def test_decide_language_with_a_score_of_its_own_is_held_to_it() -> None:
    config = CurateConfig(languages=(), min_language_scores=("fr=0.8", "de=0.5"))
    for language, score in (("fr", 0.8), ("de", 0.5), ("en", 0.65)):
        row = make_row(language=language, language_score=score)
        assert decide(row, config) == KEPT
        assert decide(row | {"language_score": score - 0.01}, config) == "language_score"


def test_decide_no_language_named_keeps_every_language() -> None:
    assert decide(make_row(language="fi"), CurateConfig(languages=())) == KEPT


def test_decide_language_without_blanks_is_spared_word_lengths_and_stop_words() -> None:
    row = make_row(language="zh", mean_word_length=1.0, n_stop_words=-1)
    assert decide(row, CurateConfig(languages=("zh",))) == KEPT


def test_config_field_parts_partition_all_but_the_paths() -> None:
    parts = [*CLASSIFIER_FIELDS, *ANNOTATION_FIELDS, *DECISION_FIELDS]
    paths = {"labels", "lid_model", "lists", "perplexity_models"}
    names = {field.name for field in fields(CurateConfig)} - paths
    assert len(parts) == len(set(parts))
    assert set(parts) == names


@pytest.mark.parametrize(
    "change",
    [
        {"min_quality": 1.1},
        {"max_toxicity": -0.1},
        {"classifier_dim": 0},
        {"c4_min_words_per_line": -1},
        {"classifier_test_fraction": 1.0},
        {"gopher_max_top_ngram_chars": (0.2, 0.1)},
        {"gopher_max_duplicate_ngram_chars": (0.1, 0.1, 0.1, 0.1, 0.1, 2.0)},
        {"max_perplexity": 0.0},
        {"perplexity_order": -1},
        {"perplexity_shares": (0.5, 0.4)},
        {"perplexity_shares": (0.5,)},
        {"perplexity_buckets": ()},
        {"perplexity_buckets": ("head", "best")},
        {"perplexity_cutoffs": ("en=5",)},
        {"perplexity_cutoffs": ("en=5:4",)},
    ],
)
def test_config_impossible_value_is_an_error_that_names_the_field(change: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"curate.{next(iter(change))}"):
        CurateConfig(**change)
