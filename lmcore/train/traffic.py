"""Bytes that the processes of a run send each other in a step, before it is launched.

Plain arithmetic, without torch. With the algorithms that are used for large messages, n processes
together send for S bytes: all-reduce 2 (n - 1) S; all-gather, reduce-scatter, broadcast and reduce
(n - 1) S; point to point S. With g processes whose gradients of the same weights add up, t of tensor,
c of context, p stages, P parameters, and activations of A = batch x tokens x d numbers in all:

    ddp        2 (g - 1) P             zero1   (g - 1) P of gradients and as much of weights
    fsdp       (g - 1) P of gradients, twice as much of weights: blocks are gathered forward and
               backward; hsdp with r copies: (g / r - 1) r of that, and 2 (r - 1) P of gradients
    tensor     (t - 1) A x (8 n_layers + 4): a sum in and a sum out of attention and feed-forward, forward
               and backward, of the embedding and before the head; sequence parallelism the same
    context    2 (3 c - 2) A x n_layers: keys and values forward, backward, and their gradients home
    pipeline   2 (p - 1) A, of every process of tensor that holds the whole activation

With train.recompute, what a block exchanges forward is exchanged once more, but for its last sum;
with train.micro_batch_size, fsdp gathers and sums for every microbatch.

Measured against the operators that a step issues (lmcore.parallel.counting): equal to the byte for
every form in tests/lmcore/parallel, FSDP2's padding and the scalars of loss and norm included.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields

from lmcore.errors import ConfigError
from lmcore.model.config import ModelConfig
from lmcore.train.config import TrainConfig

_FLOAT = 4
_SCALARS = 4 + 8
"""The loss in float32 and the square of the norm in float64."""

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Bytes that all processes together send in one step, by what for."""

    gradients: int = 0
    """Sums over the processes that share a batch."""
    weights: int = 0
    """Gathered by FSDP, or sent by their owners under ZeRO-1."""
    tensor: int = 0
    """Activations and their gradients between the parts of a matrix."""
    context: int = 0
    """Keys, values and their gradients on the ring."""
    pipeline: int = 0
    """Activations and their gradients from stage to stage, and the tied embedding's gradient."""
    optimizer: int = 0
    """Gradients gathered for optimizers that need whole matrices."""
    scalars: int = 0
    """Loss and norm."""

    @property
    def total(self) -> int:
        """The sum of the parts."""
        return sum(getattr(self, part.name) for part in fields(self))


def predicted_bytes(model: ModelConfig, vocab_size: int, train: TrainConfig) -> Traffic:
    """Returns what the processes of a run send in one training step."""
    mesh = _Mesh(model, vocab_size, train)
    return Traffic(
        gradients=mesh.gradients(),
        weights=mesh.weights(),
        tensor=mesh.tensor(),
        context=mesh.context(),
        pipeline=mesh.pipeline(),
        optimizer=mesh.optimizer(),
        scalars=2 * (train.world_size - 1) * _SCALARS,
    )


def parameter_shapes(model: ModelConfig, vocab_size: int) -> dict[str, Shape]:
    """Shape of every parameter of a model by its name.

    Raises:
        ConfigError: the model has other layers than the default's.
    """
    d, d_ff = model.d_model, model.hidden_dim
    shapes: dict[str, Shape] = {"embedding.weight": (vocab_size, d), "norm.weight": (d,)}
    for layer in range(model.n_layers):
        block = {
            "attention_norm": (d,),
            "attention.qkv": (3 * d, d),
            "attention.out": (d, d),
            "feedforward_norm": (d,),
            "feedforward.gate_up": (2 * d_ff, d),
            "feedforward.down": (d, d_ff),
        }
        if model.qk_norm:
            block |= {f"attention.{name}": (model.head_dim,) for name in ("query_norm", "key_norm")}
        shapes |= {f"blocks.{layer}.{name}.weight": shape for name, shape in block.items()}
    if not model.tied_embeddings:
        shapes["head.weight"] = (vocab_size, d)
    if sum(map(_numel, shapes.values())) != model.n_parameters(vocab_size):
        raise ConfigError(
            f"found a model of {model.n_parameters(vocab_size):,d} parameters; expected the "
            f"{sum(map(_numel, shapes.values())):,d} of the default's layers (RMSNorm, RoPE, SwiGLU, "
            "no biases), the only ones whose traffic is known; count it with CountBytes"
        )
    return shapes


