"""Completions from the models of a run, for the command line."""

from pathlib import Path

import torch

from lmcore.align.chat import ChatTemplate
from lmcore.errors import InputError
from lmcore.inference.generate import generate
from lmcore.model.files import load_model
from lmcore.tokenizer.bpe import Tokenizer
from warehouse import runs
from warehouse.store import Store

STAGE_OF = {"base": "pretrain", "sft": "sft", "dpo": "dpo", "grpo": "grpo"}


def model_folders(store: Store, model: str) -> tuple[Path, Path]:
    """Folders of a model and its tokenizer in the latest run that made both."""
    wanted = {STAGE_OF[model], "tokenizer"}
    for run in reversed(runs.all_runs(store)):
        keys = {step.stage: step.key for step in runs.steps(store, run.run_id) if step.content}
        if wanted <= keys.keys():
            return (
                store.path_of(STAGE_OF[model], keys[STAGE_OF[model]]),
                store.path_of("tokenizer", keys["tokenizer"]),
            )
    msg = (
        f"Found no run that made the model {model} in {store.root}; expected one; "
        "run `c2m run nano` first."
    )
    raise InputError(msg)


def complete(
    store: Store, prompt: str, *, model: str, max_new_tokens: int, temperature: float, seed: int
) -> str:
    """Continue a text (base) or answer a question (aligned models)."""
    folder, tokenizer_folder = model_folders(store, model)
    tokenizer = Tokenizer.load(tokenizer_folder)
    ids = (
        [tokenizer.eot_id, *tokenizer.encode(prompt)]
        if model == "base"
        else list(ChatTemplate(tokenizer).encode_prompt(prompt))
    )
    stops = {tokenizer.eot_id, tokenizer.token_id("<|end|>")}
    (generation,) = generate(
        load_model(folder),
        [ids],
        max_new_tokens=max_new_tokens,
        temperature=temperature,
        top_p=0.95,
        stop_ids=stops,
        generator=torch.Generator().manual_seed(seed),
    )
    written = tokenizer.decode([i for i in generation.ids if i not in stops])
    return prompt + written if model == "base" else written
