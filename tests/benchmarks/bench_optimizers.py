"""Steps to AdamW's loss with Muon and with SOAP: `make bench-optimizers`.

Each optimizer runs with the settings that won in the recorded grid (`make tune-optimizers`). AdamW trains for
120 steps, over three seeds that the tuning did not see. Muon and SOAP, or the one of them that the grid shows
to be fast, train at several lengths, each with a warm-up and a decay of its own, so that every loss that is
compared stands at the end of a decay. A seed's figure is 120 over the steps at which the other's loss,
interpolated between the lengths in the logarithm of the steps, equals AdamW's of that seed; `steps_vs_adamw`
is the mean over the seeds of the better of the two.

The winners are first run again with the seed of the tuning: a loss that is not the recorded one says that
the grid belongs to another program. Last, every optimizer's loss curve of one seed over 120 steps.

Cost: 22 runs of 5 to 10 CPU-seconds (34 with both), on two processes: 2 minutes on two quiet cores.
"""

import itertools
import json
import math
import multiprocessing
import statistics
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor

import harness
from optimizer_task import (
    GRID_FILE,
    N_STEPS,
    Fields,
    Outcome,
    keep_pages,
    prepare,
    train,
    update_seconds,
)

SEEDS = (1, 2, 3)
FASTER = ("muon", "soap")
LENGTHS = tuple(round(N_STEPS / speedup) for speedup in (1.2, 1.5, 1.8, 2.2))
_TOLERANCE = 0.1
"""Most that a loss may differ from the recorded one. Other kernels or another processor round otherwise:
compiled kernels in place of torch's operations moved AdamW's winner, whose rate is at the edge of what it
bears, by 0.051 nats, and Muon's by 0.001; another batch order moves AdamW's by up to 0.2."""
_WINDOW = 10
"""Steps over which the losses of a curve are averaged."""

Job = tuple[str, int, int]
"""Name of the optimizer, steps, seed."""


def winners() -> dict[str, dict[str, object]]:
    """The best point of each optimizer in the recorded grid."""
    if not GRID_FILE.exists():
        sys.exit(
            f"found no {GRID_FILE}; expected a recorded grid; run `make tune-optimizers` first"
        )
    best: dict[str, dict[str, object]] = {}
    for point in json.loads(GRID_FILE.read_text()):
        name = point["fields"]["optimizer"]
        if name not in best or point["loss"] < best[name]["loss"]:
            best[name] = point
    return best


def contenders(best: Mapping[str, Mapping[str, object]]) -> list[str]:
    """Which of Muon and SOAP are run at all lengths.

    Those that in the grid, in two thirds of AdamW's steps, ended below AdamW; where neither did, both.
    """
    known = [name for name in FASTER if name in best]
    target = float(str(best["adamw"]["loss"]))
    return [name for name in known if float(str(best[name]["loss"])) <= target] or known


