import pytest
import torch

from lmcore.align.chat import Chat, Turn
from lmcore.align.policy import (
    completion_logps,
    completion_logps_reference,
    completion_nll,
    pack_chats,
    pack_groups,
)
from lmcore.errors import InputError

PROMPTS = [[1, 2, 3, 4], [5], [6, 7]]
GROUPS = [[[8, 9, 10], [11], [12, 13]], [[14, 15]], [[8, 9], [8, 9], [16, 17, 18, 19]]]


def gradient(model, loss):
    model.zero_grad()
    loss.backward()
    return torch.cat([p.grad.flatten() for p in model.parameters()])


def test_shared_rows_give_the_log_probabilities_of_single_sequences(make_model):
    model = make_model()
    found = completion_logps(model, pack_groups(PROMPTS, GROUPS))
    expected = completion_logps_reference(model, PROMPTS, GROUPS)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


def test_shared_rows_give_the_gradient_of_single_sequences(make_model):
    model = make_model()
    weights = torch.linspace(-1, 1, sum(len(c) for g in GROUPS for c in g))
    found = gradient(model, (weights * completion_logps(model, pack_groups(PROMPTS, GROUPS))).sum())
    expected = gradient(model, (weights * completion_logps_reference(model, PROMPTS, GROUPS)).sum())
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


def test_owners_name_the_completion_of_each_token():
    packed = pack_groups(PROMPTS, GROUPS)
    assert packed.owners.tolist() == [0, 0, 0, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 6, 6]
    assert packed.n_tokens.tolist() == [3, 1, 2, 2, 2, 2, 4]


def chats(template):
    return [
        template.encode([Turn("What is 1 + 2?", "3")]),
        template.encode([Turn("Hello", "a longer answer"), Turn("x", "yes")]),
        template.encode([Turn("", "")]),
    ]


def test_chats_give_the_same_log_probabilities_whatever_the_padding(make_model, template):
    model, listed = make_model(), chats(template)
    packed = [pack_chats(listed, pad_id=pad_id) for pad_id in (0, 77)]
    together, other_pad = (completion_logps(model, part) for part in packed)
    alone = torch.cat([completion_logps(model, pack_chats([chat])) for chat in listed])
    torch.testing.assert_close(together, other_pad, rtol=0, atol=0)
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-5)


def test_chats_give_the_log_probabilities_of_a_loop_over_tokens(make_model, template):
    model, listed = make_model(), chats(template)
    expected = []
    for chat in listed:
        table = model(torch.tensor([chat.ids]))[0].log_softmax(-1)
        expected += [
            table[i - 1, chat.ids[i]] for i, is_said in enumerate(chat.is_supervised) if is_said
        ]
    found = completion_logps(model, pack_chats(listed))
    torch.testing.assert_close(found, torch.stack(expected), rtol=0, atol=1e-5)


def test_completion_nll_is_the_sum_of_the_log_probabilities(make_model, template):
    model, packed = make_model(), pack_chats(chats(template))
    nll, logps = completion_nll(model, packed), completion_logps(model, packed)
    torch.testing.assert_close(nll, -logps.sum())


def test_chat_with_a_supervised_first_token_is_refused():
    with pytest.raises(InputError, match="first"):
        pack_chats([Chat([1, 2], [True, True])])


@pytest.mark.parametrize(("prompts", "groups"), [([[]], [[[1]]]), ([[1]], [[[]]]), ([], [])])
def test_groups_without_tokens_are_refused(prompts, groups):
    with pytest.raises(InputError, match="0 tokens"):
        pack_groups(prompts, groups)


def test_completion_beyond_the_context_is_refused(make_model):
    packed = pack_groups([[1] * 60], [[[2] * 6]])
    with pytest.raises(InputError, match="65 tokens"):
        completion_logps(make_model(), packed)


def test_shared_row_longer_than_the_context_is_fine(make_model):
    model, prompts, groups = make_model(), [[1] * 50], [[[2] * 10, [3] * 10, [4] * 10]]
    found = completion_logps(model, pack_groups(prompts, groups))
    expected = completion_logps_reference(model, prompts, groups)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
