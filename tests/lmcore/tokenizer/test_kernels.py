"""The compiled path: equal to the `regex` module, to the reference, and to plain Python.

The kernels run as they are shipped; `test_checked` runs them where every access is checked.
"""

import os
import random
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from lmcore.tokenizer.config import PATTERNS, SPECIAL_TOKENS, TokenizerConfig
from lmcore.tokenizer.pretokenize import compile_pattern
from lmcore.tokenizer.reference import encode_reference, train_reference

pytest.importorskip("numba")

from lmcore.tokenizer import compiled, encoder, merger, scanner, train
from lmcore.tokenizer.counter import count_texts
from lmcore.tokenizer.train import count_pretokens, train_bpe

CUSTOM = r"regex:\p{L}+|\s(?=\d)|"
# What meets at the rules of all four patterns, and characters of every kind they tell apart.
PIECES = [
    *" \t\n\r'abcstmdlvreSTDLVE0159.,!?-_\"/<|>",
    *("  ", "\r\n", "\n/", "//", "''", "0123", "the ", "Word", "'s", "'ll", "'ve", "'re", " 's"),
    *("'S", "'LL", "'ſ", "\u00a0", "\u3000", "\u2028", "\x85", "\x00", "\x1c", "\x1f", "\u200b"),
    *"éÉßſKЖж中ひ日ʰǅ\u0301\ufeff٣①Ⅷ½İ﷽“”’😀\U00010400\U0001d7ce",
    *("日本", "👩‍👩‍👧", "e\u0301"),
    *("\u0903", "\u20dd", "\u0378", "\ue000", "\u1680", "\u2029", "\u205f", "\u180e", "\U0010ffff"),
    *("\u212a", "\ufb06", "'\ufb06", "'s's", "\u0300'", "1\u0660", "²³", "ª", "ǅǅ", "一1"),
    *("\n \n", "\t ", " \u00a0"),
]
# Behind, before and between everything that a rule looks at.
CONTEXTS = "a{c}b {c} {c}1{c}A{c}.\n{c}'s{c}'{c} 'l{c} '{c}e  {c}\r{c}\n/{c}{c}a{c}'"


def scan(pattern: str, data: bytes, room: int = scanner.ENDS) -> list[bytes]:
    """Return the pre-tokens that the compiled scanner finds."""
    found = scanner.Scanner(pattern)
    found.ends = np.empty(room, np.int64)
    segments = np.array([[0, len(data), -1]])
    block = scanner.to_block([data])
    ends = [0]
    for n_ends in found.scan(block, segments):
        ends += found.ends[:n_ends].tolist()
    return [data[a:b] for a, b in pairwise(ends)]


def nasty_text(state: random.Random) -> str:
    """Return a text of a few kinds of pieces, around the lengths where blocks end."""
    pieces = PIECES if state.random() < 0.5 else state.sample(PIECES, state.choice([2, 3, 5, 8]))
    return "".join(state.choices(pieces, k=state.choice([1, 2, 3, 5, 20, 63, 64, 65, 130, 300])))


@pytest.mark.timeout(300)
def test_scan_nasty_strings_equal_regex():
    state = random.Random(1)
    for _ in range(400):
        text = nasty_text(state)
        room = state.choice([90, 145, scanner.ENDS])
        for pattern in PATTERNS:
            expected = [piece.encode() for piece in compile_pattern(pattern).findall(text)]
            assert scan(pattern, text.encode(), room) == expected, (pattern, text)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("pattern", sorted(PATTERNS))
def test_scan_a_hundred_thousand_nasty_strings_equal_regex(pattern):
    state, expression = random.Random(pattern), compile_pattern(pattern)
    for _ in range(100_000):
        text = nasty_text(state)
        expected = [piece.encode() for piece in expression.findall(text)]
        assert scan(pattern, text.encode()) == expected, (pattern, text)


def check_code_points(pattern: str, codes: list[int]) -> None:
    for start in range(0, len(codes), 8192):
        characters = map(chr, codes[start : start + 8192])
        text = "".join([CONTEXTS.format(c=character) for character in characters])
        expected = [piece.encode() for piece in compile_pattern(pattern).findall(text)]
        assert scan(pattern, text.encode()) == expected


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("pattern", sorted(PATTERNS))
def test_scan_every_code_point_in_context_equals_regex(pattern):
    check_code_points(pattern, [*range(0xD800), *range(0xE000, 0x110000)])


