"""GPT-2: its layers, and weights of others that load into ours."""

import json
import math

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.nn import functional as F

from lmcore.errors import InputError
from lmcore.inference.generate import generate
from lmcore.model.config import ModelConfig
from lmcore.model.gpt2_layers import (
    GELUFeedForward,
    LayerNorm,
    gelu_reference,
    layer_norm_reference,
)
from lmcore.model.huggingface import read_huggingface, write_huggingface
from lmcore.model.transformer import Transformer

GPT2 = {"norm": "layer", "activation": "gelu", "positions": "learned", "biases": True}
SHAPE = ModelConfig(d_model=32, n_layers=2, n_heads=4, d_ff=128, context_length=24, **GPT2)
IDS = torch.arange(3, 43).view(2, 20)
PROMPTS = [[3, 1, 4, 1, 5], [9], [2, 6, 5]]


def random_model(shape=SHAPE):
    """No projection or bias is zero, no gain is one: what is lost shows."""
    model = Transformer(shape, 50)
    generator = torch.Generator().manual_seed(1)
    for parameter in model.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator) * 0.2 + 0.1
    return model


def edit(folder, **changes):
    path = folder / "config.json"
    content = json.loads(path.read_text()) | changes
    path.write_text(json.dumps(content))


def gpt2_reference(tensors, ids, n_heads):
    """The program of 2019 step by step, in the names and layouts of the published file."""

    def linear(x, name):
        return x @ tensors[f"{name}.weight"] + tensors[f"{name}.bias"]

    def norm(x, name):
        return layer_norm_reference(x, tensors[f"{name}.weight"], tensors[f"{name}.bias"], 1e-5)

    x = tensors["wte.weight"][ids] + tensors["wpe.weight"][: ids.shape[1]]
    width = x.shape[-1] // n_heads
    n_layers = sum(name.endswith("ln_1.bias") for name in tensors)
    for layer in (f"h.{i}" for i in range(n_layers)):
        q, k, v = linear(norm(x, f"{layer}.ln_1"), f"{layer}.attn.c_attn").chunk(3, dim=-1)
        heads = []
        for head in range(n_heads):
            part = slice(head * width, (head + 1) * width)
            scores = q[..., part] @ k[..., part].transpose(1, 2) / math.sqrt(width)
            future = torch.ones(ids.shape[1], ids.shape[1]).triu(1).bool()
            heads.append(scores.masked_fill(future, -math.inf).softmax(-1) @ v[..., part])
        x = x + linear(torch.cat(heads, dim=-1), f"{layer}.attn.c_proj")
        wide = gelu_reference(linear(norm(x, f"{layer}.ln_2"), f"{layer}.mlp.c_fc"))
        x = x + linear(wide, f"{layer}.mlp.c_proj")
    return norm(x, "ln_f") @ tensors["wte.weight"].T


def to_published(folder):
    """The folder's tensors as the published files name them, with each layer's causal mask."""
    path = folder / "model.safetensors"
    tensors = {name.removeprefix("transformer."): t for name, t in load_file(path).items()}
    masks = {f"h.{i}.attn.bias": torch.ones(1, 1, 24, 24).tril() for i in range(2)}
    save_file(tensors | masks, path)
    return tensors


@pytest.mark.parametrize("d", [1, 2, 64, 129])
@pytest.mark.parametrize("has_bias", [True, False])
def test_layer_norm_any_width_equals_reference(d, has_bias):
    generator = torch.Generator().manual_seed(0)
    x = 3.0 + torch.randn(3, 5, d, generator=generator)
    norm = LayerNorm(d, 1e-5, has_bias=has_bias)
    for parameter in norm.parameters():
        torch.nn.init.uniform_(parameter, 0.5, 2.0, generator=generator)
    torch.testing.assert_close(norm(x), layer_norm_reference(x, norm.weight, norm.bias, 1e-5))


def test_layer_norm_under_autocast_has_its_statistics_in_float32():
    x = 1000.0 + torch.randn(4, 64, generator=torch.Generator().manual_seed(0))
    norm = LayerNorm(64, 1e-5, has_bias=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = norm(x)
    torch.testing.assert_close(y.float(), norm(x), rtol=1e-2, atol=1e-2)


def test_gelu_equals_reference_and_is_near_the_normal_distribution():
    x = torch.linspace(-6.0, 6.0, 500)
    torch.testing.assert_close(F.gelu(x, approximate="tanh"), gelu_reference(x))
    assert (gelu_reference(x) - F.gelu(x)).abs().max() < 1e-3


def test_gelu_feedforward_equals_its_formula():
    layer = GELUFeedForward(SHAPE, generator=torch.Generator().manual_seed(0))
    for parameter in layer.parameters():
        torch.nn.init.uniform_(parameter, -0.5, 0.5, generator=torch.Generator().manual_seed(1))
    x = torch.randn(3, 32, generator=torch.Generator().manual_seed(2))
    wide = gelu_reference(x @ layer.up.weight.T + layer.up.bias)
    torch.testing.assert_close(layer(x), wide @ layer.down.weight.T + layer.down.bias)


def test_published_file_read_computes_the_reference(tmp_path):
    write_huggingface(tmp_path, random_model())
    tensors = to_published(tmp_path)
    model = read_huggingface(tmp_path)
    assert model.config == SHAPE
    with torch.no_grad():
        torch.testing.assert_close(
            model(IDS), gpt2_reference(tensors, IDS, 4), atol=2e-5, rtol=2e-5
        )


@pytest.mark.parametrize("is_tied", [True, False])
def test_model_written_and_read_is_the_same(is_tied, tmp_path):
    shape = ModelConfig(
        d_model=24, n_layers=2, n_heads=2, d_ff=40, tied_embeddings=is_tied, norm_eps=1e-6, **GPT2
    )
    model = random_model(shape)
    write_huggingface(tmp_path, model, eos_id=0)
    again = read_huggingface(tmp_path)
    assert again.config == shape
    for name, tensor in model.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor), name


