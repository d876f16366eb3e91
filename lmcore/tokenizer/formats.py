"""Tokenizers in the formats of others: Hugging Face's `tokenizer.json` and tiktoken's ranks.

What is read is checked as any vocabulary is: holes, repeats and merges that make nothing are
refused. A pre-token expression that is none of ours is kept as a pattern of one's own. GPT-2's
`vocab.json` and `merges.txt` are in `gpt2`.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from lmcore.errors import InputError
from lmcore.tokenizer.alphabet import from_printable, printable_bytes
from lmcore.tokenizer.bpe import Tokenizer
from lmcore.tokenizer.config import CUSTOM, END_OF_TEXT, N_BYTES, PATTERNS, expression_of
from lmcore.tokenizer.files import parse_json, write_file
from lmcore.tokenizer.vocabulary import number_tokens, refuse_unmade

CHAT_TEMPLATE: Final = (
    "{% for message in messages %}{{ '<|' + message['role'] + '|>' + message['content'] }}"
    "{% if message['role'] == 'assistant' %}{{ '<|end|>' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
"""The chat format of this house as a Jinja template; written where a tokenizer has no other."""

_CONFIG_NAME: Final = "tokenizer_config.json"
_HUGGING_FACE_NAME: Final = "tokenizer.json"
_CHARACTERS: Final = printable_bytes()
# Oniguruma reads `{1,3}+` as a repetition and `$` as the end of a line: said another way for it.
_FOR_ONIGURUMA: Final = {
    "cl100k": (
        r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
        r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s+(?![\s\S])|\s*[\r\n]|\s+(?!\S)|\s"
    )
}
# As tiktoken's own converter and Hugging Face's write GPT-2's and o200k's.
_SPELLINGS: Final = {
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+": "gpt2",
    r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s": "gpt2",
}


def write_huggingface(tokenizer: Tokenizer, directory: Path) -> None:
    """Write `tokenizer.json` and `tokenizer_config.json` for Hugging Face's libraries.

    Raises:
        InputError: where a special token looks as another token does in that file (`Ġa`).
    """
    write_file(directory / _HUGGING_FACE_NAME, _to_json(_huggingface_content(tokenizer)))
    config: dict[str, object] = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "clean_up_tokenization_spaces": False,
        "additional_special_tokens": list(tokenizer.special_tokens),
    }
    if END_OF_TEXT in tokenizer.special_tokens:
        config |= {"eos_token": END_OF_TEXT, "pad_token": END_OF_TEXT}
    template = tokenizer.chat_template
    if not template and {"<|user|>", "<|assistant|>", "<|end|>"} <= set(tokenizer.special_tokens):
        template = CHAT_TEMPLATE
    if template:
        config["chat_template"] = template
    write_file(directory / _CONFIG_NAME, _to_json(config))


def read_huggingface(directory: Path) -> Tokenizer:
    """Return the byte-level BPE tokenizer of a `tokenizer.json` of Hugging Face's.

    Raises:
        InputError: where the file is missing, damaged, or asks for what this tokenizer lacks.
    """
    path = directory / _HUGGING_FACE_NAME
    try:
        content = parse_json(path.read_bytes())
        config_path = directory / _CONFIG_NAME
        config = parse_json(config_path.read_bytes()) if config_path.exists() else {}
        return _from_huggingface(content, config)
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise InputError(
            f"found {path} unusable ({type(error).__name__}: {error}); expected a byte-level BPE "
            "tokenizer.json of Hugging Face's; export the tokenizer again"
        ) from error


def write_tiktoken(tokenizer: Tokenizer, path: Path) -> None:
    """Write the tokens that are not special as tiktoken ranks: base64 and id, one a line.

    Raises:
        InputError: where ids are not in the order of the merges, which ranks must be.
    """
    specials = {tokenizer.token_id(special) for special in tokenizer.special_tokens}
    ranks = [i for i in tokenizer.vocab if i not in specials]
    products = [left + right for left, right in tokenizer.merges]
    in_order = [tokenizer.vocab[i] for i in ranks[N_BYTES:]] == products
    if not in_order or any(len(tokenizer.vocab[i]) > 1 for i in ranks[:N_BYTES]):
        raise InputError(
            "found ids that are not in the order of the merges; expected the bytes, then a token "
            "for each merge; train the tokenizer here or renumber it"
        )
    lines = [b"%s %d\n" % (base64.b64encode(tokenizer.vocab[i]), i) for i in ranks]
    write_file(path, b"".join(lines))


def read_tiktoken(
    path: Path, pattern: str, special_tokens: Mapping[str, int] | None = None
) -> Tokenizer:
    """Return the tokenizer of a file of tiktoken ranks, its specials at these ids.

    The file holds no merges: the two parts of each token are what its bytes are merged to by the
    tokens of lower rank.

    Raises:
        InputError: where the file is missing, damaged, or no two parts make a token.
    """
    try:
        ranks = _read_ranks(path.read_bytes().splitlines())
        specials = special_tokens or {}
        added = [(special.encode(), token_id) for special, token_id in specials.items()]
        vocab = number_tokens([*ranks.items(), *added])
        merges = [_parts(token, ranks) for token in sorted(ranks, key=ranks.__getitem__)]
        return Tokenizer(vocab, [pair for pair in merges if pair], tuple(specials), pattern)
    except (OSError, ValueError) as error:
        raise InputError(
            f"found {path} unusable ({error}); expected tiktoken ranks, base64 and a number a "
            "line, of a byte-level BPE; download the file again"
        ) from error


def _read_ranks(lines: Sequence[bytes]) -> dict[bytes, int]:
    ranks: dict[bytes, int] = {}
    for line in lines:
        token, rank = line.split()
        data, number = base64.b64decode(token, validate=True), int(rank)
        if line != b"%s %d" % (base64.b64encode(data), number):
            raise ValueError(f"the line {line!r}")
        ranks[data] = number
    if len(ranks) != len(lines):
        raise ValueError("a token twice")
    return ranks


def _parts(token: bytes, ranks: Mapping[bytes, int]) -> tuple[bytes, bytes] | None:
    """Return the two tokens that a token is merged from, None for a single byte."""
    if len(token) == 1:
        return None
    parts = [token[i : i + 1] for i in range(len(token))]
    while len(parts) > 2:
        joined = [
            (rank, place)
            for place in range(len(parts) - 1)
            if (rank := ranks.get(parts[place] + parts[place + 1], ranks[token])) < ranks[token]
        ]
        if not joined:
            raise ValueError(f"no two parts of the token {token!r}")
        _, place = min(joined)
        parts[place : place + 2] = [parts[place] + parts[place + 1]]
    return parts[0], parts[1]


def _to_json(content: Mapping[str, object]) -> bytes:
    return (json.dumps(content, ensure_ascii=False, indent=1) + "\n").encode()


def _printable(token: bytes) -> str:
    return "".join([_CHARACTERS[byte] for byte in token])


def _huggingface_vocab(tokenizer: Tokenizer) -> dict[str, int]:
    specials = {tokenizer.token_id(special): special for special in tokenizer.special_tokens}
    vocab = {specials.get(i, _printable(token)): i for i, token in tokenizer.vocab.items()}
    if len(vocab) != tokenizer.vocab_size:
        raise InputError(
            "found a special token that looks as another token does in this file; expected a text "
            "of its own for each; rename the special token"
        )
    return vocab


def _huggingface_content(tokenizer: Tokenizer) -> dict[str, object]:
    added = [(tokenizer.token_id(special), special) for special in tokenizer.special_tokens]
    expression = _FOR_ONIGURUMA.get(tokenizer.pattern, expression_of(tokenizer.pattern))
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {
                "id": token_id,
                "content": special,
                "single_word": False,
                "lstrip": False,
                "rstrip": False,
                "normalized": False,
                "special": True,
            }
            for token_id, special in sorted(added)
        ],
        "normalizer": None,
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [
                {
                    "type": "Split",
                    "pattern": {"Regex": expression},
                    "behavior": "Isolated",
                    "invert": False,
                },
                {**byte_level, "use_regex": False},
            ],
        },
        "post_processor": None,
        "decoder": {**byte_level, "use_regex": True},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": _huggingface_vocab(tokenizer),
            "merges": [[_printable(left), _printable(right)] for left, right in tokenizer.merges],
        },
    }


def _from_huggingface(content: dict[str, Any], config: dict[str, Any]) -> Tokenizer:  # JSON
    model, entries = content["model"], content.get("added_tokens") or []
    refused = [
        name
        for name, is_found in {
            f"a model of type {model.get('type')!r}": model.get("type", "BPE") != "BPE",
            "a normalizer": content.get("normalizer") is not None,
            "byte_fallback": model.get("byte_fallback", False),
            "ignore_merges": model.get("ignore_merges", False),
            "continuing_subword_prefix": bool(model.get("continuing_subword_prefix")),
            "end_of_word_suffix": bool(model.get("end_of_word_suffix")),
            "added tokens that take in what is beside them": any(
                entry.get(flag) for entry in entries for flag in ("lstrip", "rstrip", "single_word")
            ),
        }.items()
        if is_found
    ]
    if refused:
        raise ValueError(f"it asks for {', '.join(refused)}")
    added = {entry["content"]: entry["id"] for entry in entries}
    if len(added) != len(entries):
        raise ValueError("an added token twice")
    vocab = number_tokens(
        (text.encode() if text in added else from_printable(text), token_id)
        for text, token_id in [*model["vocab"].items(), *added.items()]
    )
    pairs: list[Sequence[str]] = [
        entry.split(" ") if isinstance(entry, str) else entry for entry in model["merges"]
    ]
    merges = [(from_printable(left), from_printable(right)) for left, right in pairs]
    refuse_unmade(vocab, merges, tuple(added))
    pattern = _pattern_of(content["pre_tokenizer"])
    return Tokenizer(vocab, merges, tuple(added), pattern, chat_template=_template_of(config))


def _template_of(config: dict[str, Any]) -> str:  # JSON: values of many types
    """Return the chat template; the one named so where there are several."""
    template = config.get("chat_template") or ""
    if isinstance(template, list):
        template = {entry["name"]: entry["template"] for entry in template}["default"]
    if not isinstance(template, str):
        raise TypeError(f"a chat template that is {type(template).__name__}")
    return template


def _pattern_of(step: dict[str, Any]) -> str:  # JSON: values of many types
    """Return the name of the pattern that a pre-tokenizer divides by."""
    steps = step["pretokenizers"] if step["type"] == "Sequence" else [step]
    if steps[-1]["type"] != "ByteLevel" or steps[-1].get("add_prefix_space", True):
        raise ValueError(f"pre-tokenizer {steps[-1]!r}")
    splits, uses_gpt2 = steps[:-1], steps[-1].get("use_regex", True)
    if not splits and uses_gpt2:
        return "gpt2"
    if len(splits) != 1 or uses_gpt2 or splits[0]["type"] != "Split":
        raise ValueError(f"pre-tokenizers {[one['type'] for one in steps]}")
    split = splits[0]
    if (
        split["behavior"] not in ("Isolated", "Removed")
        or bool(split.get("invert")) != (split["behavior"] == "Removed")
        or "Regex" not in split["pattern"]
    ):
        raise ValueError(f"split {split!r}")
    expression = split["pattern"]["Regex"]
    known = {**{text: name for name, text in PATTERNS.items()}, **_SPELLINGS}
    known |= {text: name for name, text in _FOR_ONIGURUMA.items()}
    return known.get(expression, f"{CUSTOM}{expression}")
