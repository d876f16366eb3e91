"""Files of tokenizers, damaged at random: refused with a clear error, or still a whole tokenizer."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from lmcore.errors import InputError
from lmcore.tokenizer.bpe import Tokenizer
from lmcore.tokenizer.config import SPECIAL_TOKENS, TokenizerConfig
from lmcore.tokenizer.formats import (
    read_huggingface,
    read_tiktoken,
    write_huggingface,
    write_tiktoken,
)
from lmcore.tokenizer.gpt2 import from_gpt2_files, write_gpt2_files
from lmcore.tokenizer.reference import encode_reference
from lmcore.tokenizer.train import train_bpe

TEXT = "the quick brown fox doesn't jump over 1234 lazy dogs; they'll\r\n éé 你好 😀\n"
TOKENIZER = train_bpe([TEXT * 3], TokenizerConfig(vocab_size=290, pattern="gpt2"))
TOKENIZER.chat_template = "{{ messages }}"
IDS = {special: TOKENIZER.token_id(special) for special in SPECIAL_TOKENS}


class Format(NamedTuple):
    write: Callable[[Path], None]
    read: Callable[[Path], Tokenizer]


FORMATS = {
    "ours": Format(TOKENIZER.save, Tokenizer.load),
    "huggingface": Format(lambda at: write_huggingface(TOKENIZER, at), read_huggingface),
    "tiktoken": Format(
        lambda at: write_tiktoken(TOKENIZER, at / "ranks"),
        lambda at: read_tiktoken(at / "ranks", "gpt2", IDS),
    ),
    "gpt2": Format(
        lambda at: write_gpt2_files(TOKENIZER, at / "vocab.json", at / "merges.txt"),
        lambda at: from_gpt2_files(at / "vocab.json", at / "merges.txt", SPECIAL_TOKENS),
    ),
}
JUNK = [None, [], {}, -1, 0, 3.5, "", "x", True, float("inf"), float("nan"), 10**30, "\ud800", [[]]]


def damage_tree(tree: object, state: random.Random) -> object:
    """Delete, replace, repeat or exchange one value somewhere in a JSON document."""
    depth, parent, key = state.randrange(1, 5), None, None
    here = tree
    while depth and isinstance(here, dict | list) and here:
        parent = here
        key = state.choice(list(parent) if isinstance(parent, dict) else range(len(parent)))
        here, depth = parent[key], depth - 1
    other = state.choice(list(parent) if isinstance(parent, dict) else range(len(parent)))
    match state.randrange(4):
        case 0:
            del parent[key]
        case 1:
            parent[key] = state.choice(JUNK)
        case 2:
            parent[other] = parent[key]
        case 3:
            parent[other], parent[key] = parent[key], parent[other]
    return tree


def damage_bytes(data: bytes, state: random.Random) -> bytes:
    """Flip a bit, cut the end off, lose or gain a few bytes, or lose or repeat a line."""
    here, lines = state.randrange(len(data)), data.splitlines(keepends=True)
    line = state.randrange(len(lines))
    match state.randrange(6):
        case 0:
            return data[:here] + bytes([data[here] ^ 1 << state.randrange(8)]) + data[here + 1 :]
        case 1:
            return data[:here]
        case 2:
            return data[:here] + data[here + state.choice([1, 2, 9, 50]) :]
        case 3:
            return data[:here] + state.choice([b"\0", b'"', b"{", b"0", b"\xff"]) + data[here:]
        case 4:
            return b"".join([*lines[:line], *lines[line + 1 :]])
        case _:
            return b"".join([*lines, lines[line]])


def check_whole(tokenizer: Tokenizer) -> None:
    """Assert what every tokenizer promises."""
    tokens = list(tokenizer.vocab.values())
    assert list(tokenizer.vocab) == list(range(len(tokens)))
    assert len(set(tokens)) == len(tokens)
    specials = {special.encode() for special in tokenizer.special_tokens}
    made = {bytes([byte]) for byte in range(256)} | {a + b for a, b in tokenizer.merges}
    assert set(tokens) == made | specials
    assert not made & specials
    text = TEXT + "<|end|>"
    assert tokenizer.decode(tokenizer.encode(text, allow_special=True)) == text
    assert tokenizer.encode(text) == encode_reference(tokenizer, text)


def damage_and_read(name: str, n_times: int, folder: Path) -> list[str]:
    """Return why damaged files were refused; the others were whole."""
    way, state, reasons = FORMATS[name], random.Random(name), []
    way.write(folder)
    whole = {path: path.read_bytes() for path in folder.iterdir()}
    check_whole(way.read(folder))
    for _ in range(n_times):
        for path, data in whole.items():
            path.write_bytes(data)
        path = state.choice(list(whole))
        if path.suffix == ".json" and state.random() < 0.6:
            path.write_text(json.dumps(damage_tree(json.loads(whole[path]), state)))
        else:
            path.write_bytes(damage_bytes(whole[path], state))
        try:
            tokenizer = way.read(folder)
        except InputError as error:
            reasons.append(str(error))
        else:
            check_whole(tokenizer)
    return reasons


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_read_damaged_file_refused_or_whole(name, tmp_path):
    reasons = damage_and_read(name, 40, tmp_path)
    assert len(reasons) > 10
    assert all("found" in reason and "expected" in reason for reason in reasons)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", sorted(FORMATS))
def test_read_thousands_of_damaged_files_refused_or_whole(name, tmp_path):
    assert len(damage_and_read(name, 4_000, tmp_path)) > 1_500
