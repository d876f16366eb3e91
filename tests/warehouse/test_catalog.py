"""The catalog: every table as documented, the rows of the right run, read-only, never rotten."""

import dataclasses
import json
import time
from pathlib import Path

import factories
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from factories import commit, make_store, record_run, row

from warehouse import catalog, runs
from warehouse.artifact import MANIFEST, FileEntry, Manifest
from warehouse.catalog import connect, query
from warehouse.errors import QueryError
from warehouse.fingerprint import hash_file
from warehouse.schemas import TABLES
from warehouse.selects import SQL_TYPES
from warehouse.store import Store

DOCUMENTED = {table.name: table for table in catalog.describe()}


def rows_of(connection, sql, **parameters):
    return query(connection, sql, parameters)[1]


def shape(connection, name):
    return [
        (str(column), str(kind)) for column, kind, *_ in rows_of(connection, f'DESCRIBE "{name}"')
    ]


def documented(table):
    return [(column.name, SQL_TYPES[column.type]) for column in table.columns]


def test_describe_lists_every_table_and_view_of_a_connection(connection):
    names = {name for (name,) in rows_of(connection, "SHOW TABLES")}
    assert names == DOCUMENTED.keys() | {f"all_{name}" for name in TABLES}
    wanted = {"accounting", "rejections", "documents", "duplicates", "shards", "checkpoints", "metrics", "rollouts",
              "scores", "artifacts", "runs", "run_artifacts", "telemetry", "lineage", "live_metrics"}  # fmt: skip
    assert wanted <= names


@pytest.mark.parametrize("name", sorted(DOCUMENTED))
def test_describe_columns_are_those_of_the_view(connection, name):
    assert shape(connection, name) == documented(DOCUMENTED[name])
    assert all(column.doc for column in DOCUMENTED[name].columns)


@pytest.mark.parametrize("name", sorted(TABLES))
def test_connect_all_tables_hold_the_key_of_each_rows_artifact(connection, full, name):
    assert shape(connection, f"all_{name}") == [*documented(TABLES[name]), ("artifact", "VARCHAR")]
    counted = dict(
        rows_of(connection, f"SELECT artifact, count(*) FROM all_{name} GROUP BY artifact")
    )
    listed = {
        artifact.key: sum(entry.rows for entry in artifact.manifest.files if entry.table == name)
        for artifact in full.artifacts()
        if name in artifact.tables()
    }
    assert counted == {key: count for key, count in listed.items() if count}


def test_connect_empty_store_has_every_view_typed_and_empty(tmp_path):
    with connect(make_store(tmp_path)) as connection:
        for name, table in DOCUMENTED.items():
            assert shape(connection, name) == documented(table)
            assert rows_of(connection, f'SELECT * FROM "{name}"') == []


def test_connect_store_that_does_not_exist_is_empty(tmp_path):
    with connect(Store(tmp_path / "nowhere")) as connection:
        assert rows_of(connection, "SELECT * FROM runs") == []
    assert not (tmp_path / "nowhere").exists()


def small_run(store):
    """A run with two extracts of one record each and a decision."""
    made = [
        commit(store, f"extract/{name}", config={"file": name},
               tables={"records": [row("records", record_id=name, url=f"https://{name}.example/", outcome="page")]})
        for name in "ab"
    ]  # fmt: skip
    made.append(
        commit(
            store, "decide", tables={"decisions": [row("decisions", doc_id="a", outcome="kept")]}
        )
    )
    record_run(store, made)
    return made


@pytest.fixture(scope="module")
def two_runs(tmp_path_factory):
    """A store with two runs of different extracts; the newer one failed."""
    store = make_store(tmp_path_factory.mktemp("two"))
    kept = factories.commit_corpus(store)
    newer = factories.commit_corpus(store, {"changed": True})[:5]
    first = record_run(store, kept)
    runs.save(store, runs.replace(runs.read_run(store, first), started_at="2026-01-01"))
    return store, kept, first, record_run(store, newer, status="failed")


def test_connect_without_a_run_selects_the_latest_completed(two_runs):
    store, kept, first, _ = two_runs
    with connect(store) as connection:
        assert rows_of(connection, "SELECT run_id FROM runs WHERE is_selected") == [(first,)]
        assert rows_of(connection, "SELECT count(*) FROM records") == [(60,)]
        assert rows_of(connection, "SELECT count(*) FROM all_records") == [(120,)]
        keys = {key for (key,) in rows_of(connection, "SELECT key FROM run_artifacts JOIN runs USING (run_id) WHERE is_selected")}  # fmt: skip
        assert keys == {artifact.key for artifact in kept}


