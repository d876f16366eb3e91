"""What a page says of itself: title, author, date, licence, canonical URL, links, opt-outs.

Read from the markup and its tags, not from a tree, so that every tier pays the same small price.
JSON-LD counts before <meta>, as its authors write it for machines. Opt-outs are the words that
forbid a use: robots' noindex, none, noai and noimageai, and TDM's reservation, in <meta> or in HTTP
headers (https://www.w3.org/community/reports/tdmrep/CG-FINAL-tdmrep-20240202/). Every pattern is
bounded, so time grows with the page's length alone. Cost: about 0.7 ms for 190 kB and 170 links.
"""

import html as entities
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from lmcore.crawl.tags import Tags

_ATTRIBUTE = re.compile(r"([a-zA-Z:-]{1,40})\s{0,9}=\s{0,9}(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'>]+))")
_TITLE = re.compile(r"<title\b[^>]{0,400}>(.{0,4000}?)</title", re.IGNORECASE | re.DOTALL)
_HREF = re.compile(
    r"<a\s[^>]{0,1000}?\bhref\s{0,9}=\s{0,9}(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'>]+))", re.IGNORECASE
)
_LICENCE_LINK = re.compile(r"<a\s[^>]{0,500}?\brel=[\"']?license[^>]{0,500}>", re.IGNORECASE)
_REL = re.compile(r"rel=[\"']?\Z", re.IGNORECASE)
_MAX_ANCHOR_CHARS = 520
_CREATIVE_COMMONS = re.compile(
    r"https?://creativecommons\.org/(?:licenses|publicdomain)/[a-z0-9./-]{1,40}", re.IGNORECASE
)
_ROOT = re.compile(r"https?://[a-z0-9.-]+(?::\d+)?(?=[/?#]|\Z)")
_PATH = r"(?:/(?!\.)[\w!$&'()*+,=:@%~.-]*)+(?:\?[\w!$&'()*+,=:@%~./?-]+)?"
_WHOLE_URL = re.compile(rf"https?://[A-Za-z0-9.-]+(?::\d+)?(?:{_PATH})?", re.ASCII)
_ROOTED_PATH = re.compile(rf"(?!//){_PATH}", re.ASCII)
"""Without dot segments, parameters, an empty query or anything that splitting would change."""
_BASE = "<base>"
"""Where the base URL stands among the links; no rel can be called that."""
_NO_DOCUMENTS = ("#", "javascript:", "mailto:")
_SPACES = re.compile(r"\s+")
_MAX_URL_CHARS = 2_000
_MAX_TAGS = 500
_MAX_TAG_BYTES = 4_000
_MAX_JSON_BYTES = 500_000
_MAX_JSON_BLOCKS = 10
_MAX_VALUE_CHARS = 1_000
_AUTHORS = (
    "author",
    "article:author",
    "parsely-author",
    "sailthru.author",
    "dc.creator",
    "citation_author",
)
_DATES = (
    *("article:published_time", "datepublished", "parsely-pub-date", "sailthru.date", "date"),
    *("dc.date", "dc.date.issued", "citation_publication_date", "pubdate", "og:published_time"),
)
_LICENCES = ("license", "dc.rights", "dcterms.license", "og:license", "cc:license")
_OPT_OUT_WORDS = frozenset(("noindex", "none", "noai", "noimageai"))
TDM_RESERVATION = "tdm-reservation"
TEXT_OPT_OUTS = frozenset(("noindex", "none", "noai", TDM_RESERVATION))
"""The signals that speak of text; noimageai speaks of pictures only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """What a page says of itself; "" where it says nothing."""

    title: str = ""
    author: str = ""
    published: str = ""
    licence: str = ""
    canonical_url: str = ""
    n_links: int = 0
    outlinks: tuple[str, ...] = ()
    opt_out: tuple[str, ...] = ()


def _tidy(value: str) -> str:
    return _SPACES.sub(" ", entities.unescape(value)).strip()[:_MAX_VALUE_CHARS]


def _attributes(tag: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, double, single, bare in _ATTRIBUTE.findall(tag):
        found.setdefault(name.lower(), double or single or bare)
    return found


def _read_tags(tags: Tags) -> tuple[dict[str, str], dict[str, str]]:
    """The first content of each <meta> name, and the first href of each <link> rel and of <base>."""
    meta: dict[str, str] = {}
    links: dict[str, str] = {}
    for place in tags.opening("meta", "link", "base")[:_MAX_TAGS]:
        tag = tags.text(place, _MAX_TAG_BYTES)
        attributes = _attributes(tag)
        if tag[1:2] in "bB" and attributes.get("href"):
            links.setdefault(_BASE, attributes["href"])
            continue
        name = attributes.get("name") or attributes.get("property") or attributes.get("itemprop")
        if name and "content" in attributes:
            name, content = name.strip().lower(), attributes["content"]
            meta[name] = (
                f"{meta[name]},{content}"
                if name == "robots" and name in meta
                else meta.get(name, content)
            )
        for rel in attributes.get("rel", "").lower().split():
            links.setdefault(rel, attributes.get("href", ""))
    return meta, links


def _json_objects(tags: Tags) -> Iterator[Mapping[str, object]]:
    """Every object of the page's JSON-LD, outer before inner; what is no JSON is passed over."""
    n_blocks = 0
    for place in tags.opening("script"):
        begin = tags.end(place, _MAX_TAG_BYTES)
        if b"application/ld+json" not in tags.data[place:begin].lower():
            continue
        n_blocks += 1
        end = tags.data.find(b"</script", begin)
        if n_blocks > _MAX_JSON_BLOCKS or not 0 < end - begin < _MAX_JSON_BYTES:
            return
        try:
            waiting: list[object] = [
                json.loads(tags.data[begin:end].decode("utf-8", "replace"), strict=False)
            ]
        except (ValueError, RecursionError):
            continue
        while waiting:
            entry = waiting.pop(0)
            if isinstance(entry, list):
                waiting += entry[:100]
            elif isinstance(entry, dict):
                yield entry
                graph = entry.get("@graph")
                waiting += graph[:100] if isinstance(graph, list) else []