def run_all(jobs: Sequence[Job], fields: Mapping[str, Fields]) -> dict[Job, Outcome]:
    """What each job came to; two at a time, each on one thread."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        running = {job: pool.submit(train, fields[job[0]], *job[1:]) for job in jobs}
        return {job: future.result() for job, future in running.items()}


def steps_to(target: float, losses: Mapping[int, float]) -> float:
    """The fewest steps whose run ends at the target, between the lengths that were run.

    Lengths are followed from the longest as long as they reach it; below the shortest nothing is
    claimed. Infinite where the longest misses the target.
    """
    lengths = sorted(losses, reverse=True)
    if losses[lengths[0]] > target:
        return math.inf
    for longer, shorter in itertools.pairwise(lengths):
        if losses[shorter] > target:
            share = (target - losses[longer]) / (losses[shorter] - losses[longer])
            return math.exp((1 - share) * math.log(longer) + share * math.log(shorter))
    return float(lengths[-1])


def check(best: Mapping[str, Mapping[str, object]], outcomes: Mapping[Job, Outcome]) -> None:
    """Ends the program where a winner is not what the grid says."""
    for name, point in best.items():
        job = (name, int(str(point["steps"])), int(str(point["seed"])))
        recorded = float(str(point["loss"]))
        if job in outcomes and abs(outcomes[job].loss - recorded) > _TOLERANCE:
            sys.exit(
                f"found a loss of {outcomes[job].loss:.4f} for the winner of {name}, expected the "
                f"recorded {recorded:.4f}; the grid is of another program: run `make tune-optimizers`"
            )


def ratios(name: str, outcomes: Mapping[Job, Outcome]) -> list[float]:
    """AdamW's steps over this optimizer's to the same loss, a number a seed; 0 where it misses it."""
    found = []
    for seed in SEEDS:
        losses = {length: outcomes[name, length, seed].loss for length in LENGTHS}
        found.append(N_STEPS / steps_to(outcomes["adamw", N_STEPS, seed].loss, losses))
    return found


def mean_loss(name: str, length: int, outcomes: Mapping[Job, Outcome]) -> str:
    """Mean and spread over the seeds that were run."""
    losses = [outcomes[job].loss for seed in SEEDS if (job := (name, length, seed)) in outcomes]
    return f"{statistics.mean(losses):.4f} ({min(losses):.4f} to {max(losses):.4f})"


def show(
    best: Mapping[str, Mapping[str, object]], outcomes: Mapping[Job, Outcome]
) -> dict[str, float]:
    """Prints the tables; returns the processor time of a step with each, in AdamW's."""
    seconds, rows = {}, []
    for name, point in best.items():
        fields: Fields = point["fields"]
        shown = ", ".join(f"{k} {v:.3g}" for k, v in fields.items() if k != "optimizer")
        update = update_seconds(fields)
        seconds[name] = outcomes[name, N_STEPS, SEEDS[0]].cpu_seconds / N_STEPS
        share = f"{1e3 * seconds[name]:.0f} ms, {1e3 * update:.1f} of them the update"
        rows.append([name, N_STEPS, mean_loss(name, N_STEPS, outcomes), share, shown])
    header = ["optimizer", "steps", "loss (least to most of the seeds)", "CPU a step", "settings"]
    print(harness.to_table(header, rows), "\n")
    faster = contenders(best)
    lengths = [[n, *(mean_loss(name, n, outcomes) for name in faster)] for n in LENGTHS]
    print(harness.to_table(["steps, each with its own decay", *faster], lengths), "\n")
    curves = [
        [
            f"{end - _WINDOW + 1} to {end}",
            *(
                f"{statistics.mean(outcomes[name, N_STEPS, SEEDS[0]].curve[end - _WINDOW : end]):.3f}"
                for name in best
            ),
        ]
        for end in range(_WINDOW, N_STEPS + 1, _WINDOW)
    ]
    print("training loss, mean of the steps, one seed")
    print(harness.to_table(["steps", *best], curves), "\n")
    return {name: mine / seconds["adamw"] for name, mine in seconds.items()}


def main() -> None:
    """Runs the winners and prints the tables and the last line."""
    keep_pages()
    prepare()
    best = winners()
    fields: dict[str, Fields] = {name: point["fields"] for name, point in best.items()}
    faster = contenders(best)
    jobs: list[Job] = [("adamw", N_STEPS, seed) for seed in SEEDS]
    jobs += [(name, length, seed) for name in faster for length in LENGTHS for seed in SEEDS]
    jobs += [(name, N_STEPS, SEEDS[0]) for name in best if name != "adamw"]
    jobs += [
        (name, int(str(best[name]["steps"])), int(str(best[name]["seed"])))
        for name in ("adamw", *faster)
    ]
    outcomes = run_all(jobs, fields)
    check(best, outcomes)
    cost = show(best, outcomes)
    by_name = {name: ratios(name, outcomes) for name in faster}
    for name, found in by_name.items():
        print(f"{name}: {', '.join(f'{ratio:.2f}' for ratio in found)} times fewer steps")
    means = {name: statistics.mean(found) for name, found in by_name.items()}
    winner = max(means, key=means.__getitem__)
    figures = {
        "steps_vs_adamw": round(means[winner], 3),
        "steps_vs_adamw_least": round(min(by_name[winner]), 3),
        "steps_vs_adamw_most": round(max(by_name[winner]), 3),
        **{f"{name}_steps_vs_adamw": round(mean, 3) for name, mean in means.items()},
        **{f"{name}_cpu_vs_adamw": round(means[name] / cost[name], 3) for name in means},
        "winner": winner,
        "seeds": len(SEEDS),
    }
    print(harness.to_last_line(figures))


if __name__ == "__main__":
    main()
