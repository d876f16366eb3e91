import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmcore.dedup.config import DedupConfig
from lmcore.dedup.normalize import normalize
from lmcore.dedup.pipeline import Deduplication, Document, deduplicate
from lmcore.dedup.shingles import jaccard, shingle_set
from lmcore.errors import ConfigError, InputError

BODY = " ".join(f"word{k}" for k in range(200))


def document(doc_id: str, text: str, quality: float = 0.0) -> Document:
    return Document(doc_id, f"https://example.org/{doc_id}", text, quality)


def outcomes(result: Deduplication) -> dict[str, str]:
    return {row.doc_id: row.outcome for row in result.outcomes}


def corpus(seed: int) -> list[Document]:
    """Originals, exact and near copies, a banner, empty and short documents."""
    rng = random.Random(seed)
    documents = []
    for k in range(30):
        text = [f"v{rng.randrange(500)}" for _ in range(60)]
        for copy in range(rng.randrange(1, 4)):
            edited = list(text)
            for _ in range(rng.randrange(3)):
                edited[rng.randrange(60)] = f"e{rng.randrange(500)}"
            body = " ".join(edited) + "\nWe use cookies."
            documents.append(document(f"{k}-{copy}", body, rng.choice([0.1, 0.5])))
    documents += [document(f"short-{k}", f"only {k % 2} words") for k in range(4)]
    documents += [document(f"empty-{k}", " \n" * k) for k in range(2)]
    documents += [document("marks", "***"), document("other marks", "???")]
    documents.append(document("banner", "we use cookies"))
    return documents


def test_every_document_gets_one_outcome_and_the_counts_agree() -> None:
    documents = corpus(0)
    result = deduplicate(documents, DedupConfig())
    assert [row.doc_id for row in result.outcomes] == sorted(d.doc_id for d in documents)
    by_outcome = outcomes(result)
    assert set(by_outcome.values()) == {
        "kept",
        "exact_duplicate",
        "near_duplicate",
        "empty_after_line_dedup",
    }
    kept = {doc_id for doc_id, outcome in by_outcome.items() if outcome == "kept"}
    assert {doc_id for doc_id, _ in result.texts} == kept
    assert {row.doc_id: f"{row.kind}_duplicate" for row in result.duplicates} == {
        doc_id: outcome for doc_id, outcome in by_outcome.items() if "duplicate" in outcome
    }


@pytest.mark.parametrize("seed", range(4))
def test_deduplicate_of_permuted_documents_is_the_same(seed: int) -> None:
    documents = corpus(seed)
    shuffled = random.Random(seed + 100).sample(documents, len(documents))
    assert deduplicate(shuffled, DedupConfig()) == deduplicate(documents, DedupConfig())


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abcd "), st.sampled_from([0.0, 1.0])), max_size=12))
def test_duplicates_point_at_documents_that_are_preferred(rows: list[tuple[str, float]]) -> None:
    documents = [document(f"d{k:02}", text, quality) for k, (text, quality) in enumerate(rows)]
    result = deduplicate(documents, DedupConfig())
    by_id = {d.doc_id: d for d in documents}
    for row in result.duplicates:
        copy, survivor = by_id[row.doc_id], by_id[row.survivor_id]
        assert (-survivor.quality, survivor.doc_id) < (-copy.quality, copy.doc_id)
        assert row.survivor_id not in {other.doc_id for other in result.duplicates}


def test_survivor_is_best_then_longest_then_smallest_id() -> None:
    documents = [
        document("a", "Same text.", 0.5),
        document("b", "same text", 0.9),
        document("c", "Same,  text!", 0.9),
        document("d", "same - text.", 0.9),
    ]
    result = deduplicate(documents, DedupConfig())
    assert {row.doc_id: row.survivor_id for row in result.duplicates} == {
        "a": "c",
        "b": "c",
        "d": "c",
    }
    assert result.texts == [("c", "Same,  text!")]


