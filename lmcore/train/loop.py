"""The training loop, and the process that torchrun starts: `python -m lmcore.train.loop SPEC`.

Writes into the run's directory

    checkpoints/step-000100/   see lmcore.train.checkpoint
    metrics/part-00000.parquet rows published while the run goes on
    telemetry/part-00000.parquet  speed, MFU and memory of each step, likewise
    progress.json              step, of, loss, tokens per second, MFU: for a progress bar
    final/                     model.safetensors, model.json, metrics.parquet
    average/                   model.safetensors, model.json of the averaged weights, with ema_decay
    telemetry.parquet          all parts of the telemetry
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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import FrameType

import torch

from lmcore.errors import ConfigError, InputError
from lmcore.lifeline import die_with_parent
from lmcore.memory import peak_resident_bytes
from lmcore.model.files import save_weights
from lmcore.sections import to_section
from lmcore.train.checkpoint import METRICS_FILE, load_checkpoint
from lmcore.train.durable import full_disk_refused, write_directory, write_json
from lmcore.train.estimate import (
    available_memory,
    estimate_flops,
    estimate_memory,
    estimate_seconds,
    refuse_unless_it_fits,
)
from lmcore.train.launch import (
    AVERAGE_DIR,
    EXIT_REFUSED,
    EXIT_STOPPED,
    OUTCOME_FILE,
    PROGRESS_FILE,
    TELEMETRY_FILE,
    is_malloc_set,
)
from lmcore.train.metrics import (
    LiveMetrics,
    MetricRow,
    bits_per_byte,
    without_undone,
    write_metrics,
)
from lmcore.train.saving import Saver
from lmcore.train.spec import TrainSpec
from lmcore.train.step import StepResult, Trainer, numerics, product_rate
from lmcore.train.telemetry import LiveTelemetry, Meter, TelemetryRow, peak_of
from lmcore.train.tracking import Tracker, trackers
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
        InputError: unusable shards or checkpoint, a loss that is not finite, a model that does
            not fit into memory, or a disk that is full.
    """
    _check_memory(spec)
    with numerics(spec.train), full_disk_refused(spec.out_dir):
        rate = _say_duration(spec)
        with trackers(spec.tracking, to_section(spec.train), spec.out_dir) as told:
            this = _Run(spec, world or World(), clock, rate)
            this.trackers = told if this.world.is_first else ()
            try:
                return this.go(is_stopped)
            finally:
                this.saver.close()


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


def _say_duration(spec: TrainSpec) -> float:
    """Says how long the run will take, and returns the FLOP/s of which its MFU is a share."""
    flops = estimate_flops(spec.model, spec.vocab_size, spec.train)
    rate = spec.train.world_size * product_rate(spec.train)
    seconds = estimate_seconds(flops, rate)
    logger.info("estimated seconds=%.0f flops=%d flops_per_second=%.3g", seconds, flops, rate)
    if not torch.cuda.is_available():
        return rate
    peak = peak_of(torch.cuda.get_device_name())
    return rate if peak is None else spec.train.world_size * peak


