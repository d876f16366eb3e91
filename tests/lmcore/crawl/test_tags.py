"""Tags found by array operations against one search after the other."""

import random
import re

import pytest

from lmcore.crawl.html import is_deeper
from lmcore.crawl.tags import Tags

RAW = re.compile(
    r"<!--.*?(?:-->|\Z)|<(script|style|title)(?=[\s/>]).*?(?:(?=</\1[\s/>])|\Z)", re.DOTALL
)
NAMES = ["div", "DIV", "a", "b", "meta", "p", "blockquote", "blockquotf", "x-long-name", "img"]
PIECES = [
    *(
        "<",
        ">",
        "</",
        "<!",
        "<!--",
        "-->",
        "text ",
        "\xe9",
        "<1>",
        "< div>",
        "<script>",
        "</script>",
    ),
    *("<script src='a'>", "<style>", "</style>", "<title/>", "</title>", '<a href="<b>">', "<div"),
]


def make_page(rng: random.Random) -> str:
    pieces = []
    for _ in range(rng.randrange(60)):
        name = rng.choice(NAMES)
        pieces.append(rng.choice([f"<{name}>", f"<{name} a=b>", f"</{name}>", rng.choice(PIECES)]))
    return "".join(pieces)


def search(page: str, name: str) -> list[int]:
    """Places of opening tags, by a search of the page whose raw text is blanked out."""
    encoded = page.encode().decode("latin-1").lower()
    blank = RAW.sub(
        lambda found: found[0][: len(found[1]) + 2 if found[1] else 0].ljust(len(found[0]), "."),
        encoded,
    )
    return [found.start() for found in re.finditer(rf"<{name}(?=[\s/>]|\Z)", blank)]


@pytest.mark.parametrize("seed", range(8))
def test_tags_are_where_a_search_finds_them(seed):
    rng = random.Random(seed)
    n_found = 0
    for _ in range(150):
        page = make_page(rng)
        tags = Tags(page.encode())
        for name in ("div", "a", "meta", "img", "script"):
            expected = search(page, name)
            assert tags.opening(name) == expected, (name, page)
            n_found += len(expected)
    assert n_found > 300


@pytest.mark.parametrize("seed", range(8))
def test_tags_are_never_nested_deeper_than_is_certain(seed):
    rng = random.Random(seed)
    n_certain = n_deeper = 0
    for _ in range(150):
        page = "<div><b>" * rng.randrange(6) + make_page(rng)
        tags = Tags(page.encode())
        for depth in range(9):
            is_certain, deeper = not tags.may_be_deeper(depth), is_deeper(page, depth)
            assert not (is_certain and deeper), (depth, page)
            n_certain += is_certain
            n_deeper += deeper
    assert min(n_certain, n_deeper) > 100


@pytest.mark.parametrize("name", ["div", "customized-a"])
def test_tags_many_closed_elements_are_no_depth_unless_names_cannot_be_told(name):
    page = f"<{name}><i>x</i></{name}>" * 50
    assert Tags(page.encode()).may_be_deeper(40) is (name != "div")
    assert not is_deeper(page, 40)


@pytest.mark.parametrize("page", ["", "<", "</", "<a", "<!--", "no tag", "<script"])
def test_tags_of_nearly_nothing(page):
    tags = Tags(page.encode())
    assert tags.opening("a") == ([0] if page == "<a" else [])
    assert not tags.may_be_deeper(1)
