"""Rows of a run: the same for any number of ranks, at any cursor; packed rows hold whole pieces."""

import dataclasses
import itertools
import subprocess
import sys

import numpy as np
import pytest

from lmcore.errors import InputError
from lmcore.tokens.batches import BatchOrder, count_windows, read_batch
from lmcore.tokens.data_config import DataConfig
from lmcore.tokens.reading import NO_TARGET, BatchSource

EOT = 99
CONTEXT = 16
LENGTHS = [int(n) for n in np.random.default_rng(3).integers(1, 60, 120)]
HALF = sum(LENGTHS[:60])
SOURCES = [("web", 0, HALF), ("books", HALF, sum(LENGTHS) - HALF)]
MODES = {
    "plain": {},
    "split": {"packing": "split"},
    "whole": {"packing": "whole"},
    "mixed": {"sources": ("web", "books"), "weights": (0.75, 0.25)},
    "scheduled": {"sources": ("books", "web"), "schedule": ((0.0, 0.0, 1.0), (1.0, 1.0, 0.0))},
    "sorted": {"curriculum": "length"},
    "everything": {
        "packing": "split",
        "sources": ("web", "books"),
        "schedule": ((0.2, 0.9, 0.1), (0.9, 0.4, 0.6)),
        "max_epochs": 2.0,
        "curriculum": "rarity",
    },
}


@pytest.fixture
def shards(make_shards):
    return make_shards(LENGTHS, sources=SOURCES, shard_tokens=500)


def source_of(shards, mode="plain", *, steps=40, batch_size=8, seed=5, **fields):
    config = DataConfig(**(MODES[mode] | fields))
    return BatchSource(
        shards, config, context_length=CONTEXT, steps=steps, batch_size=batch_size, seed=seed
    )


def parts(batch):
    return [part for part in batch if part is not None]


def test_defaults_read_the_windows_of_the_stream_as_they_always_were(shards):
    source = source_of(shards)
    order = BatchOrder(count_windows(shards.n_tokens, CONTEXT), 5)
    for first in (0, 3, order.n_windows - 4, 10**9):
        windows = read_batch(shards, order, first, 8, CONTEXT)
        batch = source.read(first, 8)
        assert np.array_equal(batch.ids, windows[:, :-1])
        assert np.array_equal(batch.targets, windows[:, 1:])
        assert batch.positions is None
        assert batch.documents is None


@pytest.mark.parametrize("mode", MODES)
def test_rows_are_the_same_for_any_number_of_ranks_and_any_cursor(shards, mode):
    whole = source_of(shards, mode).read(0, 320)
    for n_ranks in (1, 2, 4, 8):
        ranks = [source_of(shards, mode) for _ in range(n_ranks)]
        for step in (17, 0, 39, 16):  # a run that is resumed anywhere reads on from there
            n_rows = 8 // n_ranks
            read = [one.read(step * 8 + rank * n_rows, n_rows) for rank, one in enumerate(ranks)]
            for found, expected in zip(
                zip(*map(parts, read), strict=True), parts(whole), strict=True
            ):
                assert np.array_equal(np.concatenate(found), expected[step * 8 : step * 8 + 8])


@pytest.mark.parametrize("mode", MODES)
def test_epoch_of_every_source_holds_each_window_once(shards, mode):
    source = source_of(shards, mode)
    for windows in source.windows:
        n = windows.n_windows
        for epoch in (0, 1, 5):
            ranks = range(epoch * n, (epoch + 1) * n)
            assert sorted(windows.at(rank) for rank in ranks) == list(range(n))


@pytest.mark.parametrize("mode", ["split", "whole", "everything"])
def test_packed_rows_predict_each_document_from_its_end_of_text_and_nothing_else(shards, mode):
    source = source_of(shards, mode)
    stream = shards.read(0, shards.n_tokens)
    ends = set(np.flatnonzero(stream == EOT).tolist())
    for row in range(320):
        batch = source.read(row, 1)
        ids, targets, positions, documents = (part[0] for part in parts(batch))
        at = 0
        for draw in source.draws(row, 1):
            here = slice(at, at + draw.n_targets)
            assert np.array_equal(targets[here], stream[draw.first_token :][: draw.n_targets])
            before = stream[draw.first_token - 1] if draw.first_token else EOT
            assert ids[at] == before
            assert np.array_equal(ids[here][1:], targets[here][:-1])
            assert np.array_equal(positions[here], np.arange(draw.n_targets))
            assert len(set(documents[here])) == 1
            # an end-of-text within a piece could only be its last token
            inside = range(draw.first_token, draw.first_token + draw.n_targets - 1)
            assert not ends.intersection(inside)
            at += draw.n_targets
        assert (targets[at:] == NO_TARGET).all()
        assert (documents[at:] == -1).all()
        assert source.n_targets(row, 1) == (targets != NO_TARGET).sum() == at


def test_split_epoch_predicts_every_token_once(shards):
    source = source_of(shards, "split")
    n_rows = source.windows[0].n_windows
    read = [
        t
        for d in source.draws(0, n_rows)
        for t in range(d.first_token, d.first_token + d.n_targets)
    ]
    assert sorted(read) == list(range(shards.n_tokens))
    measures = source.measures()
    assert measures["packing_discarded_share"] == 0.0
    assert measures["packing_utilisation"] == shards.n_tokens / (n_rows * CONTEXT)