def _name(value: object) -> str:
    """The name of a person or a list of them."""
    if isinstance(value, list):
        return ", ".join(filter(None, map(_name, value[:10])))
    if isinstance(value, dict):
        value = value.get("name")
    return value if isinstance(value, str) else ""


def _read_json(tags: Tags) -> dict[str, str]:
    found: dict[str, str] = {}
    for entry in _json_objects(tags):
        for key, name in (
            ("author", "author"),
            ("datePublished", "published"),
            ("license", "licence"),
        ):
            value = _name(entry.get(key))
            if not value and key == "license" and isinstance(entry.get(key), dict):
                value = _name(entry[key].get("url"))  # type: ignore[attr-defined]
            if value:
                found.setdefault(name, value)
    return found


def _read_licence_link(html: str) -> str:
    """The href of the first <a rel="license">."""
    place = html.find("license")
    while place >= 0:
        if _REL.search(html, max(0, place - 5), place):
            start = html.rfind("<", max(0, place - _MAX_ANCHOR_CHARS), place)
            anchor = _LICENCE_LINK.match(html, start) if start >= 0 else None
            if anchor:
                return _attributes(anchor[0]).get("href", "")
        place = html.find("license", place + 1)
    return ""


def _first(meta: Mapping[str, str], names: tuple[str, ...]) -> str:
    return next((meta[name] for name in names if meta.get(name)), "")


def _join_url(base: str, href: str) -> str:
    try:
        joined = urljoin(base, href)
        return joined if urlsplit(joined).scheme in ("http", "https") else ""
    except ValueError:
        return ""


def _join_plain(base: str, root: str, href: str) -> str:
    """What `_join_url` gives, without splitting where nothing but a plain URL or path stands."""
    if _WHOLE_URL.fullmatch(href):
        return href
    if root and _ROOTED_PATH.fullmatch(href):
        return root + href
    return _join_url(base, href)


def _root(base: str) -> str:
    """Scheme and host of a plain base; "" where a path cannot just be put behind them."""
    found = _ROOT.match(base)
    return found[0] if found else ""


def _read_links(html: str, base: str, most: int) -> tuple[int, tuple[str, ...]]:
    """How many links lead to other documents, and the first distinct of them."""
    n_links = 0
    distinct: dict[str, None] = {}
    seen: set[str] = set()
    root = _root(base)
    for double, single, bare in _HREF.findall(html):
        href = (double or single or bare).strip()
        if not href or (href[0] in "#jJmM" and href[:11].lower().startswith(_NO_DOCUMENTS)):
            continue
        n_links += 1
        if href not in seen and len(distinct) < most:
            seen.add(href)
            plain = href if "&" not in href else entities.unescape(href[:_MAX_URL_CHARS])
            url = _join_plain(base, root, plain[:_MAX_URL_CHARS].split("#", 1)[0])
            if url:
                distinct[url] = None
    return n_links, tuple(distinct)


def read_opt_outs(robots: str, tdm: str) -> set[str]:
    """The opt-out signals in a robots directive and a tdm-reservation value.

    A directive for one robot by name (`otherbot: noindex`) counts for that robot only.
    """
    found = {word for word in re.split(r"[\s,;]+", robots[:4000].lower()) if word in _OPT_OUT_WORDS}
    if tdm.strip() == "1":
        found.add(TDM_RESERVATION)
    return found


def read_header_opt_outs(headers: Mapping[bytes, bytes]) -> tuple[str, ...]:
    """The opt-out signals of HTTP headers, sorted."""
    robots = headers.get(b"x-robots-tag", b"").decode("latin-1")[:4000]
    plain = [part for part in robots.split(",") if ":" not in part or part.lstrip().startswith("*")]
    named = robots.lstrip().find(":")
    if named > 0 and robots.lstrip()[:named].strip(" *").isidentifier():
        plain = []  # the directives behind a robot's name are that robot's
    tdm = headers.get(TDM_RESERVATION.encode(), b"").decode("latin-1")
    return tuple(sorted(read_opt_outs(",".join(plain).replace("*:", ""), tdm)))


def read_metadata(html: str, tags: Tags, url: str, max_outlinks: int) -> Metadata:
    """What a page says of itself; `tags` are the page's."""
    meta, links = _read_tags(tags)
    stated = _read_json(tags)
    title = _TITLE.search(html)
    licence = stated.get("licence") or links.get("license") or _first(meta, _LICENCES)
    licence = licence or _read_licence_link(html)
    if not licence and "creativecommons.org/" in html:
        creative = _CREATIVE_COMMONS.search(html)
        licence = creative[0] if creative else ""
    base = _join_url(url, links[_BASE][:_MAX_URL_CHARS]) if _BASE in links else url
    n_links, outlinks = _read_links(html, base, max_outlinks)
    return Metadata(
        title=_tidy(title[1]) if title else "",
        author=_tidy(stated.get("author") or _first(meta, _AUTHORS)),
        published=_tidy(stated.get("published") or _first(meta, _DATES)),
        licence=_tidy(licence),
        canonical_url=_join_url(url, _tidy(links.get("canonical", "")))
        if links.get("canonical")
        else "",
        n_links=n_links,
        outlinks=outlinks,
        opt_out=tuple(sorted(read_opt_outs(meta.get("robots", ""), meta.get(TDM_RESERVATION, "")))),
    )
