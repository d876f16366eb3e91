"""Resolution: the newest artifacts that fit together, a lock of contents, conflicts as sentences."""

import itertools
import time

import factories
import pytest
from factories import as_input, commit, make_store
from hypothesis import given, settings
from hypothesis import strategies as st

from warehouse.errors import ResolutionError
from warehouse.resolve import Candidate, Lock, Requirement, candidates_of, resolve


def candidate(name, version, *requires, **attributes):
    return Candidate(name=name, version=version, key=f"{name}-{version}", content=f"content-{name}-{version}",
                     attributes=attributes, requires=tuple(requires))  # fmt: skip


def exactly(name, version):
    return Requirement(name=name, content=f"content-{name}-{version}")


def any_of(name, **attributes):
    return Requirement(name=name, attributes=attributes)


def versions(lock):
    return {entry.name: entry.version for entry in lock.entries}


def three_of_each():
    """Three versions of each; the newest model was made with a tokenizer other than its shards'."""
    return [
        *(candidate("tokenizer", n, vocab_size=1000 * n) for n in (1, 2, 3)),
        *(candidate("tokens", n, exactly("tokenizer", n)) for n in (1, 2, 3)),
        *(candidate("pretrain", n, exactly("tokens", n), exactly("tokenizer", n)) for n in (1, 2)),
        candidate("pretrain", 3, exactly("tokens", 3), exactly("tokenizer", 2)),
    ]


def test_resolve_newest_incompatible_backtracks_to_the_pair_that_fits():
    lock = resolve([any_of("pretrain")], three_of_each())
    assert versions(lock) == {"pretrain": 2, "tokens": 2, "tokenizer": 2}


def test_resolve_all_compatible_takes_the_newest():
    candidates = [
        *three_of_each(),
        candidate("pretrain", 4, exactly("tokens", 3), exactly("tokenizer", 3)),
    ]
    assert versions(resolve([any_of("pretrain")], candidates)) == {
        "pretrain": 4,
        "tokens": 3,
        "tokenizer": 3,
    }


def test_resolve_attribute_asked_for_backtracks_further():
    lock = resolve([any_of("pretrain"), any_of("tokenizer", vocab_size=1000)], three_of_each())
    assert versions(lock) == {"pretrain": 1, "tokens": 1, "tokenizer": 1}


def test_resolve_conflict_reads_as_a_sentence():
    with pytest.raises(ResolutionError) as caught:
        resolve([any_of("pretrain"), any_of("tokenizer", vocab_size=3000)], three_of_each())
    message = str(caught.value)
    assert message.startswith("Found no set of artifacts that fits together: ")
    assert "the recipe requires tokenizer with vocab_size = 3000" in message
    assert "pretrain version" in message
    assert "3 of tokenizer" in message
    assert "\n" not in message


def test_resolve_conflict_names_only_the_attributes_that_differ_from_the_nearest():
    made = {"vocab_size": 2048, "model": {"d_model": 64, "n_layers": 2}, "lr": 0.1}
    wanted = {"vocab_size": 999, "model": {"d_model": 32, "n_layers": 2}, "lr": 0.1}
    candidates = [
        candidate("pretrain", 1, **made),
        candidate("pretrain", 2, **(made | {"lr": 0.2, "model": {}})),
    ]
    with pytest.raises(ResolutionError) as caught:
        resolve([any_of("pretrain", **wanted)], candidates)
    message = str(caught.value)
    assert (
        "model.d_model = 32 (version 1 has 64) and vocab_size = 999 (version 1 has 2048)" in message
    )
    assert "n_layers" not in message
    assert "lr" not in message
    assert "{" not in message


@pytest.mark.parametrize(
    "wanted",
    [any_of("nothing"), any_of("tokenizer", vocab_size=5), any_of("tokenizer", colour=None)],
)
def test_resolve_nothing_that_fits_raises(wanted):
    with pytest.raises(ResolutionError, match="the recipe requires"):
        resolve([wanted], three_of_each())


