"""The byte-level BPE tokenizer: text to ids and back, and its file.

Encoding cuts text into pre-tokens and applies the merges inside each in the order they were
learned. Most pre-tokens come from a bounded cache; the others are merged with a heap over a
linked list of tokens, O(n log n) for n bytes, so a page of a million equal letters is no trap.

Layout of a trained vocabulary: ids 0-255 are the bytes, then the merges in the order learned,
then the special tokens. The constructor takes any other layout (GPT-2's, CS336's) as well.

The file `tokenizer.json` (UTF-8, one entry a line, the same bytes for the same tokenizer):

    {"format": "crawl2model-tokenizer", "version": 1,
     "pattern": "digits",                      name of the pre-token pattern
     "special_tokens": ["<|endoftext|>", ...],
     "vocab": {"0": "00", ..., "256": "2074"}, id to the token's bytes in hexadecimal
     "merges": ["20 74", ...]}                 left and right bytes, in the order learned

Cost, measured on one core of a busy 2-core x86 box, CPU seconds, on 5 MB of English books: 2.3-2.9
MB/s with an empty cache, 3.6-4.0 MB/s with a warm one; a million `a` in 0.3-5.5 s (no merge or a
merge at every one). The cache holds up to 65,536 pre-tokens (about 15 MB).
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from heapq import heapify, heappop, heappush
from itertools import chain
from pathlib import Path
from typing import Final

from lmcore.errors import InputError
from lmcore.tokenizer.config import END_OF_TEXT, N_BYTES
from lmcore.tokenizer.files import write_file
from lmcore.tokenizer.pretokenize import (
    compile_pattern,
    encode_utf8,
    stream_pretokens,
    text_pretokens,
)

FILE_NAME: Final = "tokenizer.json"
FORMAT: Final = "crawl2model-tokenizer"
VERSION: Final = 1
CACHE_PRETOKENS: Final = 1 << 16
CACHE_CHARS: Final = 32
"""Longer pre-tokens are rare and are not kept, which bounds the cache in bytes too."""


class Tokenizer:
    """A vocabulary, its merges in the order learned, its specials and its pre-token pattern.

    Special tokens that the vocabulary lacks are appended to it.

    Raises:
        InputError: where ids are not 0..n-1, a token or merge occurs twice, a byte is missing, or
            a merge joins or makes what the vocabulary does not hold.
    """

    def __init__(
        self,
        vocab: Mapping[int, bytes],
        merges: Sequence[tuple[bytes, bytes]],
        special_tokens: Sequence[str] = (),
        pattern: str = "digits",
    ) -> None:
        compile_pattern(pattern)  # refuses a name that does not exist
        self.pattern = pattern
        self.special_tokens = tuple(dict.fromkeys(special_tokens))
        self.merges = list(merges)
        self.vocab = _with_specials(vocab, self.special_tokens)
        ids = {token: token_id for token_id, token in self.vocab.items()}
        self._special_ids = {special: ids[special.encode()] for special in self.special_tokens}
        self._byte_ids, self._ranks, self._products = _index_merges(self.merges, ids)
        made = set(self._products) | set(self._byte_ids)
        for special, token_id in self._special_ids.items():
            if token_id in made:
                raise InputError(
                    f"found special token {special!r} that merges can make; "
                    "expected a token of its own; choose another text for it"
                )
        self._cache = _PretokenCache(self)

    @property
    def vocab_size(self) -> int:
        """Number of ids, special tokens included."""
        return len(self.vocab)

    def token_id(self, special: str) -> int:
        """Return the id of a special token."""
        try:
            return self._special_ids[special]
        except KeyError:
            raise InputError(
                f"found no special token {special!r}; expected one of "
                f"{', '.join(self.special_tokens) or 'none at all'}; "
                "train the tokenizer with it"
            ) from None

    @property
    def eot_id(self) -> int:
        """Id of `<|endoftext|>`, which ends every document."""
        return self.token_id(END_OF_TEXT)

    def encode(self, text: str, allow_special: bool = False) -> list[int]:
        """Return the ids of a text.

        With `allow_special` the special tokens in the text become their ids, the longest first
        where they overlap; without, they are text like any other, so that no page of the web can
        speak as a control token.
        """
        specials = self.special_tokens if allow_special else ()
        ids: list[int] = []
        for block in self._encode_blocks(text_pretokens(text, self.pattern, specials)):
            ids += block
        return ids

    def encode_iterable(
        self, chunks: Iterable[str], *, allow_special: bool = False
    ) -> Iterator[int]:
        """Yield the ids of the joined chunks, lazily, holding one block of text at a time.

        Equal to `encode` of the joined text however it is cut: the tail of a block waits until
        no text to come can change it.
        """
        specials = self.special_tokens if allow_special else ()
        blocks = self._encode_blocks(stream_pretokens(chunks, self.pattern, specials))
        return chain.from_iterable(blocks)

    def _encode_blocks(
        self, blocks: Iterable[tuple[list[str], str | None]]
    ) -> Iterator[Iterable[int]]:
        """Yield iterables of ids; each is used up before the next is asked for."""
        look_up = self._cache.__getitem__
        for pretokens, special in blocks:
            yield chain.from_iterable(map(look_up, pretokens))
            if special is not None:
                yield (self._special_ids[special],)

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of the ids; bytes that are no UTF-8 become U+FFFD.

        Raises:
            InputError: where an id is outside the vocabulary.
        """
        try:
            data = b"".join([self.vocab[token_id] for token_id in ids])
        except KeyError as error:
            raise InputError(
                f"found id {error}; expected 0 to {self.vocab_size - 1:,d}; "
                "decode with the tokenizer that encoded"
            ) from None
        return data.decode(errors="replace")

    def merge_bytes(self, data: bytes) -> tuple[int, ...]:
        """Return the ids of one pre-token: the earliest merge first, leftmost first."""
        ids = [self._byte_ids[byte] for byte in data]
        n_bytes = len(ids)
        ranks, products = self._ranks, self._products
        pairs = zip(ids, ids[1:], range(n_bytes), strict=False)
        heap = [(ranks[a, b], i, a, b) for a, b, i in pairs if (a, b) in ranks]
        if not heap:
            return tuple(ids)
        heapify(heap)
        # ids[i] is the token that starts at byte i, -1 inside of one; two links a token.
        following = list(range(1, n_bytes + 1))
        preceding = list(range(-1, n_bytes - 1))
        ids.append(-1)
        while heap:
            rank, here, left, right = heappop(heap)
            there = following[here]
            if ids[here] != left or ids[there] != right:
                continue  # one of the two has become part of another token since
            new = products[rank]
            ids[here], ids[there] = new, -1
            after = following[here] = following[there]
            if after < n_bytes:
                preceding[after] = here
                pair = (new, ids[after])
                if pair in ranks:
                    heappush(heap, (ranks[pair], here, *pair))
            before = preceding[here]
            if before >= 0:
                pair = (ids[before], new)
                if pair in ranks:
                    heappush(heap, (ranks[pair], before, *pair))
        return tuple([token_id for token_id in ids if token_id >= 0])

    def save(self, directory: Path) -> None:
        """Write `tokenizer.json` into the directory, whole or not at all."""
        content = {
            "format": FORMAT,
            "version": VERSION,
            "pattern": self.pattern,
            "special_tokens": list(self.special_tokens),
            "vocab": {str(token_id): token.hex() for token_id, token in self.vocab.items()},
            "merges": [f"{left.hex()} {right.hex()}" for left, right in self.merges],
        }
        write_file(directory / FILE_NAME, (json.dumps(content, indent=0) + "\n").encode())

    @classmethod
    def load(cls, directory: Path) -> "Tokenizer":
        """Read `tokenizer.json` from the directory.

        Raises:
            InputError: where the file is missing, is not ours or contradicts itself.
        """
        path = directory / FILE_NAME
        try:
            return cls(*_parse_file(path.read_bytes()))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(
                f"found {path} unusable ({type(error).__name__}: {error}); expected a "
                f"{FORMAT} file of version {VERSION}; train the tokenizer again"
            ) from error