def test_connect_with_the_beginning_of_a_run_id_selects_it(two_runs):
    store, _, _, second = two_runs
    with connect(store, second) as connection:
        assert rows_of(connection, "SELECT count(*) FROM records") == [(60,)]
        assert rows_of(connection, "SELECT count(*) FROM decisions") == [(0,)]
        assert rows_of(connection, "SELECT count(*) FROM documents WHERE kept") == [(42,)]
        assert rows_of(
            connection, "SELECT stage, rows_in FROM accounting WHERE run_id = $run", run=second
        ) == [("extract", 60)]


@pytest.mark.parametrize("prefix", ["", "nothing"])
def test_connect_with_no_or_several_runs_of_that_name_raises(two_runs, prefix):
    with pytest.raises(QueryError, match="expected one"):
        connect(two_runs[0], prefix)


def test_connect_no_completed_run_selects_the_newest(tmp_path):
    store = make_store(tmp_path)
    run_id = record_run(store, factories.commit_corpus(store)[:4], status="failed")
    with connect(store) as connection:
        assert rows_of(connection, "SELECT run_id, status FROM runs WHERE is_selected") == [
            (run_id, "failed")
        ]
        assert rows_of(connection, "SELECT count(*) FROM records") == [(30,)]


def test_accounting_recounted_from_rows_equals_the_manifests(connection):
    found = {
        stage: counts
        for stage, *counts in rows_of(connection, "SELECT * EXCLUDE (run_id) FROM accounting")
    }
    assert found == {"extract": [60, 42, 18], "annotate": [42, 42, 0], "decide": [42, 30, 12], "deduplicate": [30, 23, 7],
                     "decontaminate": [23, 23, 0], "tokens": [23, 23, 0], "mix": [20, 20, 0]}  # fmt: skip
    stated = rows_of(
        connection,
        "SELECT kind, sum(rows_in)::BIGINT, sum(rows_kept)::BIGINT, sum(rows_rejected)::BIGINT FROM artifacts "
        "WHERE rows_in IS NOT NULL GROUP BY kind",
    )
    assert stated
    assert {kind: counts for kind, *counts in stated} == {kind: found[kind] for kind, *_ in stated}


def test_accounting_document_lost_before_the_shards_is_rejected(tmp_path):
    store = make_store(tmp_path)
    corpus = factories.commit_corpus(store)
    lossy = commit(store, "tokens", tables={"shards": []})
    record_run(store, [*corpus, lossy])
    with connect(store) as connection:
        sql = "SELECT rows_in, rows_kept, rows_rejected FROM accounting WHERE stage = 'tokens'"
        assert rows_of(connection, sql) == [(23, 0, 23)]


def test_rejections_hold_every_record_that_is_not_kept_once(connection):
    sql = "SELECT doc_id FROM rejections UNION ALL SELECT doc_id FROM documents WHERE kept"
    found = sorted(rows_of(connection, sql))
    assert found == sorted(rows_of(connection, "SELECT record_id FROM records"))
    sql = "SELECT stage, url, warc_file, warc_offset FROM rejections WHERE doc_id = $id"
    assert rows_of(connection, sql, id=factories.doc_id(31)) == [
        ("decide", factories.url_of(31), factories.WARCS[1], 1000)
    ]


def test_documents_keep_the_text_of_rejected_pages(connection):
    sql = "SELECT kept, stage, reason, text, split, language, n_words, host FROM documents WHERE doc_id = $id"
    kept, dropped, double = (rows_of(connection, sql, id=factories.doc_id(n))[0] for n in (4, 1, 3))
    assert kept[:3] == (True, None, None)
    assert "NUMBER 4." in kept[3]  # the text as it was tokenised
    assert kept[4:] == ("train", "en", 20, "news.example")
    assert dropped[:3] == (False, "decide", "language")
    assert "number 1." in dropped[3]
    assert double[:3] == (False, "deduplicate", "near_duplicate")
    assert "menu" not in double[3]
    assert double[4] is None
    assert rows_of(connection, "SELECT count(*), count(text) FROM documents") == [(42, 42)]


@pytest.mark.parametrize(
    ("url", "host"),
    [("https://WWW.Example.com/a", "www.example.com"), ("http://u:p@h.de:8080?x=//y", "h.de"), ("dns:x.org", ""),
     ("http://ü.example#a", "ü.example"), ("", "")],
)  # fmt: skip
def test_documents_host_of_odd_urls(tmp_path, url, host):
    store = make_store(tmp_path)
    record = row("records", record_id="1", url=url, outcome="page")
    record_run(store, [commit(store, "extract", tables={"records": [record]})])
    with connect(store) as connection:
        assert rows_of(connection, "SELECT host FROM documents") == [(host,)]


