"""The contracts of Stanford's CS336, met by thin adapters over our public functions.

The names, signatures and formulas are the course's; each adapter is a line or a few. What they
give is checked against torch or against the formula written out.
"""

import io
import math

import numpy as np
import pytest
import torch
from safetensors.torch import load, save
from torch import nn
from torch.nn import functional as F

from lmcore.model.attention import attention
from lmcore.model.config import ModelConfig
from lmcore.model.feedforward import swiglu
from lmcore.model.layers import Embedding, Linear
from lmcore.model.loss import token_logps
from lmcore.model.norm import rms_norm
from lmcore.model.position import rotate, rotation_table
from lmcore.model.transformer import Transformer
from lmcore.optim.adamw import AdamW
from lmcore.optim.clipping import clip_gradients
from lmcore.optim.schedule import cosine
from lmcore.tokenizer.bpe import Tokenizer
from lmcore.tokenizer.config import TokenizerConfig
from lmcore.tokenizer.train import train_bpe

SPECIAL = "<|endoftext|>"
CORPUS = (
    "low low low low low lower lower widest widest widest newest newest newest newest newest newest"
)


# --- adapters: the optimizer, its schedule, clipping, batches, checkpoints ---


def get_adamw_cls():
    return AdamW


def run_get_lr_cosine_schedule(it, max_learning_rate, min_learning_rate, warmup_iters, cycle_iters):
    return cosine(
        it,
        steps=cycle_iters,
        lr=max_learning_rate,
        min_lr_ratio=min_learning_rate / max_learning_rate,
        warmup_steps=warmup_iters,
    )


def run_gradient_clipping(parameters, max_l2_norm):
    clip_gradients(parameters, max_l2_norm)


def run_get_batch(dataset, batch_size, context_length, device, generator=None):
    starts = torch.randint(len(dataset) - context_length, (batch_size,), generator=generator)
    windows = np.stack([dataset[start : start + context_length + 1] for start in starts.tolist()])
    rows = torch.from_numpy(windows.astype(np.int64)).to(device)
    return rows[:, :-1], rows[:, 1:]


def run_save_checkpoint(model, optimizer, iteration, out):
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    names = {p: name for name, p in model.named_parameters()}
    for parameter, slots in optimizer.state.items():
        tensors |= {f"optimizer.{names[parameter]}.{k}": v for k, v in slots.items()}
    content = save({**tensors, "iteration": torch.tensor(iteration)})
    out.write(content) if hasattr(out, "write") else out.write_bytes(content)


def run_load_checkpoint(src, model, optimizer):
    tensors = load(src.read() if hasattr(src, "read") else src.read_bytes())
    iteration = int(tensors.pop("iteration"))
    model.load_state_dict(
        {name[6:]: tensor for name, tensor in tensors.items() if name.startswith("model.")}
    )
    for name, parameter in model.named_parameters():
        for slot, tensor in optimizer.state[parameter].items():
            tensor.copy_(tensors[f"optimizer.{name}.{slot}"])
    for group in optimizer.param_groups:
        group["step"] = iteration
    return iteration


# --- adapters: the model ---


def run_softmax(in_features, dim):
    moved = in_features.movedim(dim, -1)
    n = moved.shape[-1]
    ids = torch.arange(n).expand(*moved.shape[:-1], n)
    every = [token_logps(moved, ids[..., i]) for i in range(n)]
    return torch.stack(every, dim=-1).exp().movedim(-1, dim)


def run_cross_entropy(inputs, targets):
    return -token_logps(inputs, targets).mean()


def run_rmsnorm(d_model, eps, weights, in_features):
    assert weights.shape == (d_model,)
    return rms_norm(in_features, weights, eps)


def run_swiglu(w1_weight, w2_weight, w3_weight, in_features):
    gate_up = F.linear(in_features, torch.cat((w1_weight, w3_weight)))
    return F.linear(swiglu(gate_up), w2_weight)