@pytest.mark.parametrize("mode", ["plain", "mixed", "scheduled"])
def test_draws_name_the_tokens_of_plain_rows(shards, mode):
    source = source_of(shards, mode)
    batch = source.read(0, 320)
    draws = list(source.draws(0, 320))
    assert [draw.row for draw in draws] == list(range(320))
    for row, draw in enumerate(draws):
        tokens = shards.read(draw.first_token, draw.n_tokens)
        assert np.array_equal(tokens[:-1], batch.ids[row])
        assert np.array_equal(tokens[1:], batch.targets[row])
        (stretch,) = [s for s in source.windows if s.name == draw.source]
        start = stretch.stretch.start
        assert start <= draw.first_token < start + stretch.stretch.n_tokens


def test_mixture_of_a_run_is_what_its_weights_say(shards):
    measures = source_of(shards, "mixed").measures()
    assert measures["draws/web"] == pytest.approx(240, abs=1)
    assert measures["draws/books"] == pytest.approx(80, abs=1)
    n_windows = count_windows(HALF, CONTEXT)
    assert measures["epochs/web"] == measures["draws/web"] / n_windows


def test_source_order_does_not_depend_on_the_weights_of_others(shards):
    few = source_of(shards, "mixed")
    many = source_of(shards, "mixed", weights=(0.25, 0.75))
    for name in ("web", "books"):
        orders = [
            [draw.window for draw in source.draws(0, 320) if draw.source == name][:60]
            for source in (few, many)
        ]
        assert orders[0] == orders[1]


def test_curriculum_reads_the_windows_it_would_read_anyway_sorted(shards):
    plain = [draw.window for draw in source_of(shards).draws(0, 320)]
    for curriculum, share in itertools.product(("length", "rarity"), (0.2, 1.0)):
        source = source_of(shards, curriculum=curriculum, curriculum_share=share)
        n_sorted = min(round(320 * share), source.windows[0].n_windows)
        drawn = [draw.window for draw in source.draws(0, 320)]
        assert drawn[n_sorted:] == plain[n_sorted:]
        assert sorted(drawn[:n_sorted]) == sorted(plain[:n_sorted])
        assert drawn[:n_sorted] != plain[:n_sorted]
        scores = [score_reference(shards, curriculum, window) for window in drawn[:n_sorted]]
        assert np.all(np.diff(scores) >= -1e-9)


def score_reference(shards, curriculum, window):
    """The score of a plain window, token by token."""
    stream = shards.read(0, shards.n_tokens)
    targets = range(window * CONTEXT + 1, window * CONTEXT + 1 + CONTEXT)
    if curriculum == "rarity":
        counts = np.bincount(stream)
        return np.mean([-np.log2(counts[stream[t]] / len(stream)) for t in targets])
    owner = np.repeat(LENGTHS, LENGTHS)
    return np.mean([owner[t] for t in targets])


def test_unknown_source_is_refused_with_those_there_are(shards):
    with pytest.raises(InputError, match="no source wiki .*web, books"):
        source_of(shards, sources=("wiki",), weights=(1.0,))


def test_source_shorter_than_a_window_is_refused(make_shards):
    shards = make_shards([30, 10], sources=[("a", 0, 30), ("b", 30, 10)])
    with pytest.raises(InputError, match="found 0 windows"):
        source_of(shards, sources=("a", "b"), weights=(1.0, 1.0))


def test_config_fields_are_data():
    assert dataclasses.replace(DataConfig(), packing="split") == DataConfig(packing="split")


READER = """
import resource, sys
from pathlib import Path
from lmcore.tokens.data_config import DataConfig
from lmcore.tokens.reading import BatchSource
from lmcore.tokens.shards import TokenShards

resource.setrlimit(resource.RLIMIT_DATA, (int(sys.argv[2]), int(sys.argv[2])))
shards = TokenShards(Path(sys.argv[1]), "train")
config = DataConfig(packing=sys.argv[3])
source = BatchSource(shards, config, context_length=1024, steps=4, batch_size=8, seed=0)
print(sum(int(source.read(8 * step, 8).targets.sum()) for step in range(4)))
"""


@pytest.mark.parametrize("packing", ["none", "split"])
def test_shards_larger_than_the_memory_allowed_are_read(make_shards, tmp_path, packing):
    # 512 MB of tokens, sparse on the disk, read by a process that may allocate 256 MB
    make_shards([1000] * 4)
    path = tmp_path / "shards" / "train-00000.bin"
    n_tokens = 1 << 28
    stream = np.memmap(path, "<u2", "w+", shape=(n_tokens,))
    stream[999::1000] = EOT
    stream.flush()
    listing = (tmp_path / "shards" / "shards.json").read_text().replace("4000", str(n_tokens))
    (tmp_path / "shards" / "shards.json").write_text(listing)
    limit = 256 << 20
    assert stream.nbytes > limit
    line = [sys.executable, "-c", READER, str(tmp_path / "shards"), str(limit), packing]
    done = subprocess.run(line, check=True, capture_output=True, text=True)
    assert int(done.stdout) != 0
