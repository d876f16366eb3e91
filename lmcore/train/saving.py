"""Checkpoints written behind training's back.

`begin` hands the state to a thread and returns. The thread copies the tensors while the next step
runs forward and backward, which change neither weights nor moments; only that step's update waits,
in `wait_until_copied`, should the copy not be done. Then the thread writes the copies, hashes them,
syncs them, seals them with a manifest and moves `latest`; training meanwhile goes on. A second
checkpoint waits for the first. What went wrong in the thread is raised in the loop, by `wait`.

The processes of a run agree, over a group of their own, that each has written its shard before the
first of them seals it; where one could not, all raise, and what was written is deleted.

Cost: a copy of the state in memory (12 bytes a parameter under AdamW, over all processes together),
kept for the next checkpoint: a copy into memory that is there runs at 18 GB/s, into new at 0.4. At 31
million parameters and steps of 1,024 tokens training is held for 0.03% of a step
(tests/benchmarks/bench_checkpoint.py).
"""

import json
import logging
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
import torch
import torch.distributed as dist

from lmcore.errors import InputError
from lmcore.train.checkpoint import (
    METRICS_FILE,
    checkpoint_dir,
    point_to,
    prune,
    seal_file,
    seal_state,
)
from lmcore.train.durable import partial_of, publish_directory
from lmcore.train.metrics import SCHEMA, MetricRow, to_table
from lmcore.train.pieces import (
    Held,
    Piece,
    Words,
    assign,
    copy_to,
    files_of,
    index_of,
    pieces_of,
    write_pieces,
)
from lmcore.train.spec import TrainSpec
from lmcore.train.world import World

logger = logging.getLogger(__name__)

_NICENESS: Final = 10
_LAST: Final = "the last whole one is intact"


