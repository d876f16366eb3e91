"""Pages around a main text: themes, navigation, cookie banners, ads, scripts and footers.

A site (one host) has one theme, one style sheet and one menu, so that its boilerplate
lines repeat from page to page as they do on the web. A page has 5-20 kB.
"""

from dataclasses import dataclass
from functools import lru_cache
from html import escape
from random import Random

from lmcore.crawl.sample_document import Document
from lmcore.crawl.sample_grammar import words
from lmcore.crawl.sample_interface import INTERFACES, SITE_NAMES, Interface

Page = tuple[str, list[str]]
"""HTML and the boilerplate lines in it."""


@dataclass(frozen=True, slots=True)
class Site:
    """A host and what is the same on all its pages."""

    host: str
    name: str
    language: str
    theme: str

    @property
    def interface(self) -> Interface:
        """The menu and notices in the language of the site."""
        return INTERFACES[self.language]


_CSS = (
    ".{a}-{b}{{margin:0 auto;padding:{n}px {m}px;max-width:{k}px}}",
    ".{a} .{b}{{display:flex;flex-wrap:wrap;gap:{n}px;align-items:center}}",
    "@media (max-width:{k}px){{.{a}{{display:none}}.{b}{{width:100%;float:none}}}}",
    ".{a}:hover,.{b}:focus{{color:#{n}{m}a;text-decoration:underline;transition:color .{n}s}}",
    "#{a}{{position:fixed;bottom:0;left:0;right:0;z-index:{k};background:#f{n}f{m}f0}}",
    ".{a}>li{{list-style:none;border-bottom:1px solid #e{n}e{m};line-height:1.{n}}}",
)
_CSS_NAMES = words(
    "header nav menu logo main content sidebar widget footer card grid row col btn banner cookie share tags meta author hero promo"
)
_JS = (
    "window.dataLayer=window.dataLayer||[];function gtag(){{dataLayer.push(arguments);}}gtag('js',new Date());gtag('config','G-{k}{n}{m}');",
    "(function(w,d){{var s=d.createElement('script');s.async=1;s.src='https://cdn.{host}/t{n}.js?v={k}';d.head.appendChild(s);}})(window,document);",
    "document.addEventListener('DOMContentLoaded',function(){{var m=document.querySelector('.menu-toggle');if(m){{m.onclick=function(){{document.body.classList.toggle('open-{n}');}};}}}});",
    "var consent=localStorage.getItem('consent-{k}');if(!consent){{document.documentElement.className+=' needs-consent';}}else{{try{{JSON.parse(consent)}}catch(e){{}}}}",
    "var adslots={{top:{{w:{k},h:{m}}},side:{{w:300,h:{n}50}}}};for(var k in adslots){{if(window.innerWidth<{k}&&k==='side'){{delete adslots[k];}}}}",
    "function lazy(){{var i,imgs=document.getElementsByTagName('img');for(i=0;i<imgs.length;i++){{if(imgs[i].getAttribute('data-src-{n}')){{imgs[i].src=imgs[i].getAttribute('data-src-{n}');}}}}}}window.onload=lazy;",
)


def _fill(rng: Random, templates: tuple[str, ...], n_chars: int, host: str) -> str:
    out: list[str] = []
    size = 0
    while size < n_chars:
        text = rng.choice(templates).format(
            a=rng.choice(_CSS_NAMES), b=rng.choice(_CSS_NAMES), n=rng.randint(1, 9),
            m=rng.randint(10, 99), k=rng.randint(320, 9999), host=host,
        )  # fmt: skip
        out.append(text)
        size += len(text)
    return "\n".join(out)


@lru_cache(maxsize=512)
def _assets(site: Site) -> tuple[str, str]:
    """Style sheet and scripts of a site, 2-9 kB together."""
    rng = Random(f"assets:{site.host}")
    return (
        _fill(rng, _CSS, rng.randint(1200, 5000), site.host),
        _fill(rng, _JS, rng.randint(800, 4000), site.host),
    )


@lru_cache(maxsize=512)
def _menu(site: Site) -> tuple[str, ...]:
    rng = Random(f"menu:{site.host}")
    return tuple(rng.sample(site.interface.menu, 6))


