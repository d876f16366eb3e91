"""BPE the obvious way: the definition that the fast trainer and encoder are tested against.

Nothing is incremental: training counts every pair again for each merge, encoding tries every
merge in turn. Cost: O(merges x text).
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise

import regex

from lmcore.tokenizer.alphabet import printable_bytes
from lmcore.tokenizer.bpe import Tokenizer
from lmcore.tokenizer.config import N_BYTES, TokenizerConfig, expression_of


def train_reference(
    texts: Iterable[str | bytes], config: TokenizerConfig
) -> list[tuple[bytes, bytes]]:
    """Return the merges in order, fewer than asked for where no pair is left.

    Bytes are UTF-8; those that are not stay themselves.
    """
    words: Counter[tuple[bytes, ...]] = Counter()
    for given in texts:
        text = given.decode(errors="surrogateescape") if isinstance(given, bytes) else given
        for piece, is_special in split_specials(text, config.special_tokens):
            if not is_special:
                words.update(map(_single_bytes, cut_pretokens(piece, config.pattern)))
    # "smallest" compares ids, the bytes' in the order of the characters that stand for them.
    alphabet = sorted(range(N_BYTES), key=printable_bytes().__getitem__)
    numbers = {bytes([byte]): number for number, byte in enumerate(alphabet)}
    merges: list[tuple[bytes, bytes]] = []
    while len(merges) < config.vocab_size - N_BYTES - len(config.special_tokens):
        pairs: Counter[tuple[bytes, bytes]] = Counter()
        for word, count in words.items():
            for pair in pairwise(word):
                pairs[pair] += count
        if not pairs:
            break
        most = max(pairs.values())
        tied = [pair for pair, count in pairs.items() if count == most]
        if config.ties == "greatest":
            best = max(tied)
        else:
            best = min(tied, key=lambda pair: (numbers[pair[0]], numbers[pair[1]]))
        merges.append(best)
        numbers[best[0] + best[1]] = len(numbers)
        merged: Counter[tuple[bytes, ...]] = Counter()
        for word, count in words.items():
            merged[apply_merge(word, best)] += count
        words = merged
    return merges


def encode_reference(tokenizer: Tokenizer, text: str, allow_special: bool = False) -> list[int]:
    """Return the ids of a text."""
    id_of = {token: token_id for token_id, token in tokenizer.vocab.items()}
    ids: list[int] = []
    specials = tokenizer.special_tokens if allow_special else ()
    for piece, is_special in split_specials(text, specials):
        if is_special:
            ids.append(id_of[piece.encode()])
            continue
        for pretoken in cut_pretokens(piece, tokenizer.pattern):
            word = _single_bytes(pretoken)
            for left, right in tokenizer.merges:
                if left in word and right in word:
                    word = apply_merge(word, (left, right))
            ids += [id_of[token] for token in word]
    return ids


def split_specials(text: str, specials: Sequence[str]) -> list[tuple[str, bool]]:
    """Return the pieces of a text and whether each is a special token, the longest first."""
    pieces: list[tuple[str, bool]] = []
    start = here = 0
    while here < len(text):
        found = [special for special in specials if text.startswith(special, here)]
        if not found:
            here += 1
            continue
        special = max(found, key=len)
        pieces += [(text[start:here], False), (special, True)]
        start = here = here + len(special)
    return [*pieces, (text[start:], False)]


def cut_pretokens(text: str, pattern: str) -> list[str]:
    """Return the text cut at both ends of every match of a pattern."""
    cuts = {0, len(text)}
    for match in regex.finditer(expression_of(pattern), text):
        cuts |= set(match.span())
    return [text[start:stop] for start, stop in pairwise(sorted(cuts))]


def apply_merge(word: tuple[bytes, ...], pair: tuple[bytes, bytes]) -> tuple[bytes, ...]:
    """Return the word with the pair joined wherever it stands, from left to right."""
    merged: list[bytes] = []
    here = 0
    while here < len(word):
        if word[here : here + 2] == pair:
            merged.append(word[here] + word[here + 1])
            here += 2
        else:
            merged.append(word[here])
            here += 1
    return tuple(merged)


def _single_bytes(text: str) -> tuple[bytes, ...]:
    return tuple(bytes([byte]) for byte in text.encode(errors="surrogateescape"))
