import copy
import math

import pytest
import torch
from torch import nn

from lmcore.errors import ConfigError
from lmcore.model.config import ModelConfig
from lmcore.model.transformer import Transformer
from lmcore.optim.adafactor import Adafactor, adafactor_reference
from lmcore.optim.adamw import AdamW
from lmcore.optim.build import build_optimizers, n_parts, state_tensors
from lmcore.optim.lion import Lion, lion_reference
from lmcore.optim.muon import Muon, orthogonalize, orthogonalize_reference
from lmcore.optim.sgd import SGD, sgd_reference
from lmcore.optim.soap import SOAP, soap_reference
from lmcore.train.config import OPTIMIZERS

N_UPDATES = 25


def draw(*shape, seed=0, n=N_UPDATES):
    generator = torch.Generator().manual_seed(seed)
    start = torch.randn(*shape, generator=generator, dtype=torch.float64)
    gradients = [torch.randn(*shape, generator=generator, dtype=torch.float64) for _ in range(n)]
    return start, gradients


def after(optimizer_of, start, gradients):
    parameter = nn.Parameter(start.clone())
    optimizer = optimizer_of([parameter])
    for gradient in gradients:
        parameter.grad = gradient.clone()
        optimizer.step()
    return parameter.detach()


@pytest.mark.parametrize("nesterov", [False, True])
def test_sgd_equals_reference_and_torch(nesterov):
    settings = {"lr": 0.1, "momentum": 0.9, "nesterov": nesterov, "weight_decay": 0.01}
    start, gradients = draw(5, 3)
    expected, m = start, torch.zeros_like(start)
    for gradient in gradients:
        expected, m = sgd_reference(expected, gradient, m, **settings)
    ours = after(lambda p: SGD(p, **settings), start, gradients)
    torch.testing.assert_close(ours, expected)
    theirs = after(lambda p: torch.optim.SGD(p, **settings), start, gradients)
    torch.testing.assert_close(ours, theirs)


def test_lion_equals_reference_and_moves_by_lr():
    start, gradients = draw(5, 3)
    expected, m = start, torch.zeros_like(start)
    for gradient in gradients:
        expected, m = lion_reference(
            expected, gradient, m, lr=0.01, beta1=0.9, beta2=0.99, weight_decay=0.1
        )
    ours = after(lambda p: Lion(p, lr=0.01, weight_decay=0.1), start, gradients)
    torch.testing.assert_close(ours, expected)
    moved = after(lambda p: Lion(p, lr=0.01, weight_decay=0.0), start, gradients[:1]) - start
    torch.testing.assert_close(moved.abs(), torch.full_like(moved, 0.01))


def test_adafactor_equals_reference():
    settings = {"lr": 0.01, "decay_power": 0.8, "eps": 1e-30, "clip": 1.0, "weight_decay": 0.1}
    start, gradients = draw(6, 4)
    expected, rows, columns = start, torch.zeros(6).double(), torch.zeros(4).double()
    for step, gradient in enumerate(gradients, 1):
        expected, rows, columns = adafactor_reference(
            expected, gradient, rows, columns, step=step, **settings
        )
    ours = after(lambda p: Adafactor(p, **settings), start, gradients)
    torch.testing.assert_close(ours, expected)


def test_adafactor_equals_torch():
    start, gradients = draw(6, 4)

    def theirs(parameters):  # its rate is relative to the step: min(lr, 1 / sqrt(step))
        return torch.optim.Adafactor(
            parameters, lr=0.01, beta2_decay=-0.8, eps=(1e-30, 0.0), d=1.0, weight_decay=0.0
        )

    ours = after(lambda p: Adafactor(p, lr=0.01, weight_decay=0.0), start, gradients[:1])
    scale = max(0.0, float(start.norm()) / math.sqrt(start.numel()))
    moved = after(theirs, start, gradients[:1]) - start
    torch.testing.assert_close(ours - start, moved / scale)


def test_adafactor_state_of_a_matrix_is_a_row_and_a_column():
    parameter = nn.Parameter(torch.zeros(300, 200))
    state = Adafactor([parameter], lr=0.1).state[parameter]
    assert sum(tensor.numel() for tensor in state.values()) == 500


