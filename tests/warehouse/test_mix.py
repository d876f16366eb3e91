"""Which pages a model read of a mixture: what SQL says is what counting window by window says."""

import factories
import pytest

from warehouse import catalog, parquet, questions
from warehouse.catalog import query
from warehouse.lineage import find_pages
from warehouse.store import Identity

CONTEXT = 25
N_STEPS = 9


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """A run whose model was trained on a mixture, and the mixture's rows."""
    store = factories.make_store(tmp_path_factory.mktemp("mixed"))
    corpus = factories.commit_corpus(store)
    tokenizer, tokens = factories.commit_tokens(store, corpus[-1])
    mix = factories.commit_mix(store, tokens)
    inputs = (factories.as_input("tokens", mix),)
    key = Identity("pretrain", "pretrain", 1, {}, inputs).key
    draws = [
        factories.row("draws", training_key=key, step=step, window_id=3 * step % 35,
                      first_token=CONTEXT * (3 * step % 35), n_tokens=CONTEXT + 1)
        for step in range(1, N_STEPS + 1)
    ]  # fmt: skip
    pretrain = factories.commit(store, "pretrain", inputs=inputs, tables={"draws": draws})
    factories.record_run(store, [*corpus, tokenizer, tokens, mix, pretrain])
    rows = [*parquet.read_rows(mix.path / "mixed_shards.parquet")]
    with catalog.connect(store) as opened:
        yield opened, rows, mix.key


def reads_by_hand(rows):
    """Every window that holds a token of a document, each document once, over a stream written out."""
    stream = [row["doc_id"] for row in rows for _ in range(row["length"])]
    found = []
    for step in range(1, N_STEPS + 1):
        start = CONTEXT * (3 * step % 35)
        found += [(doc_id, step) for doc_id in set(stream[start : start + CONTEXT + 1])]
    return sorted(found)


def test_reads_of_a_mixture_are_those_of_its_own_shards(mixed):
    connection, rows, key = mixed
    sql = "SELECT doc_id, step FROM reads ORDER BY ALL"
    assert query(connection, sql)[1] == reads_by_hand(rows)
    assert query(connection, "SELECT DISTINCT tokens_key FROM reads")[1] == [(key,)]


def test_pages_of_a_model_are_counted_once_however_many_copies_there_are(mixed):
    connection, rows, _ = mixed
    columns, found = query(connection, questions.named("pages_of_checkpoint").sql, {"id": "pretrain"})  # fmt: skip
    n_reads = {row[columns.index("doc_id")]: row[columns.index("n_reads")] for row in found}
    expected = reads_by_hand(rows)
    ids = [doc_id for doc_id, _ in expected]
    assert len(found) == len(n_reads)
    assert n_reads == {doc_id: ids.count(doc_id) for doc_id in ids}


def test_models_of_a_page_are_found_through_the_mixture(mixed):
    connection, rows, key = mixed
    read = {doc_id for doc_id, _ in reads_by_hand(rows)}
    for doc_id in {row["doc_id"] for row in rows}:
        ((url,),) = query(connection, "SELECT url FROM documents WHERE doc_id = $id", {"id": doc_id})[1]  # fmt: skip
        found = query(connection, questions.named("checkpoints_of_url").sql, {"url": url})[1]
        assert {row[0] for row in found if row[3] == doc_id} == ({"pretrain"} if doc_id in read else set())  # fmt: skip
    (page,) = find_pages(connection, str(rows[-1]["doc_id"]))
    copies = [place for place in page.places if place.tokens.key == key]
    assert len(copies) == 2
    assert page.outcomes[-1] == ("mix", "drawn")


def test_documents_stay_one_row_each(mixed):
    connection, _, _ = mixed
    assert query(connection, "SELECT count(*), count(DISTINCT doc_id) FROM documents")[1] == [(42, 42)]  # fmt: skip
    columns, rows = query(connection, questions.named("mixture").sql)
    assert [row[columns.index("epochs")] for row in rows] == [1.5]
