"""What a run will take, before it is launched: bytes of memory and floating-point operations.

Plain arithmetic, without torch: a plan can ask. Memory of one process is the sum of

    the interpreter with torch          measured, see _PROCESS_BYTES
    weights, gradient, two moments      16 bytes a parameter; FSDP holds 1/world_size of them
    activations kept for backward       per token and layer 11 d + 4 d_ff numbers: the input and
                                        output of both norms (4 d), queries, keys and values
                                        before and after the rotation (5 d), the mixed values
                                        twice (2 d), gate, up, silu(gate) and their product
                                        (4 d_ff)
    the widest layer's gradients        2 d + 5 d_ff numbers per token, while backward passes it
    masks of packed documents           per token and layer a window's length of numbers
    the head                            features, their gradient, a chunk of logits, and three
                                        copies of the gradient of the [vocab, d] matrix

Scores of attention are never whole in memory, and neither are the logits. Under bfloat16 the
results of products are two bytes wide; what the norms and the residual stream keep stays four.
Seconds are operations over the rate of a matrix product, times the share of it that a step keeps.
"""

from dataclasses import dataclass
from pathlib import Path

from lmcore.errors import InputError
from lmcore.model.config import ModelConfig
from lmcore.train.config import TrainConfig

_PROCESS_BYTES = 300 * 2**20
"""Resident bytes of a trainer before its model: torch, numpy, pyarrow and their work space."""

_CHUNK_BYTES = 1 << 24
"""As in lmcore.model.loss."""

STEP_SHARE = 0.7
"""Share of a matrix product's rate that a whole step reaches (measured 0.66 to 0.75)."""

_MEMINFO = Path("/proc/meminfo")
_CGROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryEstimate:
    """Peak resident bytes of all processes of a run together, part by part."""

    processes: int
    parameters: int
    """Weights, gradients and moments."""
    activations: int
    head: int

    @property
    def total(self) -> int:
        """The sum of the parts."""
        return self.processes + self.parameters + self.activations + self.head


def estimate_memory(model: ModelConfig, vocab_size: int, train: TrainConfig) -> MemoryEstimate:
    """Returns the largest resident memory that training will reach."""
    d, d_ff, size = model.d_model, model.hidden_dim, train.world_size
    tokens = train.batch_size * model.context_length
    product = 2 if train.precision == "bfloat16" else 4
    kept = model.n_layers * (4 * (5 * d) + product * (6 * d + 4 * d_ff))
    if train.data.packing != "none":
        kept += model.n_layers * product * model.context_length
    widest = 4 * 2 * d + product * 5 * d_ff
    chunk = min(_CHUNK_BYTES, 4 * tokens // size * vocab_size)
    return MemoryEstimate(
        processes=size * _PROCESS_BYTES,
        parameters=16 * model.n_parameters(vocab_size),
        activations=tokens * (kept + widest),
        head=size * (chunk + 3 * 4 * vocab_size * d) + tokens * 2 * 4 * d,
    )


def estimate_flops(model: ModelConfig, vocab_size: int, train: TrainConfig) -> int:
    """Returns the operations of all training steps; evaluations are not among them."""
    tokens = train.steps * train.batch_size * model.context_length
    return tokens * model.training_flops_per_token(vocab_size)


def estimate_seconds(flops: int, flops_per_second: float) -> float:
    """Returns the time of a run whose processes multiply matrices at this rate together."""
    return flops / (STEP_SHARE * flops_per_second)


def refuse_unless_it_fits(estimate: MemoryEstimate, available_bytes: int) -> None:
    """Stops a run that could only be killed.

    Raises:
        InputError: the estimate is above what is available.
    """
    if estimate.total <= available_bytes:
        return
    raise InputError(
        f"found {available_bytes:,d} bytes of memory available for a run that needs about "
        f"{estimate.total:,d} ({estimate.parameters:,d} for weights, gradients and moments, "
        f"{estimate.activations:,d} for activations, {estimate.head:,d} for the head, "
        f"{estimate.processes:,d} for the processes); expected it to fit; lower "
        "train.batch_size or model.context_length, or take a smaller model"
    )


def available_memory(meminfo: Path = _MEMINFO, cgroups: Path = _CGROUPS) -> int:
    """Returns the bytes that new processes may take: of the machine, or of the container.

    Reads MemAvailable, and the limit and use of this process's control group (version 2, as a
    container sees it, or version 1); the file cache within a group counts as free.
    """
    lines = dict(line.split(":", 1) for line in meminfo.read_text().splitlines())
    free = int(lines["MemAvailable"].split()[0]) * 1024
    for folder, limit, used, cache in (
        (cgroups, "memory.max", "memory.current", "inactive_file"),
        (
            cgroups / "memory",
            "memory.limit_in_bytes",
            "memory.usage_in_bytes",
            "total_inactive_file",
        ),
    ):
        try:
            text = (folder / limit).read_text().strip()
            in_use = int((folder / used).read_text())
            counts = dict(
                line.split() for line in (folder / "memory.stat").read_text().splitlines()
            )
        except OSError:
            continue
        if text != "max":
            free = min(free, int(text) - in_use + int(counts.get(cache, 0)))
    return max(free, 0)
