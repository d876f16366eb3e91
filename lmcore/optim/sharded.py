"""Tensors that may be sharded over processes (DTensor).

torch.distributed.tensor takes a second to import, and a tensor can only be of its kind where FSDP
has imported it, so a sharded tensor is told by what it can do.
"""

from torch import Tensor


def is_sharded(tensor: Tensor) -> bool:
    """Whether this process holds only a part of the tensor."""
    return hasattr(tensor, "full_tensor")


def gather_whole(tensor: Tensor) -> Tensor:
    """The whole of a tensor that may be sharded; then every process has to call."""
    if not is_sharded(tensor):
        return tensor
    whole: Tensor = tensor.full_tensor()  # type: ignore[attr-defined]  # DTensor's own
    return whole


def scatter_like(whole: Tensor, like: Tensor) -> Tensor:
    """A whole tensor, the same in every process, laid out as another is; nothing is sent."""
    if not is_sharded(like):
        return whole
    from torch.distributed.tensor import DTensor, distribute_tensor

    assert isinstance(like, DTensor)
    return distribute_tensor(whole, like.device_mesh, like.placements, src_data_rank=None)
