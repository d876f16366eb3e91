"""Documents drawn: the same for a seed, those that the stage kept and dropped, and no others."""

import hashlib

import pytest
from factories import commit, doc_id, make_store, record_run, row

from warehouse import catalog
from warehouse.catalog import query
from warehouse.errors import QueryError
from warehouse.inspection import decided, draw
from warehouse.views import STAGES


def ids(documents):
    return [document["doc_id"] for document in documents if document is not None]


def sides(drawing):
    kept, dropped = zip(*drawing.pairs, strict=True)
    return kept, dropped


@pytest.mark.parametrize("stage", STAGES)
def test_draw_counts_what_accounting_and_rejections_count(connection, stage):
    drawing = draw(connection, stage, n=1)
    sql = (
        "SELECT rows_kept FROM accounting JOIN runs USING (run_id) WHERE is_selected AND stage = $s"
    )
    assert query(connection, sql, {"s": stage})[1] == [(drawing.n_kept,)]
    sql = "SELECT reason, count(*) FROM rejections WHERE stage = $s GROUP BY reason"
    assert dict(query(connection, sql, {"s": stage})[1]) == drawing.n_dropped
    counts = list(drawing.n_dropped.values())
    assert counts == sorted(counts, reverse=True)


@pytest.mark.parametrize("stage", [stage for stage in STAGES if stage != "deduplicate"])
def test_draw_of_all_gives_each_document_once_on_its_side(connection, stage):
    kept, dropped = sides(draw(connection, stage, n=1000))
    outcomes = {
        "extract": ("records", "record_id", "outcome = 'page'"),
        "annotate": ("scores", "doc_id", "true"),
        "decide": ("decisions", "doc_id", "outcome = 'kept'"),
        "decontaminate": ("decontamination_outcomes", "doc_id", "outcome = 'kept'"),
        "tokens": ("shards", "doc_id", "true"),
        "mix": ("mixed_documents", "doc_id", "true"),
    }
    table, column, condition = outcomes[stage]
    rows = query(connection, f"SELECT {column}, {condition} FROM {table}")[1]
    assert set(ids(kept)) == {doc_id for doc_id, is_kept in rows if is_kept}
    assert sorted(ids(dropped)) == sorted(doc_id for doc_id, is_kept in rows if not is_kept)
    assert all(document["reason"] is None for document in kept if document)
    assert all(document["reason"] for document in dropped if document)


def test_draw_takes_the_documents_with_the_smallest_hash_of_seed_and_id(connection):
    rows = query(connection, "SELECT doc_id, outcome FROM decisions")[1]
    for seed in (0, 7):
        kept, dropped = sides(draw(connection, "decide", n=3, seed=seed))

        def order(one, seed=seed):
            return hashlib.md5(f"{seed} {one}".encode()).hexdigest()

        assert ids(kept) == sorted((d for d, o in rows if o == "kept"), key=order)[:3]
        assert ids(dropped) == sorted((d for d, o in rows if o != "kept"), key=order)[:3]


