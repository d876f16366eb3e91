"""The shape of a language model, as data.

Parameter and FLOP counts live here, in plain arithmetic, so that a plan or a scaling sweep can
be computed without building a model (and without importing torch).
"""

from dataclasses import dataclass
from typing import Final

from lmcore.errors import ConfigError

_FEEDFORWARD_MULTIPLE = 64
NORMS: Final = ("rms", "layer")
ACTIVATIONS: Final = ("swiglu", "gelu")
POSITIONS: Final = ("rope", "learned")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """A pre-norm decoder with causal attention: RMSNorm, RoPE, SwiGLU and no biases, as in Llama.

    GPT-2 is norm "layer", activation "gelu", positions "learned" and biases.
    """

    d_model: int = 128
    """Width of the residual stream."""
    n_layers: int = 4
    """Number of blocks (attention, then feed-forward)."""
    n_heads: int = 4
    """Attention heads; head_dim = d_model / n_heads has to be even for RoPE."""
    d_ff: int = 0
    """Hidden width; 0 means 8/3 d_model rounded up to a multiple of 64, or 4 d_model with gelu."""
    context_length: int = 256
    """Longest sequence the model accepts, in tokens."""
    rope_theta: float = 10000.0
    """Base of the RoPE frequencies (arXiv:2104.09864)."""
    tied_embeddings: bool = True
    """Whether the output projection is the token embedding (arXiv:1608.05859)."""
    qk_norm: bool = False
    """Whether queries and keys pass an RMSNorm before RoPE (arXiv:2302.05442)."""
    norm_eps: float = 1e-5
    """Added to the mean square in RMSNorm, to the variance in LayerNorm."""
    norm: str = "rms"
    """rms (arXiv:1910.07467) or layer (arXiv:1607.06450)."""
    activation: str = "swiglu"
    """swiglu (arXiv:2002.05202) or gelu (arXiv:1606.08415, in its form with tanh)."""
    positions: str = "rope"
    """rope, or learned: a table of context_length vectors that are added to the tokens'."""
    biases: bool = False
    """Whether linear layers and LayerNorm add a bias."""

    def __post_init__(self) -> None:
        """Raises ConfigError for a shape that no model can have."""
        for name in ("d_model", "n_layers", "n_heads", "context_length"):
            if getattr(self, name) < 1:
                raise ConfigError(
                    f"model.{name} is {getattr(self, name)}; it has to be at least 1: raise it"
                )
        if self.d_ff < 0:
            raise ConfigError(f"model.d_ff is {self.d_ff}; use 0 for the default, or at least 1")
        if self.d_model % (2 * self.n_heads):
            raise ConfigError(
                f"model.d_model is {self.d_model} with {self.n_heads} heads; head_dim = "
                f"d_model / n_heads has to be an even whole number: change d_model or n_heads"
            )
        if self.rope_theta <= 1.0 or self.norm_eps <= 0.0:
            raise ConfigError(
                f"model.rope_theta is {self.rope_theta} and model.norm_eps {self.norm_eps}; "
                "they have to be above 1 and above 0"
            )
        choices = {"norm": NORMS, "activation": ACTIVATIONS, "positions": POSITIONS}
        for name, known in choices.items():
            if getattr(self, name) not in known:
                raise ConfigError(
                    f"found model.{name} {getattr(self, name)!r}; expected one of "
                    f"{', '.join(known)}; choose one of these"
                )

    @property
    def is_default_kind(self) -> bool:
        """Whether the layers are those of Llama, which have the fast paths."""
        return (self.norm, self.activation, self.positions, self.biases) == (
            NORMS[0],
            ACTIVATIONS[0],
            POSITIONS[0],
            False,
        )

    @property
    def head_dim(self) -> int:
        """Width of one attention head."""
        return self.d_model // self.n_heads

    @property
    def hidden_dim(self) -> int:
        """Width of the feed-forward layer: d_ff with its default resolved."""
        if self.d_ff:
            return self.d_ff
        if self.activation == "gelu":
            return 4 * self.d_model
        exact = -(-8 * self.d_model // 3)
        return -(-exact // _FEEDFORWARD_MULTIPLE) * _FEEDFORWARD_MULTIPLE

    def n_non_embedding_parameters(self) -> int:
        """Parameters outside the embeddings (of tokens and positions) and the output projection.

        A block has 4 d^2 (attention) + 3 d d_ff (SwiGLU; 2 d d_ff with GELU) + 2 d (norms)
        parameters; with biases 4 d + 2 d_ff + d more (GELU: 4 d + d_ff + d), and LayerNorm d each.
        """
        d, n_norms = self.d_model, 2 * self.n_layers + 1
        qk_gains = 2 * self.head_dim if self.qk_norm else 0
        wide = (self._n_feedforward_matrices() - 1) * self.hidden_dim
        biases = 4 * d + wide + d if self.biases else 0
        norm = 2 * d if self.norm == "layer" and self.biases else d
        return self.n_layers * (self._block_matrices() + qk_gains + biases) + n_norms * norm

    def _n_feedforward_matrices(self) -> int:
        return 2 if self.activation == "gelu" else 3

    def _block_matrices(self) -> int:
        """Parameters of a block's matrices."""
        d = self.d_model
        return 4 * d * d + self._n_feedforward_matrices() * d * self.hidden_dim

    def n_parameters(self, vocab_size: int) -> int:
        """All parameters of a model with this vocabulary."""
        tables = (1 if self.tied_embeddings else 2) * vocab_size
        if self.positions == "learned":
            tables += self.context_length
        return self.n_non_embedding_parameters() + tables * self.d_model

    def training_flops_per_token(self, vocab_size: int) -> int:
        """Floating-point operations for forward and backward of one token of a full context.

        A matrix of n parameters costs 2n forward and 4n backward. Attention scores and their
        product with the values cost 2 * 2 * d * T/2 forward per layer when only the causal half
        is counted, three times that with backward. Look-ups and biases count as nothing.
        """
        d = self.d_model
        matmul = 6 * (self.n_layers * self._block_matrices() + vocab_size * d)
        return matmul + 6 * self.n_layers * d * self.context_length
