"""What pages say of themselves, and the policy on opt-outs."""

import random
from urllib.parse import urljoin, urlsplit

import pytest

from lmcore.crawl.config import ExtractConfig
from lmcore.crawl.html import extract_page
from lmcore.crawl.metadata import Metadata, read_header_opt_outs
from lmcore.crawl.metadata import read_metadata as read_metadata_of
from lmcore.crawl.tags import Tags

URL = "https://a.example/dir/page"
PAGE = """<html><head><title> A &amp; B
</title><link rel="canonical" href="/page"><meta name="author" content="Meta Author">
<meta property="article:published_time" content="2024-05-06">
<link rel=license href="https://creativecommons.org/licenses/by/4.0/">
<meta name="robots" content="index, NOAI"><meta name="tdm-reservation" content="1"></head>
<body><p>Some text of a page.</p><a href="other#part">o</a><a href='https://b.example/'>b</a>
<a href="#top">t</a><a href="mailto:x@y.z">m</a><a href="other">again</a></body></html>"""


def read_metadata(html: str, url: str, max_outlinks: int) -> Metadata:
    return read_metadata_of(html, Tags(html.encode()), url, max_outlinks)


def test_metadata_of_a_page():
    found = read_metadata(PAGE, URL, 10)
    assert (found.title, found.author, found.published) == ("A & B", "Meta Author", "2024-05-06")
    assert found.licence == "https://creativecommons.org/licenses/by/4.0/"
    assert found.canonical_url == "https://a.example/page"
    assert found.n_links == 3
    assert found.outlinks == ("https://a.example/dir/other", "https://b.example/")
    assert found.opt_out == ("noai", "tdm-reservation")
    assert read_metadata(PAGE, URL, 1).outlinks == ("https://a.example/dir/other",)


def test_json_ld_counts_before_meta_and_broken_json_does_not():
    json_ld = '<script type="application/ld+json">{"@graph": [{"@type": "Article", "author": [{"name": "Ann"}, "Bo"], "datePublished": "2020"}]}</script>'
    found = read_metadata(json_ld + PAGE, URL, 0)
    assert (found.author, found.published) == ("Ann, Bo", "2020")
    assert read_metadata(json_ld.replace("}]}", "") + PAGE, URL, 0).author == "Meta Author"


BASES = [
    *("https://a.example/dir/page", "http://a.example", "https://A.example:8080/x?y=/z", ""),
    *("https://user@a.example/", "ftp://a.example/x", "https://[::1]/", "no url"),
]
PIECES = [
    *(
        "http://",
        "https://",
        "HTTPS://",
        "//",
        "/",
        "/",
        "/",
        ".",
        "..",
        "a",
        "b.html",
        "b.example",
    ),
    *("?", "q=1", "&", ";", ";p", ":80", ":", "%20", " ", "\t", "[", "]", "\xe9", "@", "x y", "~"),
]


@pytest.mark.parametrize("base", BASES)
def test_read_links_joins_as_urljoin_does(base):
    rng = random.Random(base)
    n_links = 0
    for _ in range(1000):
        href = "".join(rng.choices(PIECES, k=rng.randrange(1, 8))).strip() or "a"
        try:
            joined = urljoin(base, href)
            expected = joined if urlsplit(joined).scheme in ("http", "https") else ""
        except ValueError:
            expected = ""
        found = read_metadata(f'<a href="{href}">', base, 9).outlinks
        assert found == ((expected,) if expected else ()), href
        n_links += bool(expected)
    assert n_links > 50


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({b"x-robots-tag": b"noindex, nofollow"}, ("noindex",)),
        ({b"x-robots-tag": b"noai, noimageai"}, ("noai", "noimageai")),
        ({b"x-robots-tag": b"otherbot: noindex"}, ()),
        ({b"x-robots-tag": b"*: none"}, ("none",)),
        ({b"tdm-reservation": b"1"}, ("tdm-reservation",)),
        ({b"tdm-reservation": b"0"}, ()),
        ({}, ()),
    ],
)
def test_opt_outs_of_headers(headers, expected):
    assert read_header_opt_outs(headers) == expected


@pytest.mark.parametrize(
    ("signals", "respected", "outcome"),
    [
        (("noai",), True, "opt_out"),
        (("noai",), False, "page"),
        (("noimageai",), True, "page"),
        ((), True, "page"),
    ],
)
def test_opt_out_is_rejected_where_the_policy_says_so(signals, respected, outcome):
    config = ExtractConfig(tier="fast", respect_opt_out=respected)
    body = b"<html><body><p>" + b"Some text of a page. " * 9 + b"</p></body></html>"
    page = extract_page(body, "", config, opt_out=signals)
    assert (page.outcome, page.opt_out) == (outcome, signals)
    assert bool(page.text) is (outcome == "page")
