"""One writer for each kind of page: what a kind is called, and who writes it."""

from collections.abc import Callable
from random import Random

from lmcore.crawl.sample_arithmetic import write_exercises
from lmcore.crawl.sample_articles import write_article
from lmcore.crawl.sample_document import Document
from lmcore.crawl.sample_encyclopedia import write_encyclopedia
from lmcore.crawl.sample_junk import write_abuse, write_short, write_spam
from lmcore.crawl.sample_stories import write_story
from lmcore.crawl.sample_threads import write_forum, write_product, write_questions

_ARITHMETIC_SHARE = 0.75


def write_qa(rng: Random) -> Document:
    """Questions and answers: three pages in four are about numbers."""
    return write_exercises(rng) if rng.random() < _ARITHMETIC_SHARE else write_questions(rng)


WRITERS: dict[str, Callable[[Random], Document]] = {
    "story": write_story,
    "article": write_article,
    "encyclopedia": write_encyclopedia,
    "qa": write_qa,
    "forum": write_forum,
    "product": write_product,
    "spam": write_spam,
    "abuse": write_abuse,
    "short": write_short,
}
"""Kinds of English pages."""
