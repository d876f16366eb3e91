"""Packing: best fit decreasing as its slow twin, every token once, windows that hold whole pieces."""

import random

import numpy as np
import pytest

from lmcore.errors import ConfigError
from lmcore.tokens.packing import (
    Pieces,
    best_fit,
    best_fit_reference,
    compare_plain,
    cut_documents,
    document_ends,
    pack,
)


@pytest.mark.parametrize("capacity", [1, 2, 7, 16, 33, 64])
@pytest.mark.parametrize("seed", range(8))
def test_best_fit_places_as_its_reference(capacity, seed):
    rng = random.Random(seed)
    for n_pieces in (0, 1, 5, 60, 200):
        lengths = [rng.randint(1, capacity) for _ in range(n_pieces)]
        found = best_fit(np.array(lengths, np.int64), capacity)
        assert found.tolist() == best_fit_reference(lengths, capacity)


def test_best_fit_overfills_no_window_and_leaves_no_two_that_fit_into_one():
    lengths = np.random.default_rng(1).integers(1, 129, 4000)
    filled = np.bincount(best_fit(lengths, 128), lengths)
    assert filled.max() <= 128
    assert np.sort(filled)[:2].sum() > 128


def test_best_fit_piece_longer_than_a_window_is_refused():
    with pytest.raises(ConfigError, match="pieces of 3 to 9"):
        best_fit(np.array([3, 9]), 8)


def test_document_ends_are_one_past_every_end_of_text(make_shards):
    lengths = [3, 1, 5, 2, 7]
    shards = make_shards(lengths, shard_tokens=4)
    assert document_ends(shards, 0, 18).tolist() == np.cumsum(lengths).tolist()
    assert document_ends(shards, 4, 7).tolist() == [9, 11]
    assert document_ends(shards, 4, 6).tolist() == [9, 10]  # cut off before its end-of-text
    assert document_ends(shards, 4, 0).tolist() == []


@pytest.mark.parametrize("context_length", [1, 4, 7, 30])
def test_split_pieces_hold_every_token_once_and_cross_no_document(make_shards, context_length):
    lengths = [3, 1, 25, 8, 4, 30, 2]
    shards = make_shards(lengths)
    ends = document_ends(shards, 0, sum(lengths))
    packing = pack(cut_documents(0, ends, context_length, split=True), context_length)
    pieces = packing.pieces
    covered = [t for a, n in zip(pieces.first, pieces.length, strict=True) for t in range(a, a + n)]
    assert covered == list(range(sum(lengths)))
    owner = np.searchsorted(ends, pieces.first, side="right")
    assert (owner == np.searchsorted(ends, pieces.first + pieces.length - 1, side="right")).all()
    assert packing.discarded_share == 0.0
    assert packing.utilisation == sum(lengths) / (packing.n_windows * context_length)
    assert sorted(packing.order.tolist()) == list(range(len(pieces.first)))


def test_whole_documents_are_cut_at_the_window_and_the_rest_is_counted():
    ends = np.array([5, 25, 28])
    pieces = cut_documents(0, ends, 8, split=False)
    assert pieces.first.tolist() == [0, 5, 25]
    assert pieces.length.tolist() == [5, 8, 3]
    assert pieces.n_discarded == 12
    packing = pack(pieces, 8)
    assert packing.n_windows == 2
    assert packing.discarded_share == 12 / 28
    assert packing.utilisation == 1.0


def test_pack_of_nothing_has_no_windows():
    nothing = np.empty(0, np.int64)
    assert pack(Pieces(nothing, nothing, 0), 8).n_windows == 0


@pytest.mark.parametrize("context_length", [1, 3, 8, 16, 100])
@pytest.mark.parametrize("start", [0, 7])
def test_plain_windows_are_judged_as_token_by_token(context_length, start):
    lengths = np.random.default_rng(context_length).integers(1, 30, 50)
    ends = start + np.cumsum(lengths)
    owner = np.repeat(np.arange(50), lengths)
    n_windows = (len(owner) - 1) // context_length
    foreign, inside = 0, [set() for _ in lengths]
    for target in range(len(owner)):
        # the very first token is no target, and the last ones may be in no whole window
        window = (target - 1) // context_length
        inside[owner[target]].add(window)
        if target:
            before = owner[window * context_length + 1 : target]
            foreign += bool((before != owner[target]).any())
    found = compare_plain(start, ends, context_length)
    assert found.n_windows == n_windows
    assert found.n_documents == 50
    assert found.n_cut == sum(len(windows) > 1 for windows in inside)
    assert found.n_foreign == foreign