def test_near_duplicate_row_holds_the_true_jaccard_with_its_survivor() -> None:
    edited = BODY.replace("word50 ", "changed ")
    result = deduplicate([document("a", BODY), document("b", edited)], DedupConfig())
    expected = jaccard(shingle_set(normalize(BODY), 5), shingle_set(normalize(edited), 5))
    assert result.duplicates == [("a", "near", "b", "a", expected)]  # b is longer
    assert 0.9 < expected < 1.0


def test_exact_copy_of_a_near_duplicate_is_near_to_the_kept_document() -> None:
    edited = BODY.replace("word50 ", "changed ")
    documents = [
        document("best", BODY, 0.9),
        document("near", edited, 0.5),
        document("also", BODY.upper(), 0.3),
        document("copy", edited.upper(), 0.1),
    ]
    result = deduplicate(documents, DedupConfig())
    value = jaccard(shingle_set(normalize(BODY), 5), shingle_set(normalize(edited), 5))
    assert result.duplicates == [
        ("also", "exact", "best", "also", 1.0),
        ("copy", "near", "best", "also", value),
        ("near", "near", "best", "also", value),
    ]


def test_exact_copy_of_an_emptied_document_is_emptied_too() -> None:
    documents = [document(f"d{k:02}", f"own text {k}\nSubscribe now") for k in range(25)]
    copies = [document("x", "subscribe NOW!"), document("y", "Subscribe, now")]
    result = deduplicate([*documents, *copies], DedupConfig())
    assert {outcomes(result)[name] for name in "xy"} == {"empty_after_line_dedup"}
    assert result.duplicates == []


WORDS = [f"w{k}" for k in range(60)]


@st.composite
def edited_texts(draw: st.DrawFn) -> str:
    """One of two texts, a few of its words exchanged, in some writing; or its banner alone."""
    words = list(WORDS if draw(st.booleans()) else reversed(WORDS))
    for at in draw(st.lists(st.sampled_from([0, 10, 30, 59]), max_size=2)):
        words[at] = draw(st.sampled_from(["x", "y"]))
    text = draw(st.sampled_from([" ".join, "\n".join, lambda found: " ".join(found).upper()]))(
        words
    )
    return draw(st.sampled_from([text, f"{text}\nshare this", "Share this!"]))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(edited_texts(), st.sampled_from([0.0, 1.0])), max_size=14), st.booleans())
def test_duplicates_lead_to_a_document_that_stays(
    rows: list[tuple[str, float]], strips_lines: bool
) -> None:
    documents = [document(f"d{k:02}", text, quality) for k, (text, quality) in enumerate(rows)]
    config = DedupConfig(line_max_documents=2 if strips_lines else 99)
    result = deduplicate(documents, config)
    stays = dict(result.texts)
    assert {row.survivor_id for row in result.duplicates} <= stays.keys()
    texts = {d.doc_id: normalize(d.text) for d in documents}
    clusters: dict[str, set[str]] = {}
    for row in result.duplicates:
        assert row.doc_id not in stays
        assert (row.kind == "exact") == (texts[row.doc_id] == texts[row.survivor_id])
        assert row.jaccard is not None
        assert row.jaccard >= (1.0 if row.kind == "exact" else config.jaccard)
        if not strips_lines:
            sets = [shingle_set(texts[i], 5) for i in (row.doc_id, row.survivor_id)]
            assert row.jaccard == jaccard(*sets)
        clusters.setdefault(row.survivor_id, {row.survivor_id}).add(row.doc_id)
    for row in result.duplicates:
        assert row.cluster_id == min(clusters[row.survivor_id])


