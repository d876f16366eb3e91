"""The report: whole on a full run, shorter on a partial one, and never a way in for the web."""

import html.parser
import re

import duckdb
import factories
import factory_models
import pytest
from factories import commit, make_store, record_run, row

from tasks.report_page import render
from tasks.report_scores import histograms
from warehouse.catalog import connect, query

SECTIONS = {"funnel", "rejections", "scores", "classifiers", "duplicates", "lines", "hosts", "tokenizer", "training", "scaling", "alignment",
            "samples", "truth", "lineage", "run"}  # fmt: skip
VOID = {"meta", "br", "link", "img", "hr", "input"}


class Page(html.parser.HTMLParser):
    """Tags, ids, attributes and visible text of a page; fails on tags that do not match."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.ids, self.words = [], [], set(), []
        self.attributes = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag == "section":
            self.ids.add(dict(attrs)["id"])
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def report(store, out, **options):
    with connect(store) as connection:
        render(connection, out, **options)
    return out.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    return factory_models.full_store(tmp_path_factory.mktemp("full"))


@pytest.fixture(scope="module")
def page(full, tmp_path_factory):
    return report(full, tmp_path_factory.mktemp("report") / "report.html")


def test_render_full_run_has_every_section_and_figure(page):
    parsed = Page(page)
    assert parsed.ids == SECTIONS
    assert parsed.tags.count("svg") == 4 + 1 + 1 + 4  # scores, loss, IsoFLOP, alignment
    text = " ".join(parsed.words)
    for expected in (
        "near_duplicate",
        "accept all cookies <b>",
        "Page 30 <script>",
        "news.example",
        "81%",
        "missed",
        "reached",
    ):
        assert expected in text


def test_render_funnel_shows_the_counts_of_the_rows(page):
    rows = re.findall(
        r"<tr><td>(\w+)</td>.*?</tr>",
        page[page.index('id="funnel"') : page.index('id="rejections"')],
    )
    assert rows == [
        "extract",
        "annotate",
        "decide",
        "deduplicate",
        "decontaminate",
        "tokens",
        "mix",
    ]
    assert re.search(r'<td>extract</td>.*?>60</td><td class="n">42</td><td class="n">18</td>', page)


def test_render_tokenizers_are_compared_and_the_loss_of_one_is_told(page):
    section = page[page.index('id="tokenizer"') : page.index('id="training"')]
    rows = [re.sub("<.*?>", "|", found) for found in re.findall(r"<tr><td>.*?</tr>", section)]
    tokenizers, languages, (token,) = rows[:4], rows[4:-1], rows[-1:]
    assert [row.strip("|").split("|")[0] for row in tokenizers] == ["bpe", "word", "character", "byte"]  # fmt: skip
    assert all("12.5%" in row and "not always" in row for row in tokenizers[1:2])
    assert all("0.0%" in row and "✓ always" in row for row in tokenizers[2:])
    assert [row.strip("|").split("|")[0].strip() for row in languages] == ["en", "de"]
    assert "trained" in languages[0]
    assert "trained" not in languages[1]
    assert "␣&lt;b&gt;\ufffd" in token
    assert "width:50.0%" in section  # English needs half the tokens of German


def test_render_text_from_the_web_is_escaped_and_nothing_is_loaded(page):
    parsed = Page(page)
    assert "script" not in parsed.tags
    assert not {"a", "img", "iframe", "link", "object", "form"} & set(parsed.tags)
    for name, value in parsed.attributes:
        assert not name.startswith("on")
        if name in {"href", "xlink:href", "src"}:
            assert value.startswith("#")
    urls = re.findall(r"url\((.*?)\)", page)
    assert all(url.startswith("#") for url in urls)


def test_render_figures_follow_the_theme(page):
    figures = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    assert all("var(--ink)" in figure for figure in figures)
    assert not re.search(r"#0[0-9]0[0-9]0[0-9]", "".join(figures))


def test_render_without_timings_gives_equal_bytes_for_equal_work(full, tmp_path):
    again = factory_models.full_store(tmp_path / "again")
    one = report(full, tmp_path / "one.html", timings=False)
    assert report(again, tmp_path / "two.html", timings=False) == one
    assert "seconds</th>" not in one


RECIPE = {
    "sample": {"n_pages": 60},
    "curate": {"min_quality": 0.4, "max_toxicity": 0.7, "languages": ["en"]},
}


def store_of_run(root, path, *, seed=0, checkpoints=True):
    """A store over equal rows whose keys, run and recorded settings differ."""
    store = make_store(root)
    corpus = factories.commit_corpus(store, {"seed": seed})
    made = [*corpus, *factories.commit_tokens(store, corpus[-1])]
    made += factory_models.commit_models(store, *made[-2:])
    for artifact in made:
        if artifact.manifest.kind == "checkpoint" and not checkpoints:
            store.discard("checkpoint", artifact.key)
    config = {"corpus": {"warcs": f"{path}/*.warc.gz"}, "resources": {"workers": seed}}
    results = [artifact for artifact in made if artifact.manifest.kind != "checkpoint"]
    return store, record_run(store, results, recipe=f"recipe-{path}", config=config)


def test_render_given_config_is_a_function_of_rows_and_config_alone(tmp_path):
    one, first = store_of_run(tmp_path / "one", "/home/ada")
    two, second = store_of_run(tmp_path / "two", "/home/bob", seed=1, checkpoints=False)
    page = report(one, tmp_path / "one.html", config=RECIPE, timings=False)
    backwards = {name: dict(reversed(RECIPE[name].items())) for name in reversed(RECIPE)}
    assert report(two, tmp_path / "two.html", config=backwards, timings=False) == page
    assert Page(page).ids == SECTIONS
    keys = {artifact.key[:8] for store in (one, two) for artifact in store.artifacts()}
    for unwanted in ("/home/", "recipe-", "workers", first, second, *keys):
        assert unwanted not in page


def test_render_given_config_ignores_other_runs_of_the_store(tmp_path):
    store, _ = store_of_run(tmp_path / "store", "/home/ada")
    alone = report(store, tmp_path / "alone.html", config=RECIPE, timings=False)
    moved = row("records", record_id=best_page(store), warc_file="a-earlier.warc.gz", warc_offset=0,
                warc_length=9, url="https://moved.example/", title="moved", outcome="page")  # fmt: skip
    record_run(
        store, [commit(store, "extract/other", tables={"records": [moved]})], status="stopped"
    )
    assert report(store, tmp_path / "beside.html", config=RECIPE, timings=False) == alone


def best_page(store):
    sql = "SELECT doc_id FROM documents WHERE split = 'train' ORDER BY quality DESC, doc_id LIMIT 1"
    with connect(store) as connection:
        ((doc_id,),) = query(connection, sql)[1]
    return doc_id


def test_render_given_config_shows_its_thresholds_and_settings(full, tmp_path):
    page = report(full, tmp_path / "one.html", config=RECIPE, timings=False)
    other = {**RECIPE, "curate": {**RECIPE["curate"], "min_quality": 0.45}}
    assert report(full, tmp_path / "other.html", config=other, timings=False) != page
    assert "keeps from 0.4<" in page
    assert "keeps from 0.3<" not in page  # what the run recorded
    assert "n_pages" in page


def test_render_partial_run_leaves_out_what_it_has_not(tmp_path):
    store = make_store(tmp_path / "store")
    record_run(store, factories.commit_corpus(store)[3:4], status="stopped", config={})
    parsed = Page(report(store, tmp_path / "report.html"))
    assert parsed.ids == {"funnel", "rejections", "run"}


def test_render_empty_store_is_a_page(tmp_path):
    parsed = Page(report(make_store(tmp_path / "store"), tmp_path / "report.html"))
    assert parsed.ids == set()
    assert "records read" in " ".join(parsed.words)


def test_render_hostile_rows_stay_text(tmp_path):
    store = make_store(tmp_path / "store")
    odd = "</td></table><script>alert(1)</script>{{ 7*7 }}{% raw %}\x00\u202e$x_{"
    record = row("records", record_id="1", warc_file=odd, warc_offset=0, warc_length=-1, url=f"https://{odd}/", title=odd, outcome="page")  # fmt: skip
    made = [
        commit(store, "extract", tables={"records": [record], "texts": [row("texts", doc_id="1", text=odd)]}),
        commit(store, "tokens", tables={"shards": [row("shards", doc_id="1", split="train", shard=0, start=0, length=3)]}),
        commit(store, "evaluate", tables={"generations": [row("generations", model="base", prompt=odd, completion=odd)],
                                          "bits_per_byte": [row("bits_per_byte", model="base", source=odd, n_documents=1,
                                                                n_bytes=1, nats=1.0, bits_per_byte=1.0)]}),
        commit(store, "compression", tables={
            "compression": [row("compression", text_set=text_set, language=odd, tokenizer=odd, vocab_size=1,
                                n_bytes=1, n_tokens=1, bytes_per_token=1.0, vocabulary_use=1.0, unknown_share=0.0,
                                is_lossless=True) for text_set in ("pages", "validation")],
            "longest_tokens": [row("longest_tokens", rank=1, token_id=1, token=odd, hex="00", n_bytes=1, n_occurrences=0)]}),
    ]  # fmt: skip
    record_run(store, made)
    parsed = Page(report(store, tmp_path / "report.html"))
    assert "script" not in parsed.tags
    assert "49" not in "".join(parsed.words)
    assert {"hosts", "tokenizer", "training", "samples", "lineage"} <= parsed.ids


def test_histograms_are_of_the_measures_whose_rules_rejected_most():
    with duckdb.connect() as connection:
        connection.execute("""
            CREATE TABLE scores AS SELECT 0.5 AS quality, 3::BIGINT AS n_words, 'en' AS language;
            CREATE TABLE documents AS SELECT (k % 10) / 10.0 AS quality, k::BIGINT AS n_words,
                k >= 50 AS kept FROM range(200) AS r(k);
            CREATE TABLE rejections AS
                SELECT 'decide' AS stage, reason FROM (VALUES ('gopher_too_few_words'),
                    ('gopher_too_few_words'), ('language'), ('c4_empty'), ('quality')) AS v(reason);
            ALTER TABLE documents ADD COLUMN language_score DOUBLE;
            ALTER TABLE documents ADD COLUMN toxicity DOUBLE;
            ALTER TABLE documents ADD COLUMN perplexity DOUBLE;
        """)
        quality, words = histograms(connection, {"gopher_min_words": 50})
    assert "Histogram of quality" in quality
    assert "Histogram of n words" in words
    assert "keeps from 50" in words
    assert "keeps" not in quality  # a run that recorded no threshold
