"""HTML to main text and title.

Two extractors, measured on 1,171 pages with gold text on one core: trafilatura (36 pages a second,
F1 .93 on its own evaluation set) and resiliparse (500 pages a second, F1 .84). Comments off, tables
on. Nothing here depends on the date, on the order of sets (children run with PYTHONHASHSEED=0) or
on pages before. Nesting is measured before a parser sees the page: 20,000 nested elements hold
resiliparse's for 14 s in C code that no signal interrupts.
"""

import re

from lmcore.crawl.charset import decode_page, replacement_rate
from lmcore.crawl.config import ExtractConfig

_TAG = re.compile(
    # what looks like tags in here is none; unclosed, these run to the end, as in a browser
    r"<!--.*?(?:-->|\Z)|<(script|style|textarea|title|xmp|iframe)\b.*?(?:</\1|\Z)"
    r"|<(/?)([A-Za-z][^\s/>]*)",
    re.DOTALL | re.IGNORECASE,
)
_ARTICLE_CELL_CHARS = 400
"""a cell of data is shorter, a column of an article longer"""
_VOID = (
    *("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param"),
    *("source", "track", "wbr", "basefont", "bgsound", "frame"),
)
_CLOSED_BY_THE_NEXT = (
    *("p", "li", "dt", "dd", "tr", "td", "th", "thead", "tbody", "tfoot", "colgroup", "caption"),
    *("option", "optgroup", "rp", "rt", "rb", "html", "head", "body"),
)
"""Elements whose end tag may be left out; many pages of them are long, few are deep."""
_UNNESTED = frozenset((*_VOID, *_CLOSED_BY_THE_NEXT))
_SPACES = re.compile(r"\s+")
_NOT_TEXT = re.compile("[\x00\ud800-\udfff]")


def is_deeper(html: str, max_depth: int) -> bool:
    """Whether elements are nested deeper than `max_depth`, by their tags alone."""
    if html.count("<") - html.count("</") <= max_depth:
        return False
    open_tags: list[str] = []
    n_open: dict[str, int] = {}
    for _, slash, tag in _TAG.findall(html):
        name = tag.lower()
        if not name or name in _UNNESTED:
            continue
        if not slash:
            open_tags.append(name)
            n_open[name] = n_open.get(name, 0) + 1
            if len(open_tags) > max_depth:
                return True
        elif n_open.get(name):
            closed = ""
            while closed != name:
                closed = open_tags.pop()
                n_open[closed] -= 1
    return False


def _extract_trafilatura(html: str) -> tuple[str, str]:
    from trafilatura import extract, load_html  # 0.5 s that resiliparse never pays

    tree = load_html(html)
    if tree is None:
        return "", ""
    title = tree.findtext(".//title") or ""
    text = extract(tree, include_comments=False, include_tables=True) or ""
    if _is_laid_out_by_tables(text):
        # the page is one big table: its cells hold the article, and as a table it loses its lines
        tree = load_html(html)
        plain = extract(tree, include_comments=False, include_tables=False) or ""
        if 2 * len(plain) >= len(text):
            return title, plain
    return title, text


def _is_laid_out_by_tables(text: str) -> bool:
    """Whether most of a text stands in table rows, one of them with a cell as long as an article."""
    rows = [line for line in text.splitlines() if line.startswith("|")]
    if 2 * sum(map(len, rows)) < len(text):
        return False
    return any(len(cell) >= _ARTICLE_CELL_CHARS for row in rows for cell in row.split("|"))


def _extract_resiliparse(html: str) -> tuple[str, str]:
    from resiliparse.extract.html2text import extract_plain_text
    from resiliparse.parse.html import HTMLTree

    tree = HTMLTree.parse(html)
    text = extract_plain_text(tree, main_content=True, comments=False)
    return tree.title or "", text


_EXTRACTORS = {"trafilatura": _extract_trafilatura, "resiliparse": _extract_resiliparse}


def warm_up(config: ExtractConfig) -> None:
    """Imports the extractor and runs it once, so that no page's deadline pays for it."""
    _EXTRACTORS[config.extractor]("<html><body><p>Warm.</p></body></html>")


def _clean(text: str) -> str:
    return _NOT_TEXT.sub("\ufffd", text.replace("\0", "")).strip()


def extract_page(
    body: bytes, http_charset: str, config: ExtractConfig, *, is_html: bool = True
) -> tuple[str, str, str, str]:
    """Outcome, charset, title and main text ("" unless the outcome is "page") of one body."""
    text, charset = decode_page(body, http_charset)
    if replacement_rate(text, body, charset) > config.max_replacement_rate:
        return "bad_charset", charset, "", ""
    title = ""
    if is_html:
        if is_deeper(text, config.max_depth):
            return "too_deep", charset, "", ""
        title, text = _EXTRACTORS[config.extractor](text)
    title = _SPACES.sub(" ", _clean(title))
    text = _clean(text)
    if len(text) < config.min_text_chars:
        return "no_text", charset, title, ""
    return "page", charset, title, text
