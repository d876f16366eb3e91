"""The keys and values of the tokens seen so far, so that decoding reads each token once.

Memory: 2 * n_layers * batch * capacity * d_model floats, allocated once.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lmcore.model.config import ModelConfig


class KVCache:
    """Preallocated keys and values per layer, [batch, n_heads, capacity, head_dim] each.

    `length` counts the columns in use. `write` fills the columns that follow, for one layer;
    `advance` moves `length` once all layers have written.
    """

    def __init__(
        self,
        config: ModelConfig,
        batch_size: int,
        capacity: int,
        *,
        dtype: torch.dtype = torch.float32,
        device: torch.device | None = None,
    ) -> None:
        shape = (batch_size, config.n_heads, capacity, config.head_dim)
        layers = range(config.n_layers)
        self.keys = [torch.empty(shape, dtype=dtype, device=device) for _ in layers]
        self.values = [torch.empty(shape, dtype=dtype, device=device) for _ in layers]
        self.capacity = capacity
        self.length = 0

    def write(
        self,
        layer: int,
        keys: Float[Tensor, "batch heads seq head_dim"],
        values: Float[Tensor, "batch heads seq head_dim"],
    ) -> tuple[
        Float[Tensor, "batch heads total head_dim"], Float[Tensor, "batch heads total head_dim"]
    ]:
        """Appends to one layer and returns all its keys and values, old and new (views)."""
        end = self.length + keys.shape[2]
        self.keys[layer][:, :, self.length : end] = keys
        self.values[layer][:, :, self.length : end] = values
        return self.keys[layer][:, :, :end], self.values[layer][:, :, :end]

    def advance(self, n_tokens: int) -> None:
        """Counts the columns that every layer has just written."""
        self.length += n_tokens

    def keep(self, rows: Int[Tensor, " rows"]) -> None:
        """Drops every sequence of the batch but these, in this order."""
        self.keys = [keys[rows] for keys in self.keys]
        self.values = [values[rows] for values in self.values]
