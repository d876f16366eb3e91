"""How the processes of a run share the work: the sizes of a mesh, as data.

    world_size = pipeline x replicate x shard x context x tensor

Each factor cuts something else. `pipeline` cuts the layers, `tensor` every matrix of a block and
the vocabulary, `context` each sequence, and what is left of the processes shares the rows of a
batch; `data` says who among those keeps what. The innermost, `tensor`, talks most, so its
processes have neighbouring ranks.

    data    weights  gradients  moments   bytes of a parameter in each of n processes (fp32, AdamW)
    ddp     whole    whole      whole     16
    zero1   whole    whole      1/n       8 + 8/n
    fsdp    1/n      1/n        1/n       16/n; within `replicate` groups of n / replicate (HSDP)

Standard library only.
"""

from dataclasses import dataclass

from lmcore.errors import ConfigError
from lmcore.model.config import ModelConfig

DATA = ("ddp", "zero1", "fsdp")
SCHEDULES = ("gpipe", "1f1b")


@dataclass(frozen=True, slots=True, kw_only=True)
class ParallelConfig:
    """The mesh of a run; the default shares the rows of a batch and shards the model (FSDP2)."""

    data: str = "fsdp"
    """Who keeps what among the processes that share a batch: ddp (each everything), zero1 (each a
    share of the optimizer's state) or fsdp (each a share of weights, gradients and state)."""
    replicate: int = 1
    """Copies of the sharded model; above 1 a copy is sharded over fewer processes (HSDP)."""
    tensor: int = 1
    """Processes that share every matrix of a block, by heads and hidden units, and the vocabulary."""
    sequence_parallel: bool = False
    """Whether the processes of `tensor` also share the positions between the matrices."""
    pipeline: int = 1
    """Processes that share the layers, one stage each."""
    schedule: str = "1f1b"
    """Order of a pipeline's microbatches: gpipe (all forward, then all backward) or 1f1b (a stage
    holds the activations of at most `pipeline` microbatches)."""
    microbatches: int = 1
    """Parts of a process's rows that pass the pipeline one after the other."""
    context: int = 1
    """Processes that share each sequence (ring attention)."""
    offload: bool = False
    """Whether weights, gradients and moments stay in the memory of the CPU, which then makes the
    updates too; with data fsdp, and needs an accelerator."""

    def __post_init__(self) -> None:
        """Raises ConfigError for a mesh that cannot be."""
        for name in ("replicate", "tensor", "pipeline", "microbatches", "context"):
            if getattr(self, name) < 1:
                raise ConfigError(
                    f"found parallel.{name} {getattr(self, name)}; expected at least 1; raise it"
                )
        for name, known in (("data", DATA), ("schedule", SCHEDULES)):
            if getattr(self, name) not in known:
                raise ConfigError(
                    f"found parallel.{name} {getattr(self, name)!r}; expected one of "
                    f"{', '.join(known)}; choose one of these"
                )
        for is_wrong, found, expected in (
            (
                self.replicate > 1 and self.data != "fsdp",
                f"parallel.replicate {self.replicate} with data {self.data}",
                "replicas of a sharded model; set data to fsdp, or replicate to 1",
            ),
            (
                self.sequence_parallel and self.tensor == 1,
                "parallel.sequence_parallel with tensor 1",
                "at least 2 processes to share the positions; raise tensor",
            ),
            (
                self.microbatches > 1 and self.pipeline == 1,
                f"parallel.microbatches {self.microbatches} with pipeline 1",
                "a pipeline for them to pass; raise pipeline, or set microbatches to 1",
            ),
            (
                self.pipeline > 1 and self.data == "fsdp",
                f"parallel.pipeline {self.pipeline} with data fsdp",
                "weights that stay while microbatches pass; set data to ddp or zero1",
            ),
            (
                self.offload and self.data != "fsdp",
                f"parallel.offload with data {self.data}",
                "weights that are gathered when they are used; set data to fsdp, or offload to false",
            ),
        ):
            if is_wrong:
                raise ConfigError(f"found {found}; expected {expected}")

    def data_size(self, world_size: int) -> int:
        """How many processes, or groups of processes, share the rows of a batch.

        Raises:
            ConfigError: the sizes do not multiply to the number of processes.
        """
        model = self.tensor * self.pipeline * self.context
        if world_size % (model * self.replicate):
            raise ConfigError(
                f"found parallel.pipeline {self.pipeline} x context {self.context} x tensor "
                f"{self.tensor} x replicate {self.replicate} = {model * self.replicate} for "
                f"world_size {world_size}; expected a divisor; change one of the sizes"
            )
        return world_size // model

    def copies(self, world_size: int) -> tuple[int, int, int]:
        """How many times all processes together hold the weights, the gradients and the moments.

        Gradients on their way in buckets are there twice; the few that tensor parallelism
        replicates, and a tied matrix at both ends of a pipeline, are not counted.
        """
        n = self.data_size(world_size) * self.context
        if n == 1 or self.data == "fsdp":
            return self.replicate, self.replicate, self.replicate
        return n, 2 * n, 1 if self.data == "zero1" else n

    def check_batch(self, world_size: int, batch_size: int) -> None:
        """Refuses a batch that the mesh cannot share.

        Raises:
            ConfigError: rows do not divide over the data dimension, or microbatches stay empty.
        """
        size = self.data_size(world_size)
        if batch_size % size:
            raise ConfigError(
                f"found pretrain.batch_size {batch_size} for {size} processes that share it; "
                "expected a multiple; change batch_size or world_size"
            )
        if batch_size // size < self.microbatches:
            raise ConfigError(
                f"found {batch_size // size} rows a process for parallel.microbatches "
                f"{self.microbatches}; expected at least one row each; lower microbatches or "
                "raise pretrain.batch_size"
            )

    def check_model(self, model: ModelConfig, vocab_size: int) -> None:
        """Refuses a model that the mesh cannot cut.

        Raises:
            ConfigError: something that is to be shared does not divide.
        """
        if max(self.tensor, self.context, self.pipeline) > 1 and not model.is_default_kind:
            raise ConfigError(
                f"found model.norm {model.norm}, activation {model.activation}, positions "
                f"{model.positions} and biases {model.biases} to be cut by parallel.tensor, context "
                "or pipeline; expected the layers of Llama (rms, swiglu, rope, no biases); choose "
                "these, or leave the three at 1: data and sharding serve every model"
            )
        positions = 2 * self.context if self.context > 1 else 1
        if self.sequence_parallel:
            positions *= self.tensor
        for name, found, parts in (
            ("model.n_heads", model.n_heads, self.tensor),
            ("the hidden width of model.d_ff", model.hidden_dim, self.tensor),
            ("model.context_length", model.context_length, positions),
        ):
            if found % parts:
                raise ConfigError(
                    f"found {name} {found}, to be cut into {parts}; expected a multiple; change "
                    "it, or parallel.tensor and parallel.context"
                )
        if vocab_size < self.tensor or model.n_layers < self.pipeline:
            raise ConfigError(
                f"found {vocab_size} tokens for parallel.tensor {self.tensor} and "
                f"model.n_layers {model.n_layers} for parallel.pipeline {self.pipeline}; expected "
                "at least one each; lower tensor or pipeline"
            )
