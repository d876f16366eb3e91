"""Completions for the command line: from the models of a run, or from a folder of another library."""

import json
import math
import shlex
from dataclasses import dataclass
from pathlib import Path

import torch

from lmcore.align.chat import ChatTemplate
from lmcore.errors import InputError
from lmcore.inference.generate import generate
from lmcore.model.files import load_model
from lmcore.model.huggingface import read_huggingface
from lmcore.model.transformer import Transformer
from lmcore.tokenizer import formats
from lmcore.tokenizer.bpe import Tokenizer
from lmcore.tokenizer.config import END_OF_TEXT
from lmcore.tokenizer.gpt2 import from_gpt2_files
from warehouse import runs
from warehouse.errors import CorruptArtifactError
from warehouse.store import Store

_SEEDS = 1 << 63
STAGE_OF = {"base": "pretrain", "sft": "sft", "dpo": "dpo", "grpo": "grpo"}


def model_folders(store: Store, model: str) -> tuple[Path, Path]:
    """Folders of a model and its tokenizer in the latest run that made both, checked.

    Raises InputError where there is no such run, or what it made is damaged or gone.
    """
    wanted = {STAGE_OF[model], "tokenizer"}
    made: set[str] = set()
    for run in reversed(runs.all_runs(store)):
        keys = {step.stage: step.key for step in runs.steps(store, run.run_id) if step.content}
        if wanted <= keys.keys():
            return (
                _whole_folder(store, run, STAGE_OF[model], keys[STAGE_OF[model]]),
                _whole_folder(store, run, "tokenizer", keys["tokenizer"]),
            )
        made |= keys.keys()
    others = [name for name, stage in STAGE_OF.items() if stage in made]
    msg = (
        f"Found no run that made the model {model} in {store.root}; expected one; "
        + (f"choose {' or '.join(others)}, which runs made, or " if others else "")
        + "run `c2m run nano` first."
    )
    raise InputError(msg)


def _whole_folder(store: Store, run: runs.Run, kind: str, key: str) -> Path:
    """Folder of an artifact whose files are as committed. A reader deletes nothing."""
    again = f"run `c2m run {shlex.quote(run.recipe)}` again: it rebuilds what is damaged or gone."
    try:
        artifact = store.read(kind, key)
        if artifact is not None:
            store.check(artifact, rehash=False)
    except CorruptArtifactError as error:
        found = str(error).partition("; expected")[0]
        msg = (
            f"{found} in the damaged artifact {kind} {key[:12]}; expected it as committed; {again}"
        )
        raise InputError(msg) from error
    if artifact is None:
        msg = f"Found no artifact {kind} {key[:12]} of run {run.run_id}; expected it; {again}"
        raise InputError(msg)
    return artifact.path


def _check_options(max_new_tokens: int, temperature: float, seed: int) -> None:
    fits = {
        "--tokens": (max_new_tokens >= 1, max_new_tokens, "at least 1"),
        "--temperature": (
            math.isfinite(temperature) and temperature >= 0.0,
            temperature,
            "a number, 0 or more",
        ),
        "--seed": (0 <= seed < _SEEDS, seed, f"0 to {_SEEDS - 1:,d}"),
    }
    for option, (is_fit, found, expected) in fits.items():
        if not is_fit:
            msg = f"Found {option} {found}; expected {expected}; give another."
            raise InputError(msg)


@dataclass(frozen=True, slots=True)
class _Writer:
    """A model with its tokenizer, and how it is asked."""

    network: Transformer
    tokenizer: Tokenizer
    ids: list[int]
    """The prompt."""
    stops: set[int]
    is_answering: bool
    """Whether what it writes stands alone, and does not continue the prompt."""


def _of_run(store: Store, model: str, prompt: str) -> _Writer:
    folder, tokenizer_folder = model_folders(store, model)
    tokenizer = Tokenizer.load(tokenizer_folder)
    is_base = model == "base"
    ids = (
        [tokenizer.eot_id, *tokenizer.encode(prompt)]
        if is_base
        else list(ChatTemplate(tokenizer).encode_prompt(prompt))
    )
    stops = {tokenizer.eot_id, tokenizer.token_id("<|end|>")}
    return _Writer(load_model(folder), tokenizer, ids, stops, is_answering=not is_base)


def _of_folder(folder: Path, prompt: str) -> _Writer:
    """A model in Hugging Face's layout, which continues the prompt."""
    if not folder.is_dir():
        msg = (
            f"Found no model {str(folder)!r}; expected one of {', '.join(STAGE_OF)}, or a folder "
            "with a Llama, Qwen3 or GPT-2 and its tokenizer; name one."
        )
        raise InputError(msg)
    network = read_huggingface(folder)
    tokenizer = _tokenizer_of(folder)
    if tokenizer.vocab_size > network.vocab_size:
        msg = (
            f"Found a tokenizer of {tokenizer.vocab_size:,d} tokens beside a model of "
            f"{network.vocab_size:,d} in {folder}; expected no more than the model knows; "
            "fetch both from one place."
        )
        raise InputError(msg)
    content = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    first, last = content.get("bos_token_id"), content.get("eos_token_id")
    ids = [*([] if first is None else [int(first)]), *tokenizer.encode(prompt)]
    stops = set(last if isinstance(last, list) else [] if last is None else [last])
    return _Writer(network, tokenizer, ids, stops, is_answering=False)


def _tokenizer_of(folder: Path) -> Tokenizer:
    """The tokenizer of tokenizer.json, or else of GPT-2's two files."""
    vocab, merges = folder / "vocab.json", folder / "merges.txt"
    if not (folder / "tokenizer.json").exists() and vocab.exists() and merges.exists():
        return from_gpt2_files(vocab, merges, (END_OF_TEXT,))
    return formats.read_huggingface(folder)


def complete(
    store: Store, prompt: str, *, model: str, max_new_tokens: int, temperature: float, seed: int
) -> str:
    """Continue a text (base, or a folder of other libraries) or answer a question (aligned models).

    Raises InputError for an option out of range, or a prompt that leaves no room to answer in.
    """
    _check_options(max_new_tokens, temperature, seed)
    writer = _of_run(store, model, prompt) if model in STAGE_OF else _of_folder(Path(model), prompt)
    network, ids = writer.network, writer.ids
    room = network.config.context_length - len(ids) + 1  # the last token is written, never read
    if max_new_tokens > room:
        msg = (
            f"Found --tokens {max_new_tokens:,d} after a prompt of {len(ids):,d} tokens; expected "
            f"at most {room:,d}, as the model {model} reads {network.config.context_length:,d} in "
            "all; lower --tokens or shorten the prompt."
            if room > 0
            else f"Found a prompt of {len(ids):,d} tokens; expected at most the "
            f"{network.config.context_length:,d} that the model {model} reads; shorten it."
        )
        raise InputError(msg)
    (generation,) = generate(
        network,
        [ids],
        max_new_tokens=max_new_tokens,
        temperature=temperature,
        top_p=0.95,
        stop_ids=writer.stops,
        generator=torch.Generator().manual_seed(seed),
    )
    known = [i for i in generation.ids if i not in writer.stops and i in writer.tokenizer.vocab]
    written = writer.tokenizer.decode(known)
    return written if writer.is_answering else prompt + written
