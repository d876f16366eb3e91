"""Vocabularies in GPT-2's format: `vocab.json` and `merges.txt`, read plain or gzipped."""

import gzip
import json
import zlib
from collections.abc import Sequence
from pathlib import Path

from lmcore.errors import InputError
from lmcore.tokenizer.alphabet import from_printable, printable_bytes
from lmcore.tokenizer.bpe import Tokenizer
from lmcore.tokenizer.config import END_OF_TEXT
from lmcore.tokenizer.files import parse_json, write_file
from lmcore.tokenizer.vocabulary import number_tokens, refuse_unmade


def from_gpt2_files(
    vocab_path: Path, merges_path: Path, special_tokens: Sequence[str] = (END_OF_TEXT,)
) -> Tokenizer:
    """Return the tokenizer of a `vocab.json` and a `merges.txt`, ids as in the file.

    Raises:
        InputError: where a file is no such thing, or the two contradict each other.
    """
    try:
        ids: dict[str, int] = parse_json(_read(vocab_path))
        vocab = number_tokens(
            (text.encode() if text in special_tokens else from_printable(text), token_id)
            for text, token_id in ids.items()
        )
        lines = _read(merges_path).decode().splitlines()
        has_header = bool(lines) and lines[0].startswith("#version: ")
        merges = [_parse_merge(line) for line in lines[has_header:] if line]
        refuse_unmade(vocab, merges, special_tokens)
    except (OSError, EOFError, zlib.error, ValueError, AttributeError, TypeError) as error:
        raise InputError(
            f"found {vocab_path} and {merges_path} unusable ({error}); expected GPT-2's "
            "vocab.json and merges.txt, plain or .gz; download them again"
        ) from error
    return Tokenizer(vocab, merges, special_tokens, "gpt2")


def _parse_merge(line: str) -> tuple[bytes, bytes]:
    left, right = line.split(" ")
    return from_printable(left), from_printable(right)


def write_gpt2_files(tokenizer: Tokenizer, vocab_path: Path, merges_path: Path) -> None:
    """Write a `vocab.json` and a `merges.txt`, special tokens as they are written in text.

    Raises:
        InputError: where a special token looks as another token does in that file (`Ġa`).
    """
    characters = printable_bytes()
    specials = {tokenizer.token_id(special): special for special in tokenizer.special_tokens}

    def printable(token: bytes) -> str:
        return "".join([characters[byte] for byte in token])

    vocab = {specials.get(i, printable(token)): i for i, token in tokenizer.vocab.items()}
    if len(vocab) != tokenizer.vocab_size:
        raise InputError(
            "found a special token that looks as another token does in this file; expected a text "
            "of its own for each; rename the special token"
        )
    lines = [f"{printable(left)} {printable(right)}\n" for left, right in tokenizer.merges]
    write_file(vocab_path, json.dumps(vocab, ensure_ascii=False).encode())
    write_file(merges_path, "".join(["#version: 0.2\n", *lines]).encode())


def _read(path: Path) -> bytes:
    data = path.read_bytes()
    return gzip.decompress(data) if path.suffix == ".gz" else data