def test_duplicates_name_both_urls(connection):
    sql = "SELECT kind, url, survivor_url FROM duplicates WHERE doc_id = $id"
    assert rows_of(connection, sql, id=factories.doc_id(10)) == [
        ("exact", factories.url_of(10), factories.url_of(0))
    ]


def test_checkpoints_made_on_the_way_to_a_model_belong_to_its_run(connection):
    assert rows_of(connection, "SELECT step FROM checkpoints ORDER BY step") == [(50,), (100,)]
    sql = "SELECT step, stage FROM run_artifacts WHERE kind = 'checkpoint' ORDER BY step"
    assert rows_of(connection, sql) == [
        ("pretrain/step-000050", "checkpoint"),
        ("pretrain/step-000100", "checkpoint"),
    ]


def test_checkpoints_of_another_training_run_do_not_belong(tmp_path):
    store = make_store(tmp_path)
    made = []
    for rate in (0.1, 0.2):
        point = row("checkpoints", stage="pretrain", name="pretrain", step=5)
        made.append(commit(store, "pretrain", config={"lr": rate}, files={"model": b"m"}))
        commit(
            store,
            "pretrain/step-000005",
            kind="checkpoint",
            config={"lr": rate, "step": 5},
            tables={"checkpoints": [point]},
        )
    record_run(store, made[:1])
    with connect(store) as connection:
        assert rows_of(connection, "SELECT count(*) FROM checkpoints") == [(1,)]
        assert rows_of(connection, "SELECT count(*) FROM all_checkpoints") == [(2,)]


def test_telemetry_has_a_row_for_each_measure(connection):
    sql = "SELECT measure FROM telemetry WHERE step = 'pretrain' ORDER BY measure"
    assert [name for (name,) in rows_of(connection, sql)] == [
        "cpu_seconds",
        "max_rss_bytes",
        "seconds",
        "tokens_per_second",
    ]


@pytest.mark.parametrize(
    "sql",
    ["SELECT 1 AS a", "WITH a AS (SELECT 1) SELECT * FROM a", "DESCRIBE documents", "SHOW TABLES", "SUMMARIZE runs",
     "EXPLAIN SELECT * FROM documents", "EXPLAIN ANALYZE SELECT 1", "FROM runs", "SELECT 1;", "-- why\nSELECT 1 -- so"],
)  # fmt: skip
def test_query_that_reads_is_answered(connection, sql):
    columns, rows = query(connection, sql)
    assert columns
    assert all(len(found) == len(columns) for found in rows)


REFUSED = [
    "COPY (SELECT 1) TO '{path}'", "COPY runs TO '{path}'", "EXPLAIN ANALYZE COPY (SELECT 1) TO '{path}'",
    "explain /* x */ analyze copy (select 1) to '{path}'", "EXPORT DATABASE '{path}'", "ATTACH '{path}'",
    "INSTALL httpfs", "LOAD httpfs", "CREATE TABLE x AS SELECT 1", "CREATE OR REPLACE VIEW runs AS SELECT 1",
    "DROP VIEW documents", "DROP TABLE runs", "INSERT INTO runs (run_id) VALUES ('x')", "DELETE FROM runs",
    "UPDATE runs SET recipe = 'x'", "WITH x AS (INSERT INTO runs (run_id) VALUES ('x') RETURNING *) SELECT * FROM x",
    "SET threads = 1", "PRAGMA database_list", "CALL pragma_version()", "SELECT 1; DROP TABLE runs", "SELECT 1; SELECT 2",
    "BEGIN", "COMMIT", "", "   -- nothing", "USE memory", "SELECT * FROM read_csv('{secret}')",
    "SELECT * FROM '{secret}'", "SELECT * FROM read_text('{secret}')", "SELECT * FROM glob('{secret}*')",
    "SELECT getenv('HOME')", "SELECT * FROM query('COPY (SELECT 1) TO ''{path}''')", "VACUUM", "CHECKPOINT",
]  # fmt: skip


@pytest.mark.parametrize("sql", REFUSED)
def test_query_that_writes_or_leaves_the_store_is_refused(connection, tmp_path, sql):
    secret = tmp_path / "secret.csv"
    secret.write_text("word\nswordfish\n")
    before = rows_of(connection, "SELECT * FROM runs")
    with pytest.raises(QueryError) as caught:
        query(connection, sql.format(path=tmp_path / "out", secret=secret))
    assert "expected" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "swordfish" not in str(caught.value)
    assert sorted(tmp_path.iterdir()) == [secret]
    assert rows_of(connection, "SELECT * FROM runs") == before


