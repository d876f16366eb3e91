"""One of the processes that a test starts: checks of single parts, each against the obvious way.

python units.py STORE RANK SIZE

The adapters are as thin as the contracts of CS336's second assignment allow.
"""

import copy
import sys

import torch
import torch.distributed as dist
from torch import nn

from lmcore.model.attention import attention_reference
from lmcore.model.config import ModelConfig
from lmcore.model.layers import Embedding, Linear
from lmcore.model.loss import linear_cross_entropy
from lmcore.model.norm import RMSNorm
from lmcore.model.transformer import Transformer
from lmcore.optim.adamw import AdamW
from lmcore.optim.sharded import Split
from lmcore.parallel.config import ParallelConfig
from lmcore.parallel.ddp import DistributedDataParallel
from lmcore.parallel.engine import Parallel
from lmcore.parallel.fsdp import FullyShardedDataParallel
from lmcore.parallel.mesh import Mesh
from lmcore.parallel.ring import positions_of, ring_attention
from lmcore.parallel.tensor import (
    TensorParallel,
    VocabularyParallel,
    vocabulary_cross_entropy,
    vocabulary_cross_entropy_reference,
)
from lmcore.parallel.zero import ShardedOptimizer, state_bytes

close = torch.testing.assert_close


class Toy(nn.Module):
    """An embedding that is tied to the head, a frozen layer, gains, and two layers."""

    def __init__(self, seed, *, tied=True):
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.embedding = Embedding(23, 8, std=1.0, generator=generator)
        self.norm = RMSNorm(8, 1e-5)
        self.up = Linear(8, 17, generator=generator)
        self.frozen = nn.Parameter(torch.ones(17), requires_grad=False)
        self.down = Linear(17, 8, generator=generator)
        self.head = Linear(8, 23, generator=generator)
        if tied:
            self.head.weight = self.embedding.weight

    def forward(self, ids):
        x = self.norm(self.embedding(ids))
        return self.head(x + self.down(torch.relu(self.up(x)) * self.frozen))


def data(step, size):
    generator = torch.Generator().manual_seed(step)
    ids = torch.randint(0, 23, (4 * size, 5), generator=generator)
    return ids, torch.randint(0, 23, (4 * size, 5), generator=generator)


def toy_loss(model, ids, targets):
    return nn.functional.cross_entropy(model(ids).flatten(0, 1), targets.flatten())


def group_of_all(rank, size):
    return Mesh(ParallelConfig(), rank=rank, size=size).world


def train_alone(model, size, n_steps, make=torch.optim.AdamW):
    optimizer = make([p for p in model.parameters() if p.requires_grad], lr=0.05)
    for step in range(n_steps):
        toy_loss(model, *data(step, size)).backward()
        optimizer.step()
        optimizer.zero_grad()


def mine(tensors, rank, size):
    n = len(tensors[0]) // size
    return [tensor[rank * n : (rank + 1) * n] for tensor in tensors]


# --- adapters of CS336's second assignment


def get_ddp(module):
    return DistributedDataParallel(module, group_of_all(dist.get_rank(), dist.get_world_size()))


def get_ddp_bucketed(module, bucket_size_mb):
    group = group_of_all(dist.get_rank(), dist.get_world_size())
    return DistributedDataParallel(module, group, bucket_bytes=int(bucket_size_mb * 2**20))


def ddp_on_after_backward(ddp_model, optimizer):
    ddp_model.finish_gradient_synchronization()


def get_sharded_optimizer(params, optimizer_cls, **kwargs):
    group = group_of_all(dist.get_rank(), dist.get_world_size())
    return ShardedOptimizer(params, optimizer_cls, group, **kwargs)


def get_fsdp(module, compute_dtype=None):
    mesh = Mesh(ParallelConfig(), rank=dist.get_rank(), size=dist.get_world_size())
    return FullyShardedDataParallel(module, mesh, compute_dtype=compute_dtype)


def fsdp_on_after_backward(fsdp_model, optimizer):
    fsdp_model.finish_gradient_synchronization()


def fsdp_gather_full_params(fsdp_model):
    return fsdp_model.whole_parameters()


# --- the checks


