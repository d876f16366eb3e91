"""C4's line rules, and RefinedWeb's where the recipe says so: what is removed from a page before it is judged.

Lines are those between newlines only (not `str.splitlines`, which also breaks at form feeds and
U+2028). Citation marks such as [3], [edit] and [citation needed] are removed from every line, those
too that appear when another goes ("[1[2]]"), so that a second pass finds nothing to remove. FineWeb
ran these rules without the demand for terminal punctuation, and so do we unless told otherwise.
Linear; 0.1 ms for a page of 400 words.
"""

import re
from typing import NamedTuple

from lmcore.curate.config import CurateConfig
from lmcore.curate.flagged_lines import flags_of_line
from lmcore.curate.words import (
    ELLIPSES,
    JAVASCRIPT,
    LOREM_IPSUM,
    MAX_CITATION_DIGITS,
    POLICY_PHRASES,
    TERMINAL_PUNCTUATION,
    split_words,
)

_CITATION_WORDS = ("edit", "citation needed")
_OPEN_CITATION = re.compile(rf"\[(?:\d{{0,{MAX_CITATION_DIGITS}}}|{'|'.join(_CITATION_WORDS)})\Z")
_OPEN_CITATION_CHARS = 1 + max(MAX_CITATION_DIGITS, *map(len, _CITATION_WORDS))


class CleanPage(NamedTuple):
    """What the line rules leave of a page, and what they saw."""

    text: str
    """The kept lines, stripped and joined by newlines."""
    n_lines_removed: int
    """Non-blank lines that were removed."""
    has_lorem_ipsum: bool
    """Whether a line of enough words holds "lorem ipsum"."""
    has_curly_bracket: bool
    """Whether one holds "{" that is not removed because of "javascript"."""


def _without_citations(line: str) -> str:
    kept: list[str] = []  # characters, so that the last of them go in constant time
    *closed, rest = line.split("]")
    for part in closed:
        kept += part
        mark = _OPEN_CITATION.search("".join(kept[-_OPEN_CITATION_CHARS:]))
        if mark is None:
            kept.append("]")
        else:
            del kept[-len(mark[0]) :]
    return "".join(kept) + rest


def _is_long_enough(line: str, config: CurateConfig) -> bool:
    """Whether a line has the words (and the end) that a line of prose has."""
    words = split_words(line)
    if len(words) < max(config.c4_min_words_per_line, 1):
        return False
    if len(line) > config.c4_max_word_chars and max(map(len, words)) > config.c4_max_word_chars:
        return False
    return not config.c4_require_terminal_punctuation or (
        line.endswith(TERMINAL_PUNCTUATION) and not line.endswith(ELLIPSES)
    )


def clean_lines(text: str, config: CurateConfig) -> CleanPage:
    """Remove the lines that C4 removes; the page's flags are those of lines that got so far."""
    kept = []
    n_removed = 0
    has_lorem_ipsum = has_curly_bracket = False
    for raw in text.split("\n"):
        line = raw.strip()
        if not line:
            continue
        n_removed += 1
        if "[" in line:
            line = _without_citations(line).strip()
        if not _is_long_enough(line, config):
            continue
        lowered = line.lower()
        has_lorem_ipsum |= LOREM_IPSUM in lowered
        if config.c4_drop_javascript_lines and JAVASCRIPT in lowered:
            continue
        has_curly_bracket |= "{" in line
        if config.c4_drop_policy_lines and any(phrase in lowered for phrase in POLICY_PHRASES):
            continue
        if config.refinedweb_drop_lines and any(flags_of_line(line)):
            continue
        n_removed -= 1
        kept.append(line)
    return CleanPage("\n".join(kept), n_removed, has_lorem_ipsum, has_curly_bracket)
