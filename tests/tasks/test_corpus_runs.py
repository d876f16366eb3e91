"""Whole runs of the smoke recipe, step by step without an engine: evaluation sets left out, splits mixed."""

import json

import pytest

from flows import recipe as recipes
from tasks.opening import open_run, replay
from warehouse import catalog, questions, runs
from warehouse.catalog import query
from warehouse.store import Store

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]
SMALL = (
    "sample.n_pages=120", "sample.n_files=2", "tokenizer.vocab_size=400", "model.d_model=32", "model.n_layers=1",
    "model.context_length=64", "pretrain.steps=6", "pretrain.warmup_steps=2", "pretrain.batch_size=2",
    "pretrain.checkpoint_every=4",
)  # fmt: skip


def travel(store, until, *overrides):
    """Run the recipe as far as a stage; a connection to what it left."""
    sections = recipes.load("smoke", [*SMALL, *overrides]).sections()
    run = open_run(store, "smoke", sections, until=until)
    replay(run)
    runs.finish(store, runs.read_run(store, run.run_id), status="completed")
    return catalog.connect(store, run.run_id)


def ask(connection, question):
    sql = questions.named(question).sql if question in questions.named_questions() else question
    columns, rows = query(connection, sql)
    return [dict(zip(columns, row, strict=True)) for row in rows]


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """A store with a run as far as the shards."""
    store = Store(tmp_path_factory.mktemp("runs") / "store")
    store.prepare()
    with travel(store, "tokens") as connection:
        yield store, connection


def test_run_with_evaluation_sets_counts_leaks_and_puts_none_into_shards(plain, tmp_path):
    store, before = plain
    texts = ask(before, "SELECT doc_id, text FROM unique_texts ORDER BY doc_id")
    leaked = [row for row in texts if len(row["text"].split()) >= 60][:3]
    quiz = tmp_path / "quiz.jsonl"
    lines = [
        {"id": str(n), "question": " ".join(row["text"].split()[20:60]).upper()}
        for n, row in enumerate(leaked)
    ]
    quiz.write_text("\n".join(map(json.dumps, lines)))
    with travel(store, "tokens", f"decontaminate.sets=['{quiz}']") as connection:
        holders = ask(connection, "SELECT DISTINCT doc_id FROM contamination WHERE is_contaminated")
        dropped = {row["doc_id"] for row in holders}
        assert dropped >= {row["doc_id"] for row in leaked}
        in_shards = {row["doc_id"] for row in ask(connection, "SELECT doc_id FROM shards")}
        assert in_shards == {row["doc_id"] for row in texts} - dropped
        funnel = {row["stage"]: row for row in ask(connection, "funnel")}
        counts = funnel["decontaminate"]
        assert (counts["rows_in"], counts["rows_rejected"]) == (len(texts), len(dropped))
        assert funnel["tokens"]["rows_in"] == funnel["tokens"]["rows_kept"] == len(in_shards)
        assert {row["item_id"] for row in ask(connection, "contaminated_items")} == {"0", "1", "2"}


def test_run_with_a_mixture_trains_on_the_copies_it_counts(plain):
    store, before = plain
    available = {row["doc_id"]: row["length"] for row in ask(before, "SELECT * FROM shards WHERE split = 'train'")}  # fmt: skip
    settings = (
        "mix.by=['quality']",
        "mix.quality_edges=[0.9]",
        "mix.method=unimax",
        "mix.max_epochs=2",
    )
    with travel(store, "pretrain", *settings) as connection:
        mixture = ask(connection, "SELECT * FROM mixture")
        assert {row["group_name"] for row in mixture} == {"<0.9", ">=0.9"}
        assert sum(row["n_tokens"] for row in mixture) == sum(available.values())
        drawn = ask(connection, "SELECT doc_id, n_copies FROM mixed_documents")
        assert {row["doc_id"] for row in drawn} == available.keys()
        copies = {row["doc_id"]: row["n_copies"] for row in drawn}
        assert max(copies.values()) == 2
        expected = sum(available[doc_id] * n for doc_id, n in copies.items())
        assert sum(row["n_tokens_drawn"] for row in mixture) == expected
        places = ask(connection, "SELECT sum(length)::BIGINT AS n FROM mixed_shards")
        assert places == [{"n": expected}]
        (key,) = {
            row["tokens_key"] for row in ask(connection, "SELECT DISTINCT tokens_key FROM reads")
        }
        assert key in {
            row["key"] for row in ask(connection, "SELECT key FROM artifacts WHERE kind = 'mix'")
        }
        read = {row["doc_id"] for row in ask(connection, "SELECT DISTINCT doc_id FROM reads")}
        assert read <= {doc_id for doc_id, n in copies.items() if n}
        funnel = {row["stage"]: row for row in ask(connection, "funnel")}
        assert funnel["mix"]["rows_in"] == len(available)


def test_run_that_learns_its_mixture_reads_the_weights_it_learnt(plain):
    store, _ = plain
    settings = (
        "mix.by=['quality']", "mix.quality_edges=[0.9]", "mix.learn=true", "mix.n_proxies=4", "mix.proxy_steps=20",
        "mix.proxy_d_model=16", "mix.proxy_context_length=64", "mix.proxy_batch_size=4",
    )  # fmt: skip
    with travel(store, "mix", *settings) as connection:
        proxies = ask(connection, "SELECT * FROM mix_proxies ORDER BY name, group_name")
        assert len(proxies) == 2 * (4 + 1)
        for name in {row["name"] for row in proxies}:
            mine = [row for row in proxies if row["name"] == name]
            assert sum(row["weight"] for row in mine) == pytest.approx(1.0)
            assert sum(row["weight_read"] for row in mine) == pytest.approx(1.0)
        forms = ask(connection, "SELECT * FROM mix_fit")
        assert [row["kind"] for row in forms if row["is_chosen"]] == [
            min(forms, key=lambda row: row["cv_error"])["kind"]
        ]
        learnt = {row["group_name"]: row["weight"] for row in proxies if row["name"] == "mix_fit"}
        taken = ask(connection, "SELECT group_name, weight FROM mixture")
        assert {row["group_name"]: row["weight"] for row in taken} == learnt
        assert len(ask(connection, "learnt_mixture")) == 2
