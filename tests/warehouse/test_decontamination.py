"""A document dropped for an evaluation item is rejected in every view, and accounted for."""

import factories
import pytest

from warehouse import catalog, parquet, questions
from warehouse.catalog import query
from warehouse.lineage import find_pages


@pytest.fixture(scope="module")
def dropped(tmp_path_factory):
    """A run whose decontamination dropped a document, which is in no shard then, and a connection."""
    store = factories.make_store(tmp_path_factory.mktemp("dropped"))
    corpus = factories.commit_corpus(store)
    texts = [*parquet.read_rows(corpus[-1].path / "unique_texts.parquet")]
    doc_id = str(texts[0]["doc_id"])
    searched = factories.commit_decontamination(store, corpus[-1], doc_id)
    rows = [
        factories.row("shards", doc_id=text["doc_id"], split="train", shard=0, start=0, length=9, n_bytes=9)
        for text in texts[1:]
    ]  # fmt: skip
    tokens = factories.commit(
        store, "tokens", tables={"shards": rows}, outcomes=("shards", len(rows))
    )
    factories.record_run(store, [*corpus, searched, tokens])
    with catalog.connect(store) as opened:
        yield doc_id, opened


def test_funnel_counts_it_once_and_loses_none(dropped):
    _, connection = dropped
    rows = query(connection, questions.named("funnel").sql)[1]
    assert [row[:4] for row in rows[-3:]] == [
        ("deduplicate", 30, 23, 7), ("decontaminate", 23, 22, 1), ("tokens", 22, 22, 0)
    ]  # fmt: skip


def test_documents_and_rejections_say_why(dropped):
    doc_id, connection = dropped
    sql = "SELECT kept, stage, reason, n_tokens, text FROM documents WHERE doc_id = $doc_id"
    ((kept, stage, reason, n_tokens, text),) = query(connection, sql, {"doc_id": doc_id})[1]
    assert (kept, stage, reason, n_tokens) == (False, "decontaminate", "contaminated", None)
    assert text
    sql = "SELECT stage, reason FROM rejections WHERE doc_id = $doc_id"
    assert query(connection, sql, {"doc_id": doc_id})[1] == [("decontaminate", "contaminated")]
    assert query(connection, "SELECT count(*) FROM documents WHERE kept")[1] == [(22,)]
    assert query(connection, "SELECT count(*), count(DISTINCT doc_id) FROM documents")[1] == [(42, 42)]  # fmt: skip


def test_page_has_the_outcome_of_each_stage(dropped):
    doc_id, connection = dropped
    (page,) = find_pages(connection, doc_id)
    assert page.outcomes[-2:] == (("deduplicate", "kept"), ("decontaminate", "contaminated"))


def test_contaminated_items_names_page_item_and_words(dropped):
    doc_id, connection = dropped
    columns, (row,) = query(connection, questions.named("contaminated_items").sql)
    found = dict(zip(columns, row, strict=True))
    assert (found["set_name"], found["item_id"], found["doc_id"]) == ("quiz", "1", doc_id)
    assert found["outcome"] == "contaminated"
    assert found["url"]
