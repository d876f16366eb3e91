"""The layers of GPT-2 (Radford et al. 2019), for models whose config asks for them.

LayerNorm (arXiv:1607.06450) takes the mean away before it scales; GELU (arXiv:1606.08415) in its form
with tanh is the activation of a feed-forward layer of two matrices; linear layers add biases; positions
are vectors of a learned table, added to the tokens' (lmcore.model.transformer), so attention turns nothing.
Each can be chosen without the others. The default model has none of these and runs none of this file.

Biases start at zero, as in GPT-2; matrices as in the default model.

Cost, forward and backward of 4,096 tokens of width 256 on one core in float32: LayerNorm 1.6 ms (RMSNorm
2.3); GELU of 1,024 features 12.8 ms (SwiGLU of twice 704, 12.6). A GPT-2 of 4 layers trains 2,990 tokens
per CPU-second where a Llama of the same width and nearly the same FLOPs trains 2,900.
"""

import math

import torch
from jaxtyping import Bool, Complex64, Float
from torch import Tensor, nn
from torch.nn import functional as F

from lmcore.model.attention import attention
from lmcore.model.cache import KVCache
from lmcore.model.config import ModelConfig
from lmcore.model.feedforward import SwiGLU, swiglu
from lmcore.model.layers import Linear
from lmcore.model.norm import RMSNorm
from lmcore.model.position import rotate


def layer_norm_reference(
    x: Float[Tensor, "*batch d"],
    gain: Float[Tensor, " d"],
    bias: Float[Tensor, " d"] | None,
    eps: float,
) -> Float[Tensor, "*batch d"]:
    """(x - mean) / sqrt(variance + eps) * gain + bias, operation by operation in float32."""
    wide = x.to(torch.float32)
    centred = wide - wide.mean(dim=-1, keepdim=True)
    y = centred / torch.sqrt(centred.square().mean(dim=-1, keepdim=True) + eps) * gain
    return (y if bias is None else y + bias).to(x.dtype)


def gelu_reference(x: Float[Tensor, "*batch d_ff"]) -> Float[Tensor, "*batch d_ff"]:
    """The product x Phi(x), the normal distribution approximated by tanh as GPT-2's program does."""
    inner = math.sqrt(2.0 / math.pi) * (x + 0.044715 * x**3)
    return 0.5 * x * (1.0 + torch.tanh(inner))


class LayerNorm(nn.Module):
    """Shifts each vector to mean 0, scales it to variance 1, then a learned gain and bias."""

    def __init__(self, d: int, eps: float, *, has_bias: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(d))
        self.bias = nn.Parameter(torch.zeros(d)) if has_bias else None
        self.eps = eps

    def forward(self, x: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch d"]:
        """Normalises the last dimension, with statistics in float32."""
        return F.layer_norm(x, self.weight.shape, self.weight, self.bias, self.eps)


class BiasedLinear(Linear):
    """y = x W^T + b."""

    def __init__(
        self, d_in: int, d_out: int, *, generator: torch.Generator, gain: float = 1.0
    ) -> None:
        super().__init__(d_in, d_out, generator=generator, gain=gain)
        self.bias = nn.Parameter(torch.zeros(d_out))

    def forward(self, x: Float[Tensor, "*batch d_in"]) -> Float[Tensor, "*batch d_out"]:
        """Projects the last dimension."""
        return F.linear(x, self.weight, self.bias)


def linear_of(config: ModelConfig) -> type[Linear]:
    """The linear layer of a config: with a bias or without."""
    return BiasedLinear if config.biases else Linear


def norm_of(config: ModelConfig) -> nn.Module:
    """The norm of the residual stream."""
    if config.norm == "layer":
        return LayerNorm(config.d_model, config.norm_eps, has_bias=config.biases)
    return RMSNorm(config.d_model, config.norm_eps)


class VariantAttention(nn.Module):
    """Attention as in lmcore.model.attention, with biases, or without RoPE, as the config says."""

    def __init__(self, config: ModelConfig, layer: int, *, generator: torch.Generator) -> None:
        super().__init__()
        d, linear = config.d_model, linear_of(config)
        self.layer = layer
        self.heads = (config.n_heads, config.head_dim)
        self.turns = config.positions == "rope"
        self.qkv = linear(d, 3 * d, generator=generator, gain=math.sqrt(2.0))
        self.out = linear(d, d, generator=generator, gain=0.0)
        self.query_norm = RMSNorm(config.head_dim, config.norm_eps) if config.qk_norm else None
        self.key_norm = RMSNorm(config.head_dim, config.norm_eps) if config.qk_norm else None

    def forward(
        self,
        x: Float[Tensor, "batch seq d_model"],
        turn: Complex64[Tensor, "#batch seq half"],
        mask: Bool[Tensor, "#batch 1 seq keys"] | None = None,
        cache: KVCache | None = None,
    ) -> Float[Tensor, "batch seq d_model"]:
        """Attends causally, or where the mask is True; with a cache, to the past as well."""
        q, k, v = self.qkv(x).unflatten(-1, (3, *self.heads)).unbind(2)
        if self.query_norm is not None and self.key_norm is not None:
            q, k = self.query_norm(q), self.key_norm(k)
        if self.turns:
            q, k = rotate(q, turn), rotate(k, turn)
        Q, K, V = q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)
        if cache is not None:
            K, V = cache.write(self.layer, K, V)
        mixed = attention(Q, K, V, mask)
        y: Tensor = self.out(mixed.transpose(1, 2).flatten(-2))
        return y