def test_draw_with_another_seed_gives_others(connection):
    drawn = [tuple(ids(sides(draw(connection, "decide", n=5, seed=s))[0])) for s in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_draw_for_a_reason_gives_that_reason_alone(connection):
    drawing = draw(connection, "decide", "quality", n=1000)
    _, dropped = sides(drawing)
    reasons = [document["reason"] for document in dropped if document]
    assert reasons == ["quality"] * drawing.n_dropped["quality"]
    assert len(drawing.n_dropped) > 1


def test_draw_of_duplicates_puts_the_survivor_beside(connection):
    drawing = draw(connection, "deduplicate", n=1000)
    duplicates = [(kept, dropped) for kept, dropped in drawing.pairs if dropped]
    assert len(duplicates) == sum(drawing.n_dropped.values()) > 1
    for kept, dropped in duplicates:
        assert kept["doc_id"] == dropped["survivor_id"] == doc_id(0)
        assert kept["url"] == dropped["survivor_url"]
        assert dropped["jaccard"] in {0.9, 1.0}
    others = [kept for kept, dropped in drawing.pairs if not dropped]
    assert len(drawing.pairs) == drawing.n_kept
    assert all(kept["reason"] is None for kept in others)


def test_draw_gives_text_scores_and_record(connection):
    ((kept, dropped),) = draw(connection, "decide", "quality", n=1).pairs
    sql = "SELECT text, quality, url FROM documents WHERE doc_id = $d"
    for document in (kept, dropped):
        (found,) = query(connection, sql, {"d": document["doc_id"]})[1]
        assert (document["text"], document["quality"], document["url"]) == found
    (_, dropped) = draw(connection, "extract", "not_html", n=1).pairs[0]
    assert (dropped["text"], dropped["mime"]) == (None, "text/html")


@pytest.mark.parametrize(
    ("stage", "reason", "n", "words"),
    [
        ("dedup", "", 1, ["'dedup'", "did you mean deduplicate", *STAGES]),
        ("", "", 1, ["''", *STAGES]),
        ("decide", "qualty", 1, ["'qualty'", "did you mean quality", "language (6)"]),
        ("annotate", "language", 1, ["drops nothing"]),
        ("decide", "kept", 1, ["'kept'", "quality (6)"]),
        ("decide", "", 0, ["Found 0", "at least 1"]),
        ("decide", "", -1, ["Found -1"]),
        ("decide' UNION", "", 1, ["no stage"]),
    ],
)
def test_draw_of_what_is_not_there_says_what_is(connection, stage, reason, n, words):
    with pytest.raises(QueryError) as refused:
        draw(connection, stage, reason, n=n)
    for word in words:
        assert word in str(refused.value)


def test_draw_from_a_stage_the_run_has_not_reached_is_refused(tmp_path):
    store = make_store(tmp_path)
    records = [row("records", record_id="a", url="https://a.example", outcome="page")]
    record_run(store, [commit(store, "extract/a", tables={"records": records})])
    with catalog.connect(store) as opened:
        assert draw(opened, "extract", n=1).n_kept == 1
        with pytest.raises(QueryError, match="into decide"):
            draw(opened, "decide", n=1)


def test_decided_joins_decision_tokens_and_condition(connection):
    rows = decided(connection, "quality > 0.6", ["quality"]).to_pylist()
    found = {r["doc_id"]: r for r in rows}
    sql = (
        "SELECT doc_id, coalesce(outcome, 'undecided'), quality > 0.6, n_tokens, n_chars "
        "FROM scores LEFT JOIN decisions USING (doc_id) JOIN documents USING (doc_id, n_chars, quality)"
    )
    expected = query(connection, sql)[1]
    assert len(rows) == len(found) == len(expected)
    for one, now, matches, n_tokens, n_chars in expected:
        given = found[one]
        assert (given["now"], given["matches"]) == (now, matches)
        assert (given["n_tokens"], given["n_chars"]) == (n_tokens, n_chars)


@pytest.mark.parametrize(
    ("condition", "word"),
    [
        ("true) OR (true", "no SQL expression"),
        ("true; DROP VIEW scores", "no SQL expression"),
        ("quality >", "no SQL expression"),
        ("quality > 1 /*", "no SQL expression"),
        ("true, true", "no SQL expression"),
        ("SELECT true", "no SQL expression"),
        ("true ORDER BY 1", "no SQL expression"),
        ("caf\udce9", "no SQL expression"),
        ("quality", "double"),
        ("*", "string"),
        ("null", "null"),
        ("quality > $low", "parameters"),
        ("quality > ?", "parameters"),
        ("count(*) > 1", "aggregates"),
        ("row_number() OVER () > 1", "window"),
        ("languag = 'en'", '"language"'),
        ("now = 'kept'", '"now"'),
        ("quality > 'high'", "high"),
        ("EXISTS (FROM read_text('/etc/hostname'))", "leaves the store"),
        ("EXISTS (FROM glob('/*'))", "leaves the store"),
    ],
)
def test_decided_by_what_is_no_condition_over_scores_is_refused(connection, condition, word):
    with pytest.raises(QueryError) as refused:
        decided(connection, condition)
    assert word in str(refused.value)
    assert "\n" not in str(refused.value)


def test_decided_by_a_condition_with_a_comment_is_what_it_says(connection):
    plain = decided(connection, "quality > 0.6")
    assert decided(connection, "quality > 0.6 -- or true").equals(plain)
    assert decided(connection, "scores.quality > 0.6").equals(plain)


def test_inspection_writes_nothing(full):
    with catalog.connect(full) as opened:
        before = {path: path.stat().st_mtime_ns for path in full.root.rglob("*")}
        draw(opened, "decide", n=5)
        decided(opened, "quality > 0.5")
    assert {path: path.stat().st_mtime_ns for path in full.root.rglob("*")} == before
