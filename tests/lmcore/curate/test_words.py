import re

import pytest
import regex

from lmcore.curate.words import SENTENCE_TERMINALS, split_words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("two words", ["two", "words"]),
        ("老灯塔 AI看守", ["老", "灯", "塔", "AI", "看", "守"]),
        ("東京へ", ["東", "京", "へ"]),
        ("ที่นี่", ["ที่", "นี่"]),
        ("naïve café", ["naïve", "café"]),
        ("", []),
    ],
)
def test_split_words_scripts_without_blanks_give_characters(text: str, words: list[str]) -> None:
    assert split_words(text) == words


def test_sentence_terminals_are_those_of_unicode() -> None:
    every = "".join(map(chr, range(0x110000)))
    found = set(re.findall(f"[{SENTENCE_TERMINALS}]", every))
    expected = set(regex.findall(r"\p{Sentence_Terminal}", every))
    assert found <= expected
    assert all(ord(new) > 0xFFFF for new in expected - found)  # what Unicode adds is historic