@pytest.mark.parametrize("is_tied", [True, False])
def test_transformers_computes_equal_logits(is_tied, tmp_path):
    transformers = pytest.importorskip("transformers")
    shape = ModelConfig(d_model=32, n_layers=2, n_heads=4, tied_embeddings=is_tied, **GPT2)
    model = random_model(shape)
    write_huggingface(tmp_path, model, eos_id=0)
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path).eval()
    assert type(theirs).__name__ == "GPT2LMHeadModel"
    with torch.no_grad():
        torch.testing.assert_close(model(IDS), theirs(IDS).logits, atol=2e-5, rtol=2e-5)


def made_by_transformers(transformers, **changes):
    torch.manual_seed(0)
    shape = {"vocab_size": 50, "n_embd": 32, "n_layer": 3, "n_head": 4, "n_positions": 64}
    config = transformers.GPT2Config(
        **(shape | changes), initializer_range=0.3, bos_token_id=0, eos_token_id=0
    )
    model = transformers.GPT2LMHeadModel(config).eval()
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):  # they start at zero, and would not be missed
            torch.nn.init.normal_(parameter, std=0.3)
    return model


@pytest.mark.parametrize(
    "changes", [{}, {"n_inner": 80}, {"tie_word_embeddings": False}, {"n_embd": 24, "n_head": 2}]
)
def test_gpt2_of_transformers_reads_with_equal_logits(changes, tmp_path):
    transformers = pytest.importorskip("transformers")
    theirs = made_by_transformers(transformers, **changes)
    theirs.save_pretrained(tmp_path, max_shard_size="20KB")  # several files and an index
    assert (tmp_path / "model.safetensors.index.json").exists()
    ours = read_huggingface(tmp_path)
    assert ours.n_parameters() == sum(p.numel() for p in theirs.parameters())
    with torch.no_grad():
        torch.testing.assert_close(ours(IDS), theirs(IDS).logits, atol=5e-5, rtol=2e-5)


def test_gpt2_of_transformers_writes_the_same_greedy_text(tmp_path):
    transformers = pytest.importorskip("transformers")
    theirs = made_by_transformers(transformers)
    theirs.save_pretrained(tmp_path)
    ours = generate(read_huggingface(tmp_path), PROMPTS, max_new_tokens=30, temperature=0.0)
    for prompt, generation in zip(PROMPTS, ours, strict=True):
        written = theirs.generate(
            torch.tensor([prompt]),
            attention_mask=torch.ones(1, len(prompt)),
            max_new_tokens=30,
            min_new_tokens=30,
            do_sample=False,
            eos_token_id=None,
            pad_token_id=0,
        )
        assert generation.ids == written[0, len(prompt) :].tolist()


def test_weights_in_half_precision_become_float32(tmp_path):
    write_huggingface(tmp_path, random_model())
    path = tmp_path / "model.safetensors"
    save_file({name: t.to(torch.float16) for name, t in load_file(path).items()}, path)
    again = read_huggingface(tmp_path)
    for name, tensor in random_model().state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor.to(torch.float16).float()), name


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"activation_function": "gelu"}, "activation_function 'gelu'"),
        ({"activation_function": "relu"}, "activation_function 'relu'"),
        ({"scale_attn_weights": False}, "scale_attn_weights False"),
        ({"scale_attn_by_inverse_layer_idx": True}, "scale_attn_by_inverse_layer_idx True"),
        ({"add_cross_attention": True}, "add_cross_attention True"),
        ({"n_head": 5}, "5 heads in a model of width 32"),
        ({"n_layer": 1}, "tensors .* that no gpt2 has"),
        ({"n_layer": 3}, "found no tensor transformer.h.2"),
        ({"n_positions": 25}, "positions.weight of shape"),
        ({"tie_word_embeddings": False}, "found no tensor lm_head.weight"),
        ({"n_embd": "wide"}, "unusable"),
    ],
)
def test_what_this_model_lacks_is_refused(changes, message, tmp_path):
    write_huggingface(tmp_path, random_model())
    edit(tmp_path, **changes)
    with pytest.raises(InputError, match=message):
        read_huggingface(tmp_path)


@pytest.mark.parametrize(
    "changes", [{"norm": "layer"}, {"biases": True}, {**GPT2, "qk_norm": True}]
)
def test_export_of_mixed_layers_is_refused(changes, tmp_path):
    model = Transformer(ModelConfig(d_model=16, n_heads=2, n_layers=1, **changes), 20)
    with pytest.raises(InputError, match="expected a Llama .* or a GPT-2"):
        write_huggingface(tmp_path / "out", model)
