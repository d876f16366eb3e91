"""What a checkpoint costs: how long training is held, how fast it is written and read.

The trainer itself (lmcore.train.step.Trainer) makes steps of 1,024 tokens with 31 million parameters
under AdamW, a state of 375 MB, on one thread and on two. Steps with a checkpoint begun before them
and steps without take turns; between two pairs the disk is waited for, so that a step pays for its
own checkpoint only. All is wall time, because a held trainer uses no processor; the machine has to
be quiet for the second figure, the first is measured where it occurs.

    checkpoint_stall       seconds for which the loop is held by a checkpoint (the call that begins it
                           and the update's wait for the copy), over the seconds of a step
    checkpoint_slowdown    seconds by which a step with a checkpoint is longer than one without, over
                           the seconds of a step: the stall, and what the copy, the hash and the
                           writing take from the cores and the memory that training uses
    checkpoint_amortised   checkpoint_slowdown over the 100 steps between two checkpoints
    checkpoint_cpu         processor seconds of a checkpoint over those of a step

Beside them: what a checkpoint takes in the loop when it is written at once, and how long the call of
torch.distributed.checkpoint.async_save takes to return with the same tensors (it copies before it
returns). Reading: load_checkpoint, which checks every hash, against safetensors' load_file and a copy.
Each number of threads has a process of its own; figures are medians, the key that of the worse one.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bench_training
import harness

N_PAIRS, N_LOADS = 3, 3
CHECKPOINT_EVERY = 100
Found = dict[str, float]


def _spec(folder: Path, threads: int) -> Any:
    from lmcore.model.config import ModelConfig
    from lmcore.train.config import TrainConfig
    from lmcore.train.spec import TrainSpec

    return TrainSpec(
        model=ModelConfig(d_model=512, n_layers=8, n_heads=8, context_length=256),
        train=TrainConfig(batch_size=4, threads=threads, lr=1e-4),
        vocab_size=bench_training.VOCAB,
        shards_dir=folder,
        out_dir=folder / f"out-{threads}",
        keep_last=1,
    )


def _seconds(act: Callable[[], object]) -> float:
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


def _pairs(trainer: Any, saver: Any) -> tuple[dict[str, list[float]], int]:
    """Steps with a checkpoint and without, in turns; returns what was measured, and the next step."""
    found: dict[str, list[float]] = {
        name: [] for name in ("plain", "with", "held", "plain_cpu", "with_cpu")
    }
    step = 1
    for number in range(2 * (N_PAIRS + 1)):
        is_saved = number % 2 == (number // 2) % 2
        held, cpu = saver.held_seconds, time.process_time()
        started = time.perf_counter()
        if is_saved:
            saver.begin(step, [], {})
        trainer.train_step(step)
        seconds = time.perf_counter() - started
        saver.wait()
        if number >= 2:
            name = "with" if is_saved else "plain"
            found[name].append(seconds)
            found[f"{name}_cpu"].append(time.process_time() - cpu)
            if is_saved:
                found["held"].append(saver.held_seconds - held)
        step += 1
    return found, step


def _at_once(saver: Any, step: int) -> list[float]:
    def save(number: int) -> None:
        saver.begin(step + number, [], {})
        saver.wait()

    return [_seconds(lambda n=n: save(n)) for n in range(3)]  # type: ignore[misc]


def _peer(state: dict[str, Any], folder: Path, threads: int) -> list[float]:
    """How long torch's own asynchronous checkpoint holds its caller."""
    import torch.distributed as dist
    from torch.distributed import checkpoint

    dist.init_process_group(
        "gloo", init_method=f"file://{folder}/peers-{threads}", rank=0, world_size=1
    )
    calls = []
    for number in range(3):
        writer = checkpoint.FileSystemWriter(folder / f"dcp-{threads}-{number}", overwrite=False)
        started = time.perf_counter()
        future: Any = checkpoint.async_save(state, storage_writer=writer)
        calls.append(time.perf_counter() - started)
        future.result()
    dist.destroy_process_group()
    return calls


def _loads(spec: Any, state: dict[str, Any]) -> tuple[list[float], list[float]]:
    import torch
    from safetensors.torch import load_file

    from lmcore.train.checkpoint import load_checkpoint, newest

    directory = newest(spec.out_dir)
    assert directory is not None
    (shard,) = directory.glob("*.safetensors")
    resumed, plain = [], []

    def load_plainly() -> None:
        for name, tensor in load_file(shard).items():
            state[name].copy_(tensor)

    before = {name: tensor.clone() for name, tensor in state.items()}
    for _ in range(N_LOADS):
        plain.append(_seconds(load_plainly))
        resumed.append(_seconds(lambda: load_checkpoint(directory, spec, state)))
    if not all(torch.equal(before[name], state[name]) for name in before):
        raise RuntimeError("a checkpoint of the state is not the state, expected the same bits")
    return resumed, plain


