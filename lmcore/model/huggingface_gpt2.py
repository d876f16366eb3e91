"""GPT-2 (Radford et al. 2019) in Hugging Face's names.

Its linear layers are "Conv1D": y = x W + b with W of [d_in, d_out], the transpose of ours. The published
files name tensors without the prefix "transformer." that newer ones have, and hold each layer's causal
mask, which is no weight. The head is the embedding.
"""

from typing import Any, Final

from torch import Tensor

from lmcore.errors import InputError
from lmcore.model.config import ModelConfig
from lmcore.model.huggingface_checks import CONFIG_FILE, Tensors, check_settings
from lmcore.model.transformer import Transformer

_PREFIX: Final = "transformer."
_SETTINGS: Final[dict[str, tuple[object, ...]]] = {
    "activation_function": ("gelu_new", "gelu_pytorch_tanh"),
    "scale_attn_weights": (True,),
    "scale_attn_by_inverse_layer_idx": (False,),
    "add_cross_attention": (False,),
}
_LINEAR: Final = {
    "attention.qkv": "attn.c_attn",
    "attention.out": "attn.c_proj",
    "feedforward.up": "mlp.c_fc",
    "feedforward.down": "mlp.c_proj",
}
_NORMS: Final = {"attention_norm": "ln_1", "feedforward_norm": "ln_2"}


def to_config(model: Transformer) -> dict[str, object]:
    """The configuration of a model of ours."""
    config = model.config
    return {
        "architectures": ["GPT2LMHeadModel"],
        "model_type": "gpt2",
        "vocab_size": model.vocab_size,
        "n_embd": config.d_model,
        "n_inner": config.hidden_dim,
        "n_layer": config.n_layers,
        "n_head": config.n_heads,
        "n_positions": config.context_length,
        "layer_norm_epsilon": config.norm_eps,
        "activation_function": "gelu_new",
        "tie_word_embeddings": config.tied_embeddings,
        # ours drops nothing out; theirs would by default, in training
        "attn_pdrop": 0.0,
        "embd_pdrop": 0.0,
        "resid_pdrop": 0.0,
    }


def to_tensors(model: Transformer) -> dict[str, Tensor]:
    """The tensors of a model of ours."""
    own = {name: tensor.detach() for name, tensor in model.state_dict().items()}
    found = {
        f"{_PREFIX}wte.weight": own["embedding.weight"],
        f"{_PREFIX}wpe.weight": own["positions.weight"],
        f"{_PREFIX}ln_f.weight": own["norm.weight"],
        f"{_PREFIX}ln_f.bias": own["norm.bias"],
    }
    if not model.config.tied_embeddings:
        found["lm_head.weight"] = own["head.weight"]
    for layer in range(model.config.n_layers):
        ours, theirs = f"blocks.{layer}", f"{_PREFIX}h.{layer}"
        for mine, other in _NORMS.items():
            for kind in ("weight", "bias"):
                found[f"{theirs}.{other}.{kind}"] = own[f"{ours}.{mine}.{kind}"]
        for mine, other in _LINEAR.items():
            found[f"{theirs}.{other}.weight"] = own[f"{ours}.{mine}.weight"].T
            found[f"{theirs}.{other}.bias"] = own[f"{ours}.{mine}.bias"]
    return found


def read_config(content: dict[str, Any]) -> ModelConfig:  # JSON: values of many types
    """The shape of a model of theirs.

    Raises:
        InputError: it asks for what ours lacks.
    """
    check_settings(content, _SETTINGS)
    d_model, n_heads = int(content["n_embd"]), int(content["n_head"])
    if d_model % (2 * n_heads):
        raise InputError(
            f"found {n_heads} heads in a model of width {d_model} in {CONFIG_FILE}; expected heads "
            "of an even width that fill it; choose another model"
        )
    return ModelConfig(
        d_model=d_model,
        n_layers=int(content["n_layer"]),
        n_heads=n_heads,
        d_ff=int(content.get("n_inner") or 4 * d_model),
        context_length=int(content["n_positions"]),
        tied_embeddings=bool(content.get("tie_word_embeddings", True)),
        norm_eps=float(content.get("layer_norm_epsilon", 1e-5)),
        norm="layer",
        activation="gelu",
        positions="learned",
        biases=True,
    )


def read_tensors(
    tensors: Tensors,
    config: ModelConfig,
    content: dict[str, Any],  # JSON: values of many types
) -> dict[str, Tensor]:
    """Takes the tensors that our model is made of, under our names."""
    del content
    prefix = _PREFIX if any(name.startswith(_PREFIX) for name in tensors.left_over()) else ""

    def take(name: str) -> Tensor:
        return tensors.take(prefix + name)

    found = {
        "embedding.weight": take("wte.weight"),
        "positions.weight": take("wpe.weight"),
        "norm.weight": take("ln_f.weight"),
        "norm.bias": take("ln_f.bias"),
    }
    if config.tied_embeddings:
        tensors.drop("lm_head.weight")
    else:
        found["head.weight"] = tensors.take("lm_head.weight")
    for layer in range(config.n_layers):
        ours, theirs = f"blocks.{layer}", f"h.{layer}"
        tensors.drop(f"{prefix}{theirs}.attn.bias", f"{prefix}{theirs}.attn.masked_bias")
        for mine, other in _NORMS.items():
            for kind in ("weight", "bias"):
                found[f"{ours}.{mine}.{kind}"] = take(f"{theirs}.{other}.{kind}")
        for mine, other in _LINEAR.items():
            found[f"{ours}.{mine}.weight"] = take(f"{theirs}.{other}.weight").T
            found[f"{ours}.{mine}.bias"] = take(f"{theirs}.{other}.bias")
    return found
