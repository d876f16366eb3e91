"""C4's line rules: what is removed from a page before it is judged.

Lines are those between newlines only (not `str.splitlines`, which also breaks at form feeds and
U+2028). Citation marks such as [3], [edit] and [citation needed] are removed from every line. FineWeb
ran these rules without the demand for terminal punctuation, and so do we unless told otherwise.
Linear; 0.1 ms for a page of 400 words.
"""

import re

from lmcore.curate.config import CurateConfig
from lmcore.curate.words import ELLIPSES, TERMINAL_PUNCTUATION, split_words

POLICY_PHRASES = (
    "terms of use",
    "privacy policy",
    "cookie policy",
    "uses cookies",
    "use of cookies",
    "use cookies",
)
"""A line with one of these is no content (C4)."""

_CITATION = re.compile(r"\[\d{0,9}\]|\[edit\]|\[citation needed\]")


def _is_kept(line: str, lowered: str, config: CurateConfig) -> bool:
    words = split_words(line)
    if len(words) < config.c4_min_words_per_line:
        return False
    if len(line) > config.c4_max_word_chars and max(map(len, words)) > config.c4_max_word_chars:
        return False
    if config.c4_drop_javascript_lines and "javascript" in lowered:
        return False
    if config.c4_drop_policy_lines and any(phrase in lowered for phrase in POLICY_PHRASES):
        return False
    return not config.c4_require_terminal_punctuation or (
        line.endswith(TERMINAL_PUNCTUATION) and not line.endswith(ELLIPSES)
    )


def clean_lines(text: str, config: CurateConfig) -> tuple[str, int]:
    """Remove the lines that C4 removes.

    Returns:
        The kept lines, stripped and joined by newlines, and the number of non-blank lines removed.
    """
    kept = []
    n_removed = 0
    for raw in text.split("\n"):
        line = raw.strip()
        if not line:
            continue
        if "[" in line:
            line = _CITATION.sub("", line).strip()
        if _is_kept(line, line.lower(), config):
            kept.append(line)
        else:
            n_removed += 1
    return "\n".join(kept), n_removed
