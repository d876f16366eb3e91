"""From a kind and a number to a captured page: text, site, HTML, charset, encoding, truth.

The k-th page of a kind depends on the seed, the kind and k, never on how many pages
there are; duplicates name the page they copy in the same way.
"""

from dataclasses import dataclass
from random import Random

from lmcore.crawl.sample_document import Document
from lmcore.crawl.sample_duplicates import TARGETS, make_near_duplicate
from lmcore.crawl.sample_html import Site, render, site_for
from lmcore.crawl.sample_languages import write_foreign
from lmcore.crawl.sample_private import Planted, plant
from lmcore.crawl.sample_texts import WRITERS
from lmcore.crawl.sample_wire import Capture, Truth, chunk, encode_content, http_head

GOOD_KINDS = ("story", "article", "encyclopedia", "qa", "forum", "product")
LOW_KINDS = ("spam", "abuse", "short")

_SITES = {
    "story": 14,
    "article": 20,
    "encyclopedia": 8,
    "qa": 8,
    "forum": 7,
    "product": 7,
    "spam": 12,
    "abuse": 5,
    "short": 6,
}
_THEMES = {"forum": "forum", "product": "shop", "abuse": "forum"}

Charset = tuple[str | None, str | None, str]
"""What the HTTP header declares, what the page declares, and the truth."""

_CHARSETS: dict[str, tuple[tuple[float, Charset], ...]] = {
    "en": (
        (0.70, ("utf-8", "utf-8", "utf-8")), (0.08, ("UTF-8", None, "utf-8")), (0.08, (None, "utf-8", "utf-8")),
        (0.04, (None, None, "utf-8")), (0.05, ("iso-8859-1", None, "iso-8859-1")), (0.05, ("windows-1252", "windows-1252", "windows-1252")),
    ),
    "western": (
        (0.45, ("utf-8", "utf-8", "utf-8")), (0.10, (None, "utf-8", "utf-8")), (0.15, ("iso-8859-1", "iso-8859-1", "iso-8859-1")),
        (0.10, (None, "windows-1252", "windows-1252")), (0.10, (None, None, "windows-1252")),
        (0.05, ("utf-8", None, "windows-1252")), (0.05, ("iso-8859-1", "utf-8", "utf-8")),
    ),
    "pl": (
        (0.6, ("utf-8", "utf-8", "utf-8")), (0.2, ("iso-8859-2", "iso-8859-2", "iso-8859-2")), (0.2, (None, "windows-1250", "windows-1250")),
    ),
    "ru": (
        (0.4, ("utf-8", "utf-8", "utf-8")), (0.2, ("windows-1251", "windows-1251", "windows-1251")), (0.15, ("koi8-r", None, "koi8-r")),
        (0.1, (None, None, "windows-1251")), (0.1, (None, "koi8-r", "koi8-r")), (0.05, ("utf-8", None, "windows-1251")),
    ),
    "zh": (
        (0.5, ("utf-8", "utf-8", "utf-8")), (0.3, ("gb18030", None, "gb18030")), (0.1, (None, "gb2312", "gb18030")), (0.1, (None, None, "gb18030")),
    ),
    "ja": (
        (0.5, ("utf-8", "utf-8", "utf-8")), (0.25, ("shift_jis", "shift_jis", "shift_jis")), (0.15, (None, "euc-jp", "euc-jp")), (0.1, (None, None, "shift_jis")),
    ),
}  # fmt: skip

_PLANTED_SHARE = 0.15
_TYPOGRAPHIC_SHARE = 0.06


@dataclass(frozen=True, slots=True)
class PageKey:
    """Names one page: the kind (or "exact", "near", or a language) and its number."""

    kind: str
    k: int


def _stream(seed: int, purpose: str, key: PageKey) -> Random:
    return Random(f"{seed}:{purpose}:{key.kind}:{key.k}")


_GOLDEN = 0.6180339887
"""Multiples of the golden ratio modulo 1 spread evenly: rare charsets occur in small crawls, too."""


def _draw_charset(seed: int, key: PageKey, language: str) -> Charset:
    table = _CHARSETS[
        "en" if language == "la" else language if language in _CHARSETS else "western"
    ]
    point = (_stream(seed, "charset", PageKey(key.kind, 0)).random() + key.k * _GOLDEN) % 1
    for share, charset in table:
        point -= share
        if point < 0:
            return charset
    return table[0][1]


def _curly(text: str) -> str:
    """Typographic quotes and apostrophes."""
    out, is_open = [], False
    for char in text:
        if char == '"':
            out.append("”" if is_open else "“")
            is_open = not is_open
        else:
            out.append("’" if char == "'" else char)
    return "".join(out)


