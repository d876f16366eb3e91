"""Models in Hugging Face's layout: config.json and safetensors of a Llama, a Qwen3 or a GPT-2.

How each family's names and layouts map to ours stands in lmcore.model.huggingface_llama and
lmcore.model.huggingface_gpt2; files are read and checked here.

What a file of another model asks for and this one lacks (scaled RoPE, windows, other activations) is
refused by name; nothing is ignored. Weights are read from safetensors alone, never unpickled, in any
float type, and become float32.
"""

import json
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from lmcore.errors import InputError
from lmcore.model import huggingface_gpt2, huggingface_llama
from lmcore.model.config import ModelConfig
from lmcore.model.huggingface_checks import CONFIG_FILE, Tensors
from lmcore.model.transformer import Transformer

WEIGHTS_FILE: Final = "model.safetensors"
INDEX_FILE: Final = "model.safetensors.index.json"
_FAMILIES: Final[dict[str, ModuleType]] = {
    "llama": huggingface_llama,
    "qwen3": huggingface_llama,
    "gpt2": huggingface_gpt2,
}


def to_huggingface(
    model: Transformer, *, eos_id: int | None = None
) -> tuple[dict[str, object], dict[str, Tensor]]:
    """The configuration and the tensors of a model as Hugging Face names them.

    Raises:
        InputError: the model mixes the layers of families, so that none of theirs computes the same.
    """
    family = _family(model.config)
    config = family.to_config(model) | {
        "torch_dtype": "float32",
        "bos_token_id": eos_id,  # a document begins behind the end of another
        "eos_token_id": eos_id,
        "pad_token_id": eos_id,
    }
    tensors = family.to_tensors(model)
    return config, {name: tensor.contiguous() for name, tensor in sorted(tensors.items())}


def _family(config: ModelConfig) -> ModuleType:
    kind = (config.norm, config.activation, config.positions, config.biases)
    if config.is_default_kind:
        return huggingface_llama
    if kind == ("layer", "gelu", "learned", True) and not config.qk_norm:
        return huggingface_gpt2
    raise InputError(
        f"found a model of norm {config.norm}, activation {config.activation}, positions "
        f"{config.positions}, biases {config.biases} and qk_norm {config.qk_norm}; expected a Llama "
        "(rms, swiglu, rope, no biases) or a GPT-2 (layer, gelu, learned, biases, no qk_norm), which "
        "other libraries know; train one of these to export it"
    )


def write_huggingface(directory: Path, model: Transformer, *, eos_id: int | None = None) -> None:
    """Writes config.json and model.safetensors into the directory."""
    directory.mkdir(parents=True, exist_ok=True)
    config, tensors = to_huggingface(model, eos_id=eos_id)
    save_file(tensors, directory / WEIGHTS_FILE, metadata={"format": "pt"})
    text = json.dumps(config, indent=2, sort_keys=True) + "\n"
    (directory / CONFIG_FILE).write_text(text, encoding="utf-8")


def read_huggingface(directory: Path) -> Transformer:
    """Reads a Llama, Qwen3 or GPT-2, on the CPU, in float32.

    Raises:
        InputError: a file is missing or damaged, the model is of another family or asks for what
            ours lacks, or tensors are missing, left over or of another shape.
    """
    path = directory / CONFIG_FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        family = _family_of(content)
        config, vocab_size = family.read_config(content), int(content["vocab_size"])
        tensors = Tensors(_read_tensors(directory))
        weights = family.read_tensors(tensors, config, content)
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"found {directory} unusable ({type(error).__name__}: {error}); expected {CONFIG_FILE} "
            f"and {WEIGHTS_FILE} of a Llama, Qwen3 or GPT-2; fetch the folder again"
        ) from error
    left_over = tensors.left_over()
    if left_over:
        raise InputError(
            f"found {len(left_over)} tensors in {directory} that no {content['model_type']} has "
            f"({', '.join(left_over[:3])}); expected none; choose a model without them"
        )
    model = Transformer(config, vocab_size)
    _check_shapes(weights, model, directory)
    model.load_state_dict(weights, strict=True)
    return model


def _family_of(content: dict[str, Any]) -> ModuleType:  # JSON: values of many types
    kind = content["model_type"]
    if kind not in _FAMILIES:
        raise InputError(
            f"found a model of type {kind!r}; expected one of {', '.join(_FAMILIES)}; "
            "choose a model of these families"
        )
    return _FAMILIES[kind]


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


def _check_shapes(weights: dict[str, Tensor], model: Transformer, directory: Path) -> None:
    for name, tensor in model.state_dict().items():
        if weights[name].shape != tensor.shape:
            raise InputError(
                f"found {name} of shape {tuple(weights[name].shape)} in {directory}; expected "
                f"{tuple(tensor.shape)} as {CONFIG_FILE} describes; fetch the folder again"
            )
