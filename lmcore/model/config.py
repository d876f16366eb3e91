"""The shape of a language model, as data.

Parameter and FLOP counts live here, in plain arithmetic, so that a plan or a scaling sweep can
be computed without building a model (and without importing torch).
"""

from dataclasses import dataclass

from lmcore.errors import ConfigError

_FEEDFORWARD_MULTIPLE = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """A pre-norm decoder: RMSNorm, RoPE, SwiGLU, causal attention, no biases."""

    d_model: int = 128
    """Width of the residual stream."""
    n_layers: int = 4
    """Number of blocks (attention, then feed-forward)."""
    n_heads: int = 4
    """Attention heads; head_dim = d_model / n_heads has to be even for RoPE."""
    d_ff: int = 0
    """Hidden width of SwiGLU; 0 means 8/3 d_model rounded up to a multiple of 64."""
    context_length: int = 256
    """Longest sequence the model accepts, in tokens."""
    rope_theta: float = 10000.0
    """Base of the RoPE frequencies (arXiv:2104.09864)."""
    tied_embeddings: bool = True
    """Whether the output projection is the token embedding (arXiv:1608.05859)."""
    qk_norm: bool = False
    """Whether queries and keys pass an RMSNorm before RoPE (arXiv:2302.05442)."""
    norm_eps: float = 1e-5
    """Added to the mean square in RMSNorm."""

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

    @property
    def head_dim(self) -> int:
        """Width of one attention head."""
        return self.d_model // self.n_heads

    @property
    def hidden_dim(self) -> int:
        """Width of the feed-forward layer: d_ff with its default resolved."""
        if self.d_ff:
            return self.d_ff
        exact = -(-8 * self.d_model // 3)
        return -(-exact // _FEEDFORWARD_MULTIPLE) * _FEEDFORWARD_MULTIPLE

    def n_non_embedding_parameters(self) -> int:
        """Parameters outside the token embedding and the output projection.

        A block has 4 d^2 (attention) + 3 d d_ff (SwiGLU) + 2 d (norms) parameters.
        """
        d = self.d_model
        qk_gains = 2 * self.head_dim if self.qk_norm else 0
        block = 4 * d * d + 3 * d * self.hidden_dim + 2 * d + qk_gains
        return self.n_layers * block + d

    def n_parameters(self, vocab_size: int) -> int:
        """All parameters of a model with this vocabulary."""
        tables = 1 if self.tied_embeddings else 2
        return self.n_non_embedding_parameters() + tables * vocab_size * self.d_model

    def training_flops_per_token(self, vocab_size: int) -> int:
        """Floating-point operations for forward and backward of one token of a full context.

        A matrix of n parameters costs 2n forward and 4n backward. Attention scores and their
        product with the values cost 2 * 2 * d * T/2 forward per layer when only the causal half
        is counted, three times that with backward. The embedding look-up costs nothing.
        """
        d = self.d_model
        block = 4 * d * d + 3 * d * self.hidden_dim
        matmul = 6 * (self.n_layers * block + vocab_size * d)
        return matmul + 6 * self.n_layers * d * self.context_length
