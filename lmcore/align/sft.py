"""Supervised fine-tuning: the model learns to answer in the chat's format.

The loss is the mean over the assistant's tokens of the *whole* batch, so it does not change when
the batch is split into microbatches. The head runs on supervised positions only.
Cost: 64 answers of 15 tokens with 1.4 M parameters took 0.17 s a step on one core of a busy 2-core
x86 box, 32 took 0.09 s.
"""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import torch

from lmcore.align.arithmetic import TRAIN, VALIDATION, Grade, Problem, list_problems
from lmcore.align.chat import Chat, ChatTemplate, Turn
from lmcore.align.config import ProblemConfig, SFTConfig
from lmcore.align.losses import supervised_loss
from lmcore.align.policy import completion_nll, pack_chats
from lmcore.align.rollouts import Answerer, answerer_of
from lmcore.align.training import (
    Progress,
    Row,
    Updater,
    microbatches,
    set_threads,
    shuffled_indices,
    write_table,
)
from lmcore.model.files import load_model, save_model
from lmcore.model.transformer import Transformer
from lmcore.tokenizer.bpe import Tokenizer

METRICS = pa.schema(
    [
        pa.field("step", pa.int64(), nullable=False),
        pa.field("loss", pa.float64(), nullable=False),  # nats a supervised token
        pa.field("n_supervised", pa.int64(), nullable=False),
        pa.field("lr", pa.float64(), nullable=False),
        pa.field("grad_norm", pa.float64(), nullable=False),
        pa.field("validation_accuracy", pa.float64()),  # null where it was not checked
    ]
)


def finetune(
    model_dir: Path,
    tokenizer_dir: Path,
    out_dir: Path,
    config: SFTConfig,
    problems: ProblemConfig,
    *,
    progress: Progress | None = None,
) -> None:
    """Fine-tunes the model of `model_dir` and writes model and metrics.parquet to `out_dir`."""
    set_threads(config.threads)
    model = load_model(model_dir)
    template = ChatTemplate(Tokenizer.load(tokenizer_dir))
    rows = train(model, template, config, problems, progress=progress)
    save_model(out_dir, model)
    write_table(out_dir / "metrics.parquet", rows, METRICS)


def train(
    model: Transformer,
    template: ChatTemplate,
    config: SFTConfig,
    problems: ProblemConfig,
    *,
    progress: Progress | None = None,
) -> list[Row]:
    """Fine-tunes `model` in place and returns the rows of METRICS."""
    demonstrations = list_problems(problems, TRAIN)[: config.n_demonstrations or None]
    validation = list_problems(problems, VALIDATION)[: config.n_check]
    chats = [demonstrate(template, problem) for problem in demonstrations]
    answerer = answerer_of(template, [*demonstrations, *validation])
    updater = Updater(model, config)
    order = shuffled_indices(len(chats), config.seed)
    rows: list[Row] = []
    for step in range(config.steps):
        batch = [chats[next(order)] for _ in range(config.batch_size)]
        loss, n_supervised = accumulate(model, batch, config.microbatch_size)
        update = updater.apply()
        is_check = (step + 1) % config.check_every == 0 or step + 1 == config.steps
        accuracy = greedy_accuracy(model, answerer, validation) if is_check else None
        rows.append(
            {
                "step": step + 1,
                "loss": loss,
                "n_supervised": n_supervised,
                "lr": update.lr,
                "grad_norm": update.grad_norm,
                "validation_accuracy": accuracy,
            }
        )
        if progress:
            progress(step + 1, config.steps, f"loss {loss:.3f}")
        if accuracy is not None and accuracy > config.stop_accuracy:
            break
    return rows


def accumulate(
    model: Transformer, batch: Sequence[Chat], microbatch_size: int
) -> tuple[float, int]:
    """Adds the gradient of the batch's loss to the model's; returns loss and supervised tokens.

    Raises InputError where the batch has no supervised token.
    """
    n_supervised = sum(sum(chat.is_supervised) for chat in batch)
    total = 0.0
    for part in microbatches(batch, microbatch_size):
        loss = supervised_loss(completion_nll(model, pack_chats(part)), n_supervised)
        torch.autograd.backward(loss)
        total += loss.item()
    return total, n_supervised


def demonstrate(template: ChatTemplate, problem: Problem) -> Chat:
    """Returns the problem with its right answer as a chat."""
    return template.encode([Turn(problem.prompt, problem.answer)])


def greedy_accuracy(model: Transformer, answerer: Answerer, problems: Sequence[Problem]) -> float:
    """Returns the share of problems answered rightly without sampling."""
    rollouts = answerer.sample(model, problems)
    return sum(rollout.grade is Grade.RIGHT for rollout in rollouts) / len(rollouts)