def check_ddp(rank, size):
    for wrap in (get_ddp, *(lambda m, mb=mb: get_ddp_bucketed(m, mb) for mb in (1e-4, 1e-3, 1.0))):
        alone = Toy(0)
        model = wrap(Toy(rank))  # other weights in each process, until the first's are copied
        close(list(model.module.parameters()), list(alone.parameters()))
        train_alone(alone, size, 4)
        optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.05)
        for step in range(4):
            toy_loss(model, *mine(data(step, size), rank, size)).backward()
            ddp_on_after_backward(model, optimizer)
            optimizer.step()
            optimizer.zero_grad()
        close(list(model.module.parameters()), list(alone.parameters()), atol=1e-5, rtol=1e-5)


def check_buckets_are_sent_while_backward_runs(rank, size):
    model = get_ddp_bucketed(Toy(0), 1e-4)
    n_buckets = len(model.buckets.buckets)
    sent_at = []
    model.module.up.weight.register_hook(lambda _: sent_at.append(list(model.buckets.sent)))
    toy_loss(model, *mine(data(0, size), rank, size)).backward()
    assert n_buckets >= 3
    assert sent_at[0]  # the last layers' gradients had left before this one was computed
    model.finish_gradient_synchronization()


def check_ddp_accumulates(rank, size):
    model, alone = get_ddp(Toy(0)), Toy(0)
    for step in range(3):
        (toy_loss(alone, *data(step, size)) / 3).backward()
    for step in range(3):
        loss = toy_loss(model, *mine(data(step, size), rank, size)) / 3
        if step < 2:
            with model.no_sync():
                loss.backward()
        else:
            loss.backward()
    model.finish_gradient_synchronization()
    for p, q in zip(model.module.parameters(), alone.parameters(), strict=True):
        close(p.grad, q.grad, atol=1e-6, rtol=1e-5)


def check_sharded_optimizer(rank, size):
    for kind, fields in (
        (torch.optim.AdamW, {"lr": 0.05, "weight_decay": 0.1}),
        (torch.optim.SGD, {"lr": 0.05, "momentum": 0.9}),
        (AdamW, {"lr": 0.05}),
    ):
        alone, shared = Toy(0), Toy(0)
        whole = kind([p for p in alone.parameters() if p.requires_grad], **fields)
        optimizer = get_sharded_optimizer(
            [p for p in shared.parameters() if p.requires_grad], kind, **fields
        )
        for step in range(4):
            for model, one in ((alone, whole), (shared, optimizer)):
                toy_loss(model, *data(step, size)).backward()
                for group in one.param_groups:
                    group["lr"] = 0.05 / (step + 1)
                one.step()
                one.zero_grad()
        close(list(shared.parameters()), list(alone.parameters()), atol=1e-7, rtol=1e-6)
        held = torch.tensor([state_bytes(optimizer.inner)])
        assert 0 < held.item() < state_bytes(whole)
        dist.all_reduce(held)
        # torch's AdamW keeps a step counter of 4 bytes for each tensor, as `whole` does
        assert held.item() == state_bytes(whole)


def check_fsdp(rank, size):
    for tied in (True, False):
        alone = Toy(0, tied=tied)
        model = get_fsdp(Toy(rank, tied=tied))
        train_alone(alone, size, 4)
        optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.05)
        for step in range(4):
            toy_loss(model, *mine(data(step, size), rank, size)).backward()
            fsdp_on_after_backward(model, optimizer)
            optimizer.step()
            optimizer.zero_grad()
        whole = fsdp_gather_full_params(model)
        assert list(whole) == [name for name, _ in alone.named_parameters()]
        close(whole, dict(alone.named_parameters()), atol=1e-5, rtol=1e-5)
        for name, parameter in model.named_parameters():
            is_matrix = parameter.dim() == 2
            assert hasattr(parameter, "full_tensor") == is_matrix, name


def check_fsdp_computes_in_bfloat16(rank, size):
    alone = Toy(0)
    model = get_fsdp(copy.deepcopy(alone), torch.bfloat16)
    ids, targets = mine(data(0, size), rank, size)
    logits = model(ids)
    assert logits.dtype == torch.bfloat16
    nn.functional.cross_entropy(logits.float().flatten(0, 1), targets.flatten()).backward()
    fsdp_on_after_backward(model, None)
    toy_loss(alone, *data(0, size)).backward()
    found = model.module.up.weight.grad
    assert found.dtype == torch.float32
    close(found.full_tensor(), alone.up.weight.grad, atol=2e-3, rtol=5e-2)


