"""The part of a model that one process computes, and the part of a batch that it sees."""

from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Bool, Complex64, Float, Int64
from torch import Tensor, nn

from lmcore.errors import ConfigError
from lmcore.model.loss import linear_cross_entropy
from lmcore.model.transformer import Block, Transformer
from lmcore.optim.sharded import share
from lmcore.parallel.mesh import Mesh
from lmcore.parallel.ring import positions_of, ring_attention
from lmcore.parallel.tensor import (
    TensorParallel,
    VocabularyParallel,
    cut_model,
    vocabulary_cross_entropy,
)

NO_TARGET = -1
"""Target of a position at which nothing is predicted; any number below 0 says so."""


@dataclass(frozen=True, slots=True)
class Rows:
    """What a process sees of the rows of a batch: its positions of them."""

    ids: Int64[Tensor, "rows part"]
    targets: Int64[Tensor, "rows part"]
    turn: Complex64[Tensor, "#rows part half"]
    mask: Bool[Tensor, "rows 1 part part"] | None

    def __getitem__(self, rows: slice) -> "Rows":
        """Some of the rows."""
        return Rows(
            self.ids[rows],
            self.targets[rows],
            self.turn if len(self.turn) == 1 else self.turn[rows],
            None if self.mask is None else self.mask[rows],
        )


class Stage(nn.Module):
    """Cuts the model in place: keeps this process's layers, and of each its part.

    A model that no dimension of the mesh cuts computes its own loss, as in one process.
    """

    def __init__(self, model: Transformer, mesh: Mesh) -> None:
        super().__init__()
        self.model = model
        self.mesh = mesh
        self.within = TensorParallel(mesh.tensor, mesh.config.sequence_parallel)
        self.is_whole = mesh.tensor.size == mesh.context.size == mesh.pipeline.size == 1
        if not self.is_whole:
            refuse_other_layers(model)
        if mesh.tensor.size > 1:
            cut_model(model, self.within)
        if mesh.context.size > 1:
            for block in model.blocks:
                assert isinstance(block, Block)
                block.attention.attend = partial(_attend_round, mesh=mesh)
        if mesh.pipeline.size > 1:
            self._drop_other_stages()
        head = model.embedding if model.head is None else model.head
        self.vocabulary = head if isinstance(head, VocabularyParallel) else None

    def loss(
        self,
        ids: Int64[Tensor, "rows seq"],
        targets: Int64[Tensor, "rows seq"],
        positions: Int64[Tensor, "rows seq"] | None = None,
        mask: Bool[Tensor, "rows 1 seq seq"] | None = None,
    ) -> Float[Tensor, ""]:
        """Sums nats over the rows, and over this process's positions of them.

        Where a target is below 0 nothing is predicted.
        """
        if self.is_whole:
            return self.model.loss(ids, targets, positions, mask)
        rows = self.cut(ids, targets, positions, mask)
        return self.nats(self.advance(rows.ids, rows), rows.targets)

    def advance(self, x: Tensor, rows: Rows) -> Float[Tensor, "rows part d_model"]:
        """This stage's layers, of token ids in the first stage and of activations in the others.

        No `forward`: FSDP, whose hooks are on `loss`, would gather the weights once more.
        """
        model = self.model
        if self.mesh.is_first_stage:
            x = model.embedding(x)
        for layer in self.layers:
            x = model.blocks[layer](x, rows.turn, rows.mask)
        return x

    def nats(
        self, x: Float[Tensor, "rows part d_model"], targets: Int64[Tensor, "rows seq"]
    ) -> Float[Tensor, ""]:
        """The last stage's end: norm, head and cross-entropy."""
        features = self.model.norm(x)
        if self.vocabulary is not None:
            features = self.within.enter(features)
        features, targets = features.flatten(0, 1), targets.flatten()
        is_target = targets >= 0
        if not bool(is_target.all()):
            features, targets = features[is_target], targets[is_target]
        if self.vocabulary is not None:
            return vocabulary_cross_entropy(features, self.vocabulary, targets)
        return linear_cross_entropy(features, self.model.head_weight, targets)

    @property
    def layers(self) -> range:
        """The layers of this stage."""
        return share(len(self.model.blocks), self.mesh.pipeline.size, self.mesh.pipeline.rank)

    def cut(
        self,
        ids: Int64[Tensor, "rows seq"],
        targets: Int64[Tensor, "rows seq"],
        positions: Int64[Tensor, "rows seq"] | None = None,
        mask: Bool[Tensor, "rows 1 seq seq"] | None = None,
    ) -> Rows:
        """This process's positions of each sequence, which are padded where they do not divide.

        The padding stands at the end, where no token sees it.
        """
        n_tokens = ids.shape[1]
        padding = -n_tokens % self._multiple
        here = positions_of(n_tokens + padding, self.mesh.context).to(ids.device)
        if positions is None:
            positions = here[None]
        else:
            # the configuration has refused the ring, and evaluation packs nothing
            assert self.mesh.context.size == 1
            assert not padding
        ids = nn.functional.pad(ids, (0, padding))
        targets = nn.functional.pad(targets, (0, padding), value=NO_TARGET)
        turn = torch.view_as_complex(self.model.rotation)[positions]
        return Rows(ids[:, here], targets[:, here], turn, mask)

    def shape_between(self, n_rows: int, n_positions: int) -> tuple[int, int, int]:
        """Shape of the activations that go from stage to stage."""
        if self.within.sequence:
            n_positions //= self.mesh.tensor.size
        return (n_rows, n_positions, self.model.config.d_model)

    @property
    def _multiple(self) -> int:
        """What the length of a sequence has to divide by."""
        n = 2 * self.mesh.context.size if self.mesh.context.size > 1 else 1
        return n * self.mesh.tensor.size if self.within.sequence else n

    def _drop_other_stages(self) -> None:
        model, mesh = self.model, self.mesh
        for layer in range(len(model.blocks)):
            if layer not in self.layers:
                model.blocks[layer] = nn.Identity()
        is_tied = model.config.tied_embeddings
        if not (mesh.is_first_stage or (mesh.is_last_stage and is_tied)):
            model.add_module("embedding", nn.Identity())  # never called
        if not mesh.is_last_stage:
            model.add_module("norm", nn.Identity())
            model.head = None


def refuse_other_layers(model: Transformer) -> None:
    """Refuses to cut a model whose layers are of another kind than the default's.

    Raises:
        ConfigError: there is one.
    """
    for layer, block in enumerate(model.blocks):
        if type(block) is not Block:
            raise ConfigError(
                f"found layer {layer} of kind {type(block).__name__} on a mesh with tensor, context "
                "or pipeline above 1; expected the default's (RMSNorm, RoPE, SwiGLU, no biases); "
                "share rows alone: set these to 1"
            )


def _attend_round(Q: Tensor, K: Tensor, V: Tensor, mask: Tensor | None, *, mesh: Mesh) -> Tensor:
    assert mask is None  # the ring is causal
    return ring_attention(Q, K, V, mesh.context)


def stage_of(name: str, n_layers: int, n_stages: int) -> int:
    """Which stage of a pipeline holds the parameter of this name (of two, the first)."""
    kind, _, rest = name.partition(".")
    if kind == "embedding":
        return 0
    if kind != "blocks":
        return n_stages - 1
    layer = int(rest.partition(".")[0])
    return next(i for i in range(n_stages) if layer in share(n_layers, n_stages, i))