def test_shared_banner_does_not_make_short_pages_near_duplicates() -> None:
    banner = " ".join(f"banner{k}" for k in range(80))
    documents = [document(f"d{k}", f"page {k} says {k}{k}\n{banner}") for k in range(30)]
    with_lines = deduplicate(documents, DedupConfig())
    assert set(outcomes(with_lines).values()) == {"kept"}
    assert with_lines.removed == [(banner, "line", "", 30, 30)]
    without = deduplicate(documents, DedupConfig(line_rule="none"))
    assert list(outcomes(without).values()).count("kept") == 1


def test_exact_copies_do_not_make_their_lines_boilerplate() -> None:
    documents = [document(f"d{k:02}", BODY) for k in range(50)]
    result = deduplicate(documents, DedupConfig())
    assert result.removed == []
    assert result.texts == [("d00", BODY)]


def test_document_of_boilerplate_only_becomes_empty() -> None:
    documents = [document(f"d{k:02}", f"own text {k}\nSubscribe now") for k in range(25)]
    result = deduplicate([*documents, document("x", "subscribe NOW!")], DedupConfig())
    assert outcomes(result)["x"] == "empty_after_line_dedup"
    assert result.removed == [("subscribe now", "line", "", 26, 26)]
    assert ("d03", "own text 3\n") in result.texts


def test_cs336_line_rule_leaves_an_outcome_for_emptied_documents() -> None:
    documents = [document("doc1", "x\ny\n"), document("doc2", "y\nx\n"), document("doc3", "z\nx\n")]
    result = deduplicate(documents, DedupConfig(line_rule="cs336"))
    assert outcomes(result) == {
        "doc1": "empty_after_line_dedup",
        "doc2": "empty_after_line_dedup",
        "doc3": "kept",
    }
    assert result.texts == [("doc3", "z\n")]


def test_punctuation_only_documents_are_duplicates_only_when_equal() -> None:
    documents = [document("a", "***"), document("b", "???"), document("c", "***")]
    assert outcomes(deduplicate(documents, DedupConfig())) == {
        "a": "kept",
        "b": "kept",
        "c": "exact_duplicate",
    }


def test_deduplicate_of_nothing_is_empty() -> None:
    result = deduplicate([], DedupConfig())
    assert (result.outcomes, result.duplicates, result.texts, result.removed) == ([], [], [], [])


def test_lone_surrogates_in_text_do_not_raise() -> None:
    result = deduplicate([document("a", "x \ud800 y"), document("b", "word")], DedupConfig())
    assert set(outcomes(result).values()) == {"kept"}


def test_documents_that_share_an_id_are_refused() -> None:
    with pytest.raises(InputError, match="doc_id 'a'"):
        deduplicate([document("a", "x"), document("a", "y")], DedupConfig())


def test_quality_that_is_not_finite_is_refused() -> None:
    with pytest.raises(InputError, match="finite"):
        deduplicate([document("a", "x", float("nan"))], DedupConfig())


@pytest.mark.parametrize(
    "fields",
    [
        {"permutations": 128},
        {"permutations": 0},
        {"jaccard": 0.0},
        {"jaccard": 1.01},
        {"line_rule": "some"},
        {"shingle_words": 0},
        {"bucket_leaders": 0},
        {"line_max_documents": 0},
        {"seed": -1},
        {"host_line_max_documents": -1},
        {"paragraph_words": -1},
        {"substring_words": -1},
        {"ngram_words": -1},
        {"ngram_share": 0.0},
        {"ngram_false_positives": 1.0},
        {"engine": "gpu"},
        {"engine": "datasketch", "keep_signatures": True},
        {"engine": "datasketch", "earlier": ("run",)},
    ],
)
def test_config_that_cannot_work_is_refused(fields: dict) -> None:
    with pytest.raises(ConfigError):
        DedupConfig(**fields)


def test_default_bands_find_a_pair_at_the_threshold_with_probability_above_99_percent() -> None:
    config = DedupConfig()
    rows = config.permutations // config.bands
    assert 1 - (1 - config.jaccard**rows) ** config.bands >= 0.99
