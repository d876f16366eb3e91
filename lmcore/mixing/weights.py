"""Weights of groups, and the tokens that they ask for under a cap on epochs.

A group that would be read more than max_epochs times gets that and no more; what it leaves goes to the
others by their weights, until it is spent or all are full. With equal weights this is UniMax (Chung et al.
2023, arXiv 2304.09151, algorithm 1), with p ~ n^(1/T) the usual temperature (Devlin 2018; Conneau et al.
2020, arXiv 1911.02116) with a cap. Tokens are whole and add up to the budget exactly, or to what is there.

Cost: groups^2 at most.
"""

import math
from collections.abc import Mapping
from fractions import Fraction

from lmcore.errors import InputError
from lmcore.mixing.config import MixConfig
from lmcore.mixing.groups import OTHER

Tokens = Mapping[str, int]


def temperature_weights(sizes: Tokens, temperature: float) -> dict[str, float]:
    """Return p ~ n^(1/temperature) for groups of n tokens."""
    # relative to the largest: no power overflows
    largest = max(sizes.values())
    powers = {group: (n / largest) ** (1.0 / temperature) for group, n in sizes.items()}
    total = math.fsum(powers.values())
    return {group: power / total for group, power in powers.items()}


def weights_of(sizes: Tokens, config: MixConfig) -> dict[str, float]:
    """Return the weight of each group, which add up to 1.

    Raises:
        InputError: where a group has documents and no weight.
    """
    if config.method == "temperature":
        return temperature_weights(sizes, config.temperature)
    if config.method == "unimax":
        return {group: 1.0 / len(sizes) for group in sizes}
    if config.method == "sources":
        return temperature_weights(sizes, 1.0)
    given = _given(sizes, config)
    scale = sizes if config.method == "factors" else dict.fromkeys(sizes, 1)
    shares = {group: given[group] * scale[group] for group in sizes}
    total = math.fsum(shares.values())
    return {group: share / total for group, share in shares.items()}


def _given(sizes: Tokens, config: MixConfig) -> dict[str, float]:
    given = dict(zip(config.groups, config.weights, strict=True))
    if OTHER in sizes and OTHER not in given:
        raise InputError(
            f"found {sizes[OTHER]:,d} tokens in groups that mix.groups does not name; expected a weight "
            f"for them; add {OTHER!r} to mix.groups, with weight 0 to leave them out"
        )
    return given


def budget_of(sizes: Tokens, config: MixConfig) -> int:
    """Return how many tokens the mixture shall have."""
    if config.n_tokens or config.method != "factors":
        return config.n_tokens or sum(sizes.values())
    given = _given(sizes, config)
    return sum(round(given[group] * n) for group, n in sizes.items())


def ask_tokens(
    weights: Mapping[str, float], sizes: Tokens, budget: int, max_epochs: float
) -> dict[str, int]:
    """Return the tokens of each group: by weight, none read more than max_epochs times.

    They add up to the budget, or to all that the groups with a weight may give.
    """
    # exact arithmetic, and the cap as it is written: 0.3 is three tenths
    caps = {group: int(n * Fraction(str(max_epochs))) for group, n in sizes.items()}
    share = {group: Fraction(weight) for group, weight in weights.items() if weight > 0}
    exact: dict[str, Fraction] = dict.fromkeys(sizes, Fraction(0))
    budget_left = Fraction(min(budget, sum(caps[group] for group in share)))
    while share:
        total = sum(share.values())
        full = [group for group in share if budget_left * share[group] / total >= caps[group]]
        if not full:
            exact |= {group: budget_left * one / total for group, one in share.items()}
            break
        for group in full:
            exact[group] = Fraction(caps[group])
            budget_left -= caps[group]
            del share[group]
    asked = {group: int(tokens) for group, tokens in exact.items()}
    # each share rounded down leaves less than a token a group: the largest rests get one each
    rests = sorted(asked, key=lambda group: (asked[group] - exact[group], group))
    for group in rests[: int(sum(exact.values())) - sum(asked.values())]:
        asked[group] += 1
    return asked
