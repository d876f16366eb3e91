"""Lineage: both directions of artifacts; from a URL to record, outcomes, shards and models."""

import factories
import pytest
from factories import commit, make_store, record_run

from warehouse.artifact import Input
from warehouse.catalog import connect
from warehouse.errors import UnknownArtifactError
from warehouse.lineage import trace


def names(nodes):
    return {node.name for node in nodes}


def test_trace_artifact_reaches_every_ancestor_and_descendant(full, connection):
    found = trace(full, connection, "pretrain")
    assert names(found.ancestors()) == {"tokens", "tokenizer", "deduplicate", "decide", "classifiers", "sample_labels",
                                        "sample_crawl", *(f"{stage}/{warc}" for stage in ("extract", "annotate")
                                                          for warc in factories.WARCS)}  # fmt: skip
    assert names(found.descendants()) == {"sft", "dpo", "grpo", "evaluate", "judge", "scaling"}


def test_trace_by_name_key_and_beginning_agree(full, connection):
    key = factories.find(full, "tokens").key
    assert trace(full, connection, "tokens").node == trace(full, connection, key).node
    assert trace(full, connection, key[:8]).ancestors() == trace(full, connection, key).ancestors()


def test_trace_ancestor_and_descendant_are_each_others(full, connection):
    up = trace(full, connection, "grpo")
    for node in up.ancestors():
        if node.key:
            assert up.node in trace(full, connection, node.key).descendants()


def test_trace_text_shows_shared_branches_once(full, connection):
    text = str(trace(full, connection, "evaluate"))
    above, below = text.split("made into")
    assert above.count("classifiers") == len(
        [line for line in above.splitlines() if "classifiers" in line]
    )
    assert above.count("sample_labels") == 1
    assert "(above)" in above
    assert "judge" in below
    assert "nothing: it is a source" in str(trace(full, connection, "sample_crawl"))
    assert "nothing yet" in str(trace(full, connection, "judge"))


def test_trace_url_of_a_training_page_leads_to_the_models(full, connection):
    (page,) = trace(full, connection, factories.url_of(4)).pages
    assert (page.doc_id, page.warc_file, page.warc_offset) == (
        factories.doc_id(4),
        factories.WARCS[0],
        4000,
    )
    assert page.outcomes == (
        ("extract", "page"), ("decide", "kept"), ("deduplicate", "kept"), ("decontaminate", "kept"), ("mix", "drawn")
    )  # fmt: skip
    (place,) = [place for place in page.places if place.tokens.name == "tokens"]
    assert (place.tokens.name, place.split, place.shard, place.start, place.length) == (
        "tokens",
        "train",
        0,
        30,
        30,
    )
    assert {"pretrain", "pretrain/step-000100", "sft", "dpo", "grpo"} <= names(place.models)


def test_trace_doc_id_equals_its_url(full, connection):
    by_url = trace(full, connection, factories.url_of(4))
    assert trace(full, connection, factories.doc_id(4)).pages == by_url.pages


def test_trace_held_out_page_trained_no_model(full, connection):
    found = trace(full, connection, factories.url_of(0))
    assert [place.split for place in found.pages[0].places] == ["validation"]
    assert found.pages[0].places[0].models == ()
    assert "held out" in str(found)


@pytest.mark.parametrize(
    ("number", "last"),
    [
        (5, ("extract", "not_html")),
        (1, ("decide", "language")),
        (3, ("deduplicate", "near_duplicate")),
    ],
)
def test_trace_rejected_page_ends_where_it_was_rejected(full, connection, number, last):
    found = trace(full, connection, factories.url_of(number))
    assert found.pages[0].outcomes[-1] == last
    assert found.pages[0].places == ()
    assert "in no shard" in str(found)


def test_trace_unknown_text_names_the_nearest(full, connection):
    with pytest.raises(UnknownArtifactError, match="pretrain"):
        trace(full, connection, "pretran")


def test_trace_name_of_two_versions_means_the_selected_runs(tmp_path):
    store = make_store(tmp_path)
    old, new = (commit(store, "tokens", config={"n": n}, files={"a": bytes([n])}) for n in (1, 2))
    with connect(store) as connection, pytest.raises(UnknownArtifactError, match="2 artifacts"):
        trace(store, connection, "tokens")
    record_run(store, [old])
    with connect(store) as connection:
        assert trace(store, connection, "tokens").node.key == old.key
        assert trace(store, connection, new.key).node.key == new.key


def test_trace_source_files_and_lost_parents_are_named(tmp_path):
    store = make_store(tmp_path)
    inputs = [
        Input("crawl", "source", "", "c", "crawl/file.warc.gz"),
        Input("labels", "sample_labels", "k" * 64, "d"),
    ]
    commit(store, "extract", inputs=inputs, files={"a": b""})
    with connect(store) as connection:
        text = str(trace(store, connection, "extract"))
    assert "crawl/file.warc.gz" in text
    assert "no longer in the store" in text


@pytest.mark.parametrize("text", ["", " \n"])
def test_trace_empty_id_is_refused(full, connection, text):
    with pytest.raises(UnknownArtifactError, match="Found an empty id; expected a key"):
        trace(full, connection, text)
