"""Training on a CPU: our trainer against stand-ins of nanoGPT, CS336's model and nanochat.

All train four layers of width 256 with 4 heads, a vocabulary of 10,000 words, windows of 256 and 8
windows a step, gradient clipping and update included, on random tokens. Ours is the trainer itself
(lmcore.train.step.Trainer) over shards on disk. Each run is a process of its own; contenders take
turns; a run's figure is the median of its steps' tokens per CPU second (all threads together)
after one step that is not counted. Compilation is not counted either.

nanoGPT comes twice: as it ships on a CPU (float32, not compiled), and tuned: the model compiled,
malloc told to keep its pages, bfloat16 where the processor multiplies it. So does nanochat: as its
training script runs it (float32, model and optimizer compiled), which is what we are measured
against, and with the model left eager under malloc's settings, as the notes did, for the check of
the stand-in. Ours trains in bfloat16 where the processor multiplies it, in float32 elsewhere. A
ratio is the lower one of one core and two. libgomp's threads sleep while they wait, for all alike:
on a shared machine spinning would count as work.

Both sides are checked: the first loss has to be that of an untrained model, and the last one below.
A stand-in is checked too: its share of a matrix product's rate, measured in the same process,
against that of the original, which was measured on another machine; the table says by how much it
misses. Peak memory is that of two steps of 32 windows, in a fresh process without malloc settings
for CS336's and with ours for ours; the estimate is checked against the same process once it holds
the copies of weights and moments that a checkpoint being written takes, and has made one more step.
"""

import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import harness

from lmcore.memory import peak_resident_bytes

VOCAB, D, CONTEXT, BATCH, LARGE_BATCH = 10_000, 256, 256, 8, 32
N_STEPS, N_RUNS = 3, 3
CONTENDERS = ("ours", "nanogpt_default", "nanogpt_tuned", "cs336", "nanochat")
CHECKED = "nanochat_eager"
COMPILED = ("nanogpt_tuned", "nanochat", CHECKED)
ORIGINAL_SHARE = {"nanogpt_default": 0.574, "cs336": 0.284, CHECKED: 0.43}
"""Operations of a step over those of a 2048^3 product in the same time, float32, one core: the
originals, measured on a processor with AVX-512 (nanochat with malloc's settings). Where products are
slower beside memory, original and stand-in alike reach a larger share: RESULTS.md has both run on
one machine."""

Found = dict[str, Any]  # what a run measured: numbers and lists of numbers


def _has_fast_bfloat16() -> bool:
    import torch

    is_fast: bool = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return is_fast


def _spec(folder: Path, threads: int, batch: int, steps: int) -> Any:
    from lmcore.model.config import ModelConfig
    from lmcore.train.config import TrainConfig
    from lmcore.train.spec import TrainSpec

    return TrainSpec(
        model=ModelConfig(d_model=D, n_layers=4, n_heads=4, context_length=CONTEXT),
        train=TrainConfig(
            steps=steps,
            batch_size=batch,
            warmup_steps=0,
            lr=1e-3,
            threads=threads,
            precision="bfloat16" if _has_fast_bfloat16() else "float32",
        ),
        vocab_size=VOCAB,
        shards_dir=folder,
        out_dir=folder / "out",
    )


def _write_shards(folder: Path) -> None:
    import numpy as np

    from lmcore.tokens.config import TokensConfig
    from lmcore.tokens.shards import encode_to_shards

    class Words:
        """Stands for a tokenizer of VOCAB words: a text is the seed of its random tokens."""

        vocab_size, eot_id = VOCAB, 0

        def encode_batch(self, texts: Iterable[str], *, workers: int) -> Iterator[Any]:
            assert workers == 1
            for text in texts:
                yield np.random.default_rng(int(text)).integers(1, VOCAB, 4096, np.uint32)

    documents = [(str(n), str(n)) for n in range(64)]
    encode_to_shards(documents, Words(), folder, TokensConfig(validation_fraction=0.1))  # type: ignore[arg-type]


def _our_trainer(folder: Path, threads: int, batch: int) -> Any:
    from lmcore.train.step import Trainer
    from lmcore.train.world import World

    return Trainer(_spec(folder, threads, batch, 100), World())


