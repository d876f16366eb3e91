"""What a run will take, before it is launched: bytes of memory and floating-point operations.

Plain arithmetic, without torch: a plan can ask. Memory of one process is the sum of

    the interpreter with torch          measured, see _PROCESS_BYTES
    weights, gradient, two moments      16 bytes a parameter, in every process of ddp, of which
                                        zero1 shares the moments and fsdp all; gradients on their
                                        way in the buckets of ddp and zero1 4 more. The
                                        average of the weights takes 4, a step that measures the
                                        noise scale 4, and what a roll-back brings back as much
                                        again as all of it but the gradient
    a checkpoint being written          12 bytes a parameter: whole weights and moments, copied
                                        with the average and what a roll-back brings back
    activations kept for backward       per token and layer: the residual stream before both
                                        norms (8 d bytes), and in the type of the products both
                                        norms, queries, keys, values and the mixed values (6 d
                                        numbers), gate, up and their product (3 d_ff; 2 d_ff with
                                        GELU), and where scores are written out a row of them a
                                        head
    masks of packed documents           per token and layer a window's length of numbers
                                        under train.recompute only its input (full), or that and
                                        the results of its products (selective), and one layer's
    the widest layer's gradients        2 d of the stream, 3 d_ff of the products, per token,
                                        while backward passes it
    the head                            features and stream, their gradients, a chunk of logits,
                                        and three float32 copies of the gradient of the [vocab, d]
                                        matrix; in bfloat16 half a one more, the weights it reads
                                        and those of the blocks

All of it is memory of the machine, as on the CPU. On an accelerator weights, gradients and moments
are in its memory instead, unless parallel.offload keeps them in the machine's: the numbers are
the same for both, and an upper bound without.

Freed blocks of other sizes leave holes: measured, see _HOLES. Logits are never whole in memory.
Six shapes of 697 to 1,511 MB, from d_model 128 to 512 and 2,048 to 8,192 tokens a step, in both
precisions, were estimated within 5% (the largest misses 4.3% above and 4.5% below).
Seconds are operations over the rate of a matrix product, times the share of it that a step keeps.
"""

from dataclasses import dataclass
from pathlib import Path

from lmcore.errors import InputError
from lmcore.model.config import ModelConfig
from lmcore.train.config import TrainConfig

_PROCESS_BYTES = 417 * 2**20
"""Resident bytes of a trainer before its model: torch (220 MiB), pyarrow, numba and LLVM with the
kernels' machine code (160 MiB), and their work space."""

_CHUNK_BYTES = 1 << 24
"""As in lmcore.model.loss."""

_WRITTEN_OUT = 1024
"""As in lmcore.model.attention."""

_HOLES = {"float32": 1.29, "bfloat16": 1.14}
"""Resident bytes of what grows with the batch over those that are in use (measured)."""

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
    checkpoint: int
    """Copies of weights and moments while they are written."""

    @property
    def total(self) -> int:
        """The sum of the parts."""
        return sum((self.processes, self.parameters, self.activations, self.head, self.checkpoint))


def estimate_memory(model: ModelConfig, vocab_size: int, train: TrainConfig) -> MemoryEstimate:
    """Returns the largest resident memory that training will reach."""
    d, size = model.d_model, train.world_size
    tokens = train.batch_size * model.context_length
    at_once = train.parallel.data_size(size) * train.micro_batch_size * model.context_length
    tokens = min(tokens, at_once) if at_once else tokens
    is_narrow = train.precision != "float32"
    product = 2 if is_narrow else 4
    n_parameters = model.n_parameters(vocab_size)
    features = 4 * d + product * 3 * d
    chunk = min(_CHUNK_BYTES, product * tokens // size * vocab_size)
    table = 4 * vocab_size * d
    # the narrow copies: of the head's weight and its gradient's part, and of all other weights
    narrow = (table + 2 * n_parameters) if is_narrow else 0
    holes = _HOLES.get(train.precision, _HOLES["bfloat16"])
    per_token = _activation_bytes(model, train, product)
    state = 12 + (4 if train.ema_decay else 0)
    kept = 2 if train.on_spike == "roll_back" else 1
    return MemoryEstimate(
        processes=size * _PROCESS_BYTES,
        parameters=_parameter_bytes(train, kept) * n_parameters,
        # recomputed blocks are all of one size, and leave no holes (measured)
        activations=int((holes if train.recompute == "none" else 1.0) * tokens * per_token),
        head=size * (chunk + 3 * table + narrow) + int(holes * tokens * features),
        checkpoint=kept * state * n_parameters,
    )


def _parameter_bytes(train: TrainConfig, kept: int) -> int:
    """Bytes a parameter in all processes together; `kept` counts the copy of a roll-back."""
    weights, gradients, moments = train.parallel.copies(train.world_size)
    state = 4 * weights * (2 if train.ema_decay else 1) + 8 * moments
    measured = 4 * gradients if train.noise_scale_every else 0
    return 4 * gradients + kept * state + measured


def _activation_bytes(model: ModelConfig, train: TrainConfig, product: int) -> int:
    """Bytes a token that backward finds of all layers, and its own while it passes the widest."""
    d, d_ff = model.d_model, model.hidden_dim
    is_written_out = product == 2 and model.context_length <= _WRITTEN_OUT
    scores = model.n_heads * model.context_length if is_written_out else 0
    n_wide = 2 if model.activation == "gelu" else 3
    # the processes of a tensor group all hold what goes into a matrix, and the stream where
    # they do not share its positions
    alike = train.parallel.tensor
    stream = 1 if train.parallel.sequence_parallel else alike
    layer = 8 * d * stream + product * ((2 * alike + 4) * d + n_wide * d_ff + scores)
    if train.data.packing != "none":
        layer += product * model.context_length
    widest = 8 * d + product * n_wide * d_ff
    if train.recompute == "none":
        return model.n_layers * layer + widest
    products = product * (5 * d + 2 * d_ff) if train.recompute == "selective" else 0
    return model.n_layers * (4 * d + products) + layer + widest


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
        f"{estimate.checkpoint:,d} for the copies of a checkpoint, "
        f"{estimate.activations:,d} for activations, {estimate.head:,d} for the head, "
        f"{estimate.processes:,d} for the processes); expected it to fit; lower "
        "pretrain.batch_size or model.context_length, or take a smaller model"
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