def test_query_python_variable_is_no_table(connection):
    secrets = pa.table({"word": ["swordfish"]})
    with pytest.raises(QueryError, match="no table 'secrets'"):
        query(connection, "SELECT * FROM secrets")
    assert secrets.num_rows == 1


def test_query_unknown_table_names_the_nearest(connection):
    with pytest.raises(
        QueryError, match=r"no table 'documnts'.*documents.*`c2m sql` without a question lists"
    ):
        query(connection, "SELECT * FROM documnts")


def test_query_unknown_column_says_what_there_is(connection):
    with pytest.raises(QueryError, match="recipe"):
        query(connection, "SELECT recipes FROM runs")


def test_query_after_an_error_still_answers(connection):
    with pytest.raises(QueryError, match="Conversion"):
        query(connection, "SELECT recipe::INTEGER FROM runs")
    assert query(connection, "SELECT 1 AS one") == (["one"], [(1,)])


@pytest.mark.parametrize("given", [{}, {"id": "1", "more": "2"}])
def test_query_other_parameters_than_the_sql_names_raises(connection, given):
    with pytest.raises(QueryError, match="--set NAME=VALUE"):
        query(connection, "SELECT $id", given)


def test_query_parameter_is_a_value_and_never_sql(connection):
    odd = "x'; DROP TABLE runs; --"
    assert rows_of(connection, "SELECT $id AS id", id=odd) == [(odd,)]


def test_query_arrow_keeps_types(connection):
    answer = catalog.query_arrow(connection, "SELECT n_words, quality, text FROM documents")
    assert [str(kind) for kind in answer.schema.types] == ["int64", "double", "string"]
    assert answer.num_rows == 42