def _our_memory(folder: str, batch: int) -> Found:
    """Peak memory of two steps, and of a third beside the copies that a checkpoint takes."""
    from lmcore.train.step import numerics

    trainer = _our_trainer(Path(folder), 1, batch)
    with numerics(trainer.config):
        losses = [trainer.train_step(step).loss for step in (1, 2)]
        rss = peak_resident_bytes()
        copies = [tensor.clone() for tensor in trainer.state().values()]
        losses.append(trainer.train_step(3).loss)
    assert sum(copy.nbytes for copy in copies) == 12 * trainer.model.n_parameters()
    return {"losses": losses, "rss": rss, "rss_beside_copies": peak_resident_bytes()}


def _peer_step(name: str, batch: int) -> Callable[[int], float]:
    import torch
    import training_peers as peers

    if name == "cs336":
        step = peers.cs336(VOCAB, D, CONTEXT)
    elif name.startswith("nanochat"):
        step = peers.nanochat(VOCAB, D, CONTEXT, compiled=name == "nanochat")
    else:
        is_tuned = name == "nanogpt_tuned"
        bfloat16 = is_tuned and _has_fast_bfloat16()
        step = peers.nanogpt(VOCAB, D, CONTEXT, bfloat16=bfloat16, compiled=is_tuned)
    windows = torch.randint(VOCAB, (64, CONTEXT + 1), generator=torch.Generator().manual_seed(0))

    def run(number: int) -> float:
        rows = windows.roll(-batch * number, dims=0)[:batch]
        return float(step(rows[:, :-1], rows[:, 1:]))

    return run


def _work(name: str, folder: str, threads: int, batch: int, n_steps: int) -> Found:
    """What a process measures of one contender."""
    import torch

    from lmcore.train.step import numerics

    torch.manual_seed(0)
    torch.set_num_threads(threads)
    is_ours = name == "ours"
    if is_ours:
        trainer = _our_trainer(Path(folder), threads, batch)
        step: Callable[[int], float] = lambda number: trainer.train_step(number).loss  # noqa: E731
    else:
        step = _peer_step(name, batch)
    square = torch.ones(2048, 2048)
    losses, seconds, rates = [], [], []
    with numerics(_spec(Path(folder), threads, batch, 100).train) if is_ours else _nothing():
        for number in range(n_steps + 1):
            started = time.process_time()
            losses.append(step(number + 1))
            seconds.append(time.process_time() - started)
            if batch == BATCH:
                started = time.process_time()
                torch.mm(square, square)
                rates.append(2 * 2048**3 / (time.process_time() - started))
    return {
        "losses": losses,
        "tokens_per_second": batch * CONTEXT / statistics.median(seconds[1:]),
        "matmul": statistics.median(rates) if rates else 0.0,
        "rss": peak_resident_bytes(),
    }


def _nothing() -> Any:
    from contextlib import nullcontext

    return nullcontext()


