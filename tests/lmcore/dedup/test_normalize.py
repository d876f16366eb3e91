import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmcore.dedup.normalize import normalize
from lmcore.dedup.shingles import words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  Hello,\tWORLD!\n", "hello world"),
        ("Café naïve Ångström", "cafe naive angstrom"),
        ("Cafe\u0301", "cafe"),
        ("İstanbul", "istanbul"),
        ("a/b e-mail don't", "a b e mail don t"),
        ("snake_case", "snake_case"),
        ("soft\u00adhyphen zero\u200bwidth", "softhyphen zero width"),
        ("ภาษาไทย ที่", "ภาษาไทย ที่"),
        ("हिन्दी", "हिन्दी"),
        ("が", "が"),
        ("한국어", "한국어"),
        ("*** --- !!!", ""),
        ("", ""),
    ],
)
def test_normalize_of_text_keeps_words_only(text: str, expected: str) -> None:
    assert normalize(text) == expected


@given(st.text())
def test_normalize_twice_equals_once(text: str) -> None:
    once = normalize(text)
    assert normalize(once) == once


@given(st.text())
def test_normalize_ignores_case_and_outer_space(text: str) -> None:
    assert normalize(f"\n {text}\t") == normalize(text)


def test_words_of_unspaced_scripts_are_characters() -> None:
    assert words("東京 is 東") == ["東", "京", "is", "東"]
    assert words("ไทย") == ["ไ", "ท", "ย"]
    assert words("한국어 слово") == ["한국어", "слово"]


def test_normalize_of_very_many_distinct_symbols_drops_them_all() -> None:
    symbols = "".join(map(chr, range(0x2190, 0x2400)))
    assert normalize(f"a{symbols}é{symbols}") == "a e"
