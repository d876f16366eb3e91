"""A small template language in which the texts of the sample crawl are written.

    {slot}        a fact of the document, else a random entry of the lexicon
    {slot:1}      the same, chosen once per document and remembered under "slot:1"
    {#2-9}        a number from 2 to 9; {w#2-9} the same in words
    [a|b c|]      one of the options (they nest; an option may be empty)

Templates are parsed once and cached; expansion costs about 1 microsecond a part.
Afterwards "a" becomes "an" where needed and sentences get a capital letter.
"""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from random import Random

Facts = dict[str, str]
"""What a document has decided so far: slot name to text."""

Part = str | tuple[str, ...] | list["list[Part]"]
"""Literal text, a slot (name, key), or a choice between sequences of parts."""


def words(text: str) -> tuple[str, ...]:
    """Splits a word list at white space."""
    return tuple(text.split())


NUMBER_WORDS = words(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen"
    " fifteen sixteen seventeen eighteen nineteen twenty"
)
_TENS = words("zero ten twenty thirty forty fifty sixty seventy eighty ninety")
_AN = re.compile(
    r"\b([Aa]) (?=(?:[aio]|e(?!u|we)|u(?!ni[tvqfco]|s[eu]|tens|k)|hour|honest|heir)(?!ne\b))"
)
_ONE = re.compile(r"\b([Aa])n (?=(?:one|once)\b)")
_CAPITAL = re.compile(r"(?:^|(?<=[.!?] )|(?<=\.[\"”] ))[a-zäöüéèñáíóúàêçа-яё]")
_SPACES = re.compile(r" {2,}| (?=[,.;:!?](?: |$))")


def number_word(n: int) -> str:
    """The English word for 0 to 99."""
    if n <= len(NUMBER_WORDS) - 1:
        return NUMBER_WORDS[n]
    tens, ones = divmod(n, 10)
    return _TENS[tens] + (f"-{NUMBER_WORDS[ones]}" if ones else "")


def _parse(text: str, at: int, *, nested: bool) -> tuple[list[list[Part]], int]:
    """Parses options up to the closing bracket (or the end); returns them and the next index."""
    options: list[list[Part]] = [[]]
    literal: list[str] = []

    def flush() -> None:
        if literal:
            options[-1].append("".join(literal))
            literal.clear()

    while at < len(text):
        char = text[at]
        if char == "[":
            flush()
            choice, at = _parse(text, at + 1, nested=True)
            options[-1].append(choice)
            continue
        if char == "{":
            flush()
            end = text.index("}", at)
            key = text[at + 1 : end]
            options[-1].append((key.split(":")[0], key))
            at = end + 1
            continue
        if nested and char in "|]":
            flush()
            at += 1
            if char == "]":
                return options, at
            options.append([])
            continue
        literal.append(char)
        at += 1
    flush()
    assert not nested, f"unclosed bracket in template: {text}"
    return options, at


@cache
def _compiled(template: str) -> list[Part]:
    return _parse(template, 0, nested=False)[0][0]


class Grammar:
    """A lexicon that expands templates."""

    def __init__(self, lexicon: Mapping[str, Sequence[str]], *, english: bool = True) -> None:
        self._lexicon = lexicon
        self._english = english

    def expand(self, template: str, rng: Random, facts: Facts) -> str:
        """The text of a template; slots with a tag are added to `facts`."""
        out: list[str] = []
        self._emit(_compiled(template), rng, facts, out)
        text = _SPACES.sub(
            lambda match: " " if match[0].isspace() and len(match[0]) > 1 else "", "".join(out)
        )
        if self._english:
            text = _AN.sub(r"\1n ", text)
            text = _ONE.sub(r"\1 ", text)
        return _CAPITAL.sub(lambda match: match[0].upper(), text.strip())

    def _emit(self, parts: list[Part], rng: Random, facts: Facts, out: list[str]) -> None:
        for part in parts:
            if isinstance(part, str):
                out.append(part)
            elif isinstance(part, list):
                self._emit(part[int(rng.random() * len(part))], rng, facts, out)
            else:
                self._fill(part[0], part[1], rng, facts, out)

    def _fill(self, name: str, key: str, rng: Random, facts: Facts, out: list[str]) -> None:
        known = facts.get(key)
        if known is not None:
            out.append(known)
        elif "#" in name:
            spelled, _, limits = name.partition("#")
            low, high = limits.split("-")
            n = rng.randint(int(low), int(high))
            value = number_word(n) if spelled else str(n)
            out.append(value)
            if key != name:
                facts[key] = value
        else:
            options = self._lexicon[name]
            start = len(out)
            at = int(rng.random() * len(options))
            if facts.get(last := f"~{name}") == options[at]:  # never the same word twice in a row
                at = (at + 1) % len(options)
            facts[last] = options[at]
            self._emit(_compiled(options[at]), rng, facts, out)
            if key != name:
                facts[key] = "".join(out[start:])


def table(columns: str, rows: str) -> list[Facts]:
    """Reads a word table: column names in one string, one line a row, cells split at "|"."""
    names = columns.split()
    parsed = []
    for line in rows.strip().splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        assert len(cells) == len(names), f"{len(cells)} cells, {len(names)} columns: {line}"
        parsed.append(dict(zip(names, cells, strict=True)))
    return parsed


def phrases(text: str) -> tuple[str, ...]:
    """Splits a comma separated word list."""
    return tuple(" ".join(part.split()) for part in text.split(",") if part.strip())