class _Mesh:
    """The sizes of a run, and what follows from them."""

    def __init__(self, model: ModelConfig, vocab_size: int, train: TrainConfig) -> None:
        self.model, self.train, self.parallel = model, train, train.parallel
        self.shapes = parameter_shapes(model, vocab_size)
        self.t, self.c, self.p = (
            self.parallel.tensor,
            self.parallel.context,
            self.parallel.pipeline,
        )
        self.g = self.parallel.data_size(train.world_size) * self.c
        self.r = self.parallel.replicate
        self.is_fsdp = self.parallel.data == "fsdp" and self.g > 1
        self.activation = train.batch_size * model.context_length * model.d_model
        """numbers of one activation of all rows"""
        self.product_bytes = _FLOAT if train.precision == "float32" else 2
        rows = train.batch_size // self.parallel.data_size(train.world_size)
        self.n_micro = -(-rows // train.micro_batch_size) if train.micro_batch_size else 1

    def gradients(self) -> int:
        gains = 2 * (self.t - 1) * self._n_partial() * self._copies() * _FLOAT
        if self.is_fsdp:
            n = self.g // self.r
            padded = _FLOAT * sum(_padded(shape, n) for _, shape in self._parts())
            summed = (n - 1) * self.r * padded + 2 * (self.r - 1) * padded
            return self.n_micro * summed + gains
        factor = 1 if self.parallel.data == "zero1" else 2
        return factor * (self.g - 1) * self._n_held() * _FLOAT + gains

    def weights(self) -> int:
        if self.parallel.data == "zero1":
            return (self.g - 1) * self._n_held() * _FLOAT
        if not self.is_fsdp:
            return 0
        n = self.g // self.r
        gathered = sum(
            _padded(shape, n) * (2 if name.startswith("blocks.") else 1)
            for name, shape in self._parts()
        )
        return self.n_micro * (n - 1) * self.r * gathered * _FLOAT

    def tensor(self) -> int:
        if self.t == 1:
            return 0
        each = 2 * (self.t - 1) * self.activation
        sums = 4.0
        if self.train.recompute != "none":  # not the last sum: nothing needs it again
            sums += 1.5 if self.parallel.sequence_parallel else 1.0
        layers = int(each * self.model.n_layers * sums) * self.product_bytes
        ends = each * (_FLOAT + self.product_bytes)
        tokens = self.train.batch_size * self.model.context_length
        return layers + ends + (self.t - 1) * self.t * 3 * tokens * _FLOAT

    def context(self) -> int:
        if self.c == 1:
            return 0
        rounds = 3 * self.c - 2 + (0 if self.train.recompute == "none" else self.c - 1)
        return 2 * rounds * self.activation * self.model.n_layers * self.product_bytes

    def pipeline(self) -> int:
        if self.p == 1:
            return 0
        holders = 1 if self.parallel.sequence_parallel else self.t
        passed = 2 * (self.p - 1) * self.activation * holders * _FLOAT
        if not self.model.tied_embeddings:
            return passed
        rows, columns = self.shapes["embedding.weight"]
        return passed + 2 * rows * columns * self._copies() * _FLOAT

    def optimizer(self) -> int:
        """Muon gathers the matrices of blocks, Adafactor everything and the moments of vectors."""
        kind = self.train.optimizer
        if kind not in ("muon", "adafactor"):
            return 0
        total = 0
        for name, shape in self.shapes.items():
            if kind == "muon" and not (name.startswith("blocks.") and len(shape) == 2):
                continue
            n_gathered = 1 if len(shape) == 2 else 2
            if self.is_fsdp:
                n = self.g // self.r
                for part in self._cut(name, shape):
                    total += n_gathered * (n - 1) * self.r * _padded(part, n)
            if self.t > 1 and _axis(name) is not None:
                axis = _axis(name)
                assert axis is not None
                cut = shape[axis]
                whole = _padded((cut, *shape[:axis], *shape[axis + 1 :]), self.t * _parts_of(name))
                holders = self.g if self.is_fsdp else self._copies()
                is_twice = self.p > 1 and name == "embedding.weight" and self.model.tied_embeddings
                total += (self.t - 1) * whole * holders * (2 if is_twice else 1)
        return total * _FLOAT

    def _copies(self) -> int:
        """How many times the whole gradient of a stage is there, in one process or in shares."""
        if self.is_fsdp:
            return self.r
        return 1 if self.parallel.data == "zero1" else self.g

    def _cut(self, name: str, shape: Shape) -> Iterator[Shape]:
        """What each process of a tensor group holds of a parameter."""
        axis = _axis(name)
        for rank in range(self.t):
            if axis is None or self.t == 1:
                yield shape
                continue
            n_parts = _parts_of(name)
            n = shape[axis] // n_parts
            mine = n_parts * (n // self.t + (rank < n % self.t))
            yield tuple(mine if i == axis else size for i, size in enumerate(shape))

    def _parts(self) -> Iterator[tuple[str, Shape]]:
        for name, shape in self.shapes.items():
            for part in self._cut(name, shape):
                yield name, part

    def _n_held(self) -> int:
        """Parameters that the processes of one replica hold together."""
        held = sum(_numel(part) for _, part in self._parts())
        is_twice = self.p > 1 and self.model.tied_embeddings
        return held + (_numel(self.shapes["embedding.weight"]) if is_twice else 0)

    def _n_partial(self) -> int:
        """Gains of which each process of a tensor group has a part of the gradient."""
        if self.t == 1:
            return 0
        return sum(
            _numel(shape)
            for name, shape in self.shapes.items()
            if len(shape) == 1
            and (self.parallel.sequence_parallel or "query_norm" in name or "key_norm" in name)
        )


def _axis(name: str) -> int | None:
    """The dimension that tensor parallelism cuts."""
    if "norm" in name:
        return None
    return 1 if name.endswith(("attention.out.weight", "feedforward.down.weight")) else 0


def _parts_of(name: str) -> int:
    return 3 if ".qkv." in name else 2 if ".gate_up." in name else 1


def _numel(shape: Shape) -> int:
    n = 1
    for size in shape:
        n *= size
    return n


def _padded(shape: Shape, n: int) -> int:
    """Numbers of a tensor whose first dimension is filled up to a multiple of n."""
    return _numel((-(-shape[0] // n) * n, *shape[1:]))
