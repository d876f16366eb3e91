"""The training loop, and the process that torchrun starts: `python -m lmcore.train.loop SPEC`.

Writes into the run's directory

    checkpoints/step-000100/   see lmcore.train.checkpoint
    metrics/part-00000.parquet rows published while the run goes on
    progress.json              step, of, loss: for a progress bar
    final/                     model.safetensors, model.json, metrics.parquet
    telemetry.json             seconds, tokens per second, memory: what differs from run to run
    outcome.json               how the process ended, because torchrun hides its exit code

A run that is stopped (SIGTERM, SIGINT) ends its step, writes a checkpoint and exits with 75
(EX_TEMPFAIL): start it again from there. A run that goes on from a checkpoint makes the same
bytes as one that was never stopped.

Cost, on one core with AVX2: 5,600 tokens per CPU-second for 0.85 million parameters outside the
embedding, 4,096 words and windows of 256 (51 GFLOP/s; the core's matrix product reaches 74).
"""

import logging
import resource
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

from lmcore.errors import InputError
from lmcore.lifeline import die_with_parent
from lmcore.model.files import save_weights
from lmcore.train.checkpoint import (
    METRICS_FILE,
    Checkpoint,
    load_checkpoint,
    save_checkpoint,
)
from lmcore.train.durable import write_directory, write_json
from lmcore.train.estimate import (
    available_memory,
    estimate_flops,
    estimate_memory,
    estimate_seconds,
    refuse_unless_it_fits,
)
from lmcore.train.launch import (
    EXIT_REFUSED,
    EXIT_STOPPED,
    OUTCOME_FILE,
    PROGRESS_FILE,
    is_malloc_set,
)
from lmcore.train.metrics import LiveMetrics, MetricRow, bits_per_byte, write_metrics
from lmcore.train.spec import TrainSpec
from lmcore.train.step import StepResult, Trainer, numerics, product_rate
from lmcore.train.world import World, world_from_environment

logger = logging.getLogger(__name__)

_PROGRESS_SECONDS = 0.5
_PUBLISH_SECONDS = 2.0

Clock = Callable[[], float]


def run(
    spec: TrainSpec,
    *,
    world: World | None = None,
    is_stopped: Callable[[], bool] = lambda: False,
    clock: Clock = time.monotonic,
) -> bool:
    """Trains until the last step, or until `is_stopped` says so after a step.

    Returns whether the run is finished; a stopped one has left a checkpoint.

    Raises:
        InputError: unusable shards or checkpoint, a loss that is not finite, or a model that
            does not fit into memory.
    """
    _check_memory(spec)
    with numerics(spec.train):
        _say_duration(spec)
        return _Run(spec, world or World(), clock).go(is_stopped)


def _check_memory(spec: TrainSpec) -> None:
    """Says what the run will take and how it is set up; refuses one that cannot fit."""
    estimate = estimate_memory(spec.model, spec.vocab_size, spec.train)
    available = available_memory()
    logger.info(
        "estimated bytes=%d available=%d parameters=%d activations=%d head=%d precision=%s "
        "threads=%d malloc_keeps_pages=%s",
        estimate.total,
        available,
        estimate.parameters,
        estimate.activations,
        estimate.head,
        spec.train.precision,
        spec.train.threads,
        is_malloc_set(),
    )
    refuse_unless_it_fits(estimate, available)


def _say_duration(spec: TrainSpec) -> None:
    flops = estimate_flops(spec.model, spec.vocab_size, spec.train)
    rate = spec.train.world_size * product_rate(spec.train)
    seconds = estimate_seconds(flops, rate)
    logger.info("estimated seconds=%.0f flops=%d flops_per_second=%.3g", seconds, flops, rate)


