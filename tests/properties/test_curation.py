"""Masks, filters and deduplication: applied twice they do what once does, and in any order the same.

Order matters in one place only, the preference among documents (quality, length, doc_id), which is data.
What a rule decides of a document depends on that document, but for the buckets of perplexity, whose limits
are fixed before the first decision: they are given here as a run would find them.
"""

import random

import pytest
from factory_scores import near_thresholds
from hypothesis import given, settings
from hypothesis import strategies as st

from lmcore.curate.buckets import with_cutoffs
from lmcore.curate.config import CurateConfig
from lmcore.curate.decide import KEPT, decide
from lmcore.curate.heuristics import measure_document
from lmcore.curate.masking import mask_personal_data
from lmcore.dedup.config import DedupConfig
from lmcore.dedup.contamination import find_contamination, index_items
from lmcore.dedup.pipeline import Document, deduplicate

PIECES = [
    *(
        "me@example.com",
        "a.b+c@d.example.org",
        "@",
        "10.0.0.1",
        "192.0.2.1",
        "2001:db8::1",
        "1.2.3",
    ),
    *("(283) 182-3829", "+1 283 182 3829", "283182", "4111 1111 1111 1111", "4111", "|||"),
    *("GB82 WEST 1234 5698 7654 32", "GB82", "AKIAIOSFODNN7EXAMPLE", "sk-", "EMAIL_ADDRESS"),
    *("|||EMAIL_ADDRESS|||", "|||PHONE_NUMBER|||", "-----BEGIN PRIVATE KEY-----", "eyJ", "é", "日"),
    *(" ", "\n", ".", ",", ":", "-", "/", "x", "0", "7"),
]


@settings(max_examples=80, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=40).map("".join) | st.text(max_size=60))
def test_masks_twice_are_masks_once(text):
    once = mask_personal_data(text)
    assert mask_personal_data(once.text) == (once.text, 0, 0, 0, 0, 0, 0)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.randoms(use_true_random=False))
def test_decisions_in_any_order_are_the_same_and_keep_what_was_kept(seed, chance):
    rows = [near_thresholds(str(at), random.Random(seed + at)) for at in range(30)]
    base = CurateConfig(max_perplexity=1500.0, perplexity_buckets=("head", "middle"))
    config = with_cutoffs(base, [(row["language"], row["perplexity"]) for row in rows])
    outcomes = {row["doc_id"]: decide(row, config) for row in rows}
    shuffled = chance.sample(rows, len(rows))
    pages = [(row["language"], row["perplexity"]) for row in shuffled]
    assert with_cutoffs(base, pages) == config
    assert {row["doc_id"]: decide(row, config) for row in shuffled} == outcomes
    kept = [row for row in rows if outcomes[row["doc_id"]] == KEPT]
    assert all(decide(row, config) == KEPT for row in kept)


LINES = [
    *("A short line.", "Home", "By using this site you agree to the use of cookies.", "3 likes"),
    *(
        "The fox ran over the hill and to the river, and the dog went with it.",
        "LOGIN",
        "{ x }",
        "",
    ),
    *(
        "It was a day that the people of the town have not seen before, they said.",
        "lorem ipsum",
        "•",
    ),
]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(LINES), max_size=30), st.booleans())
def test_line_rules_leave_their_own_output_alone(lines, drops):
    config = CurateConfig(refinedweb_drop_lines=drops, c4_require_terminal_punctuation=drops)
    once = measure_document("\n".join(lines), "en", config).page
    twice = measure_document(once.text, "en", config).page
    assert (twice.text, twice.n_lines_removed) == (once.text, 0)


