"""Vocabularies in GPT-2's format: `vocab.json` and `merges.txt`, read plain or gzipped."""

import gzip
import json
from collections.abc import Sequence
from pathlib import Path

from lmcore.errors import InputError
from lmcore.tokenizer.alphabet import printable_bytes
from lmcore.tokenizer.bpe import Tokenizer
from lmcore.tokenizer.config import END_OF_TEXT
from lmcore.tokenizer.files import write_file


def from_gpt2_files(
    vocab_path: Path, merges_path: Path, special_tokens: Sequence[str] = (END_OF_TEXT,)
) -> Tokenizer:
    """Return the tokenizer of a `vocab.json` and a `merges.txt`, ids as in the file.

    Raises:
        InputError: where a file is no such thing, or the two contradict each other.
    """
    # A special token may hold a character that stands for no byte, such as a space: it stays.
    table = {ord(character): byte for byte, character in enumerate(printable_bytes())}
    try:
        ids: dict[str, int] = json.loads(_read(vocab_path))
        vocab = {int(i): text.translate(table).encode("latin-1") for text, i in ids.items()}
        merges: list[tuple[bytes, bytes]] = []
        for line in _read(merges_path).decode().splitlines():
            if line and not line.startswith("#version"):
                left, right = (part.translate(table).encode("latin-1") for part in line.split(" "))
                merges.append((left, right))
    except (OSError, EOFError, ValueError, AttributeError, TypeError) as error:
        raise InputError(
            f"found {vocab_path} and {merges_path} unusable ({error}); expected GPT-2's "
            "vocab.json and merges.txt, plain or .gz; download them again"
        ) from error
    return Tokenizer(vocab, merges, special_tokens, "gpt2")


def write_gpt2_files(tokenizer: Tokenizer, vocab_path: Path, merges_path: Path) -> None:
    """Write a `vocab.json` and a `merges.txt`, special tokens as they are written in text."""
    characters = printable_bytes()
    specials = {tokenizer.token_id(special): special for special in tokenizer.special_tokens}

    def printable(token: bytes) -> str:
        return "".join([characters[byte] for byte in token])

    vocab = {specials.get(i, printable(token)): i for i, token in tokenizer.vocab.items()}
    lines = [f"{printable(left)} {printable(right)}\n" for left, right in tokenizer.merges]
    write_file(vocab_path, json.dumps(vocab, ensure_ascii=False).encode())
    write_file(merges_path, "".join(["#version: 0.2\n", *lines]).encode())


def _read(path: Path) -> bytes:
    data = path.read_bytes()
    return gzip.decompress(data) if path.suffix == ".gz" else data