@pytest.mark.parametrize("shape", [(16, 16), (8, 32), (32, 8), (1, 5)])
def test_orthogonalize_keeps_singular_vectors_and_flattens_values(shape):
    matrix, _ = draw(*shape, n=0)
    values = torch.linalg.svdvals(orthogonalize(matrix))
    assert 0.6 < values.min() <= values.max() < 1.25
    u, _, vh = torch.linalg.svd(matrix, full_matrices=False)
    inside = u.mT @ orthogonalize(matrix) @ vh.mT
    torch.testing.assert_close(inside, torch.diag(inside.diagonal()), atol=1e-9, rtol=0)
    nearest = orthogonalize_reference(matrix)
    assert (orthogonalize(matrix) - nearest).norm() < 0.35 * nearest.norm()


def test_muon_equals_torch():
    start, gradients = draw(12, 7)
    settings = {"lr": 0.02, "momentum": 0.95, "weight_decay": 0.1}
    ours = after(lambda p: Muon(p, dtype=torch.bfloat16, **settings), start, gradients)
    theirs = after(
        lambda p: torch.optim.Muon(p, adjust_lr_fn="match_rms_adamw", **settings), start, gradients
    )
    torch.testing.assert_close(ours, theirs, atol=0.01, rtol=0.02)  # both orthogonalise in bfloat16


def test_muon_stacked_projections_equal_separate_ones():
    start, gradients = draw(24, 8)
    stacked = after(lambda p: Muon(p, lr=0.02, n_parts=3), start, gradients)
    for part in range(3):
        rows = slice(8 * part, 8 * part + 8)
        alone = after(lambda p: Muon(p, lr=0.02), start[rows], [g[rows] for g in gradients])
        torch.testing.assert_close(stacked[rows], alone)
    whole = after(lambda p: Muon(p, lr=0.02), start, gradients)
    assert (whole - stacked).abs().max() > 0.01


@pytest.mark.parametrize("kind", [Muon, SOAP])
def test_matrix_optimizers_refuse_a_vector(kind):
    with pytest.raises(ConfigError, match="give the others to AdamW"):
        kind([nn.Parameter(torch.zeros(5))], lr=0.1)


@pytest.mark.parametrize("every", [1, 10])
def test_soap_equals_reference(every):
    settings = {"lr": 0.01, "betas": (0.95, 0.9), "eps": 1e-8, "weight_decay": 0.1, "every": every}
    start, gradients = draw(5, 5)  # square: eigenvectors of a zero eigenvalue would be arbitrary
    expected = soap_reference(start, gradients, **settings)
    torch.testing.assert_close(after(lambda p: SOAP(p, **settings), start, gradients), expected)


def test_soap_without_bases_is_adamw_one_gradient_later():
    start, gradients = draw(6, 4)
    settings = {"lr": 0.01, "betas": (0.95, 0.9), "weight_decay": 0.1}
    ours = after(lambda p: SOAP(p, max_size=0, **settings), start, gradients)
    adam = after(lambda p: AdamW(p, **settings), start, gradients[1:])
    torch.testing.assert_close(ours, adam)


def test_soap_follows_a_rotation_of_the_problem():
    start, gradients = draw(5, 5)
    u = torch.linalg.qr(torch.randn(5, 5, dtype=torch.float64)).Q
    settings = {"lr": 0.01, "weight_decay": 0.1, "every": 5}
    plain = after(lambda p: SOAP(p, **settings), start, gradients)
    turned = after(lambda p: SOAP(p, **settings), u @ start, [u @ g for g in gradients])
    torch.testing.assert_close(u @ plain, turned, atol=1e-6, rtol=1e-6)


def test_soap_stacked_projections_equal_separate_ones():
    start, gradients = draw(12, 4)
    stacked = after(lambda p: SOAP(p, lr=0.02, n_parts=2), start, gradients)
    for part in range(2):
        rows = slice(6 * part, 6 * part + 6)
        alone = after(lambda p: SOAP(p, lr=0.02), start[rows], [g[rows] for g in gradients])
        torch.testing.assert_close(stacked[rows], alone)


def small_model():
    return Transformer(ModelConfig(d_model=16, n_layers=2, n_heads=2, context_length=8), 11)