class _Run:
    """The rows and clocks of one call of `run`."""

    def __init__(self, spec: TrainSpec, world: World, clock: Clock, peak: float) -> None:
        if world.size != spec.train.world_size:
            raise InputError(
                f"found {world.size} processes; expected pretrain.world_size "
                f"{spec.train.world_size}; start the run with lmcore.train.launch.command"
            )
        self.spec, self.world, self.clock = spec, world, clock
        self.trainer = Trainer(spec, world)
        for sentence in self.trainer.source.describe():
            logger.info("reads %s", sentence)
        self.rows: list[MetricRow] = []
        self.first_step = 0
        tensors = self.trainer.state()
        if spec.resume_dir is not None:
            restored = load_checkpoint(spec.resume_dir, spec, tensors)
            self.trainer.restore(restored.step, restored.scalars)
            self.rows, self.first_step = list(restored.rows), restored.step
        self.saver = Saver(spec, world, tensors)
        self.trainer.updates.before_update = self.saver.wait_until_copied
        self.n_seen = self.n_restored = self.rows[-1].tokens if self.rows else 0
        self.live = LiveMetrics(spec.out_dir / "metrics", self.rows) if world.is_first else None
        self.telemetry = LiveTelemetry(spec.out_dir / "telemetry") if world.is_first else None
        self.meter = Meter(spec.model, spec.vocab_size, peak)
        self.last: TelemetryRow
        self.trackers: Sequence[Tracker] = ()
        self.started = self.next_progress = self.next_publish = clock()

    def go(self, is_stopped: Callable[[], bool]) -> bool:
        config = self.spec.train
        if self.first_step == 0:
            self._evaluate(0, 0.0)
        step = self.first_step
        while step < config.steps:
            back_to = self._train(step + 1)
            step = step + 1 if back_to is None else back_to
            must_stop = self._must_stop(is_stopped()) and step < config.steps
            is_due = must_stop or step % config.checkpoint_every == 0 or step == config.steps
            # a step that the run has gone back to has its checkpoint, which leads here again
            if is_due and back_to is None:
                self.saver.begin(step, self.rows, self.trainer.scalars())
            if must_stop:
                self.saver.wait()
                return False
        self._finish(step, self.clock() - self.started)
        return True

    def _must_stop(self, is_asked_to: bool) -> bool:
        """Whether any process was told to stop; raises in all where a checkpoint has failed."""
        if not self.world.any(is_asked_to or self.saver.has_failed):
            return False
        if self.world.any(self.saver.has_failed):
            self.saver.wait()
        return self.world.any(is_asked_to)

    def _train(self, step: int) -> int | None:
        """Makes a step; returns the step to which the run has gone back, or None."""
        config, trainer = self.spec.train, self.trainer
        began = self.clock()
        result = trainer.train_step(step)
        self._measure(step, result, began)
        back_to = result.verdict.back_to
        if back_to is not None:
            self.rows = without_undone(self.rows, back_to)
            self.n_seen = self.rows[-1].tokens
            if self.live is not None:
                self.live = LiveMetrics(self.live.directory, self.rows)
        else:
            self.n_seen += result.n_targets
        self._add_row(step, result, "train" if back_to is None else "spike")
        if back_to is not None:
            return back_to
        if step % config.eval_every == 0 or step == config.steps:
            self._evaluate(step, result.lr)
        if self.world.is_first:
            self._show(step, result)
        return None

    def _add_row(self, step: int, result: StepResult, split: str) -> None:
        signal, noise = result.noise or (None, None)
        row = MetricRow(
            step=step,
            tokens=self.n_seen,
            split=split,
            loss=result.loss,
            bits_per_byte=bits_per_byte(result.loss, self.trainer.train_shards),
            lr=result.lr,
            grad_norm=result.grad_norm,
            position=result.position,
            event=result.verdict.event,
            loss_scale=result.loss_scale,
            gradient_signal=signal,
            gradient_noise=noise,
            critical_batch_tokens=result.critical_batch_tokens,
        )
        self.rows.append(row)
        self._tell(step, split, asdict(row))

    def _measure(self, step: int, result: StepResult, began: float) -> None:
        """Takes the speed and the memory of a step."""
        now = self.clock()
        row = self.meter.measure(
            step=step,
            position=result.position,
            n_tokens=result.n_targets,
            seconds=now - self.started,
            step_seconds=now - began,
        )
        self.last = row
        if self.telemetry is not None:
            self.telemetry.rows.append(row)
        self._tell(step, "telemetry", asdict(row))

    def _tell(self, step: int, split: str, values: Mapping[str, object]) -> None:
        found = {f"{split}/{k}": float(v) for k, v in values.items() if isinstance(v, float | int)}
        for tracker in self.trackers:
            tracker.log(step, found)

    def _evaluate(self, step: int, lr: float) -> None:
        losses = {
            "validation": self.trainer.evaluate(),
            "ema": self.trainer.evaluate_average() if step else None,
        }
        for split, loss in losses.items():
            if loss is None:
                continue
            row = MetricRow(
                step=step,
                tokens=self.n_seen,
                split=split,
                loss=loss,
                bits_per_byte=bits_per_byte(loss, self.trainer.validation_shards),
                lr=lr,
                grad_norm=None,
            )
            self.rows.append(row)
            self._tell(step, split, asdict(row))
            logger.info("evaluated step=%d split=%s loss=%.4f", step, split, loss)

    def _show(self, step: int, result: StepResult) -> None:
        now, steps = self.clock(), self.spec.train.steps
        if now >= self.next_progress or step == steps:
            self.next_progress = now + _PROGRESS_SECONDS
            path = self.spec.out_dir / PROGRESS_FILE
            speed = {"tokens_per_second": self.last.tokens_per_second, "mfu": self.last.mfu_causal}
            write_json(path, {"step": step, "of": steps, "loss": result.loss, **speed})
        if now >= self.next_publish or step == steps:
            self.next_publish = now + _PUBLISH_SECONDS
            logger.info(
                "progress step=%d of=%d loss=%.4f lr=%.3g grad_norm=%.3g tokens_per_second=%.0f "
                "mfu_causal=%.3f mfu_full=%.3f rss_bytes=%d position=%d",
                *(step, steps, result.loss, result.lr, result.grad_norm),
                *(self.last.tokens_per_second, self.last.mfu_causal, self.last.mfu_full),
                *(self.last.rss_bytes, result.position),
            )
            if self.live is not None and self.telemetry is not None:
                self.live.publish(self.rows)
                self.telemetry.publish()

    def _finish(self, step: int, seconds: float) -> None:
        spec, trainer = self.spec, self.trainer
        self.saver.wait()
        weights, averaged = trainer.weights(), trainer.averaged_weights()
        if not self.world.is_first:
            return

        def write(partial: Path) -> None:
            save_weights(partial, weights, spec.model, spec.vocab_size)
            write_metrics(partial / METRICS_FILE, self.rows)

        def write_average(partial: Path) -> None:
            assert averaged is not None
            save_weights(partial, averaged, spec.model, spec.vocab_size)

        write_directory(spec.out_dir / "final", write)
        if averaged is not None:
            write_directory(spec.out_dir / AVERAGE_DIR, write_average)
        tokens = self.n_seen - self.n_restored
        usage = resource.getrusage(resource.RUSAGE_SELF)
        telemetry = {
            "seconds": seconds,
            "cpu_seconds": usage.ru_utime + usage.ru_stime,
            "tokens": tokens,
            "tokens_per_second": tokens / max(seconds, 1e-9),
            "training_flops_per_token": trainer.model.training_flops_per_token(),
            "checkpoints": self.saver.n_begun,
            "checkpoint_held_seconds": self.saver.held_seconds,
            **self.meter.summary(),
            "max_rss_bytes": peak_resident_bytes(),
            "estimated_bytes": estimate_memory(spec.model, spec.vocab_size, spec.train).total,
            **trainer.source.measures(trainer.position(step + 1)),
        }
        write_json(spec.out_dir / "telemetry.json", telemetry)
        if self.telemetry is not None:
            self.telemetry.join(spec.out_dir / TELEMETRY_FILE)
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
    with world_from_environment(is_offloaded=spec.train.parallel.offload) as world:
        if world.is_first:
            (spec.out_dir / OUTCOME_FILE).unlink(missing_ok=True)
        try:
            is_finished = run(spec, world=world, is_stopped=is_stopped)
        except (ConfigError, InputError) as error:
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
