"""The report: whole on a full run, shorter on a partial one, and never a way in for the web."""

import html.parser
import re

import factories
import pytest
from factories import commit, make_store, record_run, row

from tasks.report_page import render
from warehouse.catalog import connect

SECTIONS = {"funnel", "rejections", "scores", "duplicates", "lines", "hosts", "training", "scaling", "alignment",
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
    return factories.full_store(tmp_path_factory.mktemp("full"))


@pytest.fixture(scope="module")
def page(full, tmp_path_factory):
    return report(full, tmp_path_factory.mktemp("report") / "report.html")


def test_render_full_run_has_every_section_and_figure(page):
    parsed = Page(page)
    assert parsed.ids == SECTIONS
    assert parsed.tags.count("svg") == 3 + 1 + 1 + 4  # scores, loss, IsoFLOP, alignment
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
    assert rows == ["extract", "annotate", "decide", "deduplicate", "tokens"]
    assert re.search(r'<td>extract</td>.*?>60</td><td class="n">42</td><td class="n">18</td>', page)


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
    again = factories.full_store(tmp_path / "again")
    one = report(full, tmp_path / "one.html", timings=False)
    assert report(again, tmp_path / "two.html", timings=False) == one
    assert "seconds</th>" not in one


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
    ]  # fmt: skip
    record_run(store, made)
    parsed = Page(report(store, tmp_path / "report.html"))
    assert "script" not in parsed.tags
    assert "49" not in "".join(parsed.words)
    assert {"hosts", "training", "samples", "lineage"} <= parsed.ids
