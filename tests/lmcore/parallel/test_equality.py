"""Every form trains the model that one process trains, and sends the bytes that were predicted."""

import json

import pytest

from lmcore.tokens.data_config import DataConfig
from lmcore.train.checkpoint import checkpoint_dir
from lmcore.train.loop import run
from lmcore.train.metrics import read_metrics
from lmcore.train.traffic import predicted_bytes

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

UNTIED = {"tied_embeddings": False}
GAINS = {"qk_norm": True}
TWO = {
    "fsdp": {},
    "hsdp": {"replicate": 2, "train": {"optimizer": "muon"}},
    "ddp": {"data": "ddp", "model": UNTIED},
    "zero1": {"data": "zero1", "train": {"optimizer": "muon"}},
    "tensor": {"tensor": 2, "model": UNTIED},
    "tensor-muon": {"tensor": 2, "model": GAINS, "train": {"optimizer": "muon"}},
    "sequence": {"tensor": 2, "sequence_parallel": True, "model": GAINS},
    "fsdp-microbatches": {"train": {"micro_batch_size": 3}},
    "zero1-microbatches": {"data": "zero1", "train": {"micro_batch_size": 2, "ema_decay": 0.9}},
    "tensor-recomputed": {"tensor": 2, "train": {"recompute": "full", "micro_batch_size": 3}},
    "sequence-recomputed": {
        "tensor": 2,
        "sequence_parallel": True,
        "train": {"recompute": "selective"},
    },
    "context-recomputed": {"context": 2, "data": "ddp", "train": {"recompute": "full"}},
    "tensor-packed": {"tensor": 2, "train": {"data": DataConfig(packing="split")}},
    "1f1b-packed": {
        "pipeline": 2,
        "data": "ddp",
        "microbatches": 2,
        "train": {"data": DataConfig(packing="split"), "on_spike": "roll_back"},
    },
    "context": {"context": 2, "train": {"optimizer": "adafactor"}},
    "gpipe": {"pipeline": 2, "data": "ddp", "microbatches": 3, "schedule": "gpipe"},
    "1f1b": {"pipeline": 2, "data": "ddp", "microbatches": 8, "model": UNTIED},
    "1f1b-uneven": {"pipeline": 2, "data": "ddp", "microbatches": 3},
}
FOUR = {
    "fsdp-muon": {"train": {"optimizer": "muon"}},
    "hsdp": {"replicate": 2, "model": UNTIED},
    "zero1": {"data": "zero1", "train": {"optimizer": "adafactor"}},
    "tensor": {"tensor": 4},
    "fsdp-tensor": {"tensor": 2, "train": {"optimizer": "muon"}},
    "sequence-zero1": {"tensor": 2, "sequence_parallel": True, "data": "zero1", "model": GAINS},
    "context": {"context": 4, "data": "ddp", "model": UNTIED},
    "fsdp-context": {"context": 2},
    "tensor-context": {"tensor": 2, "context": 2, "sequence_parallel": True, "model": GAINS},
    "1f1b": {"pipeline": 4, "data": "ddp", "microbatches": 8},
    "gpipe-zero1": {
        "pipeline": 2,
        "data": "zero1",
        "microbatches": 2,
        "schedule": "gpipe",
        "train": {"optimizer": "muon"},
    },
    "1f1b-sequence": {
        "pipeline": 2,
        "tensor": 2,
        "sequence_parallel": True,
        "data": "ddp",
        "microbatches": 2,
        "model": GAINS,
    },
    "1f1b-context": {"pipeline": 2, "context": 2, "data": "zero1", "microbatches": 2},
}


def rows_of(spec):
    return read_metrics(spec.out_dir / "final" / "metrics.parquet")


def curve(spec):
    return [(row.step, row.split) for row in rows_of(spec)], [row.loss for row in rows_of(spec)]


def norms(spec):
    return [row.grad_norm for row in rows_of(spec) if row.grad_norm is not None]


def one_process(make_spec, case, known):
    """The run of one process with the same model and optimizer."""
    fields = {name: case[name] for name in ("model", "train") if name in case}
    key = repr(fields)
    if key not in known:
        known[key] = make_spec(f"one-{len(known)}", **fields)
        run(known[key])
    return known[key]


@pytest.mark.parametrize(("size", "cases"), [(2, TWO), (4, FOUR)], ids=["two", "four"])
def test_every_form_equals_one_process_and_sends_what_is_predicted(
    make_spec, start_processes, tmp_path, size, cases
):
    specs = {name: make_spec(name, world_size=size, **case) for name, case in cases.items()}
    for name, spec in specs.items():
        spec.write(tmp_path / f"{name}.json")
    start_processes("runs.py", size, *(tmp_path / f"{name}.json" for name in specs))
    known = {}
    for name, spec in specs.items():
        one = one_process(make_spec, cases[name], known)
        (places, losses), (expected_places, expected) = curve(spec), curve(one)
        assert places == expected_places, name
        assert losses == pytest.approx(expected, abs=1e-5), name
        assert norms(spec) == pytest.approx(norms(one), abs=1e-5), name
        sent = json.loads((spec.out_dir / "sent.json").read_text())
        assert sent == predicted_bytes(spec.model, spec.vocab_size, spec.train).total, name


def test_checkpoint_of_any_form_goes_on_in_any_other(make_spec, start_processes, tmp_path):
    """Of one process in four, of those in two, of those in one: each a step on."""
    train = {"optimizer": "muon", "steps": 4, "checkpoint_every": 1, "eval_every": 4}
    train |= {"ema_decay": 0.9}
    one = make_spec("one", train=train)
    run(one)
    four = {
        "zero1-tensor": {"tensor": 2, "data": "zero1"},
        "1f1b-zero1": {"pipeline": 2, "data": "zero1", "microbatches": 4},
        "fsdp-tensor": {"tensor": 2},
    }
    two = {
        "fsdp": ({}, "zero1-tensor"),
        "tensor": ({"tensor": 2}, "1f1b-zero1"),
        "pipeline": ({"pipeline": 2, "data": "ddp"}, "fsdp-tensor"),
    }
    specs = {}
    for name, fields in four.items():
        resume = checkpoint_dir(one.out_dir, 1)
        specs[name] = make_spec(name, world_size=4, train=train, resume_dir=resume, **fields)
    for name, (fields, before) in two.items():
        resume = checkpoint_dir(specs[before].out_dir, 2)
        specs[name] = make_spec(name, world_size=2, train=train, resume_dir=resume, **fields)
    for size, names in ((4, four), (2, two)):
        paths = [tmp_path / f"{name}.json" for name in names]
        for name, path in zip(names, paths, strict=True):
            specs[name].write(path)
        start_processes("runs.py", size, *paths)
    for name in two:
        resume = checkpoint_dir(specs[name].out_dir, 3)
        specs[f"one-{name}"] = make_spec(f"one-{name}", train=train, resume_dir=resume)
        run(specs[f"one-{name}"])
    for name, spec in specs.items():
        assert curve(spec)[1] == pytest.approx(curve(one)[1], abs=1e-5), name