class GELUFeedForward(nn.Module):
    """down(gelu(up(x))): 2 d_model d_ff parameters, 4 d_model d_ff FLOPs per token."""

    def __init__(self, config: ModelConfig, *, generator: torch.Generator) -> None:
        super().__init__()
        d, d_ff, linear = config.d_model, config.hidden_dim, linear_of(config)
        self.up = linear(d, d_ff, generator=generator)
        self.down = linear(d_ff, d, generator=generator, gain=0.0)

    def forward(self, x: Float[Tensor, "*batch d_model"]) -> Float[Tensor, "*batch d_model"]:
        """Applies the layer to the last dimension."""
        y: Tensor = self.down(F.gelu(self.up(x), approximate="tanh"))
        return y


class BiasedSwiGLU(nn.Module):
    """SwiGLU as in lmcore.model.feedforward, with biases in both linear layers."""

    def __init__(self, config: ModelConfig, *, generator: torch.Generator) -> None:
        super().__init__()
        d, d_ff = config.d_model, config.hidden_dim
        gain = ((d + 2 * d_ff) / (d + d_ff)) ** 0.5
        self.gate_up = BiasedLinear(d, 2 * d_ff, generator=generator, gain=gain)
        self.down = BiasedLinear(d_ff, d, generator=generator, gain=0.0)

    def forward(self, x: Float[Tensor, "*batch d_model"]) -> Float[Tensor, "*batch d_model"]:
        """Applies the layer to the last dimension."""
        y: Tensor = self.down(swiglu(self.gate_up(x)))
        return y


class VariantBlock(nn.Module):
    """x + attention(norm(x)), then x + feedforward(norm(x)), of the layers that the config names."""

    def __init__(self, config: ModelConfig, layer: int, *, generator: torch.Generator) -> None:
        super().__init__()
        feedforward = {"gelu": GELUFeedForward, "swiglu": BiasedSwiGLU if config.biases else SwiGLU}
        self.attention_norm = norm_of(config)
        self.attention = VariantAttention(config, layer, generator=generator)
        self.feedforward_norm = norm_of(config)
        self.feedforward = feedforward[config.activation](config, generator=generator)

    def forward(
        self,
        x: Float[Tensor, "batch seq d_model"],
        turn: Complex64[Tensor, "#batch seq half"],
        mask: Bool[Tensor, "#batch 1 seq keys"] | None = None,
        cache: KVCache | None = None,
    ) -> Float[Tensor, "batch seq d_model"]:
        """Adds what the block computes to the residual stream."""
        x = x + self.attention(self.attention_norm(x), turn, mask, cache)
        y: Tensor = x + self.feedforward(self.feedforward_norm(x))
        return y
