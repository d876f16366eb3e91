"""Bytes of a page to text: byte order mark, HTTP header, <meta>, then a detector; each on trial.

The order is the HTML standard's (https://html.spec.whatwg.org/#determining-the-character-encoding),
but declarations on the web are often wrong, so a declaration counts only as long as the bytes bear
it out: valid UTF-8 beats any legacy label (text in another charset is not UTF-8 by accident), a
label under which bytes do not decode goes to the next candidate, and "latin-1" over text whose
letters are mostly accented is somebody else's script. Labels follow the Encoding Standard's aliases
(latin-1 is windows-1252). Cost: one strict UTF-8 pass for most pages, about 0.1 ms for 150 kB.
"""

import codecs
import re
from collections.abc import Iterator

from resiliparse.parse.encoding import detect_encoding, map_encoding_to_html5

_META_BYTES = 1 << 14
_META = re.compile(
    rb"<meta\b[^>]{0,400}?charset\s*=\s*[\"']?\s*([A-Za-z0-9_.:-]{2,40})"
    rb"|<\?xml\b[^>]{0,200}?encoding\s*=\s*[\"']([A-Za-z0-9_.:-]{2,40})",
    re.IGNORECASE,
)
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16le"),
    (codecs.BOM_UTF16_BE, "utf-16be"),
)
_CODECS = {
    "windows-1252": "cp1252", "windows-1250": "cp1250", "windows-1251": "cp1251",
    "windows-1253": "cp1253", "windows-1254": "cp1254", "windows-1255": "cp1255",
    "windows-1256": "cp1256", "windows-1257": "cp1257", "windows-1258": "cp1258",
    "windows-874": "cp874", "gbk": "gb18030", "shift_jis": "cp932", "euc-kr": "cp949",
    "big5": "big5hkscs", "utf-16le": "utf-16-le", "utf-16be": "utf-16-be",
    "macintosh": "mac-roman", "x-mac-cyrillic": "mac-cyrillic",
}  # fmt: skip
"""Python's codec for a name of the Encoding Standard, where they differ."""
_NAMES = {
    "cp1252": "windows-1252", "cp1250": "windows-1250", "cp1251": "windows-1251",
    "cp1253": "windows-1253", "cp1254": "windows-1254", "cp1255": "windows-1255",
    "cp1256": "windows-1256", "cp1257": "windows-1257", "cp1258": "windows-1258",
    "iso8859-11": "windows-874", "euc_kr": "euc-kr", "euc_jp": "euc-jp",
    "iso2022_jp": "iso-2022-jp", "mac-roman": "macintosh", "mac-cyrillic": "x-mac-cyrillic",
    "utf-16-le": "utf-16le", "utf-16-be": "utf-16be",
}  # fmt: skip
"""The Encoding Standard's name for resiliparse's."""
_ALIASES = {
    "latin-1": "latin1",
    "utf-8-sig": "utf-8",
    "utf-8859-1": "iso-8859-1",
    "win-1251": "windows-1251",
}
_MULTIBYTE = frozenset({"gbk", "gb18030", "big5", "shift_jis", "euc-jp", "euc-kr"})
_TRIALS = ("euc-kr", "shift_jis", "euc-jp", "gb18030", "big5")
_HANGUL, _KANA = re.compile("[가-힣]"), re.compile("[ぁ-ヿ]")
_HIGH = re.compile("[^\x00-\x7f]+")
_ACCENTED = re.compile("[À-ÖØ-öø-ÿ]")
_LETTER = re.compile("[A-Za-z]")
_CONTROLS = bytes(set(range(32)) - set(b"\t\n\f\r\x1b"))
"""Escape introduces the shifts of iso-2022-jp."""
_MAX_BAD_SHARE = 0.1
_MAX_ACCENTED_SHARE = 0.4
"""Accented letters among all letters of the text: French has .05, Vietnamese .25; a Cyrillic page
read as windows-1252 passes .6 outside its markup."""
_MIN_HIGH_BYTES = 8
"""Fewer non-ASCII bytes than this are valid UTF-8 by accident in a Chinese charset."""


def standard_name(label: str) -> str:
    """The Encoding Standard's name for a label; "" for labels it does not know."""
    label = label.strip().strip("\"'").lower()
    label = _ALIASES.get(label, label)
    found = map_encoding_to_html5(label, fallback_utf8=False)
    if found is None:
        return ""
    return _NAMES.get(found, found).replace("iso8859-", "iso-8859-")


