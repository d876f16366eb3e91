"""Completions from the models of a run, for the command line."""

import math
import shlex
from pathlib import Path

import torch

from lmcore.align.chat import ChatTemplate
from lmcore.errors import InputError
from lmcore.inference.generate import generate
from lmcore.model.files import load_model
from lmcore.tokenizer.bpe import Tokenizer
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
    for run in reversed(runs.all_runs(store)):
        keys = {step.stage: step.key for step in runs.steps(store, run.run_id) if step.content}
        if wanted <= keys.keys():
            return (
                _whole_folder(store, run, STAGE_OF[model], keys[STAGE_OF[model]]),
                _whole_folder(store, run, "tokenizer", keys["tokenizer"]),
            )
    msg = (
        f"Found no run that made the model {model} in {store.root}; expected one; "
        "run `c2m run nano` first."
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


def complete(
    store: Store, prompt: str, *, model: str, max_new_tokens: int, temperature: float, seed: int
) -> str:
    """Continue a text (base) or answer a question (aligned models).

    Raises InputError for an option out of range, or a prompt that leaves no room to answer in.
    """
    _check_options(max_new_tokens, temperature, seed)
    folder, tokenizer_folder = model_folders(store, model)
    tokenizer = Tokenizer.load(tokenizer_folder)
    ids = (
        [tokenizer.eot_id, *tokenizer.encode(prompt)]
        if model == "base"
        else list(ChatTemplate(tokenizer).encode_prompt(prompt))
    )
    stops = {tokenizer.eot_id, tokenizer.token_id("<|end|>")}
    network = load_model(folder)
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
        stop_ids=stops,
        generator=torch.Generator().manual_seed(seed),
    )
    written = tokenizer.decode([i for i in generation.ids if i not in stops])
    return prompt + written if model == "base" else written
