import pytest
import torch

from lmcore.errors import InputError
from lmcore.inference.generate import generate, next_tokens
from lmcore.model.config import ModelConfig
from lmcore.model.loss import token_logps
from lmcore.model.transformer import Transformer

SHAPE = {"d_model": 32, "n_layers": 2, "n_heads": 2, "context_length": 24}
CONFIG = ModelConfig(**SHAPE)
GPT2 = {"norm": "layer", "activation": "gelu", "positions": "learned", "biases": True}
RAGGED = [[1, 2, 3], [4], [5, 6, 7, 8, 9], [3, 3]]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def random_model(config):
    model = Transformer(config, 20, seed=1)
    generator = seeded(1)  # away from the start, where projections are zero and logits equal
    for parameter in model.parameters():
        if parameter.dim() == 2:
            torch.nn.init.normal_(parameter, std=0.2, generator=generator)
    return model


@pytest.fixture(scope="module")
def model():
    return random_model(CONFIG)


def recompute(model, prompt, ids):
    whole = torch.tensor([prompt + ids])
    return token_logps(model(whole[:, :-1]), whole[:, 1:])[0, len(prompt) - 1 :]


def greedy_without_cache(model, prompt, n):
    ids = list(prompt)
    for _ in range(n):
        ids.append(int(model(torch.tensor([ids]))[0, -1].argmax()))
    return ids[len(prompt) :]


def test_greedy_ragged_batch_equals_decoding_without_cache(model):
    generations = generate(model, RAGGED, max_new_tokens=12, temperature=0.0)
    for prompt, generation in zip(RAGGED, generations, strict=True):
        assert generation.ids == greedy_without_cache(model, prompt, 12)


def test_greedy_ragged_batch_of_learned_positions_equals_decoding_without_cache():
    model = random_model(ModelConfig(**SHAPE, **GPT2))
    generations = generate(model, RAGGED, max_new_tokens=12, temperature=0.0)
    for prompt, generation in zip(RAGGED, generations, strict=True):
        assert generation.ids == greedy_without_cache(model, prompt, 12)


@pytest.mark.parametrize("temperature", [0.0, 0.7, 1.0])
@pytest.mark.parametrize("top_p", [0.8, 1.0])
def test_logps_any_sampling_equal_the_forward_of_training(model, temperature, top_p):
    generations = generate(
        model, RAGGED, max_new_tokens=12, temperature=temperature, top_p=top_p, generator=seeded()
    )
    for prompt, generation in zip(RAGGED, generations, strict=True):
        expected = recompute(model, prompt, generation.ids)
        torch.testing.assert_close(torch.tensor(generation.logps), expected, rtol=0.0, atol=1e-5)


def test_greedy_longer_neighbour_changes_nothing(model):
    alone = generate(model, [[1, 2]], max_new_tokens=10, temperature=0.0)[0]
    beside = generate(model, [[1, 2], list(range(9))], max_new_tokens=10, temperature=0.0)[0]
    assert alone.ids == beside.ids
    torch.testing.assert_close(
        torch.tensor(alone.logps), torch.tensor(beside.logps), rtol=0, atol=1e-5
    )


def test_sampled_sequence_ends_at_its_first_stop_token_only(model):
    free = generate(model, RAGGED * 8, max_new_tokens=15, generator=seeded(3))
    stopped = generate(model, RAGGED * 8, max_new_tokens=15, stop_ids={5, 6}, generator=seeded(3))
    assert any(len(s.ids) < 15 for s in stopped)
    for whole, part in zip(free, stopped, strict=True):
        ends = [i + 1 for i, token in enumerate(whole.ids) if token in {5, 6}]
        assert part.ids == whole.ids[: min(ends, default=15)]


def test_sampling_same_seed_repeats_and_other_seed_differs(model):
    first, second, other = (
        [g.ids for g in generate(model, RAGGED, max_new_tokens=15, generator=seeded(seed))]
        for seed in (0, 0, 1)
    )
    assert first == second
    assert first != other


def test_next_tokens_many_draws_follow_the_softmax():
    logits = torch.tensor([[0.0, 1.0, -1.0, 2.0]])
    n = 20_000
    ids, _ = next_tokens(logits.expand(n, 4), torch.rand(n, generator=seeded()), temperature=0.5)
    shares = torch.bincount(ids, minlength=4) / n
    torch.testing.assert_close(shares, (logits[0] / 0.5).softmax(-1), rtol=0.0, atol=0.02)


def test_next_tokens_extreme_draws_pick_tokens_of_positive_probability():
    logits = torch.tensor([[-1e9, 0.0, -1e9]]).expand(2, 3)
    ids, _ = next_tokens(logits, torch.tensor([0.0, 1.0 - 2.0**-24]))
    assert ids.tolist() == [1, 1]


def test_next_tokens_top_p_keeps_the_smallest_set():
    logits = torch.tensor([0.1, 0.5, 0.15, 0.25]).log()[None].expand(999, 4)
    draws = torch.linspace(0.0, 1.0 - 2.0**-24, 999)
    assert set(next_tokens(logits, draws, top_p=0.7)[0].tolist()) == {1, 3}
    assert set(next_tokens(logits, draws, top_p=0.76)[0].tolist()) == {1, 2, 3}
    assert set(next_tokens(logits, draws, top_p=0.01)[0].tolist()) == {1}


def test_generate_no_prompts_or_tokens_is_empty(model):
    assert generate(model, [], max_new_tokens=3, temperature=0.0) == []
    assert generate(model, [[1]], max_new_tokens=0, temperature=0.0)[0].ids == []


@pytest.mark.parametrize(
    ("prompts", "changes"),
    [
        ([[]], {}),
        ([[1] * 20], {"max_new_tokens": 6}),
        ([[1]], {"temperature": 1.0}),
        ([[1]], {"top_p": 0.0}),
        ([[1]], {"temperature": -1.0}),
    ],
)
def test_generate_impossible_request_is_refused(model, prompts, changes):
    with pytest.raises(InputError):
        generate(model, prompts, **({"max_new_tokens": 3, "temperature": 0.0} | changes))


def test_generate_full_context_is_used_to_the_last_position(model):
    prompt = [1] * 20
    (generation,) = generate(model, [prompt], max_new_tokens=5, temperature=0.0)
    assert generation.ids == greedy_without_cache(model, prompt, 5)
