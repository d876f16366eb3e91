import itertools
import random

import numpy as np
import pytest
from datasketch import MinHash

from lmcore.dedup.config import DedupConfig
from lmcore.dedup.minhash import candidate_pairs, near_duplicates
from lmcore.dedup.shingles import ShingleHasher, jaccard, shingle_set
from lmcore.dedup.signatures import signatures

CONFIG = DedupConfig()


def edited_documents(seed: int, n_originals: int = 40, n_words: int = 120) -> list[str]:
    """Random documents and copies of them with 0 to 3 words replaced."""
    rng = random.Random(seed)
    vocabulary = [f"w{k}" for k in range(2000)]
    documents = [rng.choices(vocabulary, k=n_words) for _ in range(n_originals)]
    for original in list(documents):
        for _ in range(rng.randrange(4)):
            copy = list(original)
            for _ in range(rng.randrange(4)):
                copy[rng.randrange(n_words)] = rng.choice(vocabulary)
            documents.append(copy)
    rng.shuffle(documents)
    return [" ".join(document) for document in documents]


def all_pairs(texts: list[str], threshold: float) -> dict[tuple[int, int], float]:
    """The oracle: every pair, by exact sets."""
    sets = [shingle_set(text, CONFIG.shingle_words) for text in texts]
    pairs = itertools.combinations(range(len(texts)), 2)
    values = {(a, b): jaccard(sets[a], sets[b]) for a, b in pairs}
    return {pair: value for pair, value in values.items() if value >= threshold}


def test_signatures_equal_datasketch_updated_shingle_by_shingle() -> None:
    texts = ["a b c d e f g", "a b", "東京都に行った", " ".join(f"x{k}" for k in range(20_000))]
    matrix, alive = signatures(texts, CONFIG)
    assert alive.all()
    for text, row in zip(texts[:3], matrix, strict=False):
        reference = MinHash(
            num_perm=CONFIG.permutations, seed=CONFIG.seed, hashfunc=int, scheme="affine32"
        )
        for value in ShingleHasher(CONFIG.shingle_words)(text).tolist():
            reference.update(value >> 32)
        assert (reference.hashvalues == row).all()
    whole = MinHash(num_perm=CONFIG.permutations, seed=CONFIG.seed, hashfunc=int, scheme="affine32")
    whole.update_batch([value >> 32 for value in ShingleHasher(5)(texts[3]).tolist()])
    assert (whole.hashvalues == matrix[3]).all()


def test_signatures_of_documents_estimate_jaccard() -> None:
    texts = edited_documents(7)
    matrix, _ = signatures(texts, CONFIG)
    errors = [
        (matrix[a] == matrix[b]).mean() - value for (a, b), value in all_pairs(texts, 0.3).items()
    ]
    assert len(errors) > 50
    assert abs(np.mean(errors)) < 0.02  # one signature has a standard error of .036 at J = .8


def test_candidates_on_edited_documents_recall_the_oracle() -> None:
    found = wanted = 0
    for seed in range(3):
        texts = edited_documents(seed)
        matrix, alive = signatures(texts, CONFIG)
        pairs, n_skipped = candidate_pairs(matrix, CONFIG, alive)
        assert n_skipped == 0
        truth = all_pairs(texts, CONFIG.jaccard).keys()
        wanted += len(truth)
        found += len(truth & set(pairs))
    assert wanted > 150
    assert found / wanted >= 0.99


@pytest.mark.parametrize("seed", range(3))
def test_near_duplicates_on_edited_documents_leave_no_pair_of_the_oracle(seed: int) -> None:
    texts = edited_documents(seed)
    truth = all_pairs(texts, CONFIG.jaccard)
    duplicates = near_duplicates(texts, CONFIG).duplicates
    assert len(duplicates) > 30
    for removed, (survivor, value) in duplicates.items():
        assert truth[survivor, removed] == value  # precision 1.0, and the better one survived
        assert survivor not in duplicates
    kept_pairs = [pair for pair in truth if not duplicates.keys() & set(pair)]
    assert kept_pairs == []


def chain_of_three() -> list[str]:
    """A~B and B~C at 1 - 10/110 = .82 each, A~C far below .8."""
    letters = [f"w{k}" for k in range(120)]
    return [" ".join(letters[start : start + 104]) for start in (0, 10, 20)]


def test_near_duplicates_of_a_chain_are_similar_to_their_survivor() -> None:
    a, b, c = chain_of_three()
    sets = [shingle_set(text, 5) for text in (a, b, c)]
    assert jaccard(sets[0], sets[1]) >= 0.8
    assert jaccard(sets[0], sets[2]) < 0.8
    end_first = near_duplicates([a, b, c], CONFIG).duplicates
    assert end_first == {1: (0, jaccard(sets[0], sets[1]))}
    middle_first = near_duplicates([b, a, c], CONFIG).duplicates
    assert {removed: survivor for removed, (survivor, _) in middle_first.items()} == {1: 0, 2: 0}


def test_near_duplicates_of_short_documents_match_only_when_equal() -> None:
    texts = ["one two three", "one two three", "one two four", "", "", "one"]
    assert near_duplicates(texts, CONFIG).duplicates == {1: (0, 1.0)}


def test_near_duplicates_of_chinese_text_are_found() -> None:
    text = "".join(chr(0x4E00 + 37 * k % 5000) for k in range(300))
    assert near_duplicates([text, text[:295] + "北京天气好"], CONFIG).duplicates.keys() == {1}


def test_crowded_bucket_counts_the_pairs_it_skips() -> None:
    texts = ["the same words in each of them"] * 10
    crowded = DedupConfig(bucket_leaders=2)
    result = near_duplicates(texts, crowded)
    assert result.duplicates == dict.fromkeys(range(1, 10), (0, 1.0))
    assert result.n_candidates == 9 + 8
    assert result.n_pairs_skipped == crowded.bands * (45 - 17)
    assert near_duplicates(texts, CONFIG).n_pairs_skipped == 0


def test_near_duplicates_of_nothing_are_none() -> None:
    assert near_duplicates([], CONFIG).duplicates == {}
    assert near_duplicates([""], CONFIG).duplicates == {}