NONE = {"line_rule": "none", "engine": "datasketch"}
"""In Python: corpora this small would load kernels for longer than they take."""
MODES = {
    "exact": NONE,
    "payload": {**NONE, "payloads": True},
    "url": {**NONE, "urls": True},
    "line": {**NONE, "line_rule": "documents", "line_max_documents": 2},
    "cs336 line": {**NONE, "line_rule": "cs336"},
    "host line": {**NONE, "host_line_max_documents": 1},
    "paragraph": {**NONE, "paragraph_words": 3},
    "substring": {**NONE, "substring_words": 4},
    "n-gram in a Bloom filter": {**NONE, "ngram_words": 3},
    "near": {**NONE, "jaccard": 0.5, "shingle_words": 2, "permutations": 64, "bands": 64},
}
MODES["all"] = {name: value for mode in MODES.values() for name, value in mode.items()} | {
    "line_rule": "documents"
}
PARAGRAPHS = [
    *("one two three four five six", "one two three four five seven", "one two", "One, two!"),
    *(
        "eight nine ten eleven",
        "nine ten eleven twelve",
        "banner",
        "Banner",
        "...",
        "日本語の文章です",
    ),
]
DOCUMENTS = st.lists(
    st.tuples(
        st.lists(st.sampled_from(PARAGRAPHS), max_size=5),
        st.sampled_from(["\n", "\n\n"]),
        st.sampled_from(["https://a.example/1", "http://A.example/1?utm_source=x", "https://b.example/", ""]),
        st.sampled_from([0.0, 0.5, 1.0]),
        st.sampled_from(["", "sha1:a", "sha1:b"]),
    ),
    max_size=9,
)  # fmt: skip


def documents_of(rows):
    return [
        Document(f"{at:02}", url, joint.join(parts), quality, digest)
        for at, (parts, joint, url, quality, digest) in enumerate(rows)
    ]


@pytest.mark.parametrize("mode", MODES)
@settings(max_examples=15, deadline=None)
@given(DOCUMENTS, st.randoms(use_true_random=False))
def test_deduplication_in_any_order_is_the_same_and_removes_nothing_twice(mode, rows, chance):
    config = DedupConfig(**MODES[mode])
    documents = documents_of(rows)
    found = deduplicate(documents, config)
    assert deduplicate(chance.sample(documents, len(documents)), config) == found
    by_id = {document.doc_id: document for document in documents}
    survivors = [
        Document(doc_id, by_id[doc_id].url, text, by_id[doc_id].quality, by_id[doc_id].payload_digest)
        for doc_id, text in found.texts
    ]  # fmt: skip
    again = deduplicate(survivors, config)
    assert {row.outcome for row in again.outcomes} <= {KEPT}
    assert (again.texts, again.duplicates, again.removed) == (found.texts, [], [])


def test_every_mode_removes_something_of_these_documents():
    """The equalities above would hold of nothing, too."""
    texts = ["\n\n".join(PARAGRAPHS[at : at + 4]) for at in range(6)] * 2
    urls = ["https://a.example/1", "https://b.example/2", "https://a.example/1#top"] * 4
    documents = [
        Document(f"{at:02}", urls[at], f"{text}\nown {at} line", 0.5, f"sha1:{at % 4}")
        for at, text in enumerate(texts)
    ]
    for mode, fields in MODES.items():
        found = deduplicate(documents if mode != "exact" else documents_of(
            [(["same"], "\n", "", 0.0, "")] * 2), DedupConfig(**fields))  # fmt: skip
        assert found.duplicates or found.removed, mode


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.lists(st.sampled_from("abcd"), max_size=12).map(" ".join), max_size=8),
    st.lists(st.lists(st.sampled_from("abcd"), min_size=1, max_size=8).map(" ".join), min_size=1, max_size=4),
    st.randoms(use_true_random=False),
)  # fmt: skip
def test_decontamination_in_any_order_is_the_same_and_leaves_nothing_to_find(texts, items, chance):
    documents = [(str(at), text) for at, text in enumerate(texts)]
    index = index_items([(f"i{at}", item) for at, item in enumerate(items)], (3,))
    found = list(find_contamination(documents, index))
    shuffled = chance.sample(documents, len(documents))
    assert sorted(find_contamination(shuffled, index)) == sorted(found)
    dirty = {match.doc_id for match in found}
    clean = [document for document in documents if document[0] not in dirty]
    assert list(find_contamination(clean, index)) == []
