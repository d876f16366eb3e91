"""Pieces of tensors: whole again whoever wrote and whoever reads them, in a format that others read."""

import hashlib
import itertools

import pytest
import torch
from safetensors import safe_open

from lmcore.errors import InputError
from lmcore.train.pieces import (
    Part,
    Piece,
    assign,
    check_index,
    copy_to,
    files_of,
    index_of,
    part_of_stack,
    pieces_of,
    read_into,
    read_whole,
    write_pieces,
)

TENSORS = {
    "a.matrix": torch.arange(35, dtype=torch.float32).reshape(7, 5),
    "a.half": torch.arange(6, dtype=torch.bfloat16) / 7,
    "b.count": torch.tensor(2**40 + 1),
    "b.flags": torch.tensor([[True], [False]]),
}


def cut(tensors, ranks, dim):
    """What each process holds where matrices are cut along a dimension and the rest is copied."""
    held = []
    for rank in range(ranks):
        pieces = []
        for piece in pieces_of(tensors):
            if piece.tensor.dim() != 2:
                pieces.append(piece)
                continue
            blocks = piece.tensor.tensor_split(ranks, dim=dim)
            begin = sum(block.shape[dim] for block in blocks[:rank])
            offsets = tuple(begin if n == dim else 0 for n in range(2))
            if blocks[rank].numel():
                pieces.append(Piece(piece.name, piece.whole, offsets, blocks[rank]))
        held.append(pieces)
    return held


