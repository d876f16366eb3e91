"""What is shown of a decision is what decided."""

import dataclasses
import math

import pytest
from factory_scores import passing

from lmcore.curate.config import CurateConfig
from lmcore.curate.decide import KEPT, REASONS, decide
from tasks.inspection import RULES, deciding_columns, threshold_of
from warehouse.views import STAGES


def distinct_thresholds():
    """Every threshold a little off its default, so that no two are the same."""
    plain = CurateConfig()
    moved = {}
    for at, field in enumerate(sorted({RULES[reason].threshold for reason in REASONS} - {""})):
        value = getattr(plain, field)
        if isinstance(value, bool) or field in {"languages", "perplexity_buckets"}:
            continue
        if isinstance(value, tuple):
            moved[field] = tuple(part - 0.0001 * at for part in value)
        else:
            moved[field] = value + at if isinstance(value, int) else value * (1 - 0.001 * at)
    moved |= {"perplexity_buckets": ("head",), "perplexity_cutoffs": ("en=100:200",)}
    return CurateConfig(**moved)


CONFIG = distinct_thresholds()
CURATE = {name: getattr(CONFIG, name) for name in CurateConfig.__slots__}


def is_number(reason):
    found = threshold_of(reason, CURATE)
    return (
        found is not None and isinstance(found[1], int | float) and not isinstance(found[1], bool)
    )


def test_rules_cover_every_reason():
    assert set(RULES) == set(REASONS)


def test_document_with_good_scores_is_kept():
    assert decide(passing(), CONFIG) == KEPT


@pytest.mark.parametrize("reason", [reason for reason in REASONS if is_number(reason)])
def test_column_shown_decides_at_the_threshold_shown(reason):
    (column,) = deciding_columns("decide", reason)
    name, value = threshold_of(reason, CURATE)
    assert name == f"curate.{RULES[reason].threshold}"
    config = dataclasses.replace(CONFIG, perplexity_cutoffs=())
    is_least = "_min_" in f"_{name}" or ".min_" in name
    step = -1 if is_least else 1
    beyond = value + step if isinstance(value, int) else math.nextafter(value, value + step)
    assert decide(passing(**{column: value}), config) == KEPT
    assert decide(passing(**{column: beyond}), config) == reason


@pytest.mark.parametrize(
    ("reason", "values", "threshold"),
    [
        ("language", {"language": "xx"}, ("curate.languages", ("en",))),
        ("c4_empty", {"n_lines_removed": 7, "n_lines": 7}, None),
        ("c4_lorem_ipsum", {"has_lorem_ipsum": True}, ("curate.c4_reject_lorem_ipsum", True)),
        ("c4_curly_bracket", {"has_curly_bracket": True}, ("curate.c4_reject_curly_bracket", True)),
        (
            "perplexity_bucket",
            {"perplexity": 150.0, "language": "en"},
            ("curate.perplexity_buckets", ("head",)),
        ),
        ("url_domain", {"url_block": "domain"}, ("curate.url_reject_blocked", True)),
        ("url_subdomain", {"url_block": "subdomain"}, ("curate.url_reject_blocked", True)),
        ("url_address", {"url_block": "address"}, ("curate.url_reject_blocked", True)),
    ],
)
def test_columns_shown_without_a_number_to_compare_with_decide(reason, values, threshold):
    assert set(deciding_columns("decide", reason)) == set(values)
    assert decide(passing(**values), CONFIG) == reason
    assert threshold_of(reason, CURATE) == threshold


def test_every_reason_is_tested_in_one_of_the_two_ways():
    others = {"language", "c4_empty", "c4_lorem_ipsum", "c4_curly_bracket", "perplexity_bucket"}
    others |= {"url_domain", "url_subdomain", "url_address"}
    assert {reason for reason in REASONS if is_number(reason)} == set(REASONS) - others


def test_threshold_of_an_unknown_reason_or_run_is_none():
    assert threshold_of("nosuch", CURATE) is None
    assert threshold_of("quality", {}) is None


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_has_columns_to_show(stage):
    assert deciding_columns(stage, "nosuch")
