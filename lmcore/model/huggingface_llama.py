"""Llama (arXiv:2302.13971) and Qwen3 in Hugging Face's names.

A model of ours is a Llama of as many key heads as heads, or a Qwen3 where queries and keys are normed. Two
things differ in the files. RoPE turns adjacent pairs of features here, features i and i + half there, so
rows of query and key matrices are reordered. And stacked projections here are several there. Grouped key
heads are read by repeating each for the heads that share it: equal logits, more parameters.
"""

from typing import Any, Final

import torch
from jaxtyping import Float
from torch import Tensor

from lmcore.errors import InputError
from lmcore.model.config import ModelConfig
from lmcore.model.huggingface_checks import CONFIG_FILE, Tensors, check_settings
from lmcore.model.transformer import Transformer

ARCHITECTURES: Final = {"llama": "LlamaForCausalLM", "qwen3": "Qwen3ForCausalLM"}
_SETTINGS: Final[dict[str, tuple[object, ...]]] = {
    "hidden_act": ("silu",),
    "attention_bias": (False, None),
    "mlp_bias": (False, None),
    "use_sliding_window": (False, None),
    "pretraining_tp": (1, None),
    "partial_rotary_factor": (1.0, None),
}


def to_config(model: Transformer) -> dict[str, object]:
    """The configuration of a model of ours."""
    config = model.config
    kind = "qwen3" if config.qk_norm else "llama"
    return {
        "architectures": [ARCHITECTURES[kind]],
        "model_type": kind,
        "vocab_size": model.vocab_size,
        "hidden_size": config.d_model,
        "intermediate_size": config.hidden_dim,
        "num_hidden_layers": config.n_layers,
        "num_attention_heads": config.n_heads,
        "num_key_value_heads": config.n_heads,
        "head_dim": config.head_dim,
        "max_position_embeddings": config.context_length,
        "rms_norm_eps": config.norm_eps,
        "rope_theta": config.rope_theta,
        "rope_parameters": {"rope_type": "default", "rope_theta": config.rope_theta},
        "hidden_act": "silu",
        "attention_bias": False,
        "mlp_bias": False,
        "tie_word_embeddings": config.tied_embeddings,
    }


def to_tensors(model: Transformer) -> dict[str, Tensor]:
    """The tensors of a model of ours."""
    config, own = model.config, {k: v.detach() for k, v in model.state_dict().items()}
    found = {
        "model.embed_tokens.weight": own["embedding.weight"],
        "model.norm.weight": own["norm.weight"],
    }
    if not config.tied_embeddings:
        found["lm_head.weight"] = own["head.weight"]
    for layer in range(config.n_layers):
        ours, theirs = f"blocks.{layer}", f"model.layers.{layer}"
        q, k, v = own[f"{ours}.attention.qkv.weight"].chunk(3)
        gate, up = own[f"{ours}.feedforward.gate_up.weight"].chunk(2)
        found |= {
            f"{theirs}.input_layernorm.weight": own[f"{ours}.attention_norm.weight"],
            f"{theirs}.self_attn.q_proj.weight": _to_halves(q, config.head_dim),
            f"{theirs}.self_attn.k_proj.weight": _to_halves(k, config.head_dim),
            f"{theirs}.self_attn.v_proj.weight": v,
            f"{theirs}.self_attn.o_proj.weight": own[f"{ours}.attention.out.weight"],
            f"{theirs}.post_attention_layernorm.weight": own[f"{ours}.feedforward_norm.weight"],
            f"{theirs}.mlp.gate_proj.weight": gate,
            f"{theirs}.mlp.up_proj.weight": up,
            f"{theirs}.mlp.down_proj.weight": own[f"{ours}.feedforward.down.weight"],
        }
        if config.qk_norm:
            for mine, other in (("query_norm", "q_norm"), ("key_norm", "k_norm")):
                gain = own[f"{ours}.attention.{mine}.weight"]
                found[f"{theirs}.self_attn.{other}.weight"] = _to_halves(gain, config.head_dim)
    return found