@pytest.mark.parametrize("damage", ["change", "truncate", "delete"])
def test_connect_damaged_file_is_an_error_and_never_rows(tmp_path, damage):
    store = make_store(tmp_path)
    path = small_run(store)[0].file("records.parquet")
    data = bytearray(path.read_bytes())
    if damage == "change":
        data[10] ^= 255
        path.write_bytes(data)
    elif damage == "truncate":
        path.write_bytes(data[: len(data) // 2])
    else:
        path.unlink()
    with connect(store) as connection:
        for sql in ("SELECT * FROM records", "SELECT count(*) FROM documents", "SELECT count(*) FROM all_records",
                    "SELECT * FROM runs LEFT JOIN records ON outcome = 'page'"):  # fmt: skip
            with pytest.raises(QueryError, match=r"records\.parquet.*must run again.*c2m verify"):
                query(connection, sql)
        assert rows_of(connection, "SELECT count(*) FROM decisions") == [(1,)]


def test_connect_store_that_cannot_be_written_is_read(tmp_path):
    store = make_store(tmp_path)
    stat = small_run(store)[0].path / "_stat.json"
    stat.unlink()
    stat.mkdir()  # nothing can be noted here: not even root may replace a folder by a file
    with connect(store) as connection:
        assert rows_of(connection, "SELECT count(*) FROM records") == [(2,)]


def test_connect_unreadable_manifest_is_no_artifact_and_is_missed(tmp_path, caplog):
    store = make_store(tmp_path)
    (small_run(store)[0].path / MANIFEST).write_text("{half")
    with connect(store) as connection:
        assert rows_of(connection, "SELECT count(*) FROM artifacts") == [(2,)]
        assert rows_of(connection, "SELECT record_id FROM records") == [("b",)]
        assert rows_of(connection, "SELECT step FROM run_artifacts WHERE NOT is_present") == [
            ("extract/a",)
        ]
    assert "no longer in the store" in caplog.text
    assert "extract/a" in caplog.text


def test_connect_path_with_quotes_and_glob_characters_is_read(tmp_path):
    store = make_store(tmp_path / "it's [a] *store*?")
    small_run(store)
    with connect(store) as connection:
        assert rows_of(connection, "SELECT count(*) FROM records") == [(2,)]
        assert rows_of(connection, "SELECT count(DISTINCT artifact) FROM all_records") == [(2,)]


def test_connect_relative_store_is_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store = make_store(Path("store"))
    small_run(store)
    with connect(store) as connection:
        assert rows_of(connection, "SELECT count(DISTINCT artifact) FROM all_records") == [(2,)]


def test_connect_artifact_of_an_older_schema_reads_missing_columns_as_null(tmp_path):
    store = make_store(tmp_path)
    new = commit(
        store, "decide", tables={"decisions": [row("decisions", doc_id="new", outcome="kept")]}
    )
    folder = store.path_of("decide", "0" * 64)
    folder.mkdir(parents=True)
    pq.write_table(pa.table({"doc_id": ["old"], "gone": [1]}), folder / "old.parquet")
    entry = FileEntry("old.parquet", 1, hash_file(folder / "old.parquet"), "decisions", 1)
    old = Manifest("decide", "decide", "0" * 64, 0, {}, (), (entry,), "c")
    (folder / MANIFEST).write_text(old.to_json())
    record_run(store, [new])
    with connect(store) as connection:
        sql = "SELECT doc_id, outcome, artifact FROM all_decisions ORDER BY doc_id"
        assert rows_of(connection, sql) == [("new", "kept", new.key), ("old", None, "0" * 64)]


def test_live_metrics_of_a_running_step_are_read_from_its_parts(tmp_path):
    store = make_store(tmp_path / "store")
    run = runs.start(store, "nano", {})
    work = tmp_path / "work"
    for part in range(2):
        rows = pa.table({"step": [part], "split": ["train"], "loss": [2.0 - part]})
        (work / "metrics").mkdir(parents=True, exist_ok=True)
        pq.write_table(rows, work / "metrics" / f"part-{part:05d}.parquet")
    step = runs.StepRecord(step="pretrain", stage="pretrain", state="running", work_dir=str(work))
    runs.save_step(store, run.run_id, step)
    sql = "SELECT run_id, stage, name, step, split, loss, lr FROM live_metrics ORDER BY step"
    with connect(store) as connection:
        assert rows_of(connection, sql) == [
            (run.run_id, "pretrain", "pretrain", 0, "train", 2.0, None),
            (run.run_id, "pretrain", "pretrain", 1, "train", 1.0, None),
        ]
    runs.finish(store, run, status="failed")
    with connect(store) as connection:
        assert rows_of(connection, sql) == []


def test_step_telemetry_is_read_while_a_step_runs_and_after_it_has_ended(tmp_path):
    store = make_store(tmp_path / "store")
    run = runs.start(store, "nano", {})
    work = tmp_path / "work"
    (work / "telemetry").mkdir(parents=True)
    speeds = {"step": [1, 2], "tokens_per_second": [900.0, 1000.0], "mfu_causal": [0.4, 0.5]}
    pq.write_table(pa.table(speeds), work / "telemetry" / "part-00000.parquet")
    record = runs.StepRecord(step="pretrain", stage="pretrain", state="running", work_dir=str(work))
    runs.save_step(store, run.run_id, record)
    sql = "SELECT run_id, name, step, tokens_per_second, mfu_causal, mfu_full FROM step_telemetry ORDER BY step"
    expected = [
        (run.run_id, "pretrain", 1, 900.0, 0.4, None),
        (run.run_id, "pretrain", 2, 1000.0, 0.5, None),
    ]
    with connect(store) as connection:
        assert rows_of(connection, sql) == expected
    kept = runs.telemetry_file(store, run.run_id, "pretrain")
    kept.parent.mkdir()
    pq.write_table(pa.table(speeds), kept)
    runs.save_step(store, run.run_id, dataclasses.replace(record, state="ran", work_dir=""))
    runs.finish(store, run, status="completed")
    with connect(store) as connection:
        assert rows_of(connection, sql) == expected


def test_connect_thousand_artifacts_opens_within_a_second_of_processor_time(tmp_path):
    store = make_store(tmp_path)
    first = commit(store, "extract", tables={"records": [], "texts": []})
    files = [(first.path / entry.path, entry.path) for entry in first.manifest.files]
    raw = json.loads((first.path / MANIFEST).read_text())
    for number in range(1000):
        key = f"{number:064x}"
        folder = store.path_of("extract", key)
        folder.mkdir()
        (folder / MANIFEST).write_text(json.dumps(raw | {"key": key, "name": f"extract/{number}"}))
        for path, name in files:
            (folder / name).hardlink_to(path)
        (folder / "_stat.json").write_text((first.path / "_stat.json").read_text())
    record_run(store, [first])
    started = time.process_time()
    with connect(store) as connection:
        seconds = time.process_time() - started
        assert rows_of(connection, "SELECT count(*) FROM artifacts") == [(1001,)]
    assert seconds < 2.0  # 0.6 s measured; the limit leaves room for a slow machine


def test_full_store_has_rows_in_every_table(connection):
    empty = [
        name for name in TABLES if rows_of(connection, f'SELECT count(*) FROM "{name}"') == [(0,)]
    ]
    assert empty == []
