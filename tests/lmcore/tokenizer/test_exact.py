"""Equal to the definition on random corpora, to tiktoken and Hugging Face on real text, always.

What is quick here is a small share of what the slow tests do.
"""

import json
import os
import random
import subprocess
import sys
from itertools import chain
from pathlib import Path

import numpy as np
import pytest

from lmcore.tokenizer import counter, merger
from lmcore.tokenizer.alphabet import from_printable
from lmcore.tokenizer.bpe import Tokenizer
from lmcore.tokenizer.config import END_OF_TEXT, PATTERNS, TIES, TokenizerConfig
from lmcore.tokenizer.gpt2 import from_gpt2_files
from lmcore.tokenizer.reference import encode_reference, train_reference
from lmcore.tokenizer.train import train_bpe

CUSTOM = r"regex:\p{L}+|\d"
SPECIALS = [(), ("<|end|>",), ("<|a|>", "<|a|><|a|>", "|><|"), ("aa", "ab<")]
LETTERS = [
    "ab",
    "aab \n",
    "abc 1'<|end|>",
    "aéß你好😀 \x00\r\n\u0301",
    "aaab",
    "\0\x01 ",
    "sS'tlL ıſK",
]


def random_text(state: random.Random) -> str:
    """Return a text in which counts tie often: of few letters, or of few words."""
    letters = state.choice(LETTERS)
    if state.random() < 0.5:
        return "".join(state.choices(letters, k=state.randrange(120)))
    words = ["".join(state.choices(letters, k=state.randrange(1, 9))) for _ in range(9)]
    words += ["<|end|>", "<|a|>", " ", "\r\n"]
    return state.choice([" ", "", "\n"]).join(state.choices(words, k=state.randrange(40)))


def random_corpus(state: random.Random) -> list[str | bytes]:
    """Return a few texts; some are bytes that are no UTF-8."""
    texts: list[str | bytes] = [random_text(state) for _ in range(state.randrange(1, 6))]
    if state.random() < 0.2:
        texts.append(bytes(state.choices(b"aab \n\x80\xbf\xc3\xa9\xe4\xb8\xad\xff", k=60)))
    return texts


def random_config(state: random.Random) -> dict[str, object]:
    return {
        "pattern": state.choice([*sorted(PATTERNS), CUSTOM]),
        "special_tokens": state.choice(SPECIALS),
    }


def check_corpus(state: random.Random, ties: str) -> None:
    """Train on a random corpus and encode it, in the way chosen before and as it is defined."""
    texts, settings = random_corpus(state), random_config(state)
    n_special = len(settings["special_tokens"])
    size = state.choice([260, 280, 340]) + n_special
    expected = train_reference(texts, TokenizerConfig(vocab_size=size, ties=ties, **settings))
    config = TokenizerConfig(vocab_size=256 + n_special + len(expected), ties=ties, **settings)
    tokenizer = train_bpe(texts, config, workers=state.choice([1, 2, 3]))
    assert tokenizer.merges == expected, (texts, config)
    for text in [*texts, random_text(state) * 3]:
        if isinstance(text, str):
            assert tokenizer.encode(text, True) == encode_reference(tokenizer, text, True)
            assert tokenizer.decode(tokenizer.encode(text)) == text


def make_small(state: random.Random, patch: pytest.MonkeyPatch) -> None:
    """Have tables begin small and thresholds lie anywhere, so that all of the kernels are met."""
    patch.setattr(counter, "_FIRST_ENTRIES", 256)
    patch.setattr(counter, "_FIRST_ARENA", 64)
    patch.setattr(counter, "BLOCK_BYTES", state.choice([1, 50, 1 << 20]))
    patch.setattr(merger, "_FIRST_TALLY", 4)
    threshold = state.choice([None, 1, 2, 3, 10, 1000])
    if threshold is not None:
        patch.setattr(merger, "first_threshold", lambda *_: threshold)


@pytest.mark.parametrize("ties", TIES)
@pytest.mark.parametrize("path", ["plain", "compiled"])
def test_train_and_encode_random_corpora_equal_reference(path, ties, choose_path):
    choose_path(path)
    for seed in range(8):
        state = random.Random(f"{seed} {ties}")
        with pytest.MonkeyPatch.context() as patch:
            make_small(state, patch)
            check_corpus(state, ties)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("ties", TIES)
@pytest.mark.parametrize("path", ["plain", "compiled"])
def test_train_and_encode_a_thousand_random_corpora_equal_reference(path, ties, choose_path):
    choose_path(path)
    for seed in range(300):  # by four
        state = random.Random(f"{seed} {ties} a thousand")
        with pytest.MonkeyPatch.context() as patch:
            make_small(state, patch)
            check_corpus(state, ties)


