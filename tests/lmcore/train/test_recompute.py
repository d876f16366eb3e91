import pytest
import torch

from lmcore.errors import ConfigError
from lmcore.model.config import ModelConfig
from lmcore.model.transformer import Transformer
from lmcore.train.precision import autocast, prepare
from lmcore.train.recompute import recompute_blocks
from lmcore.train.step import Trainer
from lmcore.train.world import World

MODEL = ModelConfig(d_model=32, n_layers=3, n_heads=2, context_length=32, qk_norm=True, d_ff=64)


def gradient(mode, precision="float32"):
    model = Transformer(MODEL, 64)
    generator = torch.Generator().manual_seed(1)
    for parameter in model.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, 0.0, 0.1, generator=generator)
    prepare(model, precision, "cpu")
    recompute_blocks(model, mode)
    windows = torch.randint(0, 64, (4, 33), generator=generator)
    with autocast(precision, "cpu"):
        loss = model.loss(windows[:, :-1], windows[:, 1:])
    loss.backward()
    return torch.cat([loss.detach()[None], *(p.grad.flatten() for p in model.parameters())])


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16", "float8_emulated"])
@pytest.mark.parametrize("mode", ["full", "selective"])
def test_recomputed_gradient_has_the_same_bits(mode, precision):
    assert torch.equal(gradient(mode, precision), gradient("none", precision))


class _Counter(torch.utils._python_dispatch.TorchDispatchMode):
    """Counts the matrix products of a step."""

    def __init__(self):
        super().__init__()
        self.n_products = self.n_others = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        is_product = func in (torch.ops.aten.mm.default, torch.ops.aten.addmm.default)
        self.n_products += is_product
        self.n_others += not is_product
        return func(*args, **(kwargs or {}))


def test_selective_repeats_everything_but_the_products_and_full_repeats_those_too():
    counts = {}
    for mode in ("none", "full", "selective"):
        with _Counter() as counter:
            gradient(mode)
        counts[mode] = (counter.n_products, counter.n_others)
    per_forward = 3 * MODEL.n_layers  # qkv, out, gate and up; nobody needs the result of down
    assert counts["full"][0] == counts["none"][0] + per_forward
    assert counts["selective"][0] == counts["none"][0]
    assert counts["selective"][1] > counts["none"][1]


def test_trainer_recomputes_to_the_same_weights(make_spec):
    weights = {}
    for mode in ("none", "full", "selective"):
        trainer = Trainer(make_spec(recompute=mode), World())
        for step in (1, 2, 3):
            trainer.train_step(step)
        weights[mode] = torch.cat([p.detach().flatten() for p in trainer.parameters.values()])
    assert torch.equal(weights["none"], weights["full"])
    assert torch.equal(weights["none"], weights["selective"])


def test_offloading_from_the_cpu_to_the_cpu_is_refused(make_spec):
    with pytest.raises(ConfigError, match=r"offload_activations on cpu.*recompute"):
        Trainer(make_spec(offload_activations=True), World())


@pytest.mark.gpu
def test_offloaded_activations_leave_the_gradient_as_it_is():
    from lmcore.train.recompute import offloading

    def run(is_on):
        model = Transformer(MODEL, 64).cuda()
        windows = torch.arange(4 * 33, device="cuda").view(4, 33) % 64
        with offloading(is_on):
            loss = model.loss(windows[:, :-1], windows[:, 1:])
        held = torch.cuda.memory_allocated()
        loss.backward()
        return held, torch.cat([p.grad.flatten() for p in model.parameters()])

    held, expected = run(is_on=False)
    held_off, found = run(is_on=True)
    assert torch.equal(found, expected)
    assert held_off < held