def run_rope(d_k, theta, max_seq_len, in_query_or_key, token_positions):
    table = torch.view_as_complex(rotation_table(max_seq_len, d_k, theta))
    flat = in_query_or_key.reshape(-1, *in_query_or_key.shape[-2:])
    turn = table[token_positions].expand(len(flat), -1, -1)
    return rotate(flat, turn).view(in_query_or_key.shape)


def run_scaled_dot_product_attention(Q, K, V, mask=None):  # noqa: N803
    lead = Q.shape[:-2]
    q, k, v = (x.reshape(1, -1, *x.shape[-2:]) for x in (Q, K, V))
    if mask is None:
        mask = torch.ones(Q.shape[-2], K.shape[-2], dtype=torch.bool)
    mask = mask.expand(*lead, *mask.shape[-2:]).reshape(1, -1, *mask.shape[-2:])
    return attention(q, k, v, mask).view(*lead, Q.shape[-2], V.shape[-1])


def run_multihead_self_attention(d_model, num_heads, q_w, k_w, v_w, o_w, in_features):
    heads = (num_heads, d_model // num_heads)
    projected = F.linear(in_features, torch.cat((q_w, k_w, v_w))).chunk(3, dim=-1)
    q, k, v = (x.unflatten(-1, heads).transpose(-3, -2) for x in projected)
    return F.linear(attention(q, k, v).transpose(-3, -2).flatten(-2), o_w)


# --- adapters: the tokenizer ---


def run_train_bpe(text, vocab_size, special_tokens, pattern="gpt2"):
    config = TokenizerConfig(
        vocab_size=vocab_size, special_tokens=tuple(special_tokens), pattern=pattern
    )
    tokenizer = train_bpe([text], config)
    return tokenizer.vocab, tokenizer.merges


def get_tokenizer(vocab, merges, special_tokens=None):
    return Tokenizer(vocab, merges, special_tokens or (), pattern="gpt2")


# --- checks ---


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_adamw_walks_where_torch_s_does():
    paths = []
    for kind in (get_adamw_cls(), torch.optim.AdamW):
        model = nn.Linear(3, 2, bias=False)
        with torch.no_grad():
            model.weight.copy_(normal(2, 3))
        optimizer = kind(
            model.parameters(), lr=1e-3, weight_decay=0.01, betas=(0.9, 0.999), eps=1e-8
        )
        for step in range(1000):
            optimizer.zero_grad()
            x = normal(3, seed=step)
            ((model(x) - torch.stack((x[0] + x[1], -x[2]))) ** 2).sum().backward()
            optimizer.step()
        paths.append(model.weight.detach())
    torch.testing.assert_close(paths[0], paths[1], rtol=1e-4, atol=1e-5)


def test_cosine_schedule_has_the_course_s_values():
    high, low, warmup, cycle = 1.0, 0.1, 7, 21
    for it in range(25):
        if it < warmup:
            expected = it / warmup * high
        elif it <= cycle:
            angle = (it - warmup) / (cycle - warmup) * math.pi
            expected = low + 0.5 * (1 + math.cos(angle)) * (high - low)
        else:
            expected = low
        found = run_get_lr_cosine_schedule(it, high, low, warmup, cycle)
        assert found == pytest.approx(expected, abs=1e-12)


def test_clipping_is_torch_s_and_leaves_parameters_without_gradient_alone():
    gradients = [normal(5, 5, seed=i) for i in range(6)]
    both = []
    for clip in (run_gradient_clipping, torch.nn.utils.clip_grad_norm_):
        parameters = [nn.Parameter(torch.zeros(5, 5)) for _ in gradients]
        for parameter, gradient in zip(parameters[:-1], gradients, strict=False):
            parameter.grad = gradient.clone()
        clip(parameters, 1e-2)
        assert parameters[-1].grad is None
        both.append([p.grad for p in parameters[:-1]])
    for found, expected in zip(*both, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-8)


def test_batches_are_windows_with_targets_one_ahead_from_every_start():
    dataset = np.arange(100, dtype=np.uint16)
    generator = torch.Generator().manual_seed(0)
    counts = np.zeros(100, int)
    for _ in range(1000):
        x, y = run_get_batch(dataset, 32, 7, "cpu", generator)
        assert x.shape == y.shape == (32, 7)
        assert torch.equal(y, x + 1)
        counts += np.bincount(x[:, 0].numpy(), minlength=100)
    n_starts = 100 - 7
    assert counts[n_starts:].sum() == 0
    expected, spread = 32_000 / n_starts, math.sqrt(32_000 / n_starts)
    assert (abs(counts[:n_starts] - expected) < 5 * spread).all()
    with pytest.raises((RuntimeError, AssertionError)):
        run_get_batch(dataset, 32, 7, "cuda:99", generator)


@pytest.mark.parametrize("is_file", [True, False])
def test_checkpoint_brings_model_optimizer_and_iteration_back(tmp_path, is_file):
    def make():
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
        return model, AdamW(model.parameters(), lr=1e-2)

    def train(model, optimizer, seeds):
        for seed in seeds:
            optimizer.zero_grad()
            model(normal(6, 4, seed=seed)).square().sum().backward()
            optimizer.step()

    model, optimizer = make()
    train(model, optimizer, range(10))
    place = tmp_path / "checkpoint" if is_file else io.BytesIO()
    run_save_checkpoint(model, optimizer, 10, place)
    train(model, optimizer, range(10, 15))
    if not is_file:
        place.seek(0)
    again, again_optimizer = make()
    assert run_load_checkpoint(place, again, again_optimizer) == 10
    train(again, again_optimizer, range(10, 15))
    for found, expected in zip(again.parameters(), model.parameters(), strict=True):
        assert torch.equal(found, expected)


@pytest.mark.parametrize("dim", [0, 1, -1])
@pytest.mark.parametrize("offset", [0.0, 100.0])
def test_softmax_is_torch_s_without_overflow(dim, offset):
    x = normal(3, 4, 5) + offset
    torch.testing.assert_close(run_softmax(x, dim), F.softmax(x, dim), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("factor", [1.0, 1000.0])
def test_cross_entropy_is_torch_s_without_overflow(factor):
    logits, targets = normal(8, 5) * factor, torch.arange(8) % 5
    torch.testing.assert_close(
        run_cross_entropy(logits, targets), F.cross_entropy(logits, targets), rtol=1e-5, atol=1e-5
    )


def test_linear_and_embedding_are_torch_s():
    generator = torch.Generator().manual_seed(0)
    linear = Linear(6, 4, generator=generator)
    table = Embedding(10, 6, std=1.0, generator=generator)
    x, ids = normal(2, 3, 6), torch.tensor([[1, 9, 0]])
    assert torch.equal(linear(x), F.linear(x, linear.weight))
    assert torch.equal(table(ids), F.embedding(ids, table.weight))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_rmsnorm_computes_in_float32_and_returns_the_type(dtype):
    x, weight = normal(4, 12, 64).to(dtype), normal(64, seed=1)
    found = run_rmsnorm(64, 1e-5, weight, x)
    expected = F.rms_norm(x.float(), (64,), weight, 1e-5).to(dtype)
    assert found.dtype == dtype
    tolerance = (
        {"rtol": 1e-5, "atol": 1e-6} if dtype == torch.float32 else {"rtol": 8e-3, "atol": 1e-6}
    )
    torch.testing.assert_close(found, expected, **tolerance)


def test_swiglu_is_the_formula():
    w1, w2, w3 = normal(16, 8), normal(8, 16, seed=1), normal(16, 8, seed=2)
    x = normal(2, 5, 8, seed=3)
    expected = (F.silu(x @ w1.T) * (x @ w3.T)) @ w2.T
    torch.testing.assert_close(run_swiglu(w1, w2, w3, x), expected, rtol=1e-4, atol=1e-5)


def test_rope_turns_adjacent_pairs_by_their_positions():
    d_k, theta = 8, 10000.0
    x, positions = normal(2, 3, 6, d_k), torch.tensor([0, 1, 5, 2, 11, 3])
    found = run_rope(d_k, theta, 12, x, positions)
    for i in range(d_k // 2):
        angle = positions.double() * theta ** (-2 * i / d_k)
        cos, sin = angle.cos().float(), angle.sin().float()
        even, odd = x[..., 2 * i], x[..., 2 * i + 1]
        torch.testing.assert_close(found[..., 2 * i], even * cos - odd * sin)
        torch.testing.assert_close(found[..., 2 * i + 1], even * sin + odd * cos)


def test_attention_takes_any_leading_dimensions_and_a_mask_of_what_may_be_seen():
    q, k, v = normal(2, 3, 5, 8), normal(2, 3, 7, 8, seed=1), normal(2, 3, 7, 8, seed=2)
    mask = (normal(5, 7, seed=3) > 0) | (torch.arange(7) == 0)
    scores = (q @ k.transpose(-1, -2) / 8**0.5).masked_fill(~mask, -math.inf)
    found = run_scaled_dot_product_attention(q, k, v, mask)
    torch.testing.assert_close(found, scores.softmax(-1) @ v, rtol=1e-4, atol=1e-5)
    three = run_scaled_dot_product_attention(q[0], k[0], v[0], mask)
    torch.testing.assert_close(three, found[0], rtol=1e-4, atol=1e-5)


def test_multihead_self_attention_is_causal_and_torch_s():
    d, n_heads = 16, 4
    weights = [normal(d, d, seed=i) / 4 for i in range(4)]
    x = normal(2, 6, d, seed=9)
    found = run_multihead_self_attention(d, n_heads, *weights, x)
    reference = nn.MultiheadAttention(d, n_heads, bias=False, batch_first=True)
    with torch.no_grad():
        reference.in_proj_weight.copy_(torch.cat(weights[:3]))
        reference.out_proj.weight.copy_(weights[3])
    mask = torch.ones(6, 6, dtype=torch.bool).triu(1)
    expected, _ = reference(x, x, x, attn_mask=mask, need_weights=False)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_language_model_answers_a_truncated_input_with_a_truncated_output():
    config = ModelConfig(
        d_model=32, n_layers=3, n_heads=4, context_length=16, tied_embeddings=False
    )
    model = Transformer(config, 100)
    ids = torch.randint(0, 100, (2, 16), generator=torch.Generator().manual_seed(0))
    whole = model(ids)
    assert whole.shape == (2, 16, 100)
    torch.testing.assert_close(model(ids[:, :8]), whole[:, :8], rtol=1e-4, atol=1e-5)


def test_handout_s_example_merges_in_the_handout_s_order():
    _, merges = run_train_bpe(CORPUS, 256 + 1 + 12, [SPECIAL], pattern="regex:[a-z]+")
    joined = [(a + b).decode() for a, b in merges]
    expected = "st est ow low west ne newest wi wid widest lowe lower"
    assert joined == expected.split()


def test_bpe_ties_go_to_the_greatest_pair_and_no_token_crosses_a_special():
    vocab, merges = run_train_bpe(f"ab ab{SPECIAL}cd cd{SPECIAL}" * 3, 256 + 1 + 4, [SPECIAL])
    assert len(vocab) == 261
    assert SPECIAL.encode() in vocab.values()
    assert not any(b"<|" in a + b for a, b in merges)
    assert merges[0] == max([(b"a", b"b"), (b"c", b"d")])


def test_tokenizer_round_trips_streams_and_prefers_the_longest_special():
    vocab, merges = run_train_bpe(CORPUS, 270, [SPECIAL])
    double = SPECIAL * 2
    tokenizer = get_tokenizer(vocab, merges, [SPECIAL, double])
    text = f"low lower{double}newest\n\n{SPECIAL} widest é🙂"
    ids = tokenizer.encode(text, allow_special=True)
    assert tokenizer.decode(ids) == text
    decoded = [tokenizer.decode([i]) for i in ids]
    assert decoded.count(double) == decoded.count(SPECIAL) == 1
    pieces = [text[i : i + 3] for i in range(0, len(text), 3)]
    assert list(tokenizer.encode_iterable(iter(pieces), allow_special=True)) == ids
    assert "�" in tokenizer.decode(tokenizer.encode("🙂")[:1])