def huggingface_merges(texts: list[str], size: int) -> list[tuple[bytes, bytes]]:
    """Return the merges that Hugging Face's trainer learns from the same pre-tokens.

    It does not look for special tokens in what it trains on: the texts hold none.
    """
    tokenizers = pytest.importorskip("tokenizers")
    pre_tokenizers = tokenizers.pre_tokenizers
    peer = tokenizers.Tokenizer(tokenizers.models.BPE())
    peer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=[END_OF_TEXT],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    peer.train_from_iterator(texts, trainer)
    merges = json.loads(peer.to_str())["model"]["merges"]
    return [(from_printable(left), from_printable(right)) for left, right in merges]


def smallest_merges(texts: list[str], size: int) -> list[tuple[bytes, bytes]]:
    config = TokenizerConfig(
        vocab_size=size, pattern="gpt2", special_tokens=(END_OF_TEXT,), ties="smallest"
    )
    return train_bpe(texts, config).merges


def test_train_bpe_smallest_ties_equal_huggingface_on_random_texts():
    for seed in range(20):
        state = random.Random(seed)
        texts = [random_text(state) for _ in range(20)]
        expected = huggingface_merges(texts, 400)
        assert len(expected) > 20
        assert smallest_merges(texts, 257 + len(expected)) == expected


def test_train_bpe_smallest_ties_compare_bytes_as_huggingface_numbers_them():
    # A blank is the byte 20, but the character U+0120, which comes after all that are visible.
    expected = [(b"x", b"y"), (b"z", b"w"), (b" ", b"zw")]
    assert smallest_merges(["xy zw"], 260) == expected
    assert huggingface_merges(["xy zw"], 260) == expected


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    "name", ["childrens_stories_multilingual", "python_peps", "rust_rfcs", "tinystories_ru"]
)
def test_train_bpe_smallest_ties_equal_huggingface_on_real_text(name, shared_texts):
    pytest.importorskip("tokenizers")
    texts = [text.replace(END_OF_TEXT, "") for text in next(shared_texts(f"text/{name}.parquet"))]
    expected = huggingface_merges(texts, 16_000)
    assert len(expected) == 16_000 - 257
    assert smallest_merges(texts, 16_000) == expected


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    "glob",
    [
        "text/*.gz",
        "text/*.parquet",
        "align/*.parquet",
        "labelled/*.parquet",
        "webpages/gold.parquet",
    ],
)
def test_encode_all_shared_text_ids_equal_tiktoken(glob, shared_data, shared_texts, choose_path):
    tiktoken = pytest.importorskip("tiktoken")
    folder = shared_data / "text"
    ours = from_gpt2_files(folder / "gpt2_vocab.json.gz", folder / "gpt2_merges.txt.gz")
    ranks = {token: token_id for token_id, token in ours.vocab.items() if token_id < 50_256}
    peer = tiktoken.Encoding(
        "gpt2", pat_str=PATTERNS["gpt2"], mergeable_ranks=ranks, special_tokens={}
    )
    choose_path("compiled")
    n_ids = 0
    for texts in shared_texts(glob):
        found = ours.encode_batch(texts, workers=2)
        for text, ids in zip(texts, found, strict=True):
            assert np.array_equal(ids, peer.encode_ordinary(text))
            n_ids += len(ids)
    assert n_ids > 100_000
    choose_path("plain")
    ours = Tokenizer(ours.vocab, ours.merges, ours.special_tokens, ours.pattern)
    for text in chain.from_iterable(texts[::40] for texts in shared_texts(glob)):
        assert ours.encode(text) == peer.encode_ordinary(text)


CHILD = """
import hashlib, random, sys
from lmcore.tokenizer import bpe, train
from lmcore.tokenizer.config import TokenizerConfig

path, workers = sys.argv[1], int(sys.argv[2])
bpe.is_worth_while = lambda _: path == "compiled"
train._plain_chars = lambda: -1 if path == "compiled" else 1 << 62
state = random.Random(9)
words = ["".join(state.choices("abcdeé '你", k=state.randrange(1, 9))) for _ in range(4000)]
texts = [" ".join(state.choices(words, k=400)) + "<|end|>" for _ in range(300)]
tokenizer = train.train_bpe(texts, TokenizerConfig(vocab_size=2000), workers=workers)
digest = hashlib.sha256(repr(tokenizer.merges).encode())
for ids in tokenizer.encode_batch(texts, workers=workers, allow_special=True):
    digest.update(ids.tobytes())
print(digest.hexdigest())
"""


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_merges_and_ids_equal_in_every_process_with_any_number_of_threads():
    pytest.importorskip("numba")
    found = {}
    for seed, workers in enumerate([1, 2, 2, 5]):
        for path in ("compiled", "plain"):
            environment = {
                **os.environ,
                "PYTHONPATH": str(Path(__file__).parents[3]),
                "PYTHONHASHSEED": str(seed),
            }
            found[path, seed, workers] = subprocess.run(
                [sys.executable, "-c", CHILD, path, str(workers)],
                env=environment,
                capture_output=True,
                text=True,
                check=True,
            ).stdout
    assert len(set(found.values())) == 1, found
    assert all(len(digest.strip()) == 64 for digest in found.values())
