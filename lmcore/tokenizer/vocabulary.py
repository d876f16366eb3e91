"""What a vocabulary and its merges must be to each other, checked before either is used."""

from collections.abc import Iterable, Mapping, Sequence

from lmcore.errors import InputError
from lmcore.tokenizer.config import N_BYTES


def number_tokens(entries: Iterable[tuple[bytes, int]]) -> dict[int, bytes]:
    """Return the vocabulary of tokens and their ids, which a file may give more than once.

    Raises:
        TypeError: where an id is no integer.
        ValueError: where an id has two tokens.
    """
    vocab: dict[int, bytes] = {}
    for token, token_id in entries:
        if type(token_id) is not int:
            raise TypeError(f"the id {token_id!r}")
        if vocab.setdefault(token_id, token) != token:
            raise ValueError(f"the id {token_id} twice, of {vocab[token_id]!r} and {token!r}")
    return vocab


def with_specials(vocab: Mapping[int, bytes], specials: Sequence[str]) -> dict[int, bytes]:
    """Return the vocabulary in the order of its ids, with the specials that it lacks at its end.

    Raises:
        InputError: where ids are not 0..n-1, or a token is empty or occurs twice.
    """
    if sorted(vocab) != list(range(len(vocab))):
        hole = next((i for i in range(len(vocab)) if i not in vocab), len(vocab))
        raise InputError(
            f"found {len(vocab):,d} ids without {hole:,d}; expected 0 to {len(vocab) - 1:,d}; "
            "number the vocabulary without holes"
        )
    known = set(vocab.values())
    if b"" in known or "" in specials:
        raise InputError(
            "found a token without bytes; expected one byte or more in each; drop the empty token"
        )
    if len(known) != len(vocab):
        raise InputError(
            f"found {len(vocab):,d} ids for {len(known):,d} different tokens; "
            "expected each token once; drop the repeats"
        )
    tokens = [vocab[token_id] for token_id in range(len(vocab))]
    tokens += [special.encode() for special in specials if special.encode() not in known]
    return dict(enumerate(tokens))


def refuse_unmade(
    vocab: Mapping[int, bytes], merges: Sequence[tuple[bytes, bytes]], specials: Sequence[str]
) -> None:
    """Refuse tokens that no text can become, as a file has whose merges were cut short.

    Raises:
        InputError: where a token is neither a byte, nor made by a merge, nor special.
    """
    made = {left + right for left, right in merges} | {special.encode() for special in specials}
    unmade = [i for i in sorted(vocab) if len(vocab[i]) > 1 and vocab[i] not in made]
    if unmade:
        raise InputError(
            f"found {len(unmade):,d} tokens that no merge makes ({vocab[unmade[0]]!r} with the id "
            f"{unmade[0]:,d} first); expected bytes, a merge for each other token, and special "
            "tokens; restore the merges, or name what is special"
        )


def index_merges(
    merges: Sequence[tuple[bytes, bytes]], ids: Mapping[bytes, int]
) -> tuple[list[int], dict[tuple[int, int], int], list[int]]:
    """Return the ids of the bytes, the rank of each pair of ids, and what each rank makes.

    Raises:
        InputError: where a byte is missing, or a merge joins or makes what is not there.
    """
    single_bytes = [bytes([byte]) for byte in range(N_BYTES)]
    missing = [byte.hex() for byte in single_bytes if byte not in ids]
    if missing:
        raise InputError(
            f"found no token for {len(missing)} bytes ({missing[0]} first); "
            "expected all 256; add them to the vocabulary"
        )
    ranks: dict[tuple[int, int], int] = {}
    products: list[int] = []
    made = set(single_bytes)
    for rank, (left, right) in enumerate(merges):
        token = left + right
        if left not in made or right not in made or token in made or token not in ids:
            raise InputError(
                f"found merge {rank:,d} of {left!r} and {right!r}; expected two tokens made "
                "before it that make a new token of the vocabulary; restore the order and "
                "vocabulary of the training"
            )
        made.add(token)
        ranks[ids[left], ids[right]] = rank
        products.append(ids[token])
    return [ids[byte] for byte in single_bytes], ranks, products