def _frame(site: Site, rng: Random) -> tuple[dict[str, str], list[str]]:
    """HTML fragments around the main text by place, and the lines they hold."""
    ui = site.interface
    menu = _menu(site)
    lines = [*menu]
    links = "".join(
        f'<li class="menu-item"><a href="/{i}/">{escape(t)}</a></li>\n' for i, t in enumerate(menu)
    )
    parts = {"nav": f'<nav class="nav" role="navigation"><ul class="menu">\n{links}</ul></nav>'}
    cookie = ui.cookies[len(site.host) % len(ui.cookies)]
    parts["cookie"] = (
        f'<div id="cookie-banner" class="cookie-consent" role="dialog"><p>{escape(cookie)}</p>'
        f'<button type="button">{escape(ui.accept)}</button></div>'
    )
    related = rng.sample(ui.related, min(4, len(ui.related)))
    items = "".join(
        f'<li><a href="/p/{rng.randint(100, 9999)}">{escape(t)}</a></li>\n' for t in related
    )
    parts["aside"] = (
        f'<aside class="sidebar widget-area"><h3>{escape(ui.related_heading)}</h3><ul class="related">\n{items}</ul></aside>'
    )
    footer = f"© 2026 {site.name}. {ui.rights}"
    legal = " ".join(f'<a href="/legal/{i}">{escape(t)}</a>' for i, t in enumerate(ui.legal))
    parts["footer"] = (
        f'<footer class="site-footer" id="footer"><p class="copyright">{escape(footer)}</p><div class="legal">{legal}</div></footer>'
    )
    ad = rng.choice(ui.ads)
    parts["ad"] = (
        f'<div class="ad-slot advertisement" data-slot="{rng.randint(1000, 9999)}"><span class="ad-label">{escape(ui.ad_label)}</span> <a href="https://ads.example/c?id={rng.randint(10**6, 10**7)}" rel="sponsored">{escape(ad)}</a></div>'
    )
    parts["newsletter"] = (
        f'<div class="newsletter-signup"><form action="/subscribe" method="post"><label>{escape(ui.newsletter)}</label><input type="text" name="q"><button>OK</button></form></div>'
    )
    lines += [
        cookie,
        ui.accept,
        ui.related_heading,
        *related,
        footer,
        *ui.legal,
        ui.ad_label,
        ad,
        ui.newsletter,
    ]
    return parts, lines


def _head(site: Site, title: str, meta_charset: str | None, rng: Random) -> str:
    css, js = _assets(site)
    declared = ""
    if meta_charset:
        declared = (
            f'<meta charset="{meta_charset}">'
            if rng.random() < 0.7
            else f'<meta http-equiv="Content-Type" content="text/html; charset={meta_charset}">'
        )
    return (
        f"<head>\n{declared}\n<title>{escape(title)} - {escape(site.name)}</title>\n"
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta name="description" content="{escape(title)}">\n'
        f'<link rel="canonical" href="https://{site.host}/">\n<style>\n{css}\n</style>\n<script>\n{js}\n</script>\n</head>'
    )


def _blocks(document: Document, after: dict[int, str]) -> str:
    """The main text as HTML; `after` maps a block's index to what follows it (an ad)."""
    out = []
    open_list = False
    for i, (tag, text) in enumerate(document.blocks):
        if open_list and tag != "li":
            out.append("</ul>")
            open_list = False
        if tag == "li" and not open_list:
            out.append("<ul>")
            open_list = True
        out.append(f"<{tag}>{escape(text, quote=False)}</{tag}>")
        if i in after:
            out.append(after[i])
    if open_list:
        out.append("</ul>")
    return "\n".join(out)


def _comment(rng: Random) -> str:
    return f"<!-- {rng.choice(('cache hit', 'begin main', 'widget zone', 'served by node', 'template v'))} {rng.randint(1, 999)} -->"