def test_resolve_order_of_candidates_does_not_matter():
    locks = {resolve([any_of("pretrain")], order).lock_hash for order in itertools.islice(itertools.permutations(three_of_each()), 0, 5000, 997)}  # fmt: skip
    assert len(locks) == 1


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 3), st.integers(1, 3)), min_size=1, max_size=4),
    st.sets(st.integers(1, 3), min_size=1),
)
def test_resolve_agrees_with_trying_every_set(models, kept):
    """The obvious way: newest model first, any shards and tokenizer that it was made from."""
    candidates = [candidate("tokenizer", n) for n in sorted(kept)]
    candidates += [candidate("tokens", n, exactly("tokenizer", n)) for n in (1, 2, 3)]
    candidates += [
        candidate("pretrain", at, exactly("tokens", tokens), exactly("tokenizer", tokenizer))
        for at, (tokens, tokenizer) in enumerate(models, 1)
    ]
    fits = [
        at
        for at, (tokens, tokenizer) in enumerate(models, 1)
        if tokens == tokenizer and tokenizer in kept
    ]
    if fits:
        assert versions(resolve([any_of("pretrain")], candidates))["pretrain"] == max(fits)
    else:
        with pytest.raises(ResolutionError):
            resolve([any_of("pretrain")], candidates)


def test_resolve_fifty_steps_of_forty_versions_is_quick():
    candidates = [
        candidate(f"step-{step}", version, *([exactly(f"step-{step - 1}", version)] if step else []))
        for step in range(50) for version in range(1, 41)
    ]  # fmt: skip
    started = time.process_time()
    lock = resolve([any_of("step-49")], candidates)
    assert time.process_time() - started < 1.0  # 0.01 s measured
    assert set(versions(lock).values()) == {40}


def test_lock_written_and_read_back_is_equal():
    lock = resolve([any_of("pretrain")], three_of_each())
    assert Lock.from_json(lock.to_json()) == lock


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"lock_hash": "x", "artifacts": [{"name": "a"}]}']
)
def test_lock_unreadable_raises(text):
    with pytest.raises(ResolutionError, match="cannot be read"):
        Lock.from_json(text)


def test_lock_edited_by_hand_raises():
    text = (
        resolve([any_of("pretrain")], three_of_each())
        .to_json()
        .replace("content-tokens-2", "content-tokens-1")
    )
    with pytest.raises(ResolutionError, match="as it states"):
        Lock.from_json(text)


@pytest.fixture
def store(tmp_path):
    """Three models; the third one's shards were made with another tokenizer than it used."""
    store = make_store(tmp_path)
    tokenizers = [
        commit(store, "tokenizer", config={"vocab_size": n}, files={"t": bytes([n])})
        for n in (1, 2, 3)
    ]
    tokens = [
        commit(store, "tokens", inputs=[as_input("tokenizer", t)], files={"s": t.key.encode()})
        for t in tokenizers
    ]
    for shards, tokenizer in zip(
        tokens, (tokenizers[0], tokenizers[1], tokenizers[1]), strict=True
    ):
        inputs = [as_input("tokens", shards), as_input("tokenizer", tokenizer)]
        commit(
            store,
            "pretrain",
            inputs=inputs,
            files={"m": shards.key.encode() + tokenizer.key.encode()},
        )
    return store


def test_candidates_of_a_store_resolve_by_their_manifests(store):
    lock = resolve([Requirement(name="pretrain")], candidates_of(store))
    assert versions(lock) == {"pretrain": 2, "tokens": 2, "tokenizer": 2}
    lock.check(store.artifacts())
    lock = resolve(
        [Requirement(name="pretrain"), Requirement(name="tokenizer", attributes={"vocab_size": 1})],
        candidates_of(store),
    )
    assert versions(lock)["pretrain"] == 1


def test_lock_check_artifact_gone_raises_and_names_it(store):
    lock = resolve([Requirement(name="pretrain")], candidates_of(store))
    gone = next(entry for entry in lock.entries if entry.name == "tokens")
    store.discard("tokens", gone.key)
    with pytest.raises(ResolutionError, match=f"tokens \\({gone.content[:12]}\\)"):
        lock.check(store.artifacts())
    left = resolve([Requirement(name="pretrain")], candidates_of(store))
    assert versions(left)["pretrain"] == 1


def test_candidates_of_a_full_store_lock_the_whole_journey(full):
    lock = resolve([Requirement(name="grpo"), Requirement(name="evaluate")], candidates_of(full))
    assert {
        "grpo",
        "dpo",
        "sft",
        "pretrain",
        "tokens",
        "tokenizer",
        "deduplicate",
        f"extract/{factories.WARCS[0]}",
    } <= versions(lock).keys()
    assert lock.lock_hash == resolve([Requirement(name="evaluate")], candidates_of(full)).lock_hash
