"""BPE-dropout: the heap draws from the very distribution of the published algorithm."""

import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise, product

import pytest

from lmcore.tokenizer.plain import PlainEncoder

DROPOUT = 0.25
CHANCE = Fraction(1, 4)
Distribution = dict[tuple[int, ...], Fraction]

# Merges that compete: for a letter, for a place, for the same token by two ways, and with themselves.
RULES = {
    "run": ["a a", "aa aa", "aa a"],
    "rivals": ["a b", "b a", "ab a", "b c"],
    "nested": ["b c", "a bc", "abc a", "a a", "aa bc"],
    "overlap": ["a b", "ab ab", "b a", "ba ba"],
}


def encoder_of(rules: list[str]) -> PlainEncoder:
    ids = {bytes([byte]): byte for byte in range(256)}
    ranks: dict[tuple[int, int], int] = {}
    products: list[int] = []
    for rank, rule in enumerate(rules):
        left, right = rule.encode().split()
        ids[left + right] = 256 + rank
        ranks[ids[left], ids[right]] = rank
        products.append(256 + rank)
    return PlainEncoder(list(range(256)), ranks, products)


def candidates(encoder: PlainEncoder, ids: tuple[int, ...]) -> list[tuple[int, int]]:
    """The merges that apply, as (rank, place)."""
    ranked = ((encoder._ranks.get(pair), place) for place, pair in enumerate(pairwise(ids)))
    return [(rank, place) for rank, place in ranked if rank is not None]


def apply(encoder: PlainEncoder, ids: tuple[int, ...], kept: tuple[int, int]) -> tuple[int, ...]:
    rank, place = kept
    return (*ids[:place], encoder._products[rank], *ids[place + 2 :])


def published(encoder: PlainEncoder, ids: tuple[int, ...]) -> Distribution:
    """Algorithm 1 to the letter, over every outcome of every step's coins."""
    applying = candidates(encoder, ids)
    found: Distribution = defaultdict(Fraction)
    for coins in product([True, False], repeat=len(applying)):
        n_dropped = coins.count(True)
        chance = CHANCE**n_dropped * (1 - CHANCE) ** (len(coins) - n_dropped)
        kept = [one for one, is_dropped in zip(applying, coins, strict=True) if not is_dropped]
        rest = (
            {ids: Fraction(1)} if not kept else published(encoder, apply(encoder, ids, min(kept)))
        )
        for outcome, share in rest.items():
            found[outcome] += chance * share
    return found


class NoMoreCoinsError(Exception):
    """The script ends before the merging does."""


class Coins(random.Random):
    """Gives the coins it is told to, on either side of the dropout and next to it."""

    def __init__(self, script: tuple[bool, ...]) -> None:
        super().__init__()
        self.script, self.n_tossed = script, 0

    def random(self) -> float:
        self.n_tossed += 1
        if self.n_tossed > len(self.script):
            raise NoMoreCoinsError
        return DROPOUT - 2**-53 if self.script[self.n_tossed - 1] else DROPOUT


def drawn(encoder: PlainEncoder, word: bytes) -> Iterator[tuple[tuple[int, ...], Fraction]]:
    """Every outcome of the heap's own coins, with its chance."""
    waiting: list[tuple[bool, ...]] = [()]
    while waiting:
        script = waiting.pop()
        coins = Coins(script)
        try:
            ids = encoder.merge_with_dropout(word, DROPOUT, coins)
        except NoMoreCoinsError:
            waiting += [(*script, True), (*script, False)]
            continue
        assert coins.n_tossed == len(script)
        n_dropped = script.count(True)
        yield tuple(ids), CHANCE**n_dropped * (1 - CHANCE) ** (len(script) - n_dropped)


@pytest.mark.parametrize("word", [b"", b"a", b"aaaa", b"abab", b"abca", b"aabca", b"babab"])
@pytest.mark.parametrize("rules", sorted(RULES))
def test_merge_with_dropout_has_the_distribution_of_the_published_algorithm(rules, word):
    encoder = encoder_of(RULES[rules])
    expected = published(encoder, tuple(word))
    found: Distribution = defaultdict(Fraction)
    for ids, chance in drawn(encoder, word):
        found[ids] += chance
    assert sum(found.values()) == 1
    assert found == expected


def obvious(encoder: PlainEncoder, data: bytes, dropout: float, state: random.Random) -> list[int]:
    """Algorithm 1 for longer words: toss a coin for each merge that applies, make the earliest."""
    ids = tuple(data)
    while True:
        kept = [one for one in candidates(encoder, ids) if state.random() >= dropout]
        if not kept:
            return list(ids)
        ids = apply(encoder, ids, min(kept))


@pytest.mark.parametrize("dropout", [0.1, 0.5, 0.9])
def test_merge_with_dropout_draws_as_often_as_the_obvious_algorithm(dropout):
    encoder, word, n_draws = encoder_of(RULES["nested"]), b"abcaaabcabcaab", 2000
    state = random.Random(dropout)
    drawers = (encoder.merge_with_dropout, lambda *rest: obvious(encoder, *rest))
    fast, slow = (
        Counter(tuple(draw(word, dropout, state)) for _ in range(n_draws)) for draw in drawers
    )
    common = [ids for ids in fast | slow if fast[ids] + slow[ids] >= 20]
    rare = [n_draws - sum(counts[ids] for ids in common) for counts in (fast, slow)]
    pairs = [(fast[ids], slow[ids]) for ids in common] + ([tuple(rare)] if sum(rare) >= 20 else [])
    chi_square = sum((a - b) ** 2 / (a + b) for a, b in pairs)
    freedom = len(pairs) - 1
    assert freedom >= 5
    # Five standard deviations of the chi-square distribution above its mean.
    assert chi_square < freedom + 5 * (2 * freedom) ** 0.5


@pytest.mark.parametrize("rules", sorted(RULES))
def test_merge_with_dropout_of_none_and_of_all_are_the_merges_and_the_bytes(rules):
    encoder, state = encoder_of(RULES[rules]), random.Random(rules)
    for n_bytes in range(40):
        word = bytes(state.choices(b"aaabc", k=n_bytes))
        expected = obvious(encoder, word, 0.0, state)
        assert encoder.merge_with_dropout(word, 0.0, state) == expected
        assert list(encoder.merge(word)) == expected
        assert encoder.merge_with_dropout(word, 1.0, state) == list(word)


def test_merge_with_dropout_giant_pretoken_not_quadratic():
    # Searching all places for each of the 30,000 merges would take many minutes.
    encoder = encoder_of(RULES["run"])
    ids = encoder.merge_with_dropout(b"a" * 50_000, 0.1, random.Random(1))
    widths = {97: 1, 256: 2, 257: 4, 258: 3}
    assert sum(widths[token_id] for token_id in ids) == 50_000
    assert len(set(ids)) == 4
