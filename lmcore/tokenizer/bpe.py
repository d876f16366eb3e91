"""The byte-level BPE tokenizer: text to ids and back.

Encoding cuts text into pre-tokens and applies the merges inside each in the order they were
learned. Short texts are encoded in plain Python (`plain`), more than that by compiled kernels
(`compiled`); the ids are the same. `files` keeps a tokenizer, `formats` exchanges it with others.

Layout of a trained vocabulary: ids 0-255 are the bytes, then the merges in the order learned,
then the special tokens. The constructor takes any other layout (GPT-2's, CS336's) as well.
"""

import codecs
import functools
import logging
import os
import random
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path

import numpy as np

from lmcore.errors import InputError
from lmcore.tokenizer.compiled import (
    AT_ONCE_BYTES,
    CompiledEncoder,
    Part,
    is_worth_while,
    would_wait,
)
from lmcore.tokenizer.config import CUSTOM, END_OF_TEXT
from lmcore.tokenizer.files import FILE_NAME, FORMAT, VERSION, Content, parse, render, write_file
from lmcore.tokenizer.plain import PlainEncoder
from lmcore.tokenizer.pretokenize import (
    compile_pattern,
    compile_specials,
    encode_utf8,
    stream_texts,
    text_pretokens,
)
from lmcore.tokenizer.vocabulary import index_merges, with_specials

logger = logging.getLogger(__name__)

Specials = bool | Collection[str]
"""All special tokens (True), none (False), or these."""


