import pytest

from lmcore.parallel.pipeline import BACKWARD, FORWARD, order_of


def most_held(actions):
    held = most = 0
    for kind, _ in actions:
        held += 1 if kind == FORWARD else -1
        most = max(most, held)
    return most


@pytest.mark.parametrize("schedule", ["gpipe", "1f1b"])
@pytest.mark.parametrize("n_stages", [1, 2, 3, 4])
@pytest.mark.parametrize("n_microbatches", [1, 2, 3, 8])
def test_order_passes_every_microbatch_once_each_way(schedule, n_stages, n_microbatches):
    for stage in range(n_stages):
        actions = order_of(schedule, stage, n_stages, n_microbatches)
        for kind in (FORWARD, BACKWARD):
            passed = [i for what, i in actions if what == kind]
            assert passed == list(range(n_microbatches))
        for i in range(n_microbatches):
            assert actions.index((FORWARD, i)) < actions.index((BACKWARD, i))
        bound = n_microbatches if schedule == "gpipe" else min(n_stages - stage, n_microbatches)
        assert most_held(actions) == bound


@pytest.mark.parametrize("schedule", ["gpipe", "1f1b"])
@pytest.mark.parametrize(("n_stages", "n_microbatches"), [(2, 4), (3, 2), (4, 8)])
def test_order_takes_as_many_slots_as_the_bubble_formula_says(schedule, n_stages, n_microbatches):
    # a forward pass takes one unit of time and a backward pass two
    lasts = {FORWARD: 1, BACKWARD: 2}
    orders = [order_of(schedule, stage, n_stages, n_microbatches) for stage in range(n_stages)]
    free, done = [0] * n_stages, {}
    while any(orders):
        for stage, actions in enumerate(orders):
            while actions:
                kind, i = actions[0]
                source = stage - 1 if kind == FORWARD else stage + 1
                needs = (kind, i, source)
                if 0 <= source < n_stages and needs not in done:
                    break
                start = max(free[stage], done.get(needs, 0))
                free[stage] = done[(kind, i, stage)] = start + lasts[kind]
                actions.pop(0)
    assert max(free) == 3 * (n_microbatches + n_stages - 1)
