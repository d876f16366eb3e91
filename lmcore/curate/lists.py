"""Lists of words, domains and addresses: what they say of a page and its URL.

Addresses are judged as RefinedWeb does (arXiv 2306.01116, section 3.1): a block list of domains, as UT1
in Toulouse keeps it, and the words in an address, weighed by how much they say alone: *strict* ones
count within other words, *hard* ones as words, *soft* ones where several different ones meet. Bad words
are C4's rule: entries of the language's list that stand alone; where a script has no blanks, anywhere.
A look-up of a domain costs the same whatever the list's length; a page of 400 words takes 0.05 ms.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

from lmcore.curate.config import CurateConfig
from lmcore.curate.words import UNSPACED_LANGUAGES
from lmcore.errors import InputError

BAD_WORDS = {
    "en": (
        *("fuck", "fucks", "fucked", "fucker", "fuckers", "fucking", "motherfucker", "cunt"),
        *("cunts", "blowjob", "blow job", "cumshot", "cum shot", "deepthroat", "gangbang"),
        *("gang bang", "handjob", "hand job", "jizz", "porn", "porno", "slut", "sluts", "twat"),
    ),
}
"""What is shipped: a few English words that hardly have another meaning; lists bring more."""

_URL_LISTS = ("domains", "url_substrings", "url_words", "url_soft_words")
_BAD_WORDS_FILE = re.compile(r"bad_words\.([a-z]{2,3})")
_DEEPEST = 8
"""Parts of a path that a block list may name: UT1's addresses have up to 5."""
_WORD = re.compile(r"\w+")
_NOT_ALPHANUMERIC = re.compile(r"[^a-z0-9]+")

Entry = tuple[str, ...]
"""Words of an entry, lower-case."""


class UrlStatistics(NamedTuple):
    """What the lists say of an address."""

    url_block: str
    """How a block list names it: domain, subdomain, address, or empty."""
    n_url_substrings: int
    n_url_words: int
    n_url_soft_words: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Lists:
    """Lists as they are looked up."""

    blocked: frozenset[str]
    """Hosts, and addresses as host/path, without `www.` and a slash at the end."""
    substrings: frozenset[str]
    words: frozenset[str]
    soft_words: frozenset[str]
    bad_words: Mapping[str, Mapping[str, tuple[Entry, ...]]]
    """Of each language, the entries that begin with a word."""

    def judge_url(self, url: str) -> UrlStatistics:
        """Say what the lists say of a URL; anything may stand in it."""
        host, path = _split_url(url)
        lowered = f"{host}{unquote(path).lower()}"
        words = set(_NOT_ALPHANUMERIC.split(lowered))
        joined = _NOT_ALPHANUMERIC.sub("", lowered)
        return UrlStatistics(
            url_block=self._block(host, path),
            n_url_substrings=sum(part in joined for part in self.substrings),
            n_url_words=len(words & self.words),
            n_url_soft_words=len(words & self.soft_words),
        )

    def _block(self, host: str, path: str) -> str:
        labels = host.split(".")
        if host in self.blocked:
            return "domain"
        if any(".".join(labels[k:]) in self.blocked for k in range(1, len(labels))):
            return "subdomain"
        parts = path.partition("?")[0].rstrip("/").split("/", _DEEPEST + 1)[: _DEEPEST + 1]
        here = host
        for part in parts[1:]:
            here = f"{here}/{part}"
            if here in self.blocked:
                return "address"
        return ""

    def count_bad_words(self, text: str, language: str) -> int:
        """Count the bad words of a language (ISO 639-1) in a text; 0 where there is no list."""
        entries = self.bad_words.get(language)
        if entries is None:
            return 0
        lowered = text.lower()
        if language in UNSPACED_LANGUAGES:
            return sum(lowered.count(entry) for entry in entries)
        words = _WORD.findall(lowered)
        if entries.keys().isdisjoint(words):
            return 0
        return sum(
            any(tuple(words[place : place + len(entry)]) == entry for entry in entries[word])
            for place, word in enumerate(words)
            if word in entries
        )


def _split_url(url: str) -> tuple[str, str]:
    """Return the host without `www.` and port, lower-case, and the path with what follows it."""
    address = url.partition("://")[2] or url
    end = re.search(r"[/?#]", address)
    place = end.start() if end else len(address)
    host = address[:place].rpartition("@")[2].partition(":")[0].strip(".").lower()
    return host.removeprefix("www."), address[place:].partition("#")[0]


def _blocked(entry: str) -> str:
    host, path = _split_url(entry)
    return f"{host}{path.partition('?')[0].rstrip('/')}"


def _by_first_word(entries: Iterable[str], language: str) -> dict[str, tuple[Entry, ...]]:
    lowered = sorted({entry.strip().lower() for entry in entries if entry.strip()})
    if language in UNSPACED_LANGUAGES:
        return {entry: ((entry,),) for entry in lowered}
    found: dict[str, tuple[Entry, ...]] = {}
    for words in filter(None, (tuple(_WORD.findall(entry)) for entry in lowered)):
        found[words[0]] = (*found.get(words[0], ()), words)
    return found


def _entries(path: Path) -> list[str]:
    """The lines of a file but comments and blank ones."""
    lines = (line.strip() for line in path.read_text("utf-8", "replace").splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def read_lists(paths: Sequence[Path], config: CurateConfig) -> Lists:
    """Read files of lists, and add the recipe's own.

    Raises:
        InputError: the name of a file does not say what it lists.
    """
    found: dict[str, list[str]] = {name: [] for name in _URL_LISTS}
    bad_words: dict[str, Iterable[str]] = dict(BAD_WORDS)
    for path in paths:
        name = path.name.removesuffix(".txt")
        language = _BAD_WORDS_FILE.fullmatch(name)
        if language:
            bad_words[language[1]] = _entries(path)
        elif name in found:
            found[name] += _entries(path)
        else:
            raise InputError(
                f"Found the list {path.name} in curate.lists; expected bad_words.LANGUAGE.txt or one "
                f"of {', '.join(f'{known}.txt' for known in _URL_LISTS)}; rename or remove it."
            )

    def plain(words: Iterable[str]) -> frozenset[str]:
        return frozenset(_NOT_ALPHANUMERIC.sub("", word.lower()) for word in words) - {""}

    return Lists(
        blocked=frozenset(map(_blocked, (*config.blocked_domains, *found["domains"]))) - {""},
        substrings=plain((*config.url_substrings, *found["url_substrings"])),
        words=plain((*config.url_words, *found["url_words"])),
        soft_words=plain((*config.url_soft_words, *found["url_soft_words"])),
        bad_words={
            language: _by_first_word(entries, language) for language, entries in bad_words.items()
        },
    )