class _Run:
    """The rows and clocks of one call of `run`."""

    def __init__(self, spec: TrainSpec, world: World, clock: Clock) -> None:
        if world.size != spec.train.world_size:
            raise InputError(
                f"found {world.size} processes; expected train.world_size "
                f"{spec.train.world_size}; start the run with lmcore.train.launch.command"
            )
        self.spec, self.world, self.clock = spec, world, clock
        self.trainer = Trainer(spec, world)
        for sentence in self.trainer.source.describe():
            logger.info("reads %s", sentence)
        self.rows: list[MetricRow] = []
        self.first_step = 0
        if spec.resume_dir is not None:
            n_tokens = self.trainer.train_shards.n_tokens
            checkpoint = load_checkpoint(spec.resume_dir, spec, n_tokens)
            self.trainer.restore(
                checkpoint.step, dict(checkpoint.weights), dict(checkpoint.moments)
            )
            self.rows, self.first_step = list(checkpoint.rows), checkpoint.step
        self.n_seen = self.n_restored = self.rows[-1].tokens if self.rows else 0
        self.live = LiveMetrics(spec.out_dir / "metrics", self.rows) if world.is_first else None
        self.next_progress = self.next_publish = clock()

    def go(self, is_stopped: Callable[[], bool]) -> bool:
        config = self.spec.train
        start = self.clock()
        if self.first_step == 0:
            self._evaluate(0, 0.0)
        step = self.first_step
        while step < config.steps:
            step += 1
            self._train(step)
            must_stop = self.world.any(is_stopped()) and step < config.steps
            if must_stop or step % config.checkpoint_every == 0 or step == config.steps:
                self._checkpoint(step)
            if must_stop:
                return False
        self._finish(step, self.clock() - start)
        return True

    def _train(self, step: int) -> None:
        config, trainer = self.spec.train, self.trainer
        result = trainer.train_step(step)
        self.n_seen += result.n_targets
        self.rows.append(
            MetricRow(
                step=step,
                tokens=self.n_seen,
                split="train",
                loss=result.loss,
                bits_per_byte=bits_per_byte(result.loss, trainer.train_shards),
                lr=result.lr,
                grad_norm=result.grad_norm,
            )
        )
        if step % config.eval_every == 0 or step == config.steps:
            self._evaluate(step, result.lr)
        if self.world.is_first:
            self._show(step, result)

    def _evaluate(self, step: int, lr: float) -> None:
        loss = self.trainer.evaluate()
        self.rows.append(
            MetricRow(
                step=step,
                tokens=self.n_seen,
                split="validation",
                loss=loss,
                bits_per_byte=bits_per_byte(loss, self.trainer.validation_shards),
                lr=lr,
                grad_norm=None,
            )
        )
        logger.info("evaluated step=%d loss=%.4f", step, loss)

    def _show(self, step: int, result: StepResult) -> None:
        now, steps = self.clock(), self.spec.train.steps
        if now >= self.next_progress or step == steps:
            self.next_progress = now + _PROGRESS_SECONDS
            path = self.spec.out_dir / PROGRESS_FILE
            write_json(path, {"step": step, "of": steps, "loss": result.loss})
        if now >= self.next_publish or step == steps:
            self.next_publish = now + _PUBLISH_SECONDS
            logger.info("progress step=%d of=%d loss=%.4f", step, steps, result.loss)
            if self.live is not None:
                self.live.publish(self.rows)

    def _checkpoint(self, step: int) -> None:
        weights, moments = self.trainer.weights(), self.trainer.moments()
        if self.world.is_first:
            checkpoint = Checkpoint(step, weights, moments, self.rows)
            n_tokens = self.trainer.train_shards.n_tokens
            directory = save_checkpoint(self.spec, checkpoint, n_tokens)
            logger.info("checkpointed step=%d directory=%s", step, directory)
        self.world.wait()

    def _finish(self, step: int, seconds: float) -> None:
        spec, trainer = self.spec, self.trainer
        weights = trainer.weights()
        if not self.world.is_first:
            return

        def fill(partial: Path) -> None:
            save_weights(partial, weights, spec.model, spec.vocab_size)
            write_metrics(partial / METRICS_FILE, self.rows)

        write_directory(spec.out_dir / "final", fill)
        tokens = self.n_seen - self.n_restored
        usage = resource.getrusage(resource.RUSAGE_SELF)
        telemetry = {
            "seconds": seconds,
            "cpu_seconds": usage.ru_utime + usage.ru_stime,
            "tokens": tokens,
            "tokens_per_second": tokens / max(seconds, 1e-9),
            "training_flops_per_token": trainer.model.training_flops_per_token(),
            "max_rss_bytes": usage.ru_maxrss * 1024,
            "estimated_bytes": estimate_memory(spec.model, spec.vocab_size, spec.train).total,
            **trainer.source.measures(step * spec.train.batch_size),
        }
        write_json(spec.out_dir / "telemetry.json", telemetry)
        logger.info("finished step=%d seconds=%.1f", step, seconds)


class _StopSignals:
    """Remembers that SIGTERM or SIGINT has come; calling it tells."""

    def __init__(self) -> None:
        self.has_come = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._remember)

    def __call__(self) -> bool:
        return self.has_come

    def _remember(self, _number: int, _frame: FrameType | None) -> None:
        self.has_come = True


def main(arguments: Sequence[str]) -> int:
    """Runs the spec named by the only argument and returns the exit code."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    is_stopped = _StopSignals()
    spec = TrainSpec.read(Path(arguments[0]))
    with world_from_environment() as world:
        if world.is_first:
            (spec.out_dir / OUTCOME_FILE).unlink(missing_ok=True)
        try:
            is_finished = run(spec, world=world, is_stopped=is_stopped)
        except InputError as error:
            logger.error("refused %s", error)  # noqa: TRY400  # the user's mistake, no traceback
            _report(spec, world, "refused", str(error))
            return EXIT_REFUSED
        _report(spec, world, "finished" if is_finished else "stopped", "")
    return 0 if is_finished else EXIT_STOPPED


def _report(spec: TrainSpec, world: World, outcome: str, message: str) -> None:
    if world.is_first:
        content = {"outcome": outcome, "message": message}
        write_json(spec.out_dir / OUTCOME_FILE, content)


if __name__ == "__main__":
    die_with_parent()  # torchrun starts its processes in sessions of their own
    sys.exit(main(sys.argv[1:]))