def _run(
    name: str, folder: Path, threads: int, batch: int = BATCH, n_steps: int = N_STEPS
) -> Found:
    """Runs one contender in a fresh process, with malloc's settings where it has them."""
    from lmcore.train.launch import MALLOC, environment

    variables = {key: value for key, value in os.environ.items() if key not in MALLOC}
    ours = environment(threads)
    if name in ("ours", "ours_memory", "nanogpt_tuned", CHECKED):
        variables |= ours
    variables |= {key: value for key, value in ours.items() if key not in MALLOC}
    command = [sys.executable, __file__, name, str(folder), *map(str, (threads, batch, n_steps))]
    done = subprocess.run(command, env=variables, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise RuntimeError(f"{name} ended with status {done.returncode}, expected 0; see above")
    found: Found = json.loads(done.stdout.splitlines()[-1])
    first, last = found["losses"][0], found["losses"][-1]
    # a tied head begins by expecting the token it has just read, with a logit of sqrt(D)
    is_sane = -1.0 < first - math.log(VOCAB) < math.sqrt(D) and 0.0 < last < first + 0.05
    if not is_sane:
        raise RuntimeError(f"{name} lost {found['losses']}, expected a fall from near log({VOCAB})")
    return found


def _measure(folder: Path, threads: int) -> dict[str, list[Found]]:
    """Runs of each contender, taken in turns, in an order that reverses."""
    runs: dict[str, list[Found]] = {name: [] for name in CONTENDERS}
    for number in range(N_RUNS):
        for name in CONTENDERS if number % 2 == 0 else reversed(CONTENDERS):
            runs[name].append(_run(name, folder, threads))
    if threads == 1:
        runs[CHECKED] = [_run(CHECKED, folder, threads)]
    return runs


def _median(runs: list[Found], what: str) -> float:
    return statistics.median(run[what] for run in runs)


def _flops(name: str) -> float:
    """Operations per token as the notes count them: full attention, no look-ups."""
    d_ff = 704 if name in ("ours", "cs336") else 1024
    matrices = 4 * D * D + (3 if d_ff == 704 else 2) * D * d_ff
    return 6 * (4 * matrices + VOCAB * D) + 12 * 4 * D * CONTEXT


def _rows(runs: dict[str, list[Found]], threads: int) -> list[list[object]]:
    rows = []
    for name, found in runs.items():
        speed, matmul = _median(found, "tokens_per_second"), _median(found, "matmul")
        share = speed * _flops(name) / matmul
        original = ORIGINAL_SHARE.get(name) if threads == 1 else None
        miss = f"{share / original - 1:+.0%}" if original else ""
        rate = f"{speed * _flops(name) / 1e9:.1f}"
        rows.append(
            [name, threads, f"{speed:,.0f}", rate, f"{matmul / 1e9:.0f}", f"{share:.2f}", miss]
        )
    return rows


def _memory(folder: Path) -> tuple[dict[str, harness.Figure], list[list[object]]]:
    """Peak memory at the large batch, and the estimate's error there and at the small one."""
    from lmcore.train.estimate import estimate_memory

    theirs = _run("cs336", folder, 1, LARGE_BATCH, 1)
    errors, rows = [], [["cs336", LARGE_BATCH, f"{theirs['rss'] / 1e6:,.0f}", "", ""]]
    found = {batch: _run("ours_memory", folder, 1, batch) for batch in (BATCH, LARGE_BATCH)}
    for batch, ours in found.items():
        spec = _spec(folder, 1, batch, 100)
        estimate = estimate_memory(spec.model, VOCAB, spec.train).total
        errors.append(abs(estimate / ours["rss_beside_copies"] - 1))
        sizes = (ours["rss"], ours["rss_beside_copies"], estimate)
        rows.append(["ours", batch, *(f"{size / 1e6:,.0f}" for size in sizes)])
    figures: dict[str, harness.Figure] = {
        "rss_vs_cs336": round(found[LARGE_BATCH]["rss"] / theirs["rss"], 3),
        "memory_estimate_error": round(max(errors), 3),
    }
    return figures, rows


def main() -> None:
    started = time.monotonic()
    figures: dict[str, harness.Figure] = {}
    rows: list[list[object]] = []
    ratios: dict[str, list[float]] = {name: [] for name in CONTENDERS[1:]}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "shards"
        folder.mkdir()
        _write_shards(folder)
        figures["bfloat16"] = _has_fast_bfloat16()
        for name in COMPILED:
            _run(name, folder, 1, n_steps=1)
        for threads in (1, 2) if (os.cpu_count() or 1) > 1 else (1,):
            runs = _measure(folder, threads)
            rows += _rows(runs, threads)
            ours = _median(runs["ours"], "tokens_per_second")
            figures[f"tokens_per_cpu_second_{threads}"] = round(ours)
            for peer in ratios:
                ratios[peer].append(ours / _median(runs[peer], "tokens_per_second"))
                figures[f"train_vs_{peer}_{threads}"] = round(ratios[peer][-1], 3)
        memory_figures, memory_rows = _memory(folder)
    header = ["trainer", "threads", "tokens/CPU s", "GFLOP/s", "matmul", "share", "vs original"]
    print(harness.to_table(header, rows))
    print(
        harness.to_table(["trainer", "batch", "peak MB", "beside copies", "estimated"], memory_rows)
    )
    figures |= {f"train_vs_{peer}": round(min(found), 3) for peer, found in ratios.items()}
    figures |= memory_figures
    figures["seconds"] = round(time.monotonic() - started)
    print(harness.to_last_line(figures))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        contender, shards, *numbers = sys.argv[1:]
        threads, batch, n_steps = map(int, numbers)
        is_memory = contender == "ours_memory"
        found = (
            _our_memory(shards, batch)
            if is_memory
            else _work(contender, shards, threads, batch, n_steps)
        )
        print(json.dumps(found))
    else:
        main()
