"""One of the processes that a test starts: trains a spec on an accelerator of its own.

python offloaded.py STORE RANK SIZE PORT OUT SPEC

Saves the whole weights and the gradients' norms, and says where this process's part lies.
"""

import os
import sys
from pathlib import Path

import torch

from lmcore.optim.sharded import local_part
from lmcore.train.spec import TrainSpec
from lmcore.train.step import Trainer, numerics
from lmcore.train.world import world_from_environment


def main(rank, size, port, out, path):
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    os.environ |= {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": size, "LOCAL_WORLD_SIZE": size}
    spec = TrainSpec.read(Path(path))
    with world_from_environment(is_offloaded=spec.train.parallel.offload) as world:
        with numerics(spec.train):
            trainer = Trainer(spec, world)
            norms = [trainer.train_step(step).grad_norm for step in (1, 2)]
            held = [*trainer.parameters.values(), *trainer.updates.state().values()]
            kinds = {local_part(tensor.detach()).device.type for tensor in held}
            weights = {name: whole.cpu() for name, whole in trainer.weights().items()}
        if world.is_first:
            torch.save({"weights": weights, "norms": norms, "kinds": kinds}, out)


if __name__ == "__main__":
    main(*sys.argv[2:])
