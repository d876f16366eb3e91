"""The main text of a page before it becomes HTML: a title and typed blocks."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from lmcore.crawl.sample_grammar import Facts, Grammar


@dataclass(slots=True)
class Document:
    """What a reader comes for: everything else on the page is boilerplate."""

    title: str
    blocks: list[tuple[str, str]]
    """(HTML tag, text) in reading order; tag is p, h2, li or post."""
    language: str | None = "en"
    """ISO 639-1; None for text in no language."""
    authors: list[str] = field(default_factory=list)
    """Who wrote the page, or each post of a forum thread."""

    @property
    def main_text(self) -> str:
        """The blocks, one a line; the title belongs to the page's head, not here."""
        return "\n".join(text for _, text in self.blocks)


def pick(rng: Random, templates: Sequence[str], n: int) -> list[str]:
    """At most n different templates in random order."""
    return rng.sample(templates, min(n, len(templates)))


def paragraph(grammar: Grammar, rng: Random, facts: Facts, templates: Sequence[str]) -> str:
    """Expands templates into one paragraph."""
    return " ".join(grammar.expand(template, rng, facts) for template in templates)
