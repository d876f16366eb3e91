"""Batches: each window once an epoch, in an order that depends on nothing but its seed."""

import random

import numpy as np
import pytest

from lmcore.errors import ConfigError, InputError
from lmcore.tokenizer.bpe import Tokenizer
from lmcore.tokens.batches import BatchOrder, count_windows, read_batch
from lmcore.tokens.config import TokensConfig
from lmcore.tokens.shards import TokenShards, encode_to_shards

KNOWN_10 = [7, 5, 1, 2, 6, 4, 8, 9, 0, 3]
KNOWN_MANY = [786544, 18035, 446636, 438990]


def epoch_order(order: BatchOrder, epoch: int) -> list[int]:
    first = epoch * order.n_windows
    return [order.window(first + i) for i in range(order.n_windows)]


@pytest.mark.parametrize("n_windows", [*range(1, 70), 127, 128, 255, 256, 257, 1000])
def test_batch_order_every_epoch_is_a_permutation(n_windows):
    order = BatchOrder(n_windows, 5)
    for epoch in (0, 1, 9):
        assert sorted(epoch_order(order, epoch)) == list(range(n_windows))


def test_batch_order_epochs_and_seeds_differ():
    orders = [epoch_order(BatchOrder(100, seed), epoch) for seed in range(4) for epoch in range(4)]
    orders.append(epoch_order(BatchOrder(100, (1 << 64) - 1), 0))
    assert len({tuple(order) for order in orders}) == len(orders)
    assert list(range(100)) not in orders


def test_batch_order_pure_function_of_seed_and_index():
    np.random.seed(1)  # noqa: NPY002 - shows that the global generator has no say
    random.seed(1)
    first = epoch_order(BatchOrder(50, 7), 3)
    np.random.seed(2)  # noqa: NPY002 - as above
    random.seed(2)
    order = BatchOrder(50, 7)
    assert [order.window(150 + i) for i in reversed(range(50))] == first[::-1]


def test_batch_order_known_values_never_change():
    # A changed order would silently change every model trained on the same shards.
    assert epoch_order(BatchOrder(10, 0), 0) == KNOWN_10
    assert [BatchOrder(1_000_003, 42).window(i) for i in (0, 1, 2, 1_000_003)] == KNOWN_MANY


def test_batch_order_places_are_spread_evenly():
    # 400 epochs of 16 windows: each (place, window) is expected 25 times; chi-square with
    # 15 * 15 degrees of freedom has mean 225 and standard deviation 21.
    counts = np.zeros((16, 16))
    order = BatchOrder(16, 11)
    for epoch in range(400):
        counts[np.arange(16), epoch_order(order, epoch)] += 1
    assert 225 - 5 * 21 < ((counts - 25) ** 2 / 25).sum() < 225 + 5 * 21


def test_batch_order_huge_number_of_windows_stays_inside():
    order = BatchOrder(10**12 + 7, 0)
    windows = [order.window(i) for i in range(200)]
    assert len(set(windows)) == 200
    assert all(0 <= window < 10**12 + 7 for window in windows)


def test_batch_order_without_windows_refused():
    with pytest.raises(InputError, match="found 0 windows"):
        BatchOrder(0, 0)
    for seed in (-1, 1 << 64):
        with pytest.raises(ConfigError, match=f"found seed {seed}"):
            BatchOrder(1, seed)
    with pytest.raises(InputError, match="found index -1"):
        BatchOrder(3, 0).window(-1)


@pytest.mark.parametrize(
    ("n_tokens", "context_length", "expected"),
    [(0, 4, 0), (1, 4, 0), (4, 4, 0), (5, 4, 1), (8, 4, 1), (9, 4, 2), (10, 1, 9)],
)
def test_count_windows_overlap_by_one(n_tokens, context_length, expected):
    assert count_windows(n_tokens, context_length) == expected


def test_count_windows_no_context_refused():
    with pytest.raises(ConfigError, match="found context_length 0"):
        count_windows(10, 0)


@pytest.fixture
def shards(tmp_path):
    tokenizer = Tokenizer({i: bytes([i]) for i in range(256)}, [], ["<|endoftext|>"])
    documents = [(f"doc{i}", f"text {i} " + "x" * (i % 5)) for i in range(40)]
    encode_to_shards(documents, tokenizer, tmp_path, TokensConfig(shard_tokens=25))
    return TokenShards(tmp_path, "train")


def test_read_batch_one_epoch_holds_every_token_as_target_once(shards):
    n_windows = count_windows(shards.n_tokens, 8)
    order = BatchOrder(n_windows, 1)
    batch = read_batch(shards, order, 0, n_windows, 8)
    assert batch.dtype == np.int64
    assert batch.shape == (n_windows, 9)
    stream = shards.read(0, n_windows * 8 + 1)
    in_order = batch[np.argsort([order.window(i) for i in range(n_windows)])]
    assert np.array_equal(in_order[:, 1:].ravel(), stream[1:])
    assert np.array_equal(in_order[:, :-1].ravel(), stream[:-1])


def test_read_batch_across_epochs_equals_rows_read_one_by_one(shards):
    n_windows = count_windows(shards.n_tokens, 8)
    order = BatchOrder(n_windows, 1)
    first = 2 * n_windows - 3
    batch = read_batch(shards, order, first, n_windows + 6, 8)
    rows = [read_batch(shards, order, first + i, 1, 8)[0] for i in range(n_windows + 6)]
    assert np.array_equal(batch, np.stack(rows))
    assert np.array_equal(batch[3], shards.read(order.window(2 * n_windows) * 8, 9))


def test_read_batch_order_of_other_windows_refused(shards):
    with pytest.raises(InputError, match="found an order of 3 windows"):
        read_batch(shards, BatchOrder(3, 0), 0, 1, 8)
