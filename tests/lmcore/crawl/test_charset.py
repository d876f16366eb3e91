import codecs

import pytest

from lmcore.crawl.charset import declared_in_markup, decode_page, replacement_rate, standard_name

TEXTS = {
    "windows-1252": (
        "cp1252",
        "Übermäßig schöne Grüße aus der Bäckerei, mit “Anführung” und Café – für alle.",
    ),
    "windows-1251": (
        "cp1251",
        "Сегодня в городе открылась новая библиотека, и все жители пришли на праздник.",
    ),
    "koi8-r": (
        "koi8-r",
        "Сегодня в городе открылась новая библиотека, и все жители пришли на праздник.",
    ),
    "shift_jis": ("cp932", "今日は新しい図書館が町に開館しました。みなさんとても喜んでいます。"),
    "euc-jp": ("euc-jp", "今日は新しい図書館が町に開館しました。みなさんとても喜んでいます。"),
    "gbk": ("gb18030", "今天城里新开了一家图书馆，大家都很高兴，纷纷前来参观和借书。"),
    "big5": ("big5hkscs", "今天城裡新開了一家圖書館，大家都很高興，紛紛前來參觀和借書。"),
    "euc-kr": ("cp949", "오늘 도시에 새로운 도서관이 문을 열었습니다. 모두가 매우 기뻐합니다."),
    "iso-8859-7": (
        "iso8859-7",
        "Σήμερα άνοιξε στην πόλη μια νέα βιβλιοθήκη και όλοι ήρθαν στη γιορτή.",
    ),
    "windows-1256": ("cp1256", "افتتحت اليوم مكتبة جديدة في المدينة وجاء جميع السكان إلى الحفل."),
    "utf-8": ("utf-8", "Grüße, café, Привет, 图书馆 und mehr."),
}


def page(text: str, codec: str, head: str = "") -> bytes:
    return f"<html><head>{head}</head><body><p>{text}</p></body></html>".encode(codec)


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("where", ["http", "meta", "http-equiv"])
def test_decode_page_declared_charset_is_used(name, where):
    codec, text = TEXTS[name]
    head = {
        "http": "",
        "meta": f"<meta charset='{name}'>",
        "http-equiv": f'<META http-equiv="Content-Type" content="text/html; charset={name}">',
    }[where]
    decoded, charset, _ = decode_page(page(text, codec, head), name if where == "http" else "")
    assert text in decoded
    assert charset == name


@pytest.mark.parametrize(
    "name", ["windows-1251", "koi8-r", "shift_jis", "euc-jp", "euc-kr", "utf-8", "iso-8859-7"]
)
@pytest.mark.parametrize("declared", ["", "utf-8", "iso-8859-1", "no-such-charset"])
def test_decode_page_wrong_or_missing_declaration_is_overruled_by_the_bytes(name, declared):
    codec, text = TEXTS[name]
    decoded, charset, _ = decode_page(page(text * 3, codec), declared)
    assert text in decoded
    assert charset == name


@pytest.mark.parametrize("declared", ["utf-8", "shift_jis", ""])
def test_decode_page_western_text_is_found_under_wrong_declarations(declared):
    codec, text = TEXTS["windows-1252"]
    decoded, charset, _ = decode_page(page(text * 3, codec), declared)
    assert text in decoded
    assert charset == "windows-1252"


@pytest.mark.parametrize(
    ("bom", "codec", "name"),
    [
        (codecs.BOM_UTF8, "utf-8", "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le", "utf-16le"),
        (codecs.BOM_UTF16_BE, "utf-16-be", "utf-16be"),
    ],
)
def test_decode_page_byte_order_mark_beats_every_declaration(bom, codec, name):
    text = TEXTS["utf-8"][1]
    decoded, charset, _ = decode_page(
        bom + page(text, codec, "<meta charset=koi8-r>"), "windows-1251"
    )
    assert text in decoded
    assert not decoded.startswith("\ufeff")
    assert charset == name
    assert replacement_rate(decoded, bom + page(text, codec), charset) == 0


def test_decode_page_http_beats_meta_where_both_can_be():
    body = page("plain ascii", "ascii", "<meta charset=koi8-r>")
    assert decode_page(body, "windows-1251")[1] == "windows-1251"
    assert decode_page(body, "")[1] == "koi8-r"


def test_decode_page_utf16_without_mark_needs_its_declaration():
    text = TEXTS["windows-1251"][1]
    decoded, charset, _ = decode_page(page(text, "utf-16-le"), "utf-16")
    assert text in decoded
    assert charset == "utf-16le"


def test_decode_page_utf16_in_meta_means_utf8():
    text = TEXTS["utf-8"][1]
    assert decode_page(page(text, "utf-8", "<meta charset=utf-16>"))[1] == "utf-8"
    assert declared_in_markup(b"<meta charset=utf-16>") == "utf-8"


def test_decode_page_one_bad_byte_in_utf8_is_not_guessed_again():
    body = page(TEXTS["utf-8"][1], "utf-8").replace(b"mehr", b"me\xe9hr")
    decoded, charset, _ = decode_page(body, "utf-8")
    assert charset == "utf-8"
    assert decoded.count("\ufffd") == 1


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("latin-1", "windows-1252"),
        ("ISO-8859-1", "windows-1252"),
        ("ascii", "windows-1252"),
        (" UTF8 ", "utf-8"),
        ("gb2312", "gbk"),
        ("x-sjis", "shift_jis"),
        ("ks_c_5601-1987", "euc-kr"),
        ("iso-8859-9", "windows-1254"),
        ("tis-620", "windows-874"),
        ("macintosh", "macintosh"),
        ("nonsense", ""),
        ("", ""),
    ],
)
def test_standard_name_follows_the_encoding_standard(label, name):
    assert standard_name(label) == name


def test_replacement_rate_counts_what_is_no_text():
    garbage = bytes(range(256)) * 20
    assert replacement_rate(*_decoded(garbage)) > 0.05
    assert (
        replacement_rate(
            *_decoded(page(TEXTS["shift_jis"][1], "cp932", "<meta charset=shift_jis>"))
        )
        == 0
    )


def _decoded(body: bytes) -> tuple[str, bytes, str]:
    text, charset, _ = decode_page(body)
    return text, body, charset


@pytest.mark.parametrize(
    ("body", "http_charset", "source"),
    [
        (b"\xef\xbb\xbf<p>x", "koi8-r", "bom"),
        (b"<p>x", "utf-8", "http"),
        (b"<meta charset=utf-8><p>x", "", "meta"),
        (b"<meta charset=koi8-r><p>" + TEXTS["utf-8"][1].encode() * 3, "koi8-r", "detector"),
        (b"<meta charset=koi8-r><p>x", "windows-1251", "http"),
        (b"<meta charset=koi8-r><p>x", "", "meta"),
    ],
)
def test_decode_page_says_who_named_the_charset(body, http_charset, source):
    assert decode_page(body, http_charset)[2] == source