def check_ring_attention(rank, size):
    group = Mesh(ParallelConfig(context=size), rank=rank, size=size).context
    for n_tokens in (2 * size, 24 * size, 1048 + 2 * size - 1048 % (2 * size)):
        generator = torch.Generator().manual_seed(n_tokens)
        whole = [torch.randn(2, 3, n_tokens, 8, generator=generator) for _ in range(4)]
        *inputs, d_out = whole
        expected = [tensor.requires_grad_() for tensor in inputs]
        out = attention_reference(*expected)
        out.backward(d_out)
        here = positions_of(n_tokens, group)
        parts = [tensor.detach()[:, :, here].requires_grad_() for tensor in inputs]
        found = ring_attention(*parts, group)
        found.backward(d_out[:, :, here])
        close(found, out[:, :, here], atol=2e-6, rtol=1e-5)
        for part, tensor in zip(parts, expected, strict=True):
            close(part.grad, tensor.grad[:, :, here], atol=5e-6, rtol=1e-5)


def check_positions_are_shared_and_balanced(rank, size):
    group = Mesh(ParallelConfig(context=size), rank=rank, size=size).context
    every = group.gather(positions_of(8 * size, group))
    assert sorted(every.flatten().tolist()) == list(range(8 * size))
    # a causal query at position p looks at p + 1 keys: the same in all processes
    assert len({int(row.sum()) for row in every}) == 1


def check_vocabulary_cross_entropy(rank, size):
    within = TensorParallel(Mesh(ParallelConfig(tensor=size), rank=rank, size=size).tensor)
    for vocab_size in (4 * size, 4 * size + 1, 301):
        generator = torch.Generator().manual_seed(vocab_size)
        weight = torch.randn(vocab_size, 8, generator=generator)
        features = torch.randn(30, 8, generator=generator) * 3.0
        targets = torch.randint(0, vocab_size, (30,), generator=generator)
        head = VocabularyParallel(weight, within)
        x, y = features.clone().requires_grad_(), features.clone().requires_grad_()
        whole = weight.clone().requires_grad_()
        expected = linear_cross_entropy(y, whole, targets)
        found = vocabulary_cross_entropy(within.enter(x[None])[0], head, targets)
        (2.0 * expected).backward()
        (2.0 * found).backward()
        close(found, expected, rtol=1e-6, atol=1e-5)
        close(found, vocabulary_cross_entropy_reference(features, head, targets), rtol=1e-6, atol=0)
        close(x.grad, y.grad, atol=1e-5, rtol=1e-5)
        close(head.weight.grad, head.weight.of_whole.cut(whole.grad), atol=1e-5, rtol=1e-5)


def check_split_cut_and_joined_is_whole(rank, size):
    within = TensorParallel(Mesh(ParallelConfig(tensor=size), rank=rank, size=size).tensor)
    for shape, axis, n_parts in (((24, 5), 0, 3), ((16, 5), 0, 2), ((5, 8), 1, 1), ((9, 3), 0, 1)):
        whole = torch.arange(shape[0] * shape[1], dtype=torch.float32).view(shape)
        split = Split(within.group, shape, axis, n_parts)
        assert torch.equal(split.join(split.cut(whole)), whole)


def nats_by_hand(model, ids, targets):
    features = model.features(ids).flatten(0, 1)
    keep = targets.flatten() >= 0
    return linear_cross_entropy(features[keep], model.head_weight, targets.flatten()[keep])


MESHES = {
    2: (
        {"data": "ddp"},
        {},
        {"tensor": 2, "sequence_parallel": True},
        {"context": 2},
        {"pipeline": 2, "data": "ddp", "microbatches": 4},
        {"pipeline": 2, "data": "ddp", "microbatches": 3, "schedule": "gpipe"},
    ),
    4: (
        {"data": "zero1"},
        {"replicate": 2},
        {"tensor": 2, "context": 2, "sequence_parallel": True},
        {"pipeline": 2, "context": 2, "data": "ddp", "microbatches": 4},
        {"pipeline": 4, "data": "ddp", "microbatches": 8},
    ),
}
CONFIG = ModelConfig(d_model=16, n_layers=4, n_heads=2, context_length=16, qk_norm=True)


