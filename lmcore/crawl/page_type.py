"""What kind of page this is, from its markup: article, forum, listing or product.

Evidence in the order in which it is believed: posts (elements named like the body of a post) in a
page that calls itself a forum by schema.org's types or its URL; a product by schema.org; a region
made of links, or with hardly a long paragraph, that does not call itself an article. All else is an
article, the type that an article extractor does no harm to. Thresholds were chosen on the pages of
one half of the domains (sha1 of the name, even) and hold on the other: bench_extraction.py prints
both. Cost: under 1 ms once the region's blocks are read.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from lmcore.crawl.blocks import (
    Block,
    Element,
    count_chars,
    find_posts,
    find_root,
    join,
    read_blocks,
    share,
)

ARTICLE, FORUM, LISTING, PRODUCT = PAGE_TYPES = ("article", "forum", "listing", "product")

_SCHEMA_TYPE = re.compile(
    r"\"@type\"\s{0,9}:\s{0,9}\[?\s{0,9}\"(\w{1,40})\""
    r"|itemtype=[\"']https?://schema\.org/(\w{1,40})"
)
_OG_ARTICLE = re.compile(
    r"og:type[\"'][^>]{0,40}content=[\"']article|content=[\"']article[\"'][^>]{0,40}og:type"
)
_FORUM_URL = re.compile(
    r"forum|thread|/topic|/t/|viewtopic|showthread|/questions?/|discuss|community|boards?\."
    r"|/comments/|/talk/|/post/",
    re.IGNORECASE,
)
_FORUM_SCHEMAS = frozenset(("DiscussionForumPosting", "QAPage"))
_ARTICLE_SCHEMAS = frozenset(
    ("Article", "NewsArticle", "BlogPosting", "TechArticle", "ReportageNewsArticle")
)
_MIN_POSTS = 2
_MIN_POST_SHARE = 0.5
_LISTING_LINK_SHARE = 0.16
_LISTING_PROSE_SHARE = 0.35
_MIN_LINK_SHARE = 0.03
"""Short lines without any links are verse, a table or a short article."""
_SURE_FACTOR = 2.0
"""A page that calls itself an article is a listing only far beyond the thresholds."""


@dataclass(frozen=True, slots=True)
class Region:
    """The main region of a page as it was read, and what kind of page it is."""

    page_type: str
    blocks: Sequence[Block]
    posts: Sequence[Element]
    says_article: bool
    """Whether the page calls itself an article."""

    @property
    def text(self) -> str:
        """The region whole, or the posts alone where it is a forum's."""
        if self.page_type == FORUM:
            return "\n\n".join(join(read_blocks(post)) for post in self.posts)
        return join(self.blocks)


def _prose_chars(block: Block) -> int:
    return len(block.text) if block.is_prose else 0


def _is_listing(blocks: Sequence[Block], *, says_article: bool) -> bool:
    links = share(blocks, lambda block: block.n_link_chars)
    prose = share(blocks, _prose_chars)
    if links >= _SURE_FACTOR * _LISTING_LINK_SHARE and prose < _LISTING_PROSE_SHARE / _SURE_FACTOR:
        return True
    is_terse = prose < _LISTING_PROSE_SHARE and links >= _MIN_LINK_SHARE
    return (links >= _LISTING_LINK_SHARE or is_terse) and not says_article


def classify(html: str, tree: Element, url: str) -> Region:
    """Reads the main region of a parsed page and says what kind of page it is."""
    root = find_root(tree)
    blocks = read_blocks(root)
    schemas = {first or second for first, second in _SCHEMA_TYPE.findall(html)}
    says_article = bool(schemas & _ARTICLE_SCHEMAS) or _OG_ARTICLE.search(html) is not None
    is_forum = bool(schemas & _FORUM_SCHEMAS) or _FORUM_URL.search(url) is not None
    posts = find_posts(root) if is_forum else []
    n_chars = sum(len(block.text) for block in blocks)
    page_type = ARTICLE
    if len(posts) >= _MIN_POSTS and sum(map(count_chars, posts)) >= _MIN_POST_SHARE * n_chars:
        page_type = FORUM
    elif "Product" in schemas and not says_article:
        page_type = PRODUCT
    elif _is_listing(blocks, says_article=says_article):
        page_type = LISTING
    return Region(page_type, blocks, posts, says_article)