def test_scan_every_hundredth_code_point_in_context_equals_regex():
    codes = [code for code in range(0x500, 0x110000, 97) if not 0xD800 <= code < 0xE000]
    for pattern in PATTERNS:
        check_code_points(pattern, [*range(0x500), *codes])


@pytest.mark.parametrize("pattern", sorted(PATTERNS))
def test_scan_bytes_that_are_no_utf8_are_characters_of_no_class(pattern):
    state = random.Random(3)
    for _ in range(150):
        data = bytes(
            state.choices(b"aA1 '\n\x80\xbf\xc2\xe4\xb8\xad\xed\xa0\xf0\x9f\x98\xff", k=90)
        )
        # Escaped, each such byte is a lone surrogate, which has no class either.
        text = data.decode(errors="surrogateescape")
        expected = [
            piece.encode(errors="surrogateescape")
            for piece in compile_pattern(pattern).findall(text)
        ]
        assert scan(pattern, data) == expected


@pytest.mark.parametrize(
    "unit", [" ", "a", "A", "^", "😀", "中", "\n", "\0", "1", "'s", "\n ", "é"]
)
@pytest.mark.parametrize("pattern", sorted(PATTERNS))
def test_scan_long_run_equals_regex(pattern, unit):
    text = unit * 3000 + "x"
    expected = [piece.encode() for piece in compile_pattern(pattern).findall(text)]
    assert scan(pattern, text.encode()) == expected


@pytest.mark.parametrize("pattern", [*sorted(PATTERNS), CUSTOM])
def test_count_texts_equals_plain_count(pattern, monkeypatch):
    monkeypatch.setattr("lmcore.tokenizer.counter._FIRST_ENTRIES", 256)
    monkeypatch.setattr("lmcore.tokenizer.counter._FIRST_ARENA", 64)
    state = random.Random(4)
    texts = [
        nasty_text(state) + state.choice(SPECIAL_TOKENS) + nasty_text(state) * 3 for _ in range(60)
    ]
    config = TokenizerConfig(pattern=pattern)
    expected = count_pretokens(texts, config)
    for workers in (1, 3):
        monkeypatch.setattr("lmcore.tokenizer.counter.BLOCK_BYTES", 700)
        assert count_texts(texts, config, workers).counts() == expected


@pytest.mark.parametrize("threshold", [None, 1, 3, 1000])
@pytest.mark.parametrize("alphabet", ["ab", "aab \n", "abc 1'", "aéß你好😀 \x00\r\n\u0301"])
def test_train_bpe_compiled_random_corpora_equal_reference(
    alphabet, threshold, always_compiled, monkeypatch
):
    if threshold is not None:
        monkeypatch.setattr(merger, "first_threshold", lambda *_: threshold)
        monkeypatch.setattr(merger, "_FIRST_TALLY", 4)
    for seed in range(12):
        state = random.Random(f"{seed} {alphabet}")
        texts = ["".join(state.choices(alphabet, k=state.randrange(150))) for _ in range(4)]
        expected = train_reference(texts, TokenizerConfig(vocab_size=330))
        config = TokenizerConfig(vocab_size=260 + len(expected))
        assert train_bpe(texts, config).merges == expected


@pytest.mark.parametrize("ties", ["greatest", "smallest"])
@pytest.mark.parametrize("workers", [1, 2, 5])
def test_train_bpe_compiled_equals_plain(ties, workers, monkeypatch):
    state = random.Random(5)
    words = ["".join(state.choices("abcdeé ", k=state.randrange(1, 9))) for _ in range(300)]
    texts = [" ".join(state.choices(words, k=200)) for _ in range(20)]
    config = TokenizerConfig(vocab_size=640, ties=ties)
    expected = train_bpe(texts, config).merges
    monkeypatch.setattr(train, "_plain_chars", lambda: -1)
    assert train_bpe(texts, config, workers=workers).merges == expected


def test_train_bpe_count_beyond_32_bits_stays_right(always_compiled, monkeypatch):
    # Three words, counted so often that 32 bits would wrap: ab wins by one.
    counter = count_texts([b"ab\ncd\nef"], TokenizerConfig())
    entries = counter.table[:, 2]
    first = counter.table[:, 0] & 255
    entries[first == ord("a")] = (1 << 33) + 1
    entries[first == ord("c")] = 1 << 33
    entries[first == ord("e")] = (1 << 32) + (1 << 31)
    assert merger.merge_counts(counter, 3) == [(97, 98), (99, 100), (101, 102)]