def _article(site: Site, document: Document, parts: dict[str, str], rng: Random) -> str:
    middle = max(0, len(document.blocks) // 2 - 1)
    body = _blocks(document, {middle: parts["ad"]} if rng.random() < 0.4 else {})
    title = escape(document.title)
    if site.theme == "blog":
        return (
            f'<div id="page" class="site"><header class="site-header"><div class="logo"><a href="/">{escape(site.name)}</a></div>{parts["nav"]}</header>\n'
            f'{_comment(rng)}\n<div id="content" class="site-content"><article class="post type-post"><header class="entry-header"><h1 class="entry-title">{title}</h1></header>\n'
            f'<div class="entry-content">\n{body}\n</div></article></div>\n{parts["aside"]}\n{parts["newsletter"]}</div>'
        )
    if site.theme == "news":
        return (
            f'<header class="masthead"><a class="brand" href="/">{escape(site.name)}</a>{parts["nav"]}</header>\n{parts["ad"]}\n'
            f'<main role="main"><div class="story"><h1 class="headline">{title}</h1>\n<div class="article-body">\n{body}\n</div></div></main>\n{parts["aside"]}{parts["newsletter"]}'
        )
    if site.theme == "wiki":
        return (
            f'<div id="mw-head">{parts["nav"]}</div>\n<div id="content" class="mw-body"><h1 id="firstHeading">{title}</h1>\n'
            f'<div id="bodyContent"><div id="mw-content-text" class="mw-parser-output">\n{body}\n</div></div></div>\n{_comment(rng)}\n<div id="mw-panel">{parts["aside"]}</div>'
        )
    return (  # an old page: layout by table
        f'<table width="100%" border="0" cellpadding="4"><tr><td colspan="2" bgcolor="#ddeeff"><b>{escape(site.name)}</b></td></tr>\n'
        f'<tr><td width="160" valign="top">{parts["nav"]}{parts["ad"]}</td><td valign="top">\n<h1>{title}</h1>\n{body}\n</td></tr></table>'
    )


def _forum(
    site: Site, document: Document, parts: dict[str, str], rng: Random
) -> tuple[str, list[str]]:
    posts, lines = [], []
    for i, (_, text) in enumerate(document.blocks):
        author = document.authors[i % len(document.authors)]
        rank = f"Joined {rng.choice(('January', 'March', 'June', 'October'))} {rng.randint(2009, 2024)}, posts: {rng.randint(3, 4800)}"
        lines += [author, rank]
        posts.append(
            f'<div class="post" id="p{rng.randint(10**5, 10**6)}"><div class="post-author"><a href="/user/{i}">{escape(author)}</a><span class="post-rank">{rank}</span></div>'
            f'<div class="post-content"><p>{escape(text, quote=False)}</p></div><div class="post-actions"><a href="#">Reply</a> <a href="#">Quote</a></div></div>'
        )
    lines += ["Reply", "Quote"]
    body = "\n".join(posts)
    return (
        f'<div id="header">{escape(site.name)} {parts["nav"]}</div>\n<div id="main" class="thread"><h1 class="thread-title">{escape(document.title)}</h1>\n{body}\n</div>\n{parts["aside"]}',
        lines,
    )


def _shop(
    site: Site, document: Document, parts: dict[str, str], rng: Random
) -> tuple[str, list[str]]:
    price = f"${rng.randint(5, 240)}.{rng.choice(('00', '49', '90', '99'))}"
    stock = rng.choice(("In stock", "Ships within two days", "Only a few left"))
    body = (
        f'<header class="shop-header"><a href="/">{escape(site.name)}</a>{parts["nav"]}</header>\n<main><div class="product"><div class="gallery"><img src="/img/{rng.randint(1, 999)}.jpg" alt=""></div>\n'
        f'<h1 class="product-title">{escape(document.title)}</h1><div class="buy-box"><span class="price">{price}</span> <span class="stock">{stock}</span> <button>Add to cart</button></div>\n'
        f'<div class="product-description">\n{_blocks(document, {})}\n</div></div></main>\n{parts["aside"]}'
    )
    return body, [price, stock, "Add to cart"]


def render(site: Site, document: Document, meta_charset: str | None, rng: Random) -> Page:
    """The HTML of a page and its boilerplate lines."""
    parts, lines = _frame(site, rng)
    lines.append(site.name)
    if site.theme == "forum":
        body, more = _forum(site, document, parts, rng)
    elif site.theme == "shop":
        body, more = _shop(site, document, parts, rng)
    else:
        body, more = _article(site, document, parts, rng), []
    _, js = _assets(site)
    html = (
        f'<!DOCTYPE html>\n<html lang="{site.language}">\n{_head(site, document.title, meta_charset, rng)}\n'
        f'<body class="page-{rng.randint(1, 9999)}">\n{body}\n{parts["cookie"]}\n{parts["footer"]}\n'
        f"<script>/* {rng.getrandbits(64):016x} */\n{js[: rng.randint(200, 2500)].rpartition(chr(10))[0]}\n</script>\n</body>\n</html>\n"
    )
    return html, [line for line in lines + more if escape(line) in html]


_THEMES = ("blog", "news", "wiki", "old", "blog", "news")
_SECTIONS = ("www", "blog", "news", "read", "my")


@lru_cache(maxsize=512)
def site_for(language: str, theme: str, k: int) -> Site:
    """The k-th site of a language for a theme; theme "article" stands for any of four layouts."""
    rng = Random(f"site:{language}:{theme}:{k}")
    names = SITE_NAMES[language]
    name = names[k % len(names)]
    layout = _THEMES[k % len(_THEMES)] if theme == "article" else theme
    slug = "".join(c for c in name.lower() if c.isascii() and c.isalnum()) or f"site{k}"
    host = f"{rng.choice(_SECTIONS)}.{slug}-{theme[:2]}{k}.example"
    return Site(host, name, language, layout)