def masked_batch(n_rows=8, n_tokens=16):
    """Some targets are masked, all of three rows, and with them all of some microbatches."""
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(0, 37, (n_rows, n_tokens), generator=generator)
    targets = torch.randint(0, 37, (n_rows, n_tokens), generator=generator)
    targets[torch.rand(targets.shape, generator=generator) < 0.3] = -1
    targets[2:5] = -1
    return ids, targets


def gradients_on(fields, rank, size, batch, scale):
    mesh = Mesh(ParallelConfig(**fields), rank=rank, size=size)
    parallel = Parallel(Transformer(CONFIG, 37, seed=3), mesh)
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1)), *parallel.updated.values()], lr=1.0)
    before = {name: p.clone() for name, p in parallel.whole(parallel.parameters).items()}
    n = len(batch[0]) // mesh.data_size
    rows = slice(mesh.data_rank * n, (mesh.data_rank + 1) * n)
    ids, targets = batch[0][rows], batch[1][rows]
    if parallel.pipeline is not None:
        nats = parallel.through_stages(ids, targets, scale=scale)
    else:
        parallel.begin(2)
        half = len(ids) // 2
        nats = torch.zeros(())
        for part in (slice(half), slice(half, None)):
            loss = parallel.loss(ids[part], targets[part])
            (loss * (scale * parallel.factor)).backward()
            nats += loss.detach()
    nats = parallel.finish(nats)
    norm = parallel.clip(1e9)
    optimizer.step()
    parallel.finish_update()
    after = parallel.whole(parallel.parameters)
    return nats, norm, {name: before[name] - after[name] for name in before}, parallel


def check_masked_targets_and_microbatches(rank, size):
    batch = masked_batch()
    scale = 1.0 / float((batch[1] >= 0).sum())
    model = Transformer(CONFIG, 37, seed=3)
    expected = nats_by_hand(model, *batch)
    (expected * scale).backward()
    gradients = {name: p.grad for name, p in model.named_parameters()}
    norm = float(torch.stack([g.norm() for g in gradients.values()]).norm())
    for fields in MESHES[size]:
        nats, found_norm, found, parallel = gradients_on(fields, rank, size, batch, scale)
        assert abs(nats - expected.item()) < 1e-5 * expected.item(), fields
        assert abs(found_norm - norm) < 1e-5 * norm, fields
        close(found, gradients, atol=1e-6, rtol=0)
        if parallel.pipeline is not None:
            n = fields["microbatches"]
            bound = (
                n
                if fields.get("schedule") == "gpipe"
                else fields["pipeline"] - parallel.mesh.pipeline.rank
            )
            assert parallel.pipeline.most_held == min(n, bound), fields


def check_eight_microbatches_are_one(rank, size):
    batch = masked_batch()
    base = {"pipeline": size, "data": "ddp"}
    _, _, once, _ = gradients_on(base, rank, size, batch, 1e-2)
    for schedule in ("gpipe", "1f1b"):
        fields = {**base, "microbatches": 8, "schedule": schedule}
        _, _, found, _ = gradients_on(fields, rank, size, batch, 1e-2)
        close(found, once, atol=1e-6, rtol=0)


def check_all_targets_masked_leaves_no_gradient(rank, size):
    ids, targets = masked_batch()
    for fields in MESHES[size]:
        nats, norm, found, _ = gradients_on(
            fields, rank, size, (ids, torch.full_like(targets, -1)), 1.0
        )
        assert nats == norm == 0.0, fields
        assert not any(gradient.any() for gradient in found.values()), fields


def check_short_sequences_are_padded(rank, size):
    """A validation split may be shorter than a window, and its rows fewer than the processes."""
    ids, targets = masked_batch(n_rows=1, n_tokens=11)
    targets = targets.abs()
    expected = Transformer(CONFIG, 37, seed=3).loss(ids, targets).item()
    for fields in MESHES[size]:
        mesh = Mesh(ParallelConfig(**fields), rank=rank, size=size)
        parallel = Parallel(Transformer(CONFIG, 37, seed=3), mesh)
        with torch.no_grad():
            nats = parallel.own(parallel.loss(ids, targets))
        nats = nats if mesh.data_rank == 0 else torch.zeros_like(nats)
        dist.all_reduce(nats)
        assert abs(nats.item() - expected) < 1e-5 * expected, fields


def main(store, rank, size):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=size)
    for name, check in list(globals().items()):
        if name.startswith("check_"):
            print(name, flush=True)
            check(rank, size)
    dist.destroy_process_group()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
