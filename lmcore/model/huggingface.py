"""Models in Hugging Face's layout: config.json and safetensors of the Llama family.

A model of ours is a Llama (arXiv:2302.13971) of as many key heads as heads, or a Qwen3 where queries and
keys are normed. Two things differ in the files. RoPE turns adjacent pairs of features here, features i
and i + half there, so rows of query and key matrices are reordered. And stacked projections here are
several there. Grouped key heads are read by repeating each for the heads that share it: equal logits,
more parameters.

What a file of another model asks for and this one lacks (biases, scaled RoPE, windows, other
activations) is refused by name; nothing is ignored. Weights are read from safetensors alone, never
unpickled, in any float type, and become float32.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import torch
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from lmcore.errors import InputError
from lmcore.model.config import ModelConfig
from lmcore.model.transformer import Transformer

CONFIG_FILE: Final = "config.json"
WEIGHTS_FILE: Final = "model.safetensors"
INDEX_FILE: Final = "model.safetensors.index.json"
_ARCHITECTURES: Final = {"llama": "LlamaForCausalLM", "qwen3": "Qwen3ForCausalLM"}
# keys that change what a model computes, with the only values that ours has
_FIXED: Final[Mapping[str, tuple[object, ...]]] = {
    "hidden_act": ("silu",),
    "attention_bias": (False, None),
    "mlp_bias": (False, None),
    "use_sliding_window": (False, None),
    "pretraining_tp": (1, None),
    "partial_rotary_factor": (1.0, None),
}


def to_huggingface(
    model: Transformer, *, eos_id: int | None = None
) -> tuple[dict[str, object], dict[str, Tensor]]:
    """The configuration and the tensors of a model as Hugging Face names them."""
    config = model.config
    kind = "qwen3" if config.qk_norm else "llama"
    found: dict[str, object] = {
        "architectures": [_ARCHITECTURES[kind]],
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
        "torch_dtype": "float32",
        "bos_token_id": eos_id,  # a document begins behind the end of another
        "eos_token_id": eos_id,
        "pad_token_id": eos_id,
    }
    return found, _tensors(model)


def _tensors(model: Transformer) -> dict[str, Tensor]:
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
    return {name: tensor.contiguous() for name, tensor in sorted(found.items())}


def _to_halves(rows: Float[Tensor, "d ..."], head_dim: int) -> Float[Tensor, "d ..."]:
    """Rows of adjacent pairs in the order of two halves, head by head."""
    heads = rows.reshape(-1, head_dim // 2, 2, *rows.shape[1:])
    return heads.transpose(1, 2).reshape(rows.shape)


def _to_pairs(rows: Float[Tensor, "d ..."], head_dim: int) -> Float[Tensor, "d ..."]:
    """The way back."""
    heads = rows.reshape(-1, 2, head_dim // 2, *rows.shape[1:])
    return heads.transpose(1, 2).reshape(rows.shape)


def write_huggingface(directory: Path, model: Transformer, *, eos_id: int | None = None) -> None:
    """Writes config.json and model.safetensors into the directory."""
    directory.mkdir(parents=True, exist_ok=True)
    config, tensors = to_huggingface(model, eos_id=eos_id)
    save_file(tensors, directory / WEIGHTS_FILE, metadata={"format": "pt"})
    text = json.dumps(config, indent=2, sort_keys=True) + "\n"
    (directory / CONFIG_FILE).write_text(text, encoding="utf-8")


def read_huggingface(directory: Path) -> Transformer:
    """Reads a Llama or Qwen3, on the CPU, in float32.

    Raises:
        InputError: a file is missing or damaged, the model is of another family or asks for what
            ours lacks, or tensors are missing, left over or of another shape.
    """
    path = directory / CONFIG_FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        config, vocab_size = _read_config(content)
        tensors = _read_tensors(directory)
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"found {directory} unusable ({type(error).__name__}: {error}); expected {CONFIG_FILE} "
            f"and {WEIGHTS_FILE} of a Llama or Qwen3; fetch the folder again"
        ) from error
    model = Transformer(config, vocab_size)
    groups = config.n_heads // int(content.get("num_key_value_heads") or config.n_heads)
    weights = _own(tensors, config, groups)
    left_over = sorted(tensors)
    if left_over:
        raise InputError(
            f"found {len(left_over)} tensors in {directory} that no {content['model_type']} has "
            f"({', '.join(left_over[:3])}); expected none; choose a model without them"
        )
    _check_shapes(weights, model, directory)
    model.load_state_dict(weights, strict=True)
    return model


def _read_config(content: dict[str, Any]) -> tuple[ModelConfig, int]:  # JSON: values of many types
    kind = content["model_type"]
    if kind not in _ARCHITECTURES:
        raise InputError(
            f"found a model of type {kind!r}; expected one of {', '.join(_ARCHITECTURES)}; "
            "choose a model of these families"
        )
    for name, known in _FIXED.items():
        if content.get(name, known[0]) not in known:
            raise InputError(
                f"found {name} {content[name]!r} in {CONFIG_FILE}; expected {known[0]!r}, all that "
                "this model has; choose another model"
            )
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
    config = ModelConfig(
        d_model=d_model,
        n_layers=int(content["num_hidden_layers"]),
        n_heads=n_heads,
        d_ff=int(content["intermediate_size"]),
        context_length=int(content["max_position_embeddings"]),
        rope_theta=float(rope.get("rope_theta", content.get("rope_theta", 10_000.0))),
        tied_embeddings=bool(content.get("tie_word_embeddings", False)),
        qk_norm=kind == "qwen3",
        norm_eps=float(content["rms_norm_eps"]),
    )
    return config, int(content["vocab_size"])


def _read_tensors(directory: Path) -> dict[str, Tensor]:
    index = directory / INDEX_FILE
    if index.exists():
        listed = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        names = sorted(set(listed.values()))
        if any(Path(name).name != name for name in names):
            raise InputError(
                f"found {index} naming files outside of its folder; expected plain names; "
                "fetch the folder again"
            )
    else:
        names = [WEIGHTS_FILE]
    tensors: dict[str, Tensor] = {}
    for name in names:
        with safe_open(directory / name, framework="pt") as file:
            tensors |= {key: file.get_tensor(key).to(torch.float32) for key in file.keys()}  # noqa: SIM118  # no mapping
    return tensors


def _own(tensors: dict[str, Tensor], config: ModelConfig, groups: int) -> dict[str, Tensor]:
    """Takes the tensors that our model is made of, under our names."""

    def take(name: str) -> Tensor:
        if name not in tensors:
            raise InputError(
                f"found no tensor {name}; expected it in the safetensors files; fetch them again"
            )
        return tensors.pop(name)

    found = {
        "embedding.weight": take("model.embed_tokens.weight"),
        "norm.weight": take("model.norm.weight"),
    }
    if config.tied_embeddings:
        tensors.pop("lm_head.weight", None)
    else:
        found["head.weight"] = take("lm_head.weight")
    for layer in range(config.n_layers):
        ours, theirs = f"blocks.{layer}", f"model.layers.{layer}"
        tensors.pop(
            f"{theirs}.self_attn.rotary_emb.inv_freq", None
        )  # old files hold it; it is derived
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


def _check_shapes(weights: dict[str, Tensor], model: Transformer, directory: Path) -> None:
    for name, tensor in model.state_dict().items():
        if weights[name].shape != tensor.shape:
            raise InputError(
                f"found {name} of shape {tuple(weights[name].shape)} in {directory}; expected "
                f"{tuple(tensor.shape)} as {CONFIG_FILE} describes; fetch the folder again"
            )