def _to_halves(rows: Float[Tensor, "d ..."], head_dim: int) -> Float[Tensor, "d ..."]:
    """Rows of adjacent pairs in the order of two halves, head by head."""
    heads = rows.reshape(-1, head_dim // 2, 2, *rows.shape[1:])
    return heads.transpose(1, 2).reshape(rows.shape)


def _to_pairs(rows: Float[Tensor, "d ..."], head_dim: int) -> Float[Tensor, "d ..."]:
    """The way back."""
    heads = rows.reshape(-1, 2, head_dim // 2, *rows.shape[1:])
    return heads.transpose(1, 2).reshape(rows.shape)


def read_config(content: dict[str, Any]) -> ModelConfig:  # JSON: values of many types
    """The shape of a model of theirs.

    Raises:
        InputError: it asks for what ours lacks.
    """
    check_settings(content, _SETTINGS)
    rope = content.get("rope_parameters") or content.get("rope_scaling") or {}
    rope_type = rope.get("rope_type", rope.get("type", "default"))
    if rope_type != "default":
        raise InputError(
            f"found RoPE of type {rope_type!r} in {CONFIG_FILE}; expected default, without scaling; "
            "choose another model"
        )
    n_heads, d_model = int(content["num_attention_heads"]), int(content["hidden_size"])
    if int(content.get("head_dim") or d_model // n_heads) * n_heads != d_model:
        raise InputError(
            f"found {n_heads} heads of {content['head_dim']} in a model of width {d_model}; "
            "expected heads that fill the width; choose another model"
        )
    return ModelConfig(
        d_model=d_model,
        n_layers=int(content["num_hidden_layers"]),
        n_heads=n_heads,
        d_ff=int(content["intermediate_size"]),
        context_length=int(content["max_position_embeddings"]),
        rope_theta=float(rope.get("rope_theta", content.get("rope_theta", 10_000.0))),
        tied_embeddings=bool(content.get("tie_word_embeddings", False)),
        qk_norm=content["model_type"] == "qwen3",
        norm_eps=float(content["rms_norm_eps"]),
    )


def read_tensors(
    tensors: Tensors,
    config: ModelConfig,
    content: dict[str, Any],  # JSON: values of many types
) -> dict[str, Tensor]:
    """Takes the tensors that our model is made of, under our names."""
    take = tensors.take
    groups = config.n_heads // int(content.get("num_key_value_heads") or config.n_heads)
    found = {
        "embedding.weight": take("model.embed_tokens.weight"),
        "norm.weight": take("model.norm.weight"),
    }
    if config.tied_embeddings:
        tensors.drop("lm_head.weight")
    else:
        found["head.weight"] = take("lm_head.weight")
    for layer in range(config.n_layers):
        ours, theirs = f"blocks.{layer}", f"model.layers.{layer}"
        tensors.drop(f"{theirs}.self_attn.rotary_emb.inv_freq")  # old files hold it
        q = take(f"{theirs}.self_attn.q_proj.weight")
        k = _spread(take(f"{theirs}.self_attn.k_proj.weight"), config.head_dim, groups)
        v = _spread(take(f"{theirs}.self_attn.v_proj.weight"), config.head_dim, groups)
        q, k = _to_pairs(q, config.head_dim), _to_pairs(k, config.head_dim)
        gate, up = (take(f"{theirs}.mlp.{name}_proj.weight") for name in ("gate", "up"))
        found |= {
            f"{ours}.attention_norm.weight": take(f"{theirs}.input_layernorm.weight"),
            f"{ours}.attention.qkv.weight": torch.cat((q, k, v)),
            f"{ours}.attention.out.weight": take(f"{theirs}.self_attn.o_proj.weight"),
            f"{ours}.feedforward_norm.weight": take(f"{theirs}.post_attention_layernorm.weight"),
            f"{ours}.feedforward.gate_up.weight": torch.cat((gate, up)),
            f"{ours}.feedforward.down.weight": take(f"{theirs}.mlp.down_proj.weight"),
        }
        if config.qk_norm:
            for mine, other in (("query_norm", "q_norm"), ("key_norm", "k_norm")):
                gain = take(f"{theirs}.self_attn.{other}.weight")
                found[f"{ours}.attention.{mine}.weight"] = _to_pairs(gain, config.head_dim)
    return found


def _spread(rows: Float[Tensor, "d_kv d"], head_dim: int, groups: int) -> Float[Tensor, "d_out d"]:
    """Each key head once for every head that shares it."""
    heads = rows.reshape(-1, head_dim, rows.shape[1])
    return heads.repeat_interleave(groups, dim=0).reshape(-1, rows.shape[1])
