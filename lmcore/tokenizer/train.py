"""BPE training (Sennrich et al., arXiv:1508.07909; byte level as in GPT-2).

The most frequent pair of neighbouring tokens becomes a token, again and again. Ties go to the
greatest pair, compared as a tuple of bytes, or by the rule of `TokenizerConfig.ties`. Two steps:
count the unique pre-tokens of a stream of text (`counter`, `kernels.count`), then merge in them,
weighted by how often they occur (`merger`, `kernels.merge`).

Texts of up to a few megabytes are dealt with in plain Python (`plain_train`), as everything is
where kernels cannot be compiled; the merges are the same. So they are for any number of threads.

Cost: O(bytes) to count, then O(bytes of unique pre-tokens x depth of merges); memory follows the
unique pre-tokens and not the text.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Final

from lmcore.errors import InputError
from lmcore.kernels import compiling
from lmcore.tokenizer.bpe import Tokenizer
from lmcore.tokenizer.config import N_BYTES, TokenizerConfig
from lmcore.tokenizer.plain_train import PlainMerger
from lmcore.tokenizer.pretokenize import encode_utf8, text_pretokens

Merges = list[tuple[bytes, bytes]]
Progress = Callable[[str, int, int], None]
"""What is being done ("bytes counted" or "merges"), how many, and of how many (0: unknown)."""

_MODULES: Final = ("lmcore.tokenizer.kernels.count", "lmcore.tokenizer.kernels.merge")
WARM_CHARS: Final = 1 << 22
COLD_CHARS: Final = 1 << 24
"""Text that is dealt with in plain Python: about 1 s and 5 s, while kernels load or are compiled."""


def train_bpe(
    texts: Iterable[str | bytes],
    config: TokenizerConfig,
    *,
    workers: int = 1,
    progress: Progress | None = None,
) -> Tokenizer:
    """Train a tokenizer on texts (str or UTF-8); ids are the bytes, the merges in order, then the specials.

    Each text is a document of its own: nothing merges across two of them, nor across a special
    token inside one. Neither the order of the texts nor the number of workers (threads that
    count) changes anything.

    Raises:
        InputError: where the texts hold fewer merges than `config.vocab_size` asks for.
    """
    waiting = iter(texts)
    first: list[str | bytes] = []
    n_chars, most = 0, _plain_chars()
    for text in waiting:
        first.append(text)
        n_chars += len(text)
        if n_chars > most:
            return _train_compiled(chain(first, waiting), config, workers, progress)
    counts = count_pretokens(first, config)
    merges = PlainMerger(counts, config.ties).run(_n_merges(config))
    return _finish(merges, len(counts), config)


def train_bpe_files(
    paths: Sequence[Path],
    config: TokenizerConfig,
    *,
    column: str = "text",
    workers: int = 1,
    progress: Progress | None = None,
) -> Tokenizer:
    """Train on files: Parquet (`.parquet`, a column of texts), or text, plain or `.gz`.

    Text is read in pieces, so memory does not follow its size. Bytes that are no UTF-8 stand for
    themselves; special tokens divide it.

    Raises:
        InputError: as `train_bpe`, and where a file has no such column.
    """
    from lmcore.tokenizer.sources import read_texts  # loads pyarrow

    return train_bpe(read_texts(paths, config, column), config, workers=workers, progress=progress)


def count_pretokens(texts: Iterable[str | bytes], config: TokenizerConfig) -> dict[bytes, int]:
    """Return how often each pre-token occurs in the texts; special tokens are left out."""
    counts: Counter[str] = Counter()
    for text in texts:
        if isinstance(text, bytes):
            text = text.decode(errors="surrogateescape")  # noqa: PLW2901 - bytes stay themselves
        else:
            encode_utf8(text)  # refuses lone surrogates
        for pretokens, _special in text_pretokens(text, config.pattern, config.special_tokens):
            counts.update(pretokens)
    return {pretoken.encode(errors="surrogateescape"): count for pretoken, count in counts.items()}


def _plain_chars() -> int:
    """Return how much text plain Python deals with sooner than kernels would."""
    if not compiling.is_installed():
        return 1 << 62
    return WARM_CHARS if compiling.is_compiled(*_MODULES) else COLD_CHARS


def _n_merges(config: TokenizerConfig) -> int:
    return config.vocab_size - N_BYTES - len(config.special_tokens)


def _train_compiled(
    texts: Iterator[str | bytes], config: TokenizerConfig, workers: int, progress: Progress | None
) -> Tokenizer:
    compiling.announce("the tokenizer's trainer, about 20 s", *_MODULES)
    from lmcore.tokenizer.counter import count_texts  # loads kernels
    from lmcore.tokenizer.merger import merge_counts  # loads kernels

    def on_merge(n_done: int, n_total: int) -> None:
        if progress is not None:
            progress("merges", n_done, n_total)

    counter = count_texts(texts, config, workers, progress)
    n_unique = len(counter)
    pairs = merge_counts(counter, _n_merges(config), ties=config.ties, progress=on_merge)
    tokens = [bytes([byte]) for byte in range(N_BYTES)]
    merges: Merges = []
    for left, right in pairs:
        merges.append((tokens[left], tokens[right]))
        tokens.append(tokens[left] + tokens[right])
    return _finish(merges, n_unique, config)


def _finish(merges: Merges, n_unique: int, config: TokenizerConfig) -> Tokenizer:
    """Return the tokenizer of the merges.

    Raises:
        InputError: where there are fewer than asked for.
    """
    n_merges = _n_merges(config)
    if len(merges) < n_merges:
        raise InputError(
            f"found text for {len(merges):,d} merges ({n_unique:,d} unique pre-tokens); "
            f"expected {n_merges:,d} for vocab_size {config.vocab_size:,d} (with 256 bytes and "
            f"{len(config.special_tokens)} specials); lower vocab_size to at most "
            f"{config.vocab_size - n_merges + len(merges):,d} or give more text"
        )
    tokens = [bytes([byte]) for byte in range(N_BYTES)]
    tokens += [left + right for left, right in merges]
    tokens += [special.encode() for special in config.special_tokens]
    return Tokenizer(dict(enumerate(tokens)), merges, config.special_tokens, config.pattern)
