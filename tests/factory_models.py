"""Models of the synthetic stores: training, scaling, alignment, evaluation; and a whole store."""

import math
from collections.abc import Iterable
from pathlib import Path

from factories import (
    Rows,
    as_input,
    commit,
    commit_corpus,
    commit_decontamination,
    commit_mix,
    commit_tokens,
    make_store,
    record_run,
    row,
)

from warehouse.artifact import Artifact
from warehouse.store import Identity, Store


def _curve(stage: str, name: str, steps: int) -> Rows:
    rows = []
    for step in range(0, steps + 1, max(1, steps // 20)):
        loss = 2.0 + 4.0 * math.exp(-step / (steps / 4))
        for split, more in (("train", 0.0), ("validation", 0.1)):
            rows.append(
                row("metrics", stage=stage, name=name, step=step, tokens=step * 256, split=split,
                    loss=loss + more, bits_per_byte=(loss + more) / 2.5, lr=1e-3, grad_norm=1.0)
            )  # fmt: skip
    return rows


def _draws(training_key: str, steps: Iterable[int], n_windows: int) -> Rows:
    return [
        row(
            "draws",
            training_key=training_key,
            step=step,
            source="all",
            window_id=step % n_windows,
            first_token=32 * (step % n_windows),
            n_tokens=33,
            n_targets=32,
        )
        for step in steps
    ]


def commit_models(store: Store, tokenizer: Artifact, tokens: Artifact) -> list[Artifact]:
    """Commit training, scaling, alignment and evaluation on these shards."""
    inputs = [as_input("tokens", tokens), as_input("tokenizer", tokenizer)]
    weights = {"model.safetensors": b"weights", "model.json": b"{}"}
    key = Identity("pretrain", "pretrain", 1, {"steps": 100}, tuple(inputs)).key
    # the first 50 steps read the first half of the windows over and over, the others all of them
    drawn = {50: _draws(key, range(1, 51), 10), 100: _draws(key, range(51, 101), 21)}
    pretrain = commit(store, "pretrain", inputs=inputs, files=weights, config={"steps": 100},
                      tables={"metrics": _curve("pretrain", "pretrain", 100),
                              "draws": [*drawn[50], *drawn[100]]})  # fmt: skip
    made = [pretrain]
    made += [
        commit(store, f"pretrain/step-{step:06d}", kind="checkpoint", inputs=inputs, files=weights,
               config={"steps": 100, "step": step},
               tables={"checkpoints": [row("checkpoints", stage="pretrain", name="pretrain", step=step,
                                           tokens=step * 256, loss=3.0)],
                       "draws": rows})
        for step, rows in drawn.items()
    ]  # fmt: skip
    points = []
    for budget in (1e12, 4e12):
        for d_model in (32, 48, 64, 96):
            n_params = 12 * d_model * d_model
            loss = (
                3.0
                + 0.4 * (math.log(n_params / 4e4 / math.sqrt(budget / 1e12))) ** 2
                - 0.2 * (budget > 2e12)
            )
            name = f"sweep/{budget:.0e}-{d_model}"
            config = {"d_model": d_model, "budget": budget}
            key = Identity("sweep", name, 1, config, tuple(inputs)).key
            points.append(
                commit(store, name, inputs=inputs, config=config,
                       tables={"sweep_points": [row(
                           "sweep_points", name=name, budget_flops=budget, d_model=d_model, n_layers=2,
                           n_params=n_params, n_tokens=int(budget / 6 / n_params), steps=50, loss=loss,
                           bits_per_byte=loss / 2.5)], "metrics": _curve("sweep", name, 50),
                               "draws": _draws(key, range(1, 4), 21)})
            )  # fmt: skip
    scaling = commit(
        store, "scaling", inputs=[*(as_input("points", p) for p in points), as_input("pretrain", pretrain)],
        tables={
            "scaling_optima": [row("scaling_optima", budget_flops=b, n_params=4e4 * math.sqrt(b / 1e12), n_tokens=4e6,
                                   loss=3.0 - 0.2 * (b > 2e12), is_interior=True) for b in (1e12, 4e12)],
            "scaling_fit": [row("scaling_fit", law="n_opt", parameter="exponent", value=0.5, low=0.45, high=0.55),
                            row("scaling_fit", law="n_opt", parameter="coefficient", value=0.04)],
            "scaling_predictions": [row("scaling_predictions", name="pretrain", n_params=100_000, n_tokens=1_000_000,
                                        predicted_loss=2.2, low=2.0, high=2.4, measured_loss=2.1,
                                        extrapolation=12.5)],
        },
    )  # fmt: skip
    made += [*points, scaling]
    return [*made, *_commit_alignment(store, tokenizer, pretrain)]


def _commit_alignment(store: Store, tokenizer: Artifact, pretrain: Artifact) -> list[Artifact]:
    weights = {"model.safetensors": b"weights", "model.json": b"{}"}
    base = pretrain
    made = []
    for kind in ("sft", "dpo", "grpo"):
        curve = [
            row("metrics", stage=kind, name=kind, step=step, tokens=step * 64,
                split="rollouts" if kind == "grpo" else "train", loss=1.5 * math.exp(-step / 10),
                lr=1e-4, reward=1 - math.exp(-step / 10) if kind == "grpo" else None,
                accuracy=1 - 0.5 * math.exp(-step / 10) if kind == "dpo" else None,
                margin=step / 40 if kind == "dpo" else None, kl=0.01 if kind == "grpo" else None)
            for step in range(1, 41)
        ]  # fmt: skip
        tables: dict[str, Rows] = {"metrics": curve}
        if kind == "dpo":
            tables["preferences"] = [
                row("preferences", problem_id="p0", prompt="2+2=", chosen="4", rejected="5", kind="wrong",
                    logp_reference_chosen=-1.0, logp_reference_rejected=-2.0)
            ]  # fmt: skip
        if kind == "grpo":
            tables["rollouts"] = [
                row("rollouts", step=step, prompt_id="p0", prompt="2+2=", completion=str(3 + step), reward=float(step == 1),
                    grade="right" if step == 1 else "wrong", advantage=0.5, logp_old=-1.25, n_tokens=2, answer="4",
                    is_finished=True)
                for step in range(4)
            ]  # fmt: skip
        base = commit(store, kind, inputs=[as_input("base", base), as_input("tokenizer", tokenizer)],
                      files=weights, tables=tables)  # fmt: skip
        made.append(base)
    models = (("base", 2), ("sft", 40), ("dpo", 44), ("grpo", 81))
    evaluate = commit(
        store, "evaluate", inputs=[as_input("models", model) for model in (pretrain, *made)],
        tables={
            "evaluations": [row("evaluations", model=name, task="addition", n=100, n_correct=right, accuracy=right / 100,
                                low=max(0.0, right / 100 - 0.08), high=min(1.0, right / 100 + 0.08))
                            for name, right in models],
            "bits_per_byte": [row("bits_per_byte", model=model, source=source, n_documents=5, n_bytes=5000, nats=nats,
                                  bits_per_byte=nats / math.log(2) / 5000)
                              for source in ("all", "news.example", "shop.example")
                              for model, nats in (("base", 5000.0), ("ngram5", 5500.0))],
            "generations": [row("generations", model=name, prompt="The river <b>", completion="ran & ran\nto sea.")
                            for name, _ in models],
        },
    )  # fmt: skip
    compression = commit(
        store, "compression", inputs=[as_input("tokenizer", tokenizer)], attributes={"n_ids": 508},
        tables={
            "compression": [
                row("compression", text_set=text_set, language=language, tokenizer=name, vocab_size=512, n_bytes=4000, n_tokens=n_tokens,
                    bytes_per_token=4000 / n_tokens, tokens_per_word=n_tokens / 800, vocabulary_use=0.75,
                    unknown_share=0.125 if name == "word" else 0.0, is_lossless=name != "word")
                for text_set, languages in (("train", "en"), ("validation", "en"), ("pages", "de en"))
                for language in (*languages.split(), "all")
                for name, n_tokens in (("bpe", 1000 if language == "en" else 2000), ("byte", 4000), ("character", 4000), ("word", 1600))
            ],
            "longest_tokens": [row("longest_tokens", rank=1, token_id=300, token=" <b>\ufffd", hex="203c623ee9", n_bytes=5,
                                   n_occurrences=7)],
        },
    )  # fmt: skip
    judge = commit(
        store, "judge", inputs=[as_input("evaluate", evaluate)],
        tables={"stage_quality": [
            row("stage_quality", stage="deduplicate", measure="exact recall", value=1.0, target=0.95, n=12),
            row("stage_quality", stage="decide", measure="quality AUC", value=0.85, target=0.9, n=60),
            row("stage_quality", stage="extract", measure="main text F1", value=0.97, n=60)]},
    )  # fmt: skip
    return [*made, compression, evaluate, judge]


def full_store(root: Path) -> Store:
    """A store with one completed run over every stage."""
    store = make_store(root)
    corpus = commit_corpus(store)
    tokens = commit_tokens(store, corpus[-1])
    searched = commit_decontamination(store, corpus[-1])
    mixed = commit_mix(store, tokens[-1])
    models = commit_models(store, *tokens)
    record_run(
        store,
        [
            *corpus,
            searched,
            *tokens,
            mixed,
            *(m for m in models if m.manifest.kind != "checkpoint"),
        ],
    )
    return store