@pytest.mark.timeout(300)  # the reference under checks of its types
@pytest.mark.parametrize("pattern", [*sorted(PATTERNS), CUSTOM])
def test_encode_compiled_equals_reference(pattern, always_compiled, monkeypatch):
    monkeypatch.setattr(encoder, "ENDS", 100)
    monkeypatch.setattr(encoder, "FIRST_ENTRIES", 256)
    monkeypatch.setattr(encoder, "MOST_ENTRIES", 1024)
    state = random.Random(6)
    corpus = "the quick brown fox doesn't 1234 你好你好 éé 😀😀\r\n  aaaaaaaa <|end|> Word the " * 3
    tokenizer = train_bpe([corpus], TokenizerConfig(vocab_size=290, pattern=pattern))
    for k in range(60):
        text = nasty_text(state) + state.choice([*SPECIAL_TOKENS, "the aaaaaa " * k, "a" * 3 * k])
        for allow in (False, True):
            expected = encode_reference(tokenizer, text, allow)
            assert tokenizer.encode(text, allow) == expected
            chunks = [text[i : i + 7] for i in range(0, len(text), 7)]
            assert list(tokenizer.encode_iterable(chunks, allow_special=allow)) == expected


def test_encode_batch_any_number_of_workers_equals_encode(always_compiled, monkeypatch):
    monkeypatch.setattr(compiled, "BATCH_CHARS", 500)
    monkeypatch.setattr(encoder, "ENDS", 100)
    monkeypatch.setattr(encoder, "FIRST_ENTRIES", 256)  # the threads share a cache that grows
    monkeypatch.setattr(encoder, "MOST_ENTRIES", 2048)  # and begins anew all the time
    state = random.Random(7)
    texts = ["", "<|end|>", *(nasty_text(state) + "<|user|>" for _ in range(200)), ""]
    tokenizer = train_bpe(texts, TokenizerConfig(vocab_size=400))
    for allow in (False, True):
        expected = [encode_reference(tokenizer, text, allow) for text in texts]
        for workers in (1, 2, 5):
            found = tokenizer.encode_batch(texts, allow_special=allow, workers=workers)
            assert [ids.tolist() for ids in found] == expected


@pytest.mark.parametrize("unit", [" ", "a", "^", "😀", "中", "\0", "ab"])
def test_encode_compiled_giant_pretoken_equals_plain(unit, always_compiled):
    tokenizer = train_bpe([unit * 600], TokenizerConfig(vocab_size=262))
    text = unit * 40_000
    assert tokenizer.encode(text) == list(tokenizer._plain.merge(text.encode()))


AT_ONCE = """
import sys
from lmcore.tokenizer.config import TokenizerConfig
from lmcore.tokenizer.train import train_bpe

tokenizer = train_bpe(["the quick brown fox " * 9], TokenizerConfig(vocab_size=270))
text = ("the quick brown fox jumps " * 2600)[:65_536]
expected = tokenizer.encode(text)
assert len(text) == 65_536 and tokenizer.decode(expected) == text
tokenizer._n_plain_bytes = 1 << 40  # many others have gone by
assert tokenizer.encode(text) == expected
assert tokenizer._compiled is None
assert not [name for name in sys.modules if name.startswith(("numba", "llvmlite"))]
"""


def test_encode_up_to_64_kilobytes_without_compiled_kernels_needs_no_compiler(tmp_path):
    root = str(Path(__file__).parents[3])
    environment = {**os.environ, "PYTHONPATH": root, "NUMBA_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", AT_ONCE], env=environment, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert not list(tmp_path.rglob("*.nbi"))


MEMORY = """
import resource, sys
from pathlib import Path
from lmcore.tokenizer.config import TokenizerConfig
from lmcore.tokenizer.train import train_bpe

text = "the quick brown fox doesn't jump over {} lazy dogs\\r\\n"
lines = [text.format(k * k) for k in range(200)]
tokenizer = train_bpe(lines, TokenizerConfig(vocab_size=290))
if sys.argv[1] == "warm":
    tokenizer.warm_up()
    list(tokenizer.encode_iterable(lines * 20))
expected = sum(1 for _ in tokenizer.encode_iterable(lines)) * 60
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 1_000_000, -1))
assert sum(1 for _ in tokenizer.encode_iterable(line for _ in range(60) for line in lines)) == expected
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits address space as Linux does")
@pytest.mark.parametrize("start", ["warm", "cold"])
def test_encode_iterable_streams_within_a_megabyte_of_address_space(start):
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, start], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