def _decode(body: bytes, name: str) -> str:
    return body.decode(_CODECS.get(name, name), "replace")


def declared_in_markup(body: bytes) -> str:
    """The charset that <meta> or the XML declaration names in the first 16 KiB; "" without one."""
    found = _META.search(body[:_META_BYTES])
    if found is None:
        return ""
    name = standard_name((found[1] or found[2]).decode("latin-1"))
    return "utf-8" if name.startswith("utf-16") else name  # it was read as ASCII, so it is not


def _is_plausible(text: str, body: bytes, name: str) -> bool:
    """Whether the bytes bear the charset out."""
    n_bad = text.count("\ufffd")
    if name == "utf-8":
        n_bad -= body.count(b"\xef\xbf\xbd")
    if name.startswith("utf-16"):
        return body.count(b"\0") > len(body) // 10 and n_bad <= len(text) * _MAX_BAD_SHARE
    n_high = sum(map(len, _HIGH.findall(text)))
    if not n_high:
        return True
    if name == "utf-8":  # one valid sequence speaks louder than one stray byte
        return n_bad <= n_high - n_bad
    if n_bad > n_high * _MAX_BAD_SHARE:
        return False
    if name == "windows-1252":
        n_accented = len(_ACCENTED.findall(text))
        words = re.sub(r"<[^>]*>", " ", text) if n_accented > 20 else ""
        if words:
            n_accented = len(_ACCENTED.findall(words))
            n_letters = n_accented + len(_LETTER.findall(words))
            return n_accented <= n_letters * _MAX_ACCENTED_SHARE
    return True


def _candidates(body: bytes, http_charset: str) -> Iterator[tuple[str, str]]:
    """Charsets to try, and who names each."""
    yield (standard_name(http_charset) if http_charset else ""), "http"
    yield declared_in_markup(body), "meta"
    detected = detect_encoding(body)
    if detected and detected != "cp1258":  # rare without a declaration, and often guessed for Latin
        yield standard_name(detected), "detector"
    for name in _TRIALS:
        text = _decode(body, name)
        n_high = sum(map(len, _HIGH.findall(text)))
        n_own = len(_HANGUL.findall(text)) if name == "euc-kr" else len(_KANA.findall(text))
        if n_own > n_high * 0.4 and "\ufffd" not in text:
            yield name, "detector"
    yield "windows-1252", "fallback"


def _is_surely_utf8(body: bytes, http_charset: str) -> str | None:
    """The text where the bytes are valid UTF-8 beyond accident."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        return None
    declared = standard_name(http_charset) or declared_in_markup(body)
    if body.isascii():
        return text if declared in ("utf-8", "") and b"\0" not in body else None
    if declared in _MULTIBYTE:
        n_high = len(body) - len(body.translate(None, bytes(range(128, 256))))
        return text if n_high >= _MIN_HIGH_BYTES else None
    return text


def _declared_by(body: bytes, http_charset: str) -> str:
    """Who says that bytes which are valid UTF-8 are UTF-8."""
    if standard_name(http_charset) == "utf-8":
        return "http"
    return "meta" if declared_in_markup(body) == "utf-8" else "detector"


def decode_page(body: bytes, http_charset: str = "") -> tuple[str, str, str]:
    """The text of a page, the Encoding Standard's name of its charset, and who named it.

    That is bom, http, meta, detector (the bytes themselves), or fallback (nothing fitted).
    """
    for bom, name in _BOMS:
        if body.startswith(bom):
            return _decode(body[len(bom) :], name), name, "bom"
    text = _is_surely_utf8(body, http_charset)
    if text is not None:
        return text, "utf-8", _declared_by(body, http_charset)
    for name, source in _candidates(body, http_charset):
        if name:
            text = _decode(body, name)
            if _is_plausible(text, body, name):
                return text, name, source
    return _decode(body, "windows-1252"), "windows-1252", "fallback"


def replacement_rate(text: str, body: bytes, charset: str) -> float:
    """Share of characters that are no text: U+FFFD, and control characters of the body."""
    is_wide = charset.startswith("utf-16")
    n_controls = 0 if is_wide else len(body) - len(body.translate(None, _CONTROLS))
    return (text.count("\ufffd") + n_controls) / max(1, len(text))
