"""Models are measured on what they never saw, beside an n-gram baseline, and left to write."""

import logging
from collections import Counter
from collections.abc import Iterator
from urllib.parse import urlsplit

import numpy as np
import torch

from lmcore.align.arithmetic import list_problems
from lmcore.align.config import ProblemConfig
from lmcore.evals.accuracy import evaluate as measure_accuracy
from lmcore.evals.bits_per_byte import bits_per_byte, score_documents, sum_by_source
from lmcore.evals.config import EvaluateConfig
from lmcore.inference.generate import generate
from lmcore.model.files import load_model
from lmcore.ngram.kneser_ney import KneserNey
from lmcore.tokenizer.bpe import Tokenizer
from lmcore.tokens.shards import TokenShards
from tasks.decontamination import read_unique
from tasks.extraction import RECORDS
from tasks.job import Job, Row, read_all
from warehouse.parquet import read_rows

logger = logging.getLogger(__name__)

MODELS = ("base", "sft", "dpo", "grpo")
TASK = "arithmetic"
_OTHER = "other"
_PROMPT_WORDS = 6
_ANSWERS_SHOWN = 6

Documents = list[tuple[str, str, str]]


def evaluate(job: Job) -> None:
    """Measure bits per byte by source, the baseline, accuracies, and sample every model."""
    config = job.config(EvaluateConfig, "evaluate")
    torch.set_num_threads(config.threads)
    documents = _held_out(job, config)
    job.progress(0, 4, "bits per byte")
    job.write("bits_per_byte", "bits_per_byte.parquet", _bits(job, config, documents))
    job.progress(1, 4, "accuracy")
    evaluations, answers = _accuracies(job, config)
    job.write("evaluations", "evaluations.parquet", evaluations)
    job.progress(3, 4, "samples")
    rows = [*_samples(job, config, documents), *answers]
    job.write("generations", "generations.parquet", rows)


def _held_out(job: Job, config: EvaluateConfig) -> Documents:
    """Validation documents as (doc_id, source, text), up to the token limit, by place in the shard."""
    index = [
        row
        for row in read_rows(job.path("tokens") / "shards.parquet")
        if row["split"] == "validation"
    ]
    index.sort(key=lambda row: (int(str(row["shard"])), int(str(row["start"]))))
    wanted: dict[str, int] = {}
    n_tokens = 0
    for row in index:
        if n_tokens >= config.max_validation_tokens:
            break
        n_tokens += int(str(row["length"]))
        wanted[str(row["doc_id"])] = len(wanted)
    hosts = _hosts(job, set(wanted))
    ranked = Counter(hosts.values()).most_common()
    named = {host for host, _ in sorted(ranked, key=lambda e: (-e[1], e[0]))[: config.max_sources]}
    found = [
        (str(row["doc_id"]), hosts[str(row["doc_id"])], str(row["text"]))
        for row in read_unique(job)
        if row["doc_id"] in wanted
    ]
    found.sort(key=lambda document: wanted[document[0]])
    return [(doc_id, h if h in named else _OTHER, text) for doc_id, h, text in found if text]


def _hosts(job: Job, doc_ids: set[str]) -> dict[str, str]:
    columns = ["record_id", "url"]
    return {
        str(row["record_id"]): urlsplit(str(row["url"])).hostname or "unknown"
        for row in read_all(job.paths("extracted"), RECORDS, columns)
        if row["record_id"] in doc_ids
    }


def _bits(job: Job, config: EvaluateConfig, documents: Documents) -> Iterator[Row]:
    """The model by source and over all, then the n-gram model over all, on the same tokens.

    Both learnt from the same training split, unless the configuration limits the n-gram model.
    """
    tokenizer = Tokenizer.load(job.path("tokenizer"))
    if not documents:
        return
    scores = score_documents(load_model(job.path("base")), tokenizer, documents)
    for found in sum_by_source(scores):
        yield _bits_row("base", found.source, found.n_documents, found.n_bytes, found.nats)
    n_bytes = sum(score.n_bytes for score in scores)
    nats = sum(score.nats for score in scores)
    yield _bits_row("base", "all", len(scores), n_bytes, nats)
    shards = TokenShards(job.path("trained_on"), "train")
    baseline, n_counted = fit_baseline(shards, tokenizer.vocab_size, config)
    job.result.attributes |= {"ngram_tokens": n_counted, "train_tokens": shards.n_tokens}
    held_out = [i for _, _, text in documents for i in [*tokenizer.encode(text), tokenizer.eot_id]]
    nats = baseline.nll(np.array(held_out))
    yield _bits_row(f"ngram{config.ngram_order}", "all", len(documents), n_bytes, nats)


def fit_baseline(
    shards: TokenShards, vocab_size: int, config: EvaluateConfig
) -> tuple[KneserNey, int]:
    """Count the n-gram model on the training split; return it and the tokens it was counted on."""
    n_tokens = min(shards.n_tokens, config.ngram_train_tokens or shards.n_tokens)
    log = logger.warning if n_tokens < shards.n_tokens else logger.info
    log("counting ngrams order=%d tokens=%d of=%d", config.ngram_order, n_tokens, shards.n_tokens)
    baseline = KneserNey(vocab_size, config.ngram_order)
    baseline.fit(shards.read(0, n_tokens))
    return baseline, n_tokens


def _bits_row(model: str, source: str, n_documents: int, n_bytes: int, nats: float) -> Row:
    return {
        "model": model,
        "source": source,
        "n_documents": n_documents,
        "n_bytes": n_bytes,
        "nats": nats,
        "bits_per_byte": bits_per_byte(nats, n_bytes),
    }


def _accuracies(job: Job, config: EvaluateConfig) -> tuple[list[Row], list[Row]]:
    """Accuracy of every model on all held-out problems, and some of their answers."""
    problems = list_problems(job.config(ProblemConfig, "problems"), "held_out")
    rows: list[Row] = []
    shown: list[Row] = []
    for model in MODELS:
        answers, found = measure_accuracy(
            job.path(model), job.path("tokenizer"), problems, threads=config.threads
        )
        rows.append(
            {
                "model": model,
                "task": TASK,
                "n": found.n,
                "n_correct": found.n_right,
                "accuracy": found.accuracy,
                "low": found.low,
                "high": found.high,
            }
        )
        if model != "base":
            shown += [
                {"model": model, "prompt": answer.prompt, "completion": " " + answer.completion}
                for answer in answers[:_ANSWERS_SHOWN]
            ]
    return rows, shown


def _samples(job: Job, config: EvaluateConfig, documents: Documents) -> list[Row]:
    """Texts of the pretrained model, each begun with the first words of a held-out document."""
    tokenizer = Tokenizer.load(job.path("tokenizer"))
    step = max(1, len(documents) // config.generations)
    prompts = [
        " ".join(text.split()[:_PROMPT_WORDS])
        for _, _, text in documents[::step][: config.generations]
    ]
    written = generate(
        load_model(job.path("base")),
        [[tokenizer.eot_id, *tokenizer.encode(prompt)] for prompt in prompts],
        max_new_tokens=config.generation_tokens,
        temperature=config.temperature,
        top_p=config.top_p,
        stop_ids={tokenizer.eot_id},
        generator=torch.Generator().manual_seed(config.seed),
    )
    return [
        {
            "model": "base",
            "prompt": prompt,
            "completion": tokenizer.decode([i for i in found.ids if i != tokenizer.eot_id]),
        }
        for prompt, found in zip(prompts, written, strict=True)
    ]
