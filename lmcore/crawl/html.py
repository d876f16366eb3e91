"""One body to one page: HTML, plain text or PDF.

What could hold a parser is dealt with before one sees the page: nesting is measured (20,000 nested
elements keep resiliparse's for 14 s in C code that no signal interrupts). Comments off, tables on. Nothing here depends on the date, on the order of sets
(children run with PYTHONHASHSEED=0) or on pages before. The text is found by tiers.py.
"""

import re
from collections.abc import Sequence
from dataclasses import fields, replace

from lmcore.crawl.charset import decode_page, replacement_rate
from lmcore.crawl.config import ExtractConfig
from lmcore.crawl.formulas import write_formulas
from lmcore.crawl.metadata import TEXT_OPT_OUTS, Metadata, read_metadata
from lmcore.crawl.pdf import extract_pdf
from lmcore.crawl.record import PAGE, Page
from lmcore.crawl.tags import UNNESTED, Tags
from lmcore.crawl.tiers import extract_text

_TAG = re.compile(rb"<(/?)([a-z][^\s/>]*)")
_RAW_TEXT = re.compile(rb"<(?:!--|(script|style|textarea|title|xmp|iframe)\b)")
"""what looks like tags in here is none; unclosed, these run to the end, as in a browser"""
_UNNESTED = frozenset(name.encode() for name in UNNESTED)
_SPACES = re.compile(r"\s+")
_NOT_TEXT = re.compile("[\ud800-\udfff]")
_SAID = tuple(field.name for field in fields(Metadata))


def _without_raw_text(markup: bytes) -> bytes:
    """Markup in lower case without comments and what scripts, styles and their like hold."""
    pieces, place = [], 0
    while found := _RAW_TEXT.search(markup, place):
        pieces.append(markup[place : found.start()])
        place = markup.find(b"</" + found[1] if found[1] else b"-->", found.end())
        if place < 0:
            return b"".join(pieces)
    return b"".join([*pieces, markup[place:]])


def is_deeper(html: str, max_depth: int) -> bool:
    """Whether elements are nested deeper than `max_depth`: whether the stack of open tags is."""
    open_tags: list[bytes] = []
    n_open: dict[bytes, int] = {}
    for slash, name in _TAG.findall(_without_raw_text(html.encode("utf-8", "replace").lower())):
        if name in _UNNESTED:
            continue
        if not slash:
            open_tags.append(name)
            n_open[name] = n_open.get(name, 0) + 1
            if len(open_tags) > max_depth:
                return True
        elif n_open.get(name):
            closed = b""
            while closed != name:
                closed = open_tags.pop()
                n_open[closed] -= 1
    return False


def warm_up(config: ExtractConfig) -> None:
    """Imports the extractors and runs them once, so that no page's deadline pays for it."""
    for tier in set(config.tiers.values()):
        extract_text("<html><body><p>Warm.</p></body></html>", "", replace(config, tier=tier))


def _clean(text: str) -> str:
    if text.isascii() and "\0" not in text:
        return text.strip()
    return _NOT_TEXT.sub("\ufffd", text.replace("\0", "")).strip()


def _tidy(text: str) -> str:
    return _SPACES.sub(" ", _clean(text))


def _read_html(html: str, tags: Tags, url: str, config: ExtractConfig, found: Page) -> Page:
    if tags.may_be_deeper(config.max_depth) and is_deeper(html, config.max_depth):
        return replace(found, outcome="too_deep")
    about = read_metadata(html, tags, url, config.max_outlinks)
    page_type, tier, text = extract_text(write_formulas(html, tags), url, config)
    said = {name: getattr(about, name) for name in _SAID}
    return replace(found, page_type=page_type, tier=tier, text=text, **said)


def _read(body: bytes, http_charset: str, url: str, kind: str, config: ExtractConfig) -> Page:
    if kind == "pdf":
        return extract_pdf(body, config.max_pdf_pages)
    text, charset, source = decode_page(body, http_charset)
    found = Page(outcome=PAGE, charset=charset, charset_source=source)
    if replacement_rate(text, body, charset) > config.max_replacement_rate:
        return replace(found, outcome="bad_charset")
    if kind == "html":
        data = body if charset == "utf-8" else text.encode("utf-8", "replace")
        return _read_html(text, Tags(data), url, config, found)
    return replace(found, page_type="text", text=text)


def extract_page(
    body: bytes,
    http_charset: str,
    config: ExtractConfig,
    *,
    url: str = "",
    kind: str = "html",
    opt_out: Sequence[str] = (),
) -> Page:
    """What one body is: outcome, text and what it says of itself.

    `kind` is html, text or pdf; `opt_out` are the signals of its HTTP headers.
    """
    found = _read(body, http_charset, url, kind, config)
    found = replace(
        found,
        title=_tidy(found.title),
        author=_tidy(found.author),
        opt_out=tuple(sorted({*found.opt_out, *opt_out})),
        text=_clean(found.text),
    )
    if found.outcome != PAGE:
        return replace(found, text="")
    if config.respect_opt_out and TEXT_OPT_OUTS & set(found.opt_out):
        return replace(found, outcome="opt_out", text="")
    if len(found.text) < config.min_text_chars:
        return replace(found, outcome="no_text", text="")
    return found
