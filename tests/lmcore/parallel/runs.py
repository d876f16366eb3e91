"""One of the processes that a test starts: trains every spec that it is given, one after the other.

python runs.py STORE RANK SIZE SPEC...

Leaves beside each run the bytes that a step sends, over all processes.
"""

import json
import sys
from pathlib import Path

import torch
import torch.distributed as dist

from lmcore.parallel.counting import CountBytes
from lmcore.train.loop import run
from lmcore.train.spec import TrainSpec
from lmcore.train.step import Trainer, numerics
from lmcore.train.world import World


def count(spec, world):
    with numerics(spec.train):
        trainer = Trainer(spec, world)
        with CountBytes() as counted:
            trainer.train_step(1)
        total = world.sum(torch.tensor(counted.total, dtype=torch.float64))
        if world.is_first:
            (spec.out_dir / "sent.json").write_text(json.dumps(total.item()))


def main(store, rank, size, *specs):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=size)
    world = World(rank, size)
    for path in specs:
        spec = TrainSpec.read(Path(path))
        assert run(spec, world=world)
        count(spec, world)
    dist.destroy_process_group()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), *sys.argv[4:])
