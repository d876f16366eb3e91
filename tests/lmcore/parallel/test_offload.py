"""Sharded weights, gradients and moments in the memory of the CPU."""

import socket

import pytest
import torch

from lmcore.errors import ConfigError
from lmcore.parallel.config import ParallelConfig
from lmcore.parallel.mesh import Mesh
from lmcore.train.step import Trainer
from lmcore.train.world import World


def test_mesh_offload_from_the_cpu_to_the_cpu_is_refused():
    with pytest.raises(ConfigError, match=r"parallel.offload on cpu; .*train.recompute"):
        Mesh(ParallelConfig(offload=True), rank=0, size=2)


def test_trainer_offload_without_an_accelerator_is_refused_before_anything_is_sent(make_spec):
    spec = make_spec("offloaded", world_size=2, offload=True)
    with pytest.raises(ConfigError, match=r"parallel.offload on cpu; expected an accelerator"):
        Trainer(spec, World(0, 2))


def free_port():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return server.getsockname()[1]


@pytest.mark.gpu
@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="each process takes an accelerator")
@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_two_steps_with_offload_equal_two_without(make_spec, start_processes, tmp_path, optimizer):
    found = {}
    for is_on in (False, True):
        train = {"optimizer": optimizer, "ema_decay": 0.9, "micro_batch_size": 2}
        spec = make_spec(f"run-{is_on}", world_size=2, train=train, offload=is_on)
        spec.out_dir.mkdir()
        path, out = spec.out_dir / "spec.json", spec.out_dir / "found.pt"
        spec.write(path)
        start_processes("offloaded.py", 2, free_port(), out, path)
        found[is_on] = torch.load(out)
    assert found[True]["kinds"] == {"cpu"}
    assert found[False]["kinds"] == {"cuda"}
    assert found[True]["norms"] == pytest.approx(found[False]["norms"], rel=1e-5)
    for name, weight in found[False]["weights"].items():
        torch.testing.assert_close(found[True]["weights"][name], weight, rtol=1e-4, atol=1e-6)
