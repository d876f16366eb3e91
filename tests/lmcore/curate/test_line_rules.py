import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmcore.curate.config import CurateConfig
from lmcore.curate.line_rules import clean_lines

KEPT_LINE = "This line holds enough words to stay."


@pytest.mark.parametrize(
    ("line", "is_kept"),
    [
        ("two words", False),
        ("three small words", True),
        ("Please enable JavaScript to read this page.", False),
        ("By reading you accept our Cookie Policy today.", False),
        ("a b " + "x" * 1001, False),
        ("a b " + "x" * 1000, True),
        ("老灯塔", True),
    ],
)
def test_clean_lines_each_rule_removes_its_lines_only(line: str, is_kept: bool) -> None:
    page = clean_lines(f"{KEPT_LINE}\n\n  {line}  \n{KEPT_LINE}", CurateConfig())
    assert page.text.split("\n") == [KEPT_LINE, *([line] if is_kept else []), KEPT_LINE]
    assert page.n_lines_removed == (not is_kept)


@pytest.mark.parametrize(
    ("line", "cleaned"),
    [
        ("It rained [12] a lot.[citation needed][edit]", "It rained  a lot."),
        ("[1] it rained [١٢] here [123456789]", "it rained  here"),
        ("it rained [a lot] [1234567890] [Edit]", "it rained [a lot] [1234567890] [Edit]"),
        ("it rained [1[2]] [[edit]3] a [[[]]] lot", "it rained   a  lot"),
        ("it ]rained[ a [lot", "it ]rained[ a [lot"),
    ],
)
def test_clean_lines_citation_marks_are_taken_out(line: str, cleaned: str) -> None:
    assert clean_lines(line, CurateConfig()).text == cleaned


def test_clean_lines_nested_citation_marks_take_linear_time() -> None:
    line = "so it is " + "[" * 20_000 + "]" * 20_000
    assert clean_lines(line, CurateConfig()).text == "so it is"


def test_clean_lines_switched_off_keeps_every_line() -> None:
    config = CurateConfig(
        c4_min_words_per_line=0, c4_drop_javascript_lines=False, c4_drop_policy_lines=False
    )
    text = "one\njavascript\nprivacy policy"
    assert clean_lines(text, config) == (text, 0, False, False)


def test_clean_lines_nothing_but_citation_marks_is_removed() -> None:
    config = CurateConfig(c4_min_words_per_line=0)
    assert clean_lines("one\n[1] [2]\ntwo", config)[:2] == ("one\ntwo", 1)


def test_clean_lines_terminal_punctuation_demanded_removes_open_lines() -> None:
    config = CurateConfig(c4_require_terminal_punctuation=True)
    page = clean_lines("This one ends.\nThis one does not\nThis one trails off...", config)
    assert page[:2] == ("This one ends.", 2)


@pytest.mark.parametrize(
    ("line", "has_lorem_ipsum", "has_curly_bracket"),
    [
        ("see Lorem Ipsum here", True, False),
        ("lorem ipsum", False, False),  # too few words: the line is no content
        ("a { in a line", False, True),
        ("function {", False, False),
        ("javascript is { here", False, False),
        ("the privacy policy {", False, True),
        ("javascript lorem ipsum {", True, False),
    ],
)
def test_clean_lines_flags_are_those_of_lines_with_words_enough(
    line: str, has_lorem_ipsum: bool, has_curly_bracket: bool
) -> None:
    page = clean_lines(f"{KEPT_LINE}\n{line}", CurateConfig())
    assert page[2:] == (has_lorem_ipsum, has_curly_bracket)


PIECES = [
    "[",
    "]",
    "1",
    "23",
    "edit",
    "citation needed",
    " ",
    "\n",
    "\n\n",
    "\r",
    "word",
    "so it is",
]
PIECES += ["javascript", "use cookies", "{", "lorem ipsum", ".", "…", "\u2028", "ก", "ั", "日"]


@settings(deadline=None)
@given(
    st.lists(st.sampled_from(PIECES), max_size=60).map("".join),
    st.integers(0, 4),
    st.booleans(),
    st.booleans(),
)
def test_clean_lines_its_own_output_is_unchanged(
    text: str, min_words: int, drops: bool, requires_terminal: bool
) -> None:
    config = CurateConfig(
        c4_min_words_per_line=min_words,
        c4_drop_javascript_lines=drops,
        c4_drop_policy_lines=drops,
        c4_require_terminal_punctuation=requires_terminal,
    )
    once = clean_lines(text, config)
    twice = clean_lines(once.text, config)
    assert (twice.text, twice.n_lines_removed) == (once.text, 0)
