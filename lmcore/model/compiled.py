"""Between tensors and the compiled kernels: when they fit, what they are given, which threads run.

A kernel fits plain tensors on a CPU in float32 or bfloat16, where numba is installed. Everything
else (an accelerator, sharded tensors, other types) takes torch's operations, which compute the
same to rounding. Of a training step of 2,048 tokens in bfloat16 (four layers of width 256, 10,000
words, one core with AVX-512) the kernels take 27 ms where torch's operations took 110; products
take 170.

Rows are shared among as many threads as torch uses, this one and a pool's. A row's numbers do not
depend on the thread; sums over rows are made for each thread's rows and then added in their order.
"""

import functools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from types import SimpleNamespace
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn

from lmcore.kernels import compiling

KINDS: Final = (torch.float32, torch.bfloat16)
_MODULES: Final = ("lmcore.model.kernels.softmax", "lmcore.model.kernels.rows")

_LEAST_NUMBERS: Final = 1 << 16
"""A thread that gets fewer numbers than this costs more than it saves (20 us to wake it)."""


def fits(*tensors: Tensor) -> bool:
    """Whether the kernels can take these tensors."""
    return (
        compiling.is_installed()
        and all(type(t) in (Tensor, nn.Parameter) and _is_plain(t) for t in tensors)
        and not torch.compiler.is_compiling()
    )


def _is_plain(tensor: Tensor) -> bool:
    return tensor.device.type == "cpu" and tensor.dtype in KINDS and tensor.numel() > 0


def array(tensor: Tensor) -> np.ndarray:
    """The tensor's memory as the kernels read it; bfloat16 comes as its bits."""
    plain = tensor.detach().contiguous()
    found: np.ndarray = (
        plain.view(torch.uint16).numpy() if plain.dtype == torch.bfloat16 else plain.numpy()
    )
    return found


def pairs(tensor: Tensor) -> np.ndarray:
    """The tensor's memory as pairs of neighbours: uint32 of bfloat16, uint64 of float32."""
    return array(tensor).view(np.uint32 if tensor.dtype == torch.bfloat16 else np.uint64)


@functools.cache
def kernels() -> Any:  # modules of compiled functions, which keep no types
    """The kernels; loading them takes a second, compiling them once after installation ten."""
    compiling.announce("the model's kernels, about 10 s", *_MODULES)
    from lmcore.model.kernels import rows, softmax

    return SimpleNamespace(**(vars(rows) | vars(softmax)))


def share(
    work: Callable[..., None], n_rows: int, *arguments: Any, n_numbers: int, multiple: int = 1
) -> None:
    """Does work(first, last, *arguments) over all rows, in as many threads as are worth it.

    Each thread but the last gets a multiple of `multiple` rows; `n_numbers` is what there is to
    work on in all.
    """
    n_threads = max(1, min(torch.get_num_threads(), n_numbers // _LEAST_NUMBERS))
    bounds = [n_rows * k // n_threads // multiple * multiple for k in range(n_threads)]
    shares = list(pairwise([*bounds, n_rows]))
    rest = [
        _pool(os.getpid(), n_threads - 1).submit(work, first, last, *arguments)
        for first, last in shares[1:]
        if first < last
    ]
    work(*shares[0], *arguments)
    for future in rest:
        future.result()


@functools.cache
def _pool(process: int, size: int) -> ThreadPoolExecutor:
    """Threads of this process (a fork inherits none), which start when they are first needed."""
    del process
    return ThreadPoolExecutor(size, thread_name_prefix="kernels")
