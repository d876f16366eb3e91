"""One of the processes that a test starts: trains every spec that it is given, one after the other.

python runs.py STORE RANK SIZE SPEC...
"""

import sys
from pathlib import Path

import torch
import torch.distributed as dist

from lmcore.train.loop import run
from lmcore.train.spec import TrainSpec
from lmcore.train.world import World

if __name__ == "__main__":
    store, rank, size, *specs = sys.argv[1:]
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=int(rank), world_size=int(size))
    for path in specs:
        assert run(TrainSpec.read(Path(path)), world=World(int(rank), int(size)))
    dist.destroy_process_group()
