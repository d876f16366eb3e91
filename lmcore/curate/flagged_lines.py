"""RefinedWeb's line rules: lines that are no prose, by their definition: the reference.

RefinedWeb (arXiv 2306.01116, appendix G.2) removes lines that are mainly upper-case, numbers alone, a
counter ("3 likes"), one word, or a short line with a button's text, and rejects a page where they hold
more than 5 % of its words; DCLM (arXiv 2406.11794) has the same rules in code. Here they are counted in
every page, and removed where the recipe says so. `lmcore.curate.kernels.flagging` is the compiled twin.
Linear.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from lmcore.curate.words import split_words

MAX_UPPERCASE = 0.5
"""RefinedWeb "mainly", DCLM 0.5: share of upper-case among a line's characters but blanks."""

MAX_BUTTON_WORDS = 10
"""RefinedWeb: longer lines are not looked at for a button's text."""

COUNTED = (
    *("likes", "shares", "comments", "retweets", "reposts", "quotes", "bookmarks", "upvotes"),
    *("downvotes", "downloads", "views", "followers"),
)
"""What counters count (DCLM)."""

BUTTONS_FIRST = ("sign-in", "sign in", "log in", "login")
BUTTONS_LAST = ("read more", "read more...", "continue reading", "continue reading...")
BUTTONS_ANYWHERE = ("items in cart", "item in cart")
"""What a short line begins with, ends in, or holds (RefinedWeb's own examples and their variants)."""

_COUNTER = re.compile(rf"\d[\d.,]*[kmb]? (?:{'|'.join(COUNTED)})", re.ASCII | re.IGNORECASE)


class FlaggedLines(NamedTuple):
    """How many lines each rule flags (a line may break several), and the share of words in them."""

    n_uppercase_lines: int
    n_numeric_lines: int
    n_counter_lines: int
    n_one_word_lines: int
    n_button_lines: int
    flagged_words: float


def flags_of_line(line: str) -> tuple[bool, bool, bool, bool, bool]:
    """Say which rules flag a stripped line that is not blank: one value for each count above."""
    characters = "".join(line.split())
    n_words = len(split_words(line))
    lowered = line.encode("utf-8", "surrogatepass").lower()  # of ASCII alone
    is_button = n_words <= MAX_BUTTON_WORDS and (
        lowered.startswith(tuple(map(str.encode, BUTTONS_FIRST)))
        or lowered.endswith(tuple(map(str.encode, BUTTONS_LAST)))
        or any(button in line.lower() for button in BUTTONS_ANYWHERE)
    )
    return (
        sum(map(str.isupper, characters)) > MAX_UPPERCASE * len(characters),
        all(map(str.isdecimal, characters)),
        _COUNTER.fullmatch(line) is not None,
        n_words == 1,
        is_button,
    )


def flag_lines(lines: Sequence[str]) -> FlaggedLines:
    """Count what the rules flag among lines that are not blank; all 0 where there is none."""
    counts, n_words, n_flagged_words = [0] * 5, 0, 0
    for line in map(str.strip, lines):
        flags = flags_of_line(line)
        counts = [count + flag for count, flag in zip(counts, flags, strict=True)]
        n = len(split_words(line))
        n_words += n
        n_flagged_words += n * any(flags)
    return FlaggedLines._make((*counts, n_flagged_words / n_words if n_words else 0.0))
