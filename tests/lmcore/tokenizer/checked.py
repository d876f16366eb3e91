"""Fuzz of all kernels, to be run where every access to memory is checked (`test_checked`)."""

import random

import numpy as np
import test_kernels as fuzz

from lmcore.kernels import compiling
from lmcore.tokenizer import bpe, compiled, counter, encoder, merger, train
from lmcore.tokenizer.config import PATTERNS, TIES, TokenizerConfig
from lmcore.tokenizer.pretokenize import compile_pattern
from lmcore.tokenizer.reference import encode_reference, train_reference
from lmcore.tokenizer.scanner import make_scanner, split_specials, to_block

BAD_BYTES = b"aA1 '\n\x80\xbf\xc2\xe4\xb8\xad\xed\xa0\xf0\x9f\x98\xff"
GIANTS = [" ", "a", "^", "😀", "中", "\0", "ab", "\n", "'s", "1"]


def scan_everything(state: random.Random) -> None:
    """Every pattern, on text, on bytes that are none, at every room for ends, in segments."""
    for _ in range(300):
        text = fuzz.nasty_text(state)
        for pattern in PATTERNS:
            expected = [piece.encode() for piece in compile_pattern(pattern).findall(text)]
            assert fuzz.scan(pattern, text.encode(), state.choice([90, 145, 1000])) == expected
            fuzz.scan(pattern, bytes(state.choices(BAD_BYTES, k=state.randrange(200))))
    for pattern in PATTERNS:
        fuzz.check_code_points(pattern, list(range(0x3100)))
        for unit in GIANTS:
            assert b"".join(fuzz.scan(pattern, unit.encode() * 50_000)) == unit.encode() * 50_000
        text = b"<|a|>".join(fuzz.nasty_text(state).encode() for _ in range(50))
        bounds = split_specials(text, (b"<|a|>",), 0)
        scanner, n_ends = make_scanner(pattern), 0
        for n in scanner.scan(to_block([text]), np.array(bounds, np.int64)):
            n_ends += n
        assert n_ends > 50


def train_and_encode(state: random.Random) -> None:
    """Small tables that grow, thresholds of all heights, both rules, threads, caches that fill."""
    counter._FIRST_ENTRIES, counter._FIRST_ARENA, merger._FIRST_TALLY = 256, 64, 4
    counter.BLOCK_BYTES = state.choice([1, 50, 1 << 20])
    encoder.FIRST_ENTRIES, encoder.MOST_ENTRIES = 256, state.choice([256, 1024])
    encoder.ENDS = state.choice([90, 1000])
    threshold = state.choice([1, 3, 1000])
    merger.first_threshold = lambda *_: threshold
    pattern, ties = state.choice(sorted(PATTERNS)), state.choice(TIES)
    texts: list[str | bytes] = [fuzz.nasty_text(state) for _ in range(5)]
    texts.append(bytes(state.choices(BAD_BYTES, k=100)))
    merges = train_reference(texts, TokenizerConfig(vocab_size=340, pattern=pattern, ties=ties))
    config = TokenizerConfig(vocab_size=260 + len(merges), pattern=pattern, ties=ties)
    tokenizer = train.train_bpe(texts, config, workers=state.choice([1, 2, 5]))
    assert tokenizer.merges == merges
    expected = []
    texts = [*texts[:-1], "a" * 300 + "b" * 100, "", "<|end|>"]
    for text in texts:
        expected.append(encode_reference(tokenizer, text, True))
        assert tokenizer.encode(text, True) == expected[-1]
        assert list(tokenizer.encode_iterable(text, allow_special=True)) == expected[-1]
    found = tokenizer.encode_batch(texts * 3, allow_special=True, workers=3)
    assert [ids.tolist() for ids in found] == expected * 3


def giants() -> None:
    """Pre-tokens longer than every fixed space, trained on and encoded."""
    for unit in GIANTS:
        text = unit * 100_000
        config = TokenizerConfig(vocab_size=266, pattern="gpt2", special_tokens=())
        if unit != "'s":
            tokenizer = train.train_bpe([text], config)
            assert tokenizer.encode(text) == list(tokenizer._plain.merge(text.encode()))
    bad = bytes(random.Random(1).choices(range(0x80, 0x100), k=100_000))
    config = TokenizerConfig(vocab_size=266, pattern="gpt2", special_tokens=())
    assert train.train_bpe([bad], config).merges == train_reference([bad], config)


if __name__ == "__main__":
    assert compiling.CHECKED
    bpe.is_worth_while = compiled.is_worth_while = lambda _: True
    bpe.would_wait = lambda: False
    train._plain_chars = lambda: -1
    shared = random.Random(8)
    giants()
    scan_everything(shared)
    for _ in range(150):
        train_and_encode(shared)
    print("checked")
