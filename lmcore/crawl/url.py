"""URLs as archives hold them: raw bytes, odd brackets, any case.

`canonical` says when two URLs name one page: host and scheme in lower case, no default port, no
fragment, no tracking parameters. It never raises: a URL that cannot be split is returned as it is.
"""

import re
from urllib.parse import SplitResult, urlsplit, urlunsplit

_DEFAULT_PORTS = {"http": 80, "https": 443, "ftp": 21}
_TRACKING = re.compile(
    r"^(?:utm_\w+|fbclid|gclid|dclid|msclkid|mc_[ce]id|igshid|yclid|_ga|_gl"
    r"|phpsessid|jsessionid|sid|sessionid)$",
    re.IGNORECASE,
)
_SESSION_PATH = re.compile(r";jsessionid=[^/?#]*", re.IGNORECASE)
_NOT_UTF8 = re.compile("[\udc80-\udcff]")


def from_bytes(raw: bytes) -> str:
    """The URL of a record header: brackets and blanks stripped, stray bytes percent-encoded."""
    text = raw.strip().decode("utf-8", "surrogateescape")
    if text.startswith("<") and text.endswith(">"):
        text = text[1:-1].strip()
    return _NOT_UTF8.sub(lambda match: f"%{ord(match.group()) - 0xDC00:02X}", text)


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.port  # a port that is no number raises here
    except ValueError:
        return None
    return parts


def host(url: str) -> str:
    """The host in lower case, without user, port and trailing dot; "" where there is none."""
    parts = _split(url)
    return (parts.hostname or "").rstrip(".") if parts else ""


def is_robots_txt(url: str) -> bool:
    """Whether the URL is a host's robots.txt."""
    parts = _split(url)
    return parts is not None and parts.path.lower() == "/robots.txt"


def canonical(url: str) -> str:
    """One spelling for all URLs that name the same page."""
    parts = _split(url.strip())
    if parts is None or not parts.hostname:
        return url.strip()
    name = parts.hostname.rstrip(".")
    if ":" in name:
        name = f"[{name}]"
    port = parts.port
    if port is not None and port != _DEFAULT_PORTS.get(parts.scheme):
        name = f"{name}:{port}"
    query = "&".join(
        pair
        for pair in parts.query.split("&")
        if pair and not _TRACKING.match(pair.partition("=")[0])
    )
    path = _SESSION_PATH.sub("", parts.path) or "/"
    return urlunsplit((parts.scheme, name, path, query, ""))
