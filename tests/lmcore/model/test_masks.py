"""Packed rows: the loss and the gradient are those of every document by itself."""

import numpy as np
import pytest
import torch

from lmcore.model.config import ModelConfig
from lmcore.model.masks import document_mask
from lmcore.model.transformer import Transformer


def packed_row(lengths, seq):
    """ids, targets, positions and documents of one row with pieces of these lengths."""
    ids = torch.randint(0, 50, (seq,))
    targets = torch.full((seq,), -1)
    positions, documents, at = torch.zeros(seq, dtype=torch.long), torch.full((seq,), -1), 0
    for number, length in enumerate(lengths):
        targets[at : at + length] = torch.randint(0, 50, (length,))
        positions[at : at + length] = torch.arange(length)
        documents[at : at + length] = number
        at += length
    positions[at:] = torch.arange(seq - at)
    return ids, targets, positions, documents


def model_of(**fields):
    config = ModelConfig(d_model=32, n_layers=2, n_heads=2, context_length=24, **fields)
    model = Transformer(config, 50, seed=1)
    with torch.no_grad():  # projections start at zero; attention has to have something to say
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model


@pytest.mark.parametrize("fields", [{}, {"qk_norm": True, "tied_embeddings": False}])
@pytest.mark.parametrize("lengths", [[24], [7, 17], [1, 1, 5, 10], [3]])
def test_packed_loss_and_gradient_are_the_sum_over_documents(lengths, fields):
    torch.manual_seed(0)
    model = model_of(**fields)
    rows = [packed_row(lengths, 24), packed_row(lengths[::-1], 24)]
    ids, targets, positions, documents = (torch.stack(part) for part in zip(*rows, strict=True))
    loss = model.loss(ids, targets, positions, document_mask(documents))
    loss.backward()
    packed = {name: p.grad.clone() for name, p in model.named_parameters()}
    model.zero_grad()
    alone = torch.zeros(())
    for row in range(2):
        for number in range(len(lengths)):
            here = documents[row] == number
            alone = alone + model.loss(ids[row, here][None], targets[row, here][None])
    alone.backward()
    assert loss.item() == pytest.approx(alone.item(), abs=1e-5 * alone.item())
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(packed[name], parameter.grad, atol=1e-4, rtol=1e-4)


def test_rows_without_any_target_cost_nothing_and_teach_nothing():
    model = model_of()
    documents = torch.full((1, 24), -1)
    ids = torch.zeros(1, 24, dtype=torch.long)
    loss = model.loss(
        ids, torch.full_like(ids, -1), torch.arange(24)[None], document_mask(documents)
    )
    loss.backward()
    assert loss.item() == 0.0
    assert all(not p.grad.any() for p in model.parameters())


def test_mask_is_causal_within_a_document_and_closed_between_them():
    documents = torch.tensor([[0, 0, 1, 1, -1]])
    expected = np.array(
        [[1, 0, 0, 0, 0], [1, 1, 0, 0, 0], [0, 0, 1, 0, 0], [0, 0, 1, 1, 0], [0, 0, 0, 0, 1]], bool
    )
    assert np.array_equal(document_mask(documents)[0, 0].numpy(), expected)