def duplicate_base(key: PageKey) -> PageKey:
    """The page that an exact or near duplicate copies; no page is copied by both kinds."""
    if key.kind == "exact":  # every third group has two copies
        group, third = divmod(key.k, 4)
        n = group * 3 + (third if third < 3 else 2)
        return PageKey(("encyclopedia", "qa")[n % 2], n // 2)
    return PageKey(("story", "article")[key.k % 2], key.k // 2)


def document_of(seed: int, key: PageKey) -> tuple[Document, Planted]:
    """The main text of a page that is no duplicate, and the personal data in it."""
    rng = _stream(seed, "text", key)
    if key.kind not in WRITERS:
        return write_foreign(key.kind, rng), Planted()
    document = WRITERS[key.kind](rng)
    planted = Planted()
    if (
        key.kind in GOOD_KINDS
        and rng.random() < _PLANTED_SHARE
        and any(tag == "p" for tag, _ in document.blocks)
    ):
        planted = plant(document, rng)
    if key.kind in GOOD_KINDS and rng.random() < _TYPOGRAPHIC_SHARE:
        document.blocks = [(tag, _curly(text)) for tag, text in document.blocks]
    return document, planted


def _site(key: PageKey, kind: str) -> Site:
    language = "en" if kind in WRITERS else kind
    n = _SITES.get(kind, 4)
    return site_for(language, _THEMES.get(kind, "article"), (key.k * 7 + key.k // n) % n)


def url_of(key: PageKey) -> str:
    """The address of a page."""
    kind = duplicate_base(key).kind if key.kind in ("exact", "near") else key.kind
    site = _site(key, kind)
    suffix = {"exact": "/print", "near": "/update"}.get(key.kind, "")
    return f"https://{site.host}/{kind}/{key.k // 10 + 100}/{key.k:05d}{suffix}"


def _truth(seed: int, key: PageKey) -> tuple[Truth, Document, str]:
    """Truth row, main text and the kind that decides the layout."""
    if key.kind in ("exact", "near"):
        base = duplicate_base(key)
        document, planted = document_of(seed, base)
        truth = Truth(
            url_of(key), base.kind, "page", language="en", is_high_quality=True, is_toxic=False
        )
        truth.duplicate_of, truth.duplicate_kind, truth.jaccard = url_of(base), key.kind, 1.0
        kind = base.kind
        if key.kind == "near":
            target = TARGETS[(key.k // 2) % len(TARGETS)]
            donor = WRITERS["story"](_stream(seed, "donor", key))
            document, truth.jaccard = make_near_duplicate(
                document, donor, target, _stream(seed, "edits", key)
            )
    else:
        document, planted = document_of(seed, key)
        kind = key.kind
        truth = Truth(url_of(key), kind, "page", language=document.language)
        if kind in WRITERS:
            truth.is_high_quality = kind in GOOD_KINDS
            truth.is_toxic = kind == "abuse"
        else:
            truth.page_type = "article"
        if kind == "short":
            truth.expected_outcome = "page|no_text"
    text = document.main_text
    truth.main_text = text
    truth.emails = [x for x in planted.emails if x in text]
    truth.phones = [x for x in planted.phones if x in text]
    truth.ips = [x for x in planted.ips if x in text]
    return truth, document, kind


def capture_page(seed: int, key: PageKey, *, plain: bool = False) -> Capture:
    """A page as it came over the wire; `plain` leaves out charset and encoding adventures."""
    truth, document, kind = _truth(seed, key)
    rng = _stream(seed, "wire", key)
    header, meta, charset = (
        ("utf-8", "utf-8", "utf-8")
        if plain
        else _draw_charset(seed, key, document.language or "en")
    )
    html, lines = render(_site(key, kind), document, meta, rng)
    body = html.encode(charset, errors="xmlcharrefreplace")
    truth.charset_declared, truth.charset_true, truth.boilerplate = header or meta, charset, lines
    headers = [
        ("Date", "Thu, 01 Jan 2026 00:00:00 GMT"),
        ("Server", rng.choice(("nginx", "Apache/2.4", "cloudfront", "LiteSpeed"))),
        ("Content-Type", "text/html" + (f"; charset={header}" if header else "")),
        ("Vary", "Accept-Encoding"),
    ]
    draw = rng.random()
    encoding = (
        None
        if plain
        else "gzip"
        if draw < 0.2
        else "br"
        if draw < 0.28
        else "deflate"
        if draw < 0.33
        else None
    )
    if encoding:
        truth.content_encoding = encoding
        body = encode_content(body, encoding)
        headers.append(("Content-Encoding", encoding))
    if not plain and rng.random() < 0.2:
        body = chunk(body, rng)
        headers.append(("Transfer-Encoding", "chunked"))
    else:
        headers.append(("Content-Length", str(len(body))))
    return Capture(truth, http_head("200 OK", headers), body)