class Tokenizer:
    """A vocabulary, its merges in the order learned, its specials and its pre-token pattern.

    Special tokens that the vocabulary lacks are appended to it. `chat_template` is kept with the
    tokenizer, in the language of Hugging Face's templates (Jinja), and never executed here.

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
        *,
        chat_template: str = "",
    ) -> None:
        compile_pattern(pattern)  # refuses a name that does not exist
        self.pattern = pattern
        self.special_tokens = tuple(dict.fromkeys(special_tokens))
        self.merges = list(merges)
        self.chat_template = chat_template
        self.vocab = with_specials(vocab, self.special_tokens)
        ids = {token: token_id for token_id, token in self.vocab.items()}
        self._special_ids = {special: ids[special.encode()] for special in self.special_tokens}
        self._byte_ids, self._ranks, self._products = index_merges(self.merges, ids)
        made = set(self._products) | set(self._byte_ids)
        for special, token_id in self._special_ids.items():
            if token_id in made:
                raise InputError(
                    f"found special token {special!r} that merges can make; "
                    "expected a token of its own; choose another text for it"
                )
        self._plain = PlainEncoder(self._byte_ids, self._ranks, self._products)
        self._n_plain_bytes = 0
        self._compiled: CompiledEncoder | None = None
        self._stays_plain = False
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle what the tokenizer is, without caches and locks."""
        return _rebuild, (
            self.vocab, self.merges, self.special_tokens, self.pattern, self.chat_template,
        )  # fmt: skip

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

    def encode(
        self, text: str, allow_special: Specials = False, *, disallow_special: Specials = False
    ) -> list[int]:
        """Return the ids of a text.

        Allowed special tokens in the text become their ids, the longest first where they overlap;
        others are text like any other, so that no page of the web can speak as a control token.

        Raises:
            InputError: where the text holds a disallowed special token: one of those named, or,
                as tiktoken has it, with True any that is not allowed.
        """
        specials = self._select(allow_special)
        allowed = specials if disallow_special is True else ()
        self._refuse(text, set(self._select(disallow_special)).difference(allowed))
        compiled = self._compiled or self._compile_for(len(text), at_once=True)
        if compiled is not None:
            ids: list[int] = compiled.encode(self._parts(text, specials)).tolist()
            return ids
        return list(self._plain_ids(text_pretokens(text, self.pattern, specials)))

    def encode_to_array(self, text: str, allow_special: Specials = False) -> np.ndarray:
        """Return the ids of a text as uint32, without making Python integers of them."""
        return next(self.encode_batch([text], allow_special=allow_special, workers=1))

    def encode_batch(
        self, texts: Iterable[str], *, allow_special: Specials = False, workers: int = 0
    ) -> Iterator[np.ndarray]:
        """Yield the ids of each text as uint32, in order, lazily, on `workers` threads (0: all)."""
        specials = self._select(allow_special)
        waiting = iter(texts)
        for text in waiting:
            compiled = self._compiled or self._compile_for(len(text))
            if compiled is not None:
                to_parts = functools.partial(self._parts, specials=specials)
                rest = chain([text], waiting)
                yield from compiled.encode_all(rest, to_parts, workers or os.cpu_count() or 1)
                return
            ids = self._plain_ids(text_pretokens(text, self.pattern, specials))
            yield np.fromiter(ids, np.uint32)

    def encode_iterable(
        self, chunks: Iterable[str], *, allow_special: Specials = False
    ) -> Iterator[int]:
        """Yield the ids of the joined chunks, lazily, holding one block of text at a time.

        Equal to `encode` of the joined text however it is cut: the tail of a block waits until
        no text to come can change it.
        """
        specials = self._select(allow_special)
        return chain.from_iterable(self._stream(chunks, specials))

    def encode_with_dropout(
        self,
        text: str,
        dropout: float,
        generator: random.Random,
        *,
        allow_special: Specials = False,
    ) -> list[int]:
        """Return ids of a text where each merge is passed over with this probability.

        BPE-dropout, to regularise training: the ids differ from call to call, the text they stand
        for does not.
        """
        if not 0 <= dropout <= 1:
            raise InputError(f"found dropout {dropout}; expected 0 to 1; choose a probability")
        ids: list[int] = []
        for pretokens, special in text_pretokens(text, self.pattern, self._select(allow_special)):
            for pretoken in pretokens:
                ids += self._plain.merge_with_dropout(encode_utf8(pretoken), dropout, generator)
            ids += [] if special is None else [self._special_ids[special]]
        return ids

    def warm_up(self) -> None:
        """Load the kernels now, compiling them where that has never been done, if they can be."""
        self._compile_for(1 << 62)

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of the ids; bytes that are no UTF-8 become U+FFFD.

        Raises:
            InputError: where an id is outside the vocabulary.
        """
        return b"".join(self._tokens(ids)).decode(errors="replace")

    def decode_iterable(self, ids: Iterable[int]) -> Iterator[str]:
        """Yield the text of the ids as soon as it is certain; joined, it is `decode` of them all."""
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        for token in self._tokens(ids):
            text = decoder.decode(token)
            if text:
                yield text
        rest = decoder.decode(b"", final=True)
        if rest:
            yield rest

    def save(self, directory: Path) -> None:
        """Write `tokenizer.json` into the directory, whole or not at all."""
        content = Content(
            self.vocab, self.merges, self.special_tokens, self.pattern, self.chat_template
        )
        write_file(directory / FILE_NAME, render(content))

    @classmethod
    def load(cls, directory: Path) -> "Tokenizer":
        """Read `tokenizer.json` from the directory.

        Raises:
            InputError: where the file is missing, is not ours or contradicts itself.
        """
        path = directory / FILE_NAME
        try:
            content = parse(path.read_bytes())
            return cls(
                content.vocab,
                content.merges,
                content.special_tokens,
                content.pattern,
                chat_template=content.chat_template,
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(
                f"found {path} unusable ({type(error).__name__}: {error}); expected a "
                f"{FORMAT} file of version {VERSION}; train the tokenizer again"
            ) from error

    def _select(self, specials: Specials) -> tuple[str, ...]:
        """Return the special tokens that are meant."""
        if isinstance(specials, bool):
            return self.special_tokens if specials else ()
        for special in specials:
            self.token_id(special)
        return tuple(specials)

    def _refuse(self, text: str, disallowed: Collection[str]) -> None:
        found = compile_specials(tuple(sorted(disallowed))).search(text) if disallowed else None
        if found:
            raise InputError(
                f"found the special token {found.group()!r} at character {found.start():,d} of a "
                "text; expected text without it; allow it, or do not disallow it"
            )

    def _tokens(self, ids: Iterable[int]) -> Iterator[bytes]:
        vocab = self.vocab
        for token_id in ids:
            try:
                yield vocab[token_id]
            except KeyError as error:
                raise InputError(
                    f"found id {error}; expected 0 to {self.vocab_size - 1:,d}; "
                    "decode with the tokenizer that encoded"
                ) from None

    def _plain_ids(self, blocks: Iterable[tuple[list[str], str | None]]) -> Iterator[int]:
        return chain.from_iterable(self._plain_blocks(blocks))

    def _plain_blocks(
        self, blocks: Iterable[tuple[list[str], str | None]]
    ) -> Iterator[Iterable[int]]:
        """Yield iterables of ids; each is used up before the next is asked for."""
        look_up = self._plain.__getitem__
        for pretokens, special in blocks:
            yield chain.from_iterable(map(look_up, pretokens))
            if special is not None:
                yield (self._special_ids[special],)

    def _parts(self, text: str, specials: Sequence[str]) -> list[Part]:
        """Return what is between special tokens, and the id of each."""
        parts, start = [], 0
        if specials:
            for match in compile_specials(tuple(specials)).finditer(text):
                between = encode_utf8(text[start : match.start()])
                parts.append((between, self._special_ids[match.group()]))
                start = match.end()
        return [*parts, (encode_utf8(text[start:] if start else text), -1)]

    def _stream(self, chunks: Iterable[str], specials: Sequence[str]) -> Iterator[Iterable[int]]:
        """Yield iterables of ids, one for each piece of the text; each is used up in turn."""
        can_cut = not self.pattern.startswith(CUSTOM)
        for text, special in stream_texts(chunks, specials, can_cut=can_cut):
            special_id = -1 if special is None else self._special_ids[special]
            compiled = self._compiled or self._compile_for(len(text))
            if compiled is not None:
                yield compiled.encode([(encode_utf8(text), special_id)]).tolist()
                continue
            yield self._plain_ids(text_pretokens(text, self.pattern))
            if special is not None:
                yield (special_id,)

    def _compile_for(self, n_bytes: int, *, at_once: bool = False) -> CompiledEncoder | None:
        """Return the compiled encoder once enough text has gone by that it pays.

        For a short text that is wanted at once, nothing is compiled.
        """
        self._n_plain_bytes += n_bytes
        if self._stays_plain or not is_worth_while(self._n_plain_bytes):
            return None
        if at_once and n_bytes <= AT_ONCE_BYTES and would_wait():
            return None
        with self._lock:
            if self._compiled is None:
                rows = [(*pair, self._products[rank]) for pair, rank in self._ranks.items()]
                try:
                    self._compiled = CompiledEncoder(self.pattern, self._byte_ids, rows)
                except (MemoryError, ImportError, OSError) as error:
                    # A process that may not grow: plain Python gives the same ids, later.
                    logger.warning("kernels cannot be loaded (%s): staying in plain Python", error)
                    self._stays_plain = True
        return self._compiled


def _rebuild(
    vocab: Mapping[int, bytes],
    merges: Sequence[tuple[bytes, bytes]],
    special_tokens: Sequence[str],
    pattern: str,
    chat_template: str,
) -> Tokenizer:
    return Tokenizer(vocab, merges, special_tokens, pattern, chat_template=chat_template)
