"""Pages in ten other languages: sentences with the words, cases and genders of each.

Lists hold whole noun phrases in the case that their place asks for, so that the sentences
are correct. Words of one list never need another form.
"""

from random import Random

from lmcore.crawl.sample_document import Document, pick
from lmcore.crawl.sample_foreign_east import EAST
from lmcore.crawl.sample_foreign_west import WEST
from lmcore.crawl.sample_grammar import Grammar

FOREIGN = WEST | EAST
_GRAMMARS = {language: Grammar(words, english=False) for language, (words, _, _) in FOREIGN.items()}
_UNSPACED = ("zh", "ja")


def write_foreign(language: str, rng: Random) -> Document:
    """A page of 100 to 250 words (or as many characters as say the same)."""
    grammar = _GRAMMARS[language]
    _, titles, sentences = FOREIGN[language]
    facts: dict[str, str] = {}
    title = grammar.expand(rng.choice(titles), rng, facts)
    told = [grammar.expand(t, rng, facts) for t in pick(rng, sentences, rng.randint(11, 16))]
    joint = "" if language in _UNSPACED else " "
    blocks = []
    while told:
        size = rng.randint(3, 5)
        blocks.append(("p", joint.join(told[:size])))
        told = told[size:]
    return Document(title, blocks, language=language)
