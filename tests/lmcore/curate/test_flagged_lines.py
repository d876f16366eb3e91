import pytest

from lmcore.curate.config import CurateConfig
from lmcore.curate.flagged_lines import FlaggedLines, flag_lines, flags_of_line
from lmcore.curate.line_rules import clean_lines

UPPERCASE, NUMERIC, COUNTER, ONE_WORD, BUTTON = range(5)


@pytest.mark.parametrize(
    ("line", "rules"),
    [
        ("A line of prose, which goes on for a while.", []),
        ("BREAKING NEWS from Oslo", [UPPERCASE]),
        ("ABcd ef", []),
        ("ABCd ef", []),  # half of them is not most of them
        ("ABCD ef", [UPPERCASE]),
        ("12 345", [NUMERIC]),
        ("12 345.", []),
        ("٣٤ ٥", [NUMERIC]),
        ("3 likes", [COUNTER]),
        ("1,234 Comments", [COUNTER]),
        ("1.2K views", [COUNTER]),
        ("1.2K views today", []),
        ("likes 3", []),
        ("3  likes", []),
        ("3 li\u212aes", []),
        (", likes", []),
        ("Home", [ONE_WORD]),
        ("灯", [ONE_WORD]),
        ("灯台", []),
        ("2024", [NUMERIC, ONE_WORD]),
        ("Sign in or register", [BUTTON]),
        ("The weather today ... Read more...", [BUTTON]),
        ("You have 3 items in cart now", [BUTTON]),
        ("Sign in to see what your friends and all their friends like", []),
        ("Please sign in", []),
        ("Read more books", []),
    ],
)
def test_flags_of_line_each_rule_flags_its_lines(line: str, rules: list[int]) -> None:
    assert [k for k, flag in enumerate(flags_of_line(line)) if flag] == rules


def test_flag_lines_counts_lines_and_the_share_of_their_words() -> None:
    lines = ["3 likes", "  Home ", "HOME", "So it goes on."]
    assert flag_lines(lines) == FlaggedLines(1, 0, 1, 2, 0, 4 / 8)
    assert flag_lines([]) == FlaggedLines(0, 0, 0, 0, 0, 0.0)


def test_clean_lines_flagged_lines_go_where_the_recipe_says_so() -> None:
    text = "It was a fine day.\nBREAKING NEWS NOW\nRead it or read more"
    assert clean_lines(text, CurateConfig()).text == text
    page = clean_lines(text, CurateConfig(refinedweb_drop_lines=True))
    assert (page.text, page.n_lines_removed) == ("It was a fine day.", 2)
    assert clean_lines(page.text, CurateConfig(refinedweb_drop_lines=True)).text == page.text