class Saver:
    """Saves the tensors of one run, of which it holds references, whenever it is told to."""

    def __init__(self, spec: TrainSpec, world: World, tensors: Mapping[str, Held]) -> None:
        """Settles who writes what; every process has to call."""
        self.spec, self.world = spec, world
        self.group = dist.new_group(backend="gloo") if world.size > 1 else None
        held = pieces_of(tensors)
        given = assign(self._exchange([piece.describe() for piece in held]))
        files = files_of(given)
        self.index = index_of(given, files)
        by_key = {piece.key: piece for piece in held}
        self.files = {
            file: [by_key[key] for key in keys] for file, keys in files[world.rank].items()
        }
        """what this process writes"""
        self.pieces = [piece for pieces in self.files.values() for piece in pieces]
        self.words: list[Words | None] = [None] * len(self.pieces)
        self.table: pa.Table = SCHEMA.empty_table()
        self.last_row: MetricRow | None = None
        self.thread: threading.Thread | None = None
        self.copied = threading.Event()
        self.stream: torch.cuda.Stream | None = None
        self.error: Exception | None = None
        self.held_seconds = 0.0
        """How long training has waited for checkpoints, its end not counted."""
        self.n_begun = 0
        if world.is_first:
            for stale in (spec.out_dir / "checkpoints").glob(".step-*"):
                shutil.rmtree(stale, ignore_errors=True)

    @property
    def has_failed(self) -> bool:
        """Whether the last checkpoint could not be written: `wait` says why."""
        return self.error is not None

    def begin(self, step: int, rows: Sequence[MetricRow], scalars: Mapping[str, Any]) -> None:
        """Starts the checkpoint of the state as it is now; every process has to call.

        Raises:
            InputError: the one before could not be written.
        """
        started = time.perf_counter()
        self.wait()
        self.n_begun += 1
        self.copied.clear()
        new = self._take_new(rows)
        self.stream = _beside_compute(self.pieces)
        self.thread = threading.Thread(
            target=self._work, args=(step, new, scalars), name=f"checkpoint-{step}", daemon=True
        )
        self.thread.start()
        self.held_seconds += time.perf_counter() - started

    def _take_new(self, rows: Sequence[MetricRow]) -> list[MetricRow]:
        """The rows since the last checkpoint alone: turning all into Arrow would grow with the run."""
        n_known = self.table.num_rows
        if n_known and (len(rows) < n_known or rows[n_known - 1] is not self.last_row):
            n_known, self.table = 0, SCHEMA.empty_table()  # the run went back
        self.last_row = rows[-1] if rows else None
        return list(rows[n_known:])

    def wait_until_copied(self) -> None:
        """Waits until the tensors may change."""
        if self.thread is not None and not self.copied.is_set():
            started = time.perf_counter()
            self.copied.wait()
            self.held_seconds += time.perf_counter() - started

    def wait(self) -> None:
        """Waits until the checkpoint is on the disk.

        Raises:
            InputError: it could not be written; the last whole one is as it was.
        """
        self.close()
        if self.error is not None:
            error, self.error = self.error, None
            raise error

    def close(self) -> None:
        """Waits until no checkpoint is being written, well or not."""
        if self.thread is not None:
            self.thread.join()
            self.thread = None

    def _work(self, step: int, rows: Sequence[MetricRow], scalars: Mapping[str, Any]) -> None:
        started = time.perf_counter()
        try:
            self._copy()
            copied = time.perf_counter()
            _step_back()
            directory = self._write(step, rows, scalars)
        except Exception as error:  # noqa: BLE001 - a thread's boundary: raised again by wait
            self.error = error
        else:
            seconds = (copied - started, time.perf_counter() - copied)
            logger.info(
                "checkpointed step=%d copy_seconds=%.3f write_seconds=%.3f directory=%s",
                *(step, *seconds, directory),
            )

    def _copy(self) -> None:
        try:
            with nullcontext() if self.stream is None else torch.cuda.stream(self.stream):
                for number, piece in enumerate(self.pieces):
                    self.words[number] = copy_to(self.words[number], piece.tensor)
        finally:
            self.copied.set()

    def _write(self, step: int, rows: Sequence[MetricRow], scalars: Mapping[str, Any]) -> Path:
        directory = checkpoint_dir(self.spec.out_dir, step)
        partial = partial_of(directory)
        try:
            self._together(step, lambda: self._make(partial))
            seals = self._together(step, lambda: self._write_files(partial))
            files = {name: seal for written in seals for name, seal in written.items()}
            self._together(step, lambda: self._commit(directory, files, step, rows, scalars))
        except Exception:
            if self.world.is_first:
                shutil.rmtree(partial, ignore_errors=True)
            raise
        return directory

    def _make(self, partial: Path) -> None:
        if self.world.is_first:
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir(parents=True)

    def _write_files(self, partial: Path) -> dict[str, dict[str, object]]:
        words = iter([array for array in self.words if array is not None])
        return {
            name: write_pieces(partial / name, pieces, [next(words) for _ in pieces])
            for name, pieces in self.files.items()
        }

    def _commit(
        self,
        directory: Path,
        files: Mapping[str, Mapping[str, object]],
        step: int,
        rows: Sequence[MetricRow],
        scalars: Mapping[str, Any],
    ) -> None:
        if not self.world.is_first:
            return
        partial = partial_of(directory)
        table = pa.concat_tables([self.table, to_table(rows)])
        # publishing syncs both: here a plain write will do
        pq.write_table(table, partial / METRICS_FILE, compression="zstd")
        sealed = {**files, METRICS_FILE: seal_file(partial / METRICS_FILE)}
        seal_state(partial, self.spec, step=step, scalars=scalars, index=self.index, files=sealed)
        publish_directory(directory)
        point_to(directory)
        self.table = table
        prune(self.spec, step)

    def _together(self, step: int, act: Callable[[], Any]) -> list[Any]:
        """Does something in every process and returns what each did; a failure of one is all's."""
        try:
            mine = {"done": act()}
        except (OSError, MemoryError) as error:
            where = checkpoint_dir(self.spec.out_dir, step).parent
            n_bytes = sum(piece.tensor.nbytes for piece in self.pieces)
            mine = {
                "error": f"found that the checkpoint of step {step:,d} could not be written into "
                f"{where} ({error}); expected room for {n_bytes:,d} bytes a process; free some, "
                f"then start again: {_LAST}"
            }
        answers = self._exchange(mine)
        errors = [answer["error"] for answer in answers if "error" in answer]
        if errors:
            raise InputError(errors[0])
        return [answer["done"] for answer in answers]

    def _exchange(self, mine: Any) -> list[Any]:  # JSON
        """Tells all processes, and returns what each has told; JSON, no pickle."""
        if self.group is None:
            return [mine]
        text = torch.frombuffer(bytearray(json.dumps(mine).encode()), dtype=torch.uint8)
        lengths = [torch.zeros(1, dtype=torch.int64) for _ in range(self.world.size)]
        dist.all_gather(lengths, torch.tensor([len(text)]), group=self.group)
        longest = max(int(length) for length in lengths)
        padded = torch.zeros(longest, dtype=torch.uint8)
        padded[: len(text)] = text
        texts = [torch.zeros(longest, dtype=torch.uint8) for _ in lengths]
        dist.all_gather(texts, padded, group=self.group)
        return [
            json.loads(bytes(found[: int(length)].tolist()))
            for found, length in zip(texts, lengths, strict=True)
        ]


def _beside_compute(pieces: Sequence[Piece]) -> torch.cuda.Stream | None:
    """A stream on which tensors of a GPU, as they are now, are copied beside the next kernels."""
    device = next((piece.tensor.device for piece in pieces if piece.tensor.is_cuda), None)
    if device is None:
        return None
    stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]  # torch leaves it so
    stream.wait_stream(torch.cuda.current_stream(device))
    return stream


def _step_back() -> None:
    """Lets training's threads go first from here on, on Linux, where threads have a niceness."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