def write(folder, held):
    """Writes as the processes of a run do, and returns the index."""
    given = assign([[piece.describe() for piece in pieces] for pieces in held])
    files = files_of(given)
    for pieces, found in zip(held, files, strict=True):
        by_key = {piece.key: piece for piece in pieces}
        for file, keys in found.items():
            mine = [by_key[key] for key in keys]
            words = [copy_to(None, piece.tensor) for piece in mine]
            seal = write_pieces(folder / file, mine, words)
            content = (folder / file).read_bytes()
            assert seal == {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    return index_of(given, files)


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize(("ranks", "dim"), [*itertools.product((1, 2, 3, 4), (0, 1))])
def test_pieces_written_by_any_number_of_processes_are_the_whole_again(tmp_path, ranks, dim):
    index = write(tmp_path, cut(TENSORS, ranks, dim))
    check_index(index, {path.name for path in tmp_path.iterdir()})
    assert same(read_whole(tmp_path, index, ""), TENSORS)
    expected = {"matrix": TENSORS["a.matrix"], "half": TENSORS["a.half"]}
    assert same(read_whole(tmp_path, index, "a."), expected)


def shares(n, ranks):
    """Ranges of n things for each of so many processes, in order."""
    bounds = [n * rank // ranks for rank in range(ranks + 1)]
    return [range(a, b) for a, b in itertools.pairwise(bounds)]


@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_part_of_stacked_projections_is_written_and_read_whatever_the_number_of_processes(
    tmp_path, ranks
):
    stacked, out = torch.randn(3 * 6, 4), torch.randn(4, 6)

    def part(rank, count):
        mine = shares(6, count)[rank]
        rows = stacked.reshape(3, 6, 4)[:, mine.start : mine.stop].flatten(0, 1).contiguous()
        columns = out[:, mine.start : mine.stop].contiguous()
        return {
            "qkv": part_of_stack(rows, (18, 4), axis=0, n_parts=3, mine=mine),
            "out": part_of_stack(columns, (4, 6), axis=1, n_parts=1, mine=mine),
            "gain": torch.ones(4),
        }

    index = write(tmp_path, [pieces_of(part(rank, ranks)) for rank in range(ranks)])
    check_index(index, {path.name for path in tmp_path.iterdir()})
    assert same(
        read_whole(tmp_path, index, ""), {"qkv": stacked, "out": out, "gain": torch.ones(4)}
    )
    for count in (1, 2, 3):
        for rank in range(count):
            expected, found = part(rank, count), part(rank, count)
            for held in found.values():
                (held.tensor if isinstance(held, Part) else held).zero_()
            read_into(tmp_path, index, found)
            assert torch.equal(found["qkv"].tensor, expected["qkv"].tensor)
            assert torch.equal(found["out"].tensor, expected["out"].tensor)


def test_process_that_holds_some_of_the_tensors_reads_those(tmp_path):
    index = write(tmp_path, [pieces_of({"a": torch.ones(2)}), pieces_of({"b": torch.ones(3)})])
    found = {"b": torch.zeros(3)}
    read_into(tmp_path, index, found, is_all=False)
    assert found["b"].tolist() == [1.0] * 3
    with pytest.raises(InputError, match="1 other tensors"):
        read_into(tmp_path, index, {"c": torch.zeros(3)}, is_all=False)


def test_what_all_hold_is_written_once_and_shared_out_by_size(tmp_path):
    whole = {f"t{n}": torch.full((n, 2), float(n)) for n in range(1, 6)}
    given = assign([[piece.describe() for piece in pieces_of(whole)]] * 2)
    names = sorted(entry["name"] for pieces in given for entry in pieces)
    assert names == sorted(whole)
    sizes = [sum(entry["bytes"] for entry in pieces) for pieces in given]
    assert abs(sizes[0] - sizes[1]) <= 5 * 8
    assert same(read_whole(tmp_path, write(tmp_path, [pieces_of(whole)] * 2), ""), whole)


def test_file_is_read_by_safetensors_and_by_torchs_own_distributed_checkpoint(tmp_path):
    from torch.distributed import checkpoint
    from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageReader

    write(tmp_path, cut(TENSORS, 3, 0))
    with safe_open(tmp_path / "shard-00000.safetensors", framework="pt") as file:
        assert torch.equal(file.get_tensor("a.matrix"), TENSORS["a.matrix"][:3])
    # its reader of slices refuses a tensor without dimensions, which no parameter is
    found = {n: torch.zeros_like(t) for n, t in TENSORS.items() if t.dim()}
    with pytest.warns(UserWarning, match="single process"):
        checkpoint.load(found, storage_reader=HuggingFaceStorageReader(str(tmp_path)))
    assert all(torch.equal(found[name], TENSORS[name]) for name in found)


def test_copy_goes_into_the_memory_of_the_one_before(tmp_path):
    first = copy_to(None, torch.ones(3, 2))
    again = copy_to(first, torch.full((3, 2), 2.0))
    assert again is first
    assert torch.from_numpy(again).view(torch.float32).tolist() == [[2.0, 2.0]] * 3


def test_tensor_without_numbers_is_left_out_and_as_it_was(tmp_path):
    tensors = TENSORS | {"empty": torch.zeros(0, 3)}
    index = write(tmp_path, [pieces_of(tensors)])
    assert "empty" not in index
    read_into(tmp_path, index, tensors)


@pytest.mark.parametrize(
    "held",
    [
        {"a.matrix": torch.zeros(7, 5)},
        TENSORS | {"c": torch.zeros(1)},
        TENSORS | {"a.matrix": torch.zeros(5, 7)},
        TENSORS | {"a.matrix": torch.zeros(7, 5, dtype=torch.float64)},
    ],
    ids=["fewer", "more", "shape", "type"],
)
def test_other_tensors_are_refused(tmp_path, held):
    index = write(tmp_path, [pieces_of(TENSORS)])
    with pytest.raises(InputError, match="other tensors"):
        read_into(tmp_path, index, held)


def test_file_that_is_no_safetensors_is_refused(tmp_path):
    index = write(tmp_path, [pieces_of(TENSORS)])
    (tmp_path / "shard-00000.safetensors").write_bytes(b"\x80\x04cos\nsystem\n.")
    with pytest.raises(InputError, match="unreadable"):
        read_whole(tmp_path, index, "")
