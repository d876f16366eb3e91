"""Readers of threads, lists and tables, the types of pages, and the union of two readings."""

import pytest

from lmcore.crawl.blocks import find_root, parse, read_blocks
from lmcore.crawl.config import ExtractConfig
from lmcore.crawl.formulas import write_formulas
from lmcore.crawl.html import extract_page
from lmcore.crawl.page_type import Region, classify
from lmcore.crawl.tags import Tags
from lmcore.crawl.tiers import extract_fast, extract_precise, extract_text, merge_lines

PROSE = "The keeper of the lighthouse wrote down every ship that passed in the long evening, and read the names aloud to the gulls before the lamp was lit again. "


def thread(n_posts=4):
    posts = "".join(
        f'<div class="row"><a href="/u/{i}">user{i}</a><span>Joined 2019</span>'
        f'<div class="post-body"><p>Post {i}. {PROSE}</p></div><button>Reply</button></div>'
        for i in range(n_posts)
    )
    return f'<html><body><nav><a href="/">Home</a></nav><main>{posts}</main></body></html>'


def listing(n=20):
    cards = "".join(
        f'<div class="card"><a href="/p/{i}">Leather wallet number {i}</a><span>${i}.00</span></div>'
        for i in range(n)
    )
    return f'<html><body><nav><a href="/">Home</a></nav><main>{cards}</main></body></html>'


ARTICLE = (
    f"<html><body><article><h1>Keepers</h1>{f'<p>{PROSE * 2}</p>' * 6}</article></body></html>"
)
PRODUCT = f'<html><body><script type="application/ld+json">{{"@type": "Product"}}</script><main><p>{PROSE}</p></main></body></html>'


@pytest.mark.parametrize(
    ("html", "url", "expected"),
    [
        (ARTICLE, "https://a.example/keepers", "article"),
        (thread(), "https://a.example/forum/t/1", "forum"),
        (thread(), "https://a.example/essay", "article"),
        (listing(), "https://a.example/shop", "listing"),
        (
            listing().replace("<html>", '<html><meta property="og:type" content="article">'),
            "https://a.example/shop",
            "listing",
        ),
        (PRODUCT, "https://a.example/p/1", "product"),
    ],
)
def test_classify_page_by_its_markup(html, url, expected):
    assert classify(html, parse(html), url).page_type == expected


def test_precise_reads_the_posts_of_a_thread_and_nothing_else():
    kind, tier, text = extract_text(thread(), "https://a.example/forum/t/1", ExtractConfig())
    assert (kind, tier) == ("forum", "precise")
    assert text.split("\n\n") == [f"Post {i}. {PROSE.strip()}" for i in range(4)]


def test_precise_reads_every_card_of_a_listing():
    _, _, text = extract_text(listing(), "https://a.example/shop", ExtractConfig())
    assert all(f"Leather wallet number {i}$" in text for i in range(20))
    assert "Home" not in text


def test_tier_by_page_type_overrides_the_tier():
    config = ExtractConfig(tier="precise", forum_tier="fast", listing_tier="union")
    url = "https://a.example/forum/t/1"
    assert extract_text(thread(), url, config)[:2] == ("forum", "fast")
    assert extract_text(listing(), "https://a.example/shop", config)[:2] == ("listing", "union")
    assert extract_text(ARTICLE, "https://a.example/", config)[:2] == ("article", "precise")


def test_fast_tier_asks_for_no_page_type():
    assert extract_text(ARTICLE, "", ExtractConfig(tier="fast"))[:2] == ("", "fast")


def test_region_that_is_all_boilerplate_by_name_is_kept():
    page = f'<html><body><form id="aspnetForm"><div class="modal"><p>{PROSE}</p></div></form></body></html>'
    blocks = read_blocks(find_root(parse(page)))
    assert [block.text for block in blocks] == [PROSE.strip()]


def test_blocks_keep_tables_as_rows_and_code_as_lines():
    page = "<main><table><tr><th>Year</th><th>Flour</th></tr><tr><td>1901</td><td>12 t</td></tr></table><pre>def f(x):\n    return x\n</pre></main>"
    texts = [block.text for block in read_blocks(find_root(parse(page)))]
    assert texts == ["| Year | Flour |", "| 1901 | 12 t |", "def f(x):\n    return x"]


@pytest.mark.parametrize(
    ("markup", "tex"),
    [
        ('<script type="math/tex">x^2 &lt; y</script>', r"\( x^2 &lt; y \)"),
        ('<math alttext="{\\displaystyle a+b}"><mi>a</mi></math>', r"\( a+b \)"),
        (
            '<math><mi>q</mi><annotation encoding="application/x-tex">q_1</annotation></math>',
            r"\( q_1 \)",
        ),
        ('<img class="latex" src="a.png" alt="\\pi r^2">', r"\( \pi r^2 \)"),
    ],
)
def test_formulas_become_their_tex(markup, tex):
    page = f"<p>Let {markup} hold.</p>"
    assert write_formulas(page, Tags(page.encode())) == f"<p>Let  {tex}  hold.</p>"


def test_formula_without_tex_stays_as_it_is():
    markup = "<p><math><mi>x</mi></math></p>"
    assert write_formulas(markup, Tags(markup.encode())) == markup


def test_merge_lines_puts_what_only_the_second_has_where_it_stood():
    assert merge_lines("one\ntwo\nfour", "zero\none\nThree!\ntwo\nfive") == (
        "zero\none\nThree!\ntwo\nfive\nfour"
    )
    assert merge_lines("one two three", "two three\nONE, two three") == "one two three"
    assert merge_lines("", "a\na") == "a"


def test_union_holds_every_line_of_precise():
    config = ExtractConfig(tier="union")
    page = ARTICLE.replace("</article>", "<div><p>A last short word.</p></div></article>")
    precise = extract_page(page.encode(), "", ExtractConfig()).text.splitlines()
    union = extract_page(page.encode(), "", config).text.splitlines()
    assert [line for line in union if line in precise] == precise


def test_span_of_a_million_columns_costs_no_memory():
    page = f'<html><body><main><p>{PROSE}</p><table><tr><td colspan="9007199254740991">Cell</td><td>B</td></tr></table></main></body></html>'
    for tier in ("fast", "precise", "union"):
        found = extract_page(page.encode(), "", ExtractConfig(tier=tier))
        assert found.outcome == "page"
        assert PROSE.strip() in found.text


def test_extract_fast_page_taken_for_navigation_is_read_whole():
    prose = "<p>" + "A sentence of the page that nobody may lose. " * 30 + "</p>"
    page = f"<html><body><div class='sidebar menu'>{prose}</div><p>Cart 0</p></body></html>"
    assert "nobody may lose" in extract_fast(page)


def test_extract_fast_short_page_is_short():
    page = "<html><body><nav><a href=x>Home</a></nav><p>All that there is to say.</p></body></html>"
    assert extract_fast(page).strip() == "All that there is to say."


def test_extract_precise_article_that_trafilatura_does_not_find_is_fast_tiers():
    prose = "<p>" + "A sentence of the page that nobody may lose. " * 30 + "</p>"
    page = f"<html><body><div class='comments footer' role='list'>{prose}</div></body></html>"
    found = extract_precise(page, Region("article", [], [], says_article=True))
    assert "nobody may lose" in found
