from html.parser import HTMLParser

import pytest

from lmcore.crawl.config import TIERS, ExtractConfig
from lmcore.crawl.html import extract_page, is_deeper

SENTENCES = " ".join(
    f"This is sentence number {i} of a story about a river and a mill." for i in range(12)
)
ARTICLE = f"""<!DOCTYPE html><html lang="en"><head><title>  The
 Mill &amp; the River </title><style>p {{ color: red }}</style></head><body>
<nav><ul><li><a href="/">Home</a></li><li><a href="/about">About us</a></li></ul></nav>
<article><h1>The Mill</h1><p>{SENTENCES}</p>
<table><tr><th>Year</th><th>Flour</th></tr><tr><td>1901</td><td>Twelve tonnes</td></tr></table>
<p>{SENTENCES}</p></article>
<section id="comments" class="comments"><h3>Comments</h3><p class="comment">First! says a visitor.</p></section>
<footer>Copyright nobody</footer><script>var secret = "<p>hidden</p>";</script></body></html>"""
CONFIGS = {tier: ExtractConfig(tier=tier) for tier in TIERS}


class _Depth(HTMLParser):
    """The slow reference: the standard library's parser and a stack."""

    unnested = frozenset(
        [
            "br",
            "img",
            "p",
            "li",
            "td",
            "tr",
            "meta",
            "html",
            "body",
            "head",
            "hr",
            "input",
            "script",
            "style",
        ]
    )

    def __init__(self):
        super().__init__()
        self.stack, self.deepest = [], 0

    def handle_starttag(self, tag, _):
        if tag not in self.unnested:
            self.stack.append(tag)
            self.deepest = max(self.deepest, len(self.stack))

    def handle_endtag(self, tag):
        if tag in self.stack:
            while self.stack.pop() != tag:
                pass


PAGES = {
    "article": ARTICLE,
    "nested": "<div><span><b>x</b></span></div>" * 5 + "<div>" * 17 + "</div>" * 17,
    "unclosed": "<div><i><b>" * 6 + "</div>" * 3 + "<u>" * 4,
    "list": "<ul>" + "<li><p>one<br>two" * 90 + "</ul>",
    "stray": "</div></b>" * 9 + "<div></x><div></y>" * 12,
    "script": "<div><script>'<div>'+'<b>'</script><!-- <div><div> --><style><div></style></div>"
    * 8,
}


@pytest.mark.parametrize("name", PAGES)
def test_is_deeper_agrees_with_a_parser(name):
    reference = _Depth()
    reference.feed(PAGES[name])
    for depth in range(1, 40):
        assert is_deeper(PAGES[name], depth) is (reference.deepest > depth)


@pytest.mark.parametrize("tier", CONFIGS)
def test_extract_page_article_gives_title_and_main_text(tier):
    page = extract_page(ARTICLE.encode(), "", CONFIGS[tier])
    assert (page.outcome, page.charset, page.title) == ("page", "utf-8", "The Mill & the River")
    text = page.text
    assert text.count(SENTENCES) == 2
    assert "Twelve tonnes" in text
    for boilerplate in ("About us", "First!", "Copyright", "hidden", "color: red"):
        assert boilerplate not in text


@pytest.mark.parametrize("tier", CONFIGS)
def test_extract_page_same_page_after_others_gives_the_same_text(tier):
    first = extract_page(ARTICLE.encode(), "", CONFIGS[tier])
    for i in range(3):
        extract_page(ARTICLE.replace("river", f"river{i}").encode(), "", CONFIGS[tier])
    assert extract_page(ARTICLE.encode(), "", CONFIGS[tier]) == first


@pytest.mark.parametrize("tier", CONFIGS)
@pytest.mark.parametrize(
    "body",
    [
        b"<html><body><div id=root></div></body></html>",
        b"<html>",
        b"<p></p>",
        b"<frameset><frame src=a></frameset>",
        b"  ",
    ],
)
def test_extract_page_without_text_is_no_text(tier, body):
    assert extract_page(body, "", CONFIGS[tier]).outcome == "no_text"


def test_extract_page_below_the_least_text_is_no_text():
    config = ExtractConfig(tier="fast", min_text_chars=100_000)
    page = extract_page(ARTICLE.encode(), "", config)
    assert (page.outcome, page.title, page.text) == ("no_text", "The Mill & the River", "")


def test_extract_page_too_deep_is_rejected_before_a_parser_sees_it():
    deep = "<div>" * 20_000 + "x" + "</div>" * 20_000
    assert extract_page(deep.encode(), "", ExtractConfig()).outcome == "too_deep"


def test_extract_page_noise_is_bad_charset():
    assert (
        extract_page(b"<p>" + bytes(range(256)) * 9, "utf-8", ExtractConfig()).outcome
        == "bad_charset"
    )


def test_extract_page_plain_text_stays_as_it_is():
    text = "One line.\n\n<b>not markup</b> & more"
    page = extract_page(text.encode(), "utf-8", ExtractConfig(), kind="text")
    assert (page.outcome, page.charset, page.text) == ("page", "utf-8", text)


@pytest.mark.parametrize("tier", CONFIGS)
def test_extract_page_result_always_encodes(tier):
    odd = ARTICLE.replace("mill.", "mill &#xD800; &#0; \x00 \U0001f600.")
    config = ExtractConfig(tier=tier, max_replacement_rate=0.5)
    page = extract_page(odd.encode(), "", config)
    assert page.outcome == "page"
    assert "\0" not in page.text
    assert (page.title + page.text).encode().decode() == page.title + page.text


def _paragraphs(n):
    return "".join(
        f"<p>The {i}. keeper of the lighthouse wrote down every ship that passed in year {1800 + i}, "
        "and in the evening the keeper read the names aloud to the gulls.</p>"
        for i in range(n)
    )


def test_page_laid_out_by_tables_keeps_its_paragraphs():
    page = (
        "<html><body><table><tr><td colspan=2>The Harbour Post</td></tr><tr><td>"
        "<ul><li><a href='/a'>News</a></li></ul></td>"
        f"<td><h1>The keeper</h1>{_paragraphs(8)}</td></tr></table></body></html>"
    )
    text = extract_page(page.encode(), "utf-8", ExtractConfig()).text
    assert "|" not in text
    assert text.count("\n") >= 7


def test_table_of_data_stays_a_table():
    rows = "".join(f"<tr><td>Ship {i}</td><td>{1800 + i}</td></tr>" for i in range(5))
    page = f"<html><body><article>{_paragraphs(8)}<table>{rows}</table></article></body></html>"
    text = extract_page(page.encode(), "utf-8", ExtractConfig()).text
    assert "| Ship 3 | 1803 |" in text
