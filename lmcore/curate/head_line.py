"""A text as the classifiers see it: one line of words that training and prediction agree on.

fastText's input is line- and blank-separated: a newline ends a document, and a word that starts with
`__label__` is a label, also inside a page. Both are taken out before training and before prediction.
Social media and comments hide the same word in many spellings. Lower case; character references,
links and user names become one word each; three equal letters become two ("soooo"); marks stand apart
from words, so that "idiot!!" is known where "idiot" is. Linear; 60 us a kilobyte.
"""

import html
import re

from lmcore.curate.fasttext.format import LABEL_PREFIX

_LINK = re.compile(r"https?://\S+|www\.\S+")
_USER = re.compile(r"(?<!\w)@\w+")
_STRETCHED = re.compile(r"(\w)\1{2,}")
_MARK = re.compile(r"([^\w\s'])")


def one_line(text: str) -> str:
    """The text as one line: every blank, newline and NUL becomes one space, no word is a label."""
    return " ".join(text.replace("\0", " ").split()).replace(LABEL_PREFIX, "label ")


def head_line(text: str) -> str:
    """The line that the quality, toxicity and other heads read."""
    if "&" in text:
        text = html.unescape(text)
    text = _USER.sub(" @ user ", _LINK.sub(" linklink ", text.lower()))
    return one_line(_MARK.sub(r" \1 ", _STRETCHED.sub(r"\1\1", text)))
