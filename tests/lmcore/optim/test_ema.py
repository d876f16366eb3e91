import pytest
import torch
from torch import nn

from lmcore.optim.ema import WeightAverage, average_reference


def moving(n_steps, decay):
    """A parameter that moves, its average, and where it has been."""
    generator = torch.Generator().manual_seed(0)
    parameters = {"a": nn.Parameter(torch.randn(3, 4, generator=generator))}
    average, path = WeightAverage(parameters, decay), []
    for _ in range(n_steps):
        with torch.no_grad():
            parameters["a"].add_(torch.randn(3, 4, generator=generator))
        average.update()
        path.append(parameters["a"].detach().double().clone())
    return parameters, average, path


@pytest.mark.parametrize("decay", [0.5, 0.9, 0.999])
@pytest.mark.parametrize("n_steps", [1, 2, 50])
def test_average_is_the_weighted_mean_of_the_weights_that_were(decay, n_steps):
    _, average, path = moving(n_steps, decay)
    found = average.averaged(n_steps)["a"].double()
    torch.testing.assert_close(found, average_reference(path, decay), rtol=1e-4, atol=1e-4)


def test_average_after_one_update_is_the_weights():
    parameters, average, _ = moving(1, 0.99)
    torch.testing.assert_close(average.averaged(1)["a"], parameters["a"].detach())


def test_average_before_the_first_update_is_the_weights():
    parameters, average, _ = moving(0, 0.99)
    assert torch.equal(average.averaged(0)["a"], parameters["a"].detach())


def test_swapped_weights_come_back_to_the_bit_even_after_an_error():
    parameters, average, _ = moving(7, 0.9)
    before = parameters["a"].detach().clone()

    def look():
        with average.swapped(7):
            assert torch.equal(parameters["a"].detach(), average.averaged(7)["a"])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        look()
    assert torch.equal(parameters["a"].detach(), before)