def build(name, model):
    parameters = dict(model.named_parameters())
    settings = {"lr": 0.02, "betas": (0.9, 0.95), "momentum": 0.9, "weight_decay": 0.1}
    return parameters, build_optimizers(name, parameters, **settings)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_updates_every_parameter_and_learns(name):
    model = small_model()
    parameters, optimizers = build(name, model)
    ids = torch.arange(32).view(4, 8) % 7
    losses = []
    for _ in range(30):
        loss = model.loss(ids[:, :-1], ids[:, 1:]) / 28
        loss.backward()
        losses.append(float(loss.detach()))
        if len(losses) == 1:  # the projections that start at zero hold back gradients behind them
            before = {path: p.detach().clone() for path, p in parameters.items()}
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
    assert all(not torch.equal(before[path], p) for path, p in parameters.items())
    assert losses[-1] < 0.8 * losses[0]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_state_tensors_and_step_are_all_there_is_to_resume(name):
    model = small_model()
    _, optimizers = build(name, model)
    ids = torch.arange(32).view(4, 8) % 7

    def go(model, optimizers, n):
        for _ in range(n):
            model.loss(ids[:, :-1], ids[:, 1:]).backward()
            for optimizer in optimizers:
                optimizer.step()
                optimizer.zero_grad()

    go(model, optimizers, 11)
    twin = small_model()
    twin.load_state_dict(model.state_dict())
    parameters, others = build(name, twin)
    saved = copy.deepcopy(state_tensors(optimizers, dict(model.named_parameters())))
    for path, tensor in state_tensors(others, parameters).items():
        tensor.copy_(saved[path])
    for optimizer in others:
        for group in optimizer.param_groups:
            group["step"] = 11
    go(model, optimizers, 10)
    go(twin, others, 10)
    for path, parameter in model.named_parameters():
        assert torch.equal(parameter, parameters[path]), path


def test_hidden_matrices_go_to_muon_and_the_rest_to_adamw():
    model = small_model()
    parameters, (muon, adamw) = build("muon", model)
    hidden = {id(p) for group in muon.param_groups for p in group["params"]}
    assert hidden == {
        id(p) for path, p in parameters.items() if path.startswith("blocks.") and p.dim() == 2
    }
    rest = [p for group in adamw.param_groups for p in group["params"]]
    assert len(hidden) + len(rest) == len(parameters)
    assert n_parts("blocks.0.attention.qkv.weight") == 3
    assert n_parts("blocks.0.feedforward.gate_up.weight") == 2
    assert n_parts("blocks.0.feedforward.down.weight") == 1


def test_unknown_optimizer_is_refused():
    with pytest.raises(ConfigError, match="expected adamw"):
        build("adam", small_model())


@pytest.mark.parametrize("kind", [SGD, Lion, Adafactor, Muon, SOAP])
def test_negative_rate_is_refused(kind):
    with pytest.raises(ConfigError, match="at least 0"):
        kind([nn.Parameter(torch.zeros(2, 2))], lr=-1.0)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_hidden_matrices_have_a_rate_of_their_own(name):
    parameters = dict(small_model().named_parameters())
    settings = {"lr": 0.02, "betas": (0.9, 0.95), "momentum": 0.9, "weight_decay": 0.1}
    optimizers = build_optimizers(name, parameters, **settings, hidden_lr_ratio=0.25)
    path_of = {id(parameter): path for path, parameter in parameters.items()}
    ratios = {
        path_of[id(parameter)]: group["lr_ratio"]
        for optimizer in optimizers
        for group in optimizer.param_groups
        for parameter in group["params"]
    }
    assert ratios.keys() == parameters.keys()
    for path, ratio in ratios.items():
        is_hidden = path.startswith("blocks.") and parameters[path].dim() == 2
        assert ratio == (0.25 if is_hidden else 1.0), path


@pytest.mark.parametrize("shape", [(24, 8), (8, 24), (16, 16)])
def test_orthogonalize_in_bfloat16_is_near_float32(shape):
    matrix = torch.randn(*shape, generator=torch.Generator().manual_seed(0))
    exact, rough = orthogonalize(matrix), orthogonalize(matrix.to(torch.bfloat16)).float()
    assert (exact - rough).norm() < 0.05 * exact.norm()
