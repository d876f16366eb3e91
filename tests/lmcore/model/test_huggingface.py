import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from lmcore.errors import InputError
from lmcore.model.config import ModelConfig
from lmcore.model.huggingface import read_huggingface, write_huggingface
from lmcore.model.transformer import Transformer
from lmcore.tokenizer import formats
from lmcore.tokenizer.config import TokenizerConfig
from lmcore.tokenizer.train import train_bpe

SHAPES = {
    "llama": ModelConfig(d_model=32, n_layers=2, n_heads=4, context_length=24, rope_theta=500.0),
    "untied": ModelConfig(d_model=24, n_layers=2, n_heads=2, d_ff=40, tied_embeddings=False),
    "qwen3": ModelConfig(d_model=32, n_layers=2, n_heads=4, qk_norm=True, norm_eps=1e-6),
}
IDS = torch.arange(3, 43).view(2, 20)


def random_model(shape, vocab_size=50):
    """No projection is zero, no gain is one: what is lost shows."""
    model = Transformer(shape, vocab_size)
    generator = torch.Generator().manual_seed(1)
    for parameter in model.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator) * 0.2 + 0.1
    return model


@pytest.fixture(params=SHAPES)
def model(request):
    return random_model(SHAPES[request.param])


def edit(folder, **changes):
    path = folder / "config.json"
    content = json.loads(path.read_text()) | changes
    path.write_text(json.dumps(content))


def test_model_written_and_read_is_the_same(model, tmp_path):
    write_huggingface(tmp_path, model, eos_id=0)
    again = read_huggingface(tmp_path)
    assert again.config.hidden_dim == model.config.hidden_dim
    for name, tensor in model.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor), name


def test_transformers_computes_equal_logits(model, tmp_path):
    transformers = pytest.importorskip("transformers")
    write_huggingface(tmp_path, model, eos_id=0)
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path).eval()
    with torch.no_grad():
        torch.testing.assert_close(model(IDS), theirs(IDS).logits, atol=2e-5, rtol=2e-5)


@pytest.mark.parametrize("n_key_heads", [4, 2, 1])
@pytest.mark.parametrize("is_tied", [False, True])
def test_llama_of_transformers_reads_with_equal_logits(n_key_heads, is_tied, tmp_path):
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=50,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=n_key_heads,
        max_position_embeddings=64,
        tie_word_embeddings=is_tied,
    )
    theirs = transformers.LlamaForCausalLM(config).eval()
    theirs.save_pretrained(tmp_path, max_shard_size="20KB")  # several files and an index
    assert (tmp_path / "model.safetensors.index.json").exists()
    ours = read_huggingface(tmp_path)
    with torch.no_grad():
        torch.testing.assert_close(ours(IDS), theirs(IDS).logits, atol=2e-5, rtol=2e-5)


def test_grouped_key_heads_are_repeated(tmp_path):
    model = random_model(SHAPES["llama"])
    for block in model.blocks:
        rows = block.attention.qkv.weight.data.view(3, 4, 8, 32)
        rows[1:, 1::2] = rows[1:, 0::2]  # heads 0 and 1 share a key and value head, 2 and 3 too
    write_huggingface(tmp_path, model)
    tensors = load_file(tmp_path / "model.safetensors")
    for name in tensors:
        if "k_proj" in name or "v_proj" in name:
            tensors[name] = tensors[name].view(4, 8, 32)[0::2].reshape(16, 32).contiguous()
    save_file(tensors, tmp_path / "model.safetensors")
    edit(tmp_path, num_key_value_heads=2)
    again = read_huggingface(tmp_path)
    for name, tensor in model.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor), name


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "mamba"}, "expected one of llama, qwen3"),
        ({"hidden_act": "gelu"}, "hidden_act 'gelu'"),
        ({"attention_bias": True}, "attention_bias True"),
        ({"rope_parameters": {"rope_type": "llama3", "factor": 8.0}}, "type 'llama3'"),
        ({"head_dim": 16}, "heads that fill the width"),
        ({"num_hidden_layers": 1}, "tensors .* that no llama has"),
        ({"num_hidden_layers": 3}, "found no tensor model.layers.2"),
        ({"vocab_size": 51}, "embedding.weight of shape"),
        ({"hidden_size": None}, "unusable"),
    ],
)
def test_what_this_model_lacks_is_refused(changes, message, tmp_path):
    write_huggingface(tmp_path, random_model(SHAPES["llama"]))
    edit(tmp_path, **changes)
    with pytest.raises(InputError, match=message):
        read_huggingface(tmp_path)


def test_damaged_weights_are_refused(tmp_path):
    write_huggingface(tmp_path, random_model(SHAPES["llama"]))
    path = tmp_path / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match="unusable"):
        read_huggingface(tmp_path)
    path.unlink()
    with pytest.raises(InputError, match="unusable"):
        read_huggingface(tmp_path)


def test_index_naming_files_elsewhere_is_refused(tmp_path):
    write_huggingface(tmp_path, random_model(SHAPES["llama"]))
    index = {"weight_map": {"model.norm.weight": "../elsewhere.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(InputError, match="plain names"):
        read_huggingface(tmp_path)


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_transformers_reads_a_text_from_the_folder_alone(family, tmp_path):
    transformers = pytest.importorskip("transformers")
    tokenizer = train_bpe(
        ["The quick brown fox doesn't jump. " * 9], TokenizerConfig(vocab_size=280)
    )
    gpt2 = {"norm": "layer", "activation": "gelu", "positions": "learned", "biases": True}
    shape = ModelConfig(d_model=32, n_layers=2, n_heads=4, **(gpt2 if family == "gpt2" else {}))
    model = random_model(shape, tokenizer.vocab_size)
    write_huggingface(tmp_path, model, eos_id=tokenizer.eot_id)
    formats.write_huggingface(tokenizer, tmp_path)
    text = "The fox doesn't jump: 12 été\n"
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path).eval()
    ids = transformers.AutoTokenizer.from_pretrained(tmp_path)(text, return_tensors="pt")[
        "input_ids"
    ]
    assert ids.tolist() == [tokenizer.encode(text)]
    with torch.no_grad():
        torch.testing.assert_close(model(ids), theirs(ids).logits, atol=2e-5, rtol=2e-5)