class _PretokenCache(dict[str, tuple[int, ...]]):
    """Ids of pre-tokens seen before; emptied when full, so what it holds follows the text."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        super().__init__()
        self._merge = tokenizer.merge_bytes

    def __missing__(self, pretoken: str) -> tuple[int, ...]:
        ids = self._merge(encode_utf8(pretoken))
        if len(pretoken) <= CACHE_CHARS:
            if len(self) >= CACHE_PRETOKENS:
                self.clear()
            self[pretoken] = ids
        return ids


def _with_specials(vocab: Mapping[int, bytes], specials: Sequence[str]) -> dict[int, bytes]:
    """Return the vocabulary in the order of its ids, with the specials that it lacks at its end."""
    if sorted(vocab) != list(range(len(vocab))):
        hole = next((i for i in range(len(vocab)) if i not in vocab), len(vocab))
        raise InputError(
            f"found {len(vocab):,d} ids without {hole:,d}; expected 0 to {len(vocab) - 1:,d}; "
            "number the vocabulary without holes"
        )
    known = set(vocab.values())
    if len(known) != len(vocab):
        raise InputError(
            f"found {len(vocab):,d} ids for {len(known):,d} different tokens; "
            "expected each token once; drop the repeats"
        )
    tokens = [vocab[token_id] for token_id in range(len(vocab))]
    tokens += [special.encode() for special in specials if special.encode() not in known]
    return dict(enumerate(tokens))


def _index_merges(
    merges: Sequence[tuple[bytes, bytes]], ids: Mapping[bytes, int]
) -> tuple[list[int], dict[tuple[int, int], int], list[int]]:
    """Return the ids of the bytes, the rank of each pair of ids, and what each rank makes."""
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


def _parse_merge(line: str) -> tuple[bytes, bytes]:
    left, right = line.split(" ")
    return bytes.fromhex(left), bytes.fromhex(right)


def _parse_file(
    data: bytes,
) -> tuple[dict[int, bytes], list[tuple[bytes, bytes]], list[str], str]:
    """Return vocabulary, merges, specials and pattern of a `tokenizer.json`."""
    content = json.loads(data)
    if content["format"] != FORMAT or content["version"] != VERSION:
        raise ValueError(f"format {content['format']!r} version {content['version']!r}")
    vocab = {int(key): bytes.fromhex(value) for key, value in content["vocab"].items()}
    merges = [_parse_merge(line) for line in content["merges"]]
    specials = [str(special) for special in content["special_tokens"]]
    if len(vocab) != len(content["vocab"]):
        raise ValueError("an id that occurs twice")
    if len(vocab) != N_BYTES + len(merges) + len(set(specials)):
        raise ValueError(
            f"{len(vocab):,d} tokens for 256 bytes, {len(merges):,d} merges and "
            f"{len(set(specials))} specials"
        )
    return vocab, merges, specials, str(content["pattern"])
