"""Stand-ins for trainers that are on no package index, written from their public descriptions.

Each keeps what decides its speed on a CPU: the operations of its blocks, whether the logits and
the attention scores are materialised, its optimizer, and what of it is compiled. Dropout is zero
and the data is in memory, which flatters them. All have four layers of width d, a context of 256 and 4 heads.

    nanogpt   LayerNorm, GELU, learned positions, tied head, SDPA, torch's AdamW
    cs336     RMSNorm, RoPE, SwiGLU in separate projections, scores written out, own AdamW
    nanochat  RMSNorm without gain, RoPE, norm of queries and keys, ReLU^2, untied head, value
              embeddings in every other block, smeared embeddings, a share of the middle layer
              taken back, soft-capped logits, Muon with AdamW
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Step = Callable[[Tensor, Tensor], Tensor]
"""Inputs and targets of a batch to its loss, with the update made."""

N_LAYERS, N_HEADS = 4, 4


def _clipped(model: nn.Module) -> None:
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)


class _NanoGPTBlock(nn.Module):
    def __init__(self, d: int) -> None:
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(d, bias=False), nn.LayerNorm(d, bias=False)
        self.qkv, self.out = nn.Linear(d, 3 * d, bias=False), nn.Linear(d, d, bias=False)
        self.up, self.down = nn.Linear(d, 4 * d, bias=False), nn.Linear(4 * d, d, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        b, t, d = x.shape
        q, k, v = self.qkv(self.ln_1(x)).split(d, dim=2)
        q, k, v = (y.view(b, t, N_HEADS, d // N_HEADS).transpose(1, 2) for y in (q, k, v))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(y.transpose(1, 2).contiguous().view(b, t, d))
        z: Tensor = x + self.down(F.gelu(self.up(self.ln_2(x))))
        return z


class _NanoGPT(nn.Module):
    def __init__(self, vocab: int, d: int, context: int) -> None:
        super().__init__()
        self.wte, self.wpe = nn.Embedding(vocab, d), nn.Embedding(context, d)
        self.blocks = nn.ModuleList(_NanoGPTBlock(d) for _ in range(N_LAYERS))
        self.ln_f = nn.LayerNorm(d, bias=False)
        self.head = nn.Linear(d, vocab, bias=False)
        self.apply(_init_small)
        self.wte.weight = self.head.weight

    def forward(self, ids: Tensor, targets: Tensor) -> Tensor:
        x = self.wte(ids) + self.wpe(torch.arange(ids.shape[1]))
        for block in self.blocks:
            x = block(x)
        logits = self.head(self.ln_f(x))
        return F.cross_entropy(logits.view(-1, logits.size(-1)), targets.reshape(-1))


def _init_small(module: nn.Module) -> None:
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)


def nanogpt(vocab: int, d: int, context: int, *, bfloat16: bool, compiled: bool) -> Step:
    """As it ships on a CPU: float32, not compiled; tuned: autocast and a compiled model."""
    model: Any = _NanoGPT(vocab, d, context)  # a compiled module keeps no type
    groups = [
        {"params": [p for p in model.parameters() if p.dim() >= 2], "weight_decay": 0.1},
        {"params": [p for p in model.parameters() if p.dim() < 2], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.95))
    if compiled:
        model = torch.compile(model)

    def step(ids: Tensor, targets: Tensor) -> Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bfloat16):
            loss: Tensor = model(ids, targets)
        loss.backward()
        _clipped(model)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return loss.detach()

    return step


class _EinsumLinear(nn.Module):
    def __init__(self, d_in: int, d_out: int) -> None:
        super().__init__()
        std = math.sqrt(2 / (d_in + d_out))
        weight = torch.empty(d_out, d_in)
        self.weight = nn.Parameter(nn.init.trunc_normal_(weight, std=std, a=-3 * std, b=3 * std))

    def forward(self, x: Tensor) -> Tensor:
        return torch.einsum("...i,oi->...o", x, self.weight)


class _PlainRMSNorm(nn.Module):
    def __init__(self, d: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(d))

    def forward(self, x: Tensor) -> Tensor:
        wide = x.to(torch.float32)
        rms = torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + 1e-5)
        return (self.weight * (wide * rms)).to(x.dtype)


def _angles(context: int, head_dim: int) -> tuple[Tensor, Tensor]:
    frequency = 10000.0 ** -(torch.arange(0, head_dim, 2) / head_dim)
    angle = torch.outer(torch.arange(context).float(), frequency)
    return angle.cos(), angle.sin()


class _CS336Block(nn.Module):
    def __init__(self, d: int, context: int) -> None:
        super().__init__()
        d_ff = -(-8 * d // 3 // 64) * 64
        self.ln1, self.ln2 = _PlainRMSNorm(d), _PlainRMSNorm(d)
        self.q, self.k, self.v, self.o = (_EinsumLinear(d, d) for _ in range(4))
        self.w1, self.w3 = _EinsumLinear(d, d_ff), _EinsumLinear(d, d_ff)
        self.w2 = _EinsumLinear(d_ff, d)
        self.cos, self.sin = _angles(context, d // N_HEADS)

    def _turn(self, x: Tensor) -> Tensor:
        even, odd = x.unflatten(-1, (-1, 2)).unbind(-1)
        turned = (self.cos * even - self.sin * odd, self.sin * even + self.cos * odd)
        return torch.cat(turned, dim=-1)

    def _attend(self, x: Tensor) -> Tensor:
        b, t, d = x.shape
        q, k, v = (
            p(x).view(b, t, N_HEADS, d // N_HEADS).transpose(1, 2) for p in (self.q, self.k, self.v)
        )
        q, k = self._turn(q), self._turn(k)
        place = torch.arange(t)
        mask = place[:, None] >= place[None, :]
        scores = torch.einsum("...qd,...kd->...qk", q, k) / math.sqrt(d // N_HEADS)
        scores = torch.where(mask, scores, float("-inf"))
        wide = torch.exp(scores - scores.max(dim=-1, keepdim=True)[0])
        weights = wide / wide.sum(dim=-1, keepdim=True)
        mixed = torch.einsum("...qk,...kd->...qd", weights, v)
        y: Tensor = self.o(mixed.transpose(1, 2).contiguous().view(b, t, d))
        return y

    def forward(self, x: Tensor) -> Tensor:
        x = x + self._attend(self.ln1(x))
        y = self.ln2(x)
        gate = self.w1(y)
        z: Tensor = x + self.w2(gate * torch.sigmoid(gate) * self.w3(y))
        return z


class _CS336(nn.Module):
    def __init__(self, vocab: int, d: int, context: int) -> None:
        super().__init__()
        self.embedding = nn.Parameter(nn.init.trunc_normal_(torch.empty(vocab, d), a=-3, b=3))
        self.blocks = nn.ModuleList(_CS336Block(d, context) for _ in range(N_LAYERS))
        self.norm, self.head = _PlainRMSNorm(d), _EinsumLinear(d, vocab)

    def forward(self, ids: Tensor, targets: Tensor) -> Tensor:
        x = self.embedding[ids]
        for block in self.blocks:
            x = block(x)
        logits = self.head(self.norm(x))
        shifted = logits - logits.max(dim=-1, keepdim=True)[0]
        logps = shifted - torch.log(torch.exp(shifted).sum(dim=-1, keepdim=True))
        return (-logps).gather(-1, targets[..., None]).mean()


def cs336(vocab: int, d: int, context: int) -> Step:
    """The course's model with its own AdamW and clipping, one tensor at a time, float32.

    Its optimizer updates no moment in place: each update makes new ones, and begins by making the
    zeros that the first update would need.
    """
    model = _CS336(vocab, d, context)
    state: dict[nn.Parameter, dict[str, Any]] = {p: {} for p in model.parameters()}
    beta1, beta2, lr = 0.9, 0.95, 1e-3

    def update(p: nn.Parameter, g: Tensor) -> None:
        own = state[p]
        t = own.get("t", 1)
        alpha = lr * math.sqrt(1 - beta2**t) / (1 - beta1**t)
        p.data -= lr * 0.1 * p.data
        m, v = own.get("m", torch.zeros_like(g)), own.get("v", torch.zeros_like(g))
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * torch.square(g)
        p.data -= alpha * m / (torch.sqrt(v) + 1e-8)
        own.update(m=m, v=v, t=t + 1)

    def step(ids: Tensor, targets: Tensor) -> Tensor:
        model.zero_grad()
        loss: Tensor = model(ids, targets)
        loss.backward()
        grads = {p: p.grad for p in model.parameters() if p.grad is not None}
        norm = torch.tensor(0.0)
        for g in grads.values():
            norm += (g**2).sum()
        share = min(1.0, 1.0 / (torch.sqrt(norm) + 1e-6))
        for p, g in grads.items():
            g.mul_(share)
            update(p, g.data)
        return loss.detach()

    return step


def _norm(x: Tensor) -> Tensor:
    return F.rms_norm(x, (x.size(-1),))


class _NanochatBlock(nn.Module):
    def __init__(self, vocab: int, d: int, context: int, layer: int) -> None:
        super().__init__()
        self.q, self.k, self.v, self.o = (nn.Linear(d, d, bias=False) for _ in range(4))
        self.up, self.down = nn.Linear(d, 4 * d, bias=False), nn.Linear(4 * d, d, bias=False)
        nn.init.zeros_(self.o.weight)
        nn.init.zeros_(self.down.weight)
        self.values = nn.Embedding(vocab, d) if layer % 2 else None
        self.gate = nn.Linear(12, N_HEADS, bias=False) if layer % 2 else None
        cos, sin = _angles(context, d // N_HEADS)
        self.cos, self.sin = cos[None, :, None], sin[None, :, None]

    def _turn(self, x: Tensor) -> Tensor:
        first, second = x.chunk(2, dim=3)
        return torch.cat(
            (first * self.cos + second * self.sin, second * self.cos - first * self.sin), dim=3
        )

    def forward(self, x: Tensor, ids: Tensor) -> Tensor:
        b, t, d = x.shape
        y = _norm(x)
        shape = (b, t, N_HEADS, d // N_HEADS)
        q, k, v = self.q(y).view(shape), self.k(y).view(shape), self.v(y).view(shape)
        if self.values is not None and self.gate is not None:
            gate = 3 * torch.sigmoid(self.gate(y[..., :12]))
            v = v + gate[..., None] * self.values(ids).view(shape)
        q, k = 1.2 * _norm(self._turn(q)), 1.2 * _norm(self._turn(k))
        mixed = F.scaled_dot_product_attention(
            q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), is_causal=True
        )
        x = x + self.o(mixed.transpose(1, 2).contiguous().view(b, t, d))
        z: Tensor = x + self.down(F.relu(self.up(_norm(x))).square())
        return z


class _Nanochat(nn.Module):
    def __init__(self, vocab: int, d: int, context: int) -> None:
        super().__init__()
        self.vocab = vocab
        padded = -(-vocab // 64) * 64
        self.wte, self.head = nn.Embedding(padded, d), nn.Linear(d, padded, bias=False)
        nn.init.normal_(self.head.weight, std=0.001)
        blocks = (_NanochatBlock(padded, d, context, layer) for layer in range(N_LAYERS))
        self.blocks = nn.ModuleList(blocks)
        self.resid, self.x0 = (
            nn.Parameter(torch.ones(N_LAYERS)),
            nn.Parameter(torch.zeros(N_LAYERS)),
        )
        self.smear, self.smear_share = nn.Linear(24, 1, bias=False), nn.Parameter(torch.zeros(1))
        self.back = nn.Parameter(torch.tensor([0.2]))

    def forward(self, ids: Tensor, targets: Tensor) -> Tensor:
        x = _norm(self.wte(ids))
        share = self.smear_share * torch.sigmoid(self.smear(x[:, 1:, :24]))
        x = first = torch.cat([x[:, :1], x[:, 1:] + share * x[:, :-1]], dim=1)
        middle = x
        for layer, block in enumerate(self.blocks):
            x = block(self.resid[layer] * x + self.x0[layer] * first, ids)
            if layer == N_LAYERS // 2:
                middle = x
        logits = self.head(_norm(x - self.back * middle))[..., : self.vocab].float()
        logits = 15 * torch.tanh(logits / 15)
        return F.cross_entropy(logits.view(-1, logits.size(-1)), targets.reshape(-1))


_POLAR = (
    (8.156554524902461, -22.48329292557795, 15.878769915207462),
    (4.042929935166739, -2.808917465908714, 0.5000178451051316),
    (3.8916678022926607, -2.772484153217685, 0.5060648178503393),
    (3.285753657755655, -2.3681294933425376, 0.46449024233003106),
    (2.3465413258596377, -1.7097828382687081, 0.42323551169305323),
)
"""Five steps of the quintic iteration towards the orthogonal factor (Polar Express)."""


@torch.compile(dynamic=False, fullgraph=True)
def _muon(weights: Tensor, grads: Tensor, momentum: Tensor, second: Tensor) -> None:
    momentum.lerp_(grads, 0.05)
    x = grads.lerp(momentum, 0.95)
    rows = x.norm(dim=-1, keepdim=True).clamp_min(1e-6)
    x = x * (x.norm(dim=(-2, -1), keepdim=True) / x.size(-2) ** 0.5 / rows)
    x = x / (x.norm(dim=(-2, -1), keepdim=True) * 1.01 + 1e-6)
    is_tall = x.size(-2) > x.size(-1)
    for a, b, c in _POLAR:
        gram = x.mT @ x if is_tall else x @ x.mT
        mixed = b * gram + c * (gram @ gram)
        x = a * x + (x @ mixed if is_tall else mixed @ x)
    whole = x.norm(dim=(-2, -1), keepdim=True).clamp_min(1e-6)
    x = x * (min(x.size(-2), x.size(-1)) ** 0.5 / whole)
    variance = x.square().mean(dim=-1, keepdim=True)
    second.lerp_(variance, 0.1)
    scale = second.clamp_min(1e-10).rsqrt()
    before = variance.sum(dim=(-2, -1), keepdim=True).sqrt()
    after = (variance * scale.square()).sum(dim=(-2, -1), keepdim=True).sqrt()
    x = x * (scale * before / after.clamp_min(1e-10))
    agrees = (x * weights) >= 0
    weights.sub_(0.02 * x + 0.02 * 0.1 * weights * agrees)


@torch.compile(dynamic=False, fullgraph=True)
def _adamw(p: Tensor, g: Tensor, m: Tensor, v: Tensor, t: Tensor) -> None:
    m.lerp_(g, 0.2)
    v.lerp_(g.square(), 0.05)
    p.sub_(1e-3 / (1 - 0.8**t) * m / ((v / (1 - 0.95**t)).sqrt() + 1e-10))


def nanochat(vocab: int, d: int, context: int, *, compiled: bool) -> Step:
    """Its CPU default: float32, compiled optimizer (Muon on stacked matrices, AdamW on the rest).

    Its training script compiles the model, too; the notes measured it without.
    """
    model: Any = _Nanochat(vocab, d, context)  # a compiled module keeps no type
    stacks: dict[tuple[int, ...], list[nn.Parameter]] = {}
    rest: list[tuple[nn.Parameter, Tensor, Tensor]] = []
    for name, p in model.named_parameters():
        is_matrix = name.startswith("blocks") and p.dim() == 2 and "values" not in name
        if is_matrix:
            stacks.setdefault(tuple(p.shape), []).append(p)
        else:
            rest.append((p, torch.zeros_like(p), torch.zeros_like(p)))
    buffers = {
        s: (torch.zeros(len(ps), *s), torch.zeros(len(ps), s[0], 1)) for s, ps in stacks.items()
    }
    updates = torch.zeros(())
    if compiled:
        model = torch.compile(model, dynamic=False)

    def step(ids: Tensor, targets: Tensor) -> Tensor:
        loss: Tensor = model(ids, targets)
        loss.backward()
        updates.add_(1)
        with torch.no_grad():
            for p, m, v in rest:
                if p.grad is not None:
                    _adamw(p.detach(), p.grad, m, v, updates)
            for shape, ps in stacks.items():
                weights = torch.stack([p.detach() for p in ps])
                grads = torch.stack([p.grad for p in ps if p.grad is not None])
                _muon(weights, grads, *buffers[shape])
                torch._foreach_copy_(list(ps), list(weights.unbind(0)))
        model.zero_grad(set_to_none=True)
        return loss.detach()

    return step