def _work(folder: Path, threads: int) -> Found:
    """What a process measures."""
    from lmcore.train.saving import Saver
    from lmcore.train.step import Trainer, numerics
    from lmcore.train.world import World

    spec = _spec(folder, threads)
    with numerics(spec.train):
        trainer = Trainer(spec, World())
        state = trainer.state()
        saver = Saver(spec, World(), state)
        trainer.updates.before_update = saver.wait_until_copied
        found, step = _pairs(trainer, saver)
        at_once = _at_once(saver, step)
        resumed, plain = _loads(spec, state)
        peer = _peer(state, folder, threads)
    median = {name: statistics.median(values) for name, values in found.items()}
    n_bytes = sum(tensor.nbytes for tensor in state.values())
    slower = statistics.median(
        a / b - 1 for a, b in zip(found["with"], found["plain"], strict=True)
    )
    step_seconds = median["plain_cpu"] / threads
    return {
        "step_seconds": median["plain"],
        "held_seconds": median["held"],
        "cpu_seconds": median["plain_cpu"],
        "stall": median["held"] / step_seconds,
        "slowdown": slower,
        "cpu": median["with_cpu"] / median["plain_cpu"] - 1,
        "at_once": statistics.median(at_once) / step_seconds,
        "peer": statistics.median(peer) / step_seconds,
        "save": n_bytes / 1e6 / statistics.median(at_once),
        "load": n_bytes / 1e6 / statistics.median(resumed),
        "plain_load": n_bytes / 1e6 / statistics.median(plain),
        "bytes": float(n_bytes),
    }


def _run(folder: Path, threads: int) -> Found:
    from lmcore.train.launch import environment

    done = subprocess.run(
        [sys.executable, __file__, str(folder), str(threads)],
        env=os.environ | environment(threads),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: Found = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    started = time.monotonic()
    counts = (1, 2) if (os.cpu_count() or 1) > 1 else (1,)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "shards"
        folder.mkdir()
        bench_training._write_shards(folder)
        runs = {threads: _run(folder, threads) for threads in counts}
    names = [
        ("step_seconds", "{:.2f}"),
        ("cpu_seconds", "{:.2f}"),
        ("held_seconds", "{:.5f}"),
        ("stall", "{:.5f}"),
        ("slowdown", "{:+.3f}"),
        ("cpu", "{:+.3f}"),
        ("at_once", "{:.3f}"),
        ("peer", "{:.3f}"),
        ("save", "{:,.0f}"),
        ("load", "{:,.0f}"),
        ("plain_load", "{:,.0f}"),
    ]
    header = [
        *("threads", "step s", "step CPU s", "held s", "stall", "slowdown", "CPU"),
        *("at once", "DCP's async_save", "save MB/s", "load MB/s", "plain load MB/s"),
    ]
    rows = [
        [threads, *(form.format(run[name]) for name, form in names)]
        for threads, run in runs.items()
    ]
    print(harness.to_table(header, rows))
    worst = {name: max(run[name] for run in runs.values()) for name, _ in names}
    least = {name: min(run[name] for run in runs.values()) for name, _ in names}
    figures: dict[str, harness.Figure] = {
        "checkpoint_stall": round(worst["stall"], 6),
        "checkpoint_slowdown": round(worst["slowdown"], 4),
        "checkpoint_amortised": round(worst["slowdown"] / CHECKPOINT_EVERY, 6),
        "checkpoint_cpu": round(worst["cpu"], 4),
        "checkpoint_at_once": round(worst["at_once"], 4),
        "dcp_async_save_stall": round(worst["peer"], 4),
        "save_mb_per_second": round(least["save"]),
        "load_mb_per_second": round(least["load"]),
        "resume_vs_plain_load": round(
            max(run["plain_load"] / run["load"] for run in runs.values()), 3
        ),
        "state_bytes": int(runs[1]["bytes"]),
        "seconds": round(time.monotonic() - started),
    }
    print(harness.to_last_line(figures))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(_work(Path(sys.argv[1]), int(sys.argv[2]))))
    else:
        main()
