"""The kernels: equal to `normalize`, to datasketch, to exact sets.

They run as they are shipped; one slow test runs this file in a process where every memory access
of theirs is checked against its bounds.
"""

import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from datasketch import MinHash
from hypothesis import given, settings
from hypothesis import strategies as st

from lmcore.dedup.config import DedupConfig
from lmcore.dedup.normalize import normalize
from lmcore.dedup.shingles import jaccard, shingle_set, word_hash, words
from lmcore.dedup.signatures import band_keys, permutations, signatures

pytest.importorskip("numba")

import pyarrow as pa

from lmcore.dedup import signing
from lmcore.dedup.kernels import buckets, compare
from lmcore.dedup.signing import Block, Normalizer, Signer, blocks, to_block

DATA = Path(os.environ.get("C2M_SHARED_DATA", Path(__file__).parents[3].parent / "shared" / "data"))
CONFIG = DedupConfig()
CONTEXTS = (
    "{c}",
    "a{c}b {c} {c}1{c}A{c}.\n{c}'s{c}",
    "aΣ{c}a aΣ{c} {c}Σ a{c}Σ Σ",
    "か{c}क{c}ে{c}ᄒ{c}",
    "ก่{c}A\u0301{c}ো{c}\u0327\u0301{c}",
)
"""Around each character: ASCII, capital sigma, firsts and seconds of pairs, marks in and out of order."""
PIECES = [
    *" \t\n.,'-_aZ09éßİΣσςΑα\u0301\u0327\u0345\u00ad\u200b\u200d\u3099\u093c\u09be\u09c7\u0e48\u0e38",
    *("か", "क", "ल", "東京", "ไทย", "한", "\u1112", "\u1161", "\u11ab", "𝅗𝅥", "Ⓐ", "ﬁ", "e\u0301"),
    *("word ", "Longer words, ", "x" * 60, " " * 3, ". . ", "\ud800", "😀", "ǅ", "ʰ", "·"),
]


def texts_of(block: Block) -> list[str]:
    data = block.data.tobytes()
    return [
        data[start:stop].decode()
        for start, stop in zip(block.bounds, block.bounds[1:], strict=False)
    ]


def block_of(texts: list[str]) -> Block:
    return to_block([text.encode("utf-8", "surrogatepass") for text in texts])


def check_forms(texts: list[str]) -> None:
    block = block_of(texts)
    forms = texts_of(Normalizer(splits=False)(block))
    split = texts_of(Normalizer(splits=True)(block))
    for text, form, own in zip(texts, forms, split, strict=True):
        expected = normalize(text)
        assert form == expected, text
        assert own == " ".join(words(expected)), text


def nasty_text(state: random.Random) -> str:
    pieces = PIECES if state.random() < 0.5 else state.sample(PIECES, 5)
    return "".join(state.choices(pieces, k=state.choice([1, 2, 3, 8, 30, 64, 65, 200])))


def test_normal_form_of_every_145th_code_point_in_context_is_that_of_normalize() -> None:
    for context in CONTEXTS:
        check_forms([context.format(c=chr(code)) for code in range(7, 0x110000, 145)])


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("context", CONTEXTS)
def test_normal_form_of_every_code_point_in_context_is_that_of_normalize(context: str) -> None:
    check_forms([context.format(c=chr(code)) for code in range(0x110000)])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(), min_size=1, max_size=6))
def test_normal_form_of_any_text_is_that_of_normalize(texts: list[str]) -> None:
    check_forms(texts)


def test_normal_form_of_nasty_texts_is_that_of_normalize() -> None:
    state = random.Random(1)
    check_forms([nasty_text(state) for _ in range(3000)])


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_normal_form_of_a_hundred_thousand_nasty_texts_is_that_of_normalize() -> None:
    state = random.Random(2)
    check_forms([nasty_text(state) for _ in range(100_000)])


@pytest.mark.skipif(not (DATA / "labelled" / "langid.parquet").exists(), reason="no shared data")
@pytest.mark.parametrize("step", [200, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.timeout(1800)
def test_normal_form_of_real_texts_of_all_languages_is_that_of_normalize(step: int) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    table = parquet.read_table(DATA / "labelled" / "langid.parquet", columns=["text"])
    texts = [text for text in table["text"].to_pylist()[::step] if text]
    assert len(texts) > 500
    check_forms(texts)


def test_only_texts_that_compose_or_reorder_are_left_to_python(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = []

    def counted(text: str) -> str:
        seen.append(text)
        return normalize(text)

    monkeypatch.setattr(signing, "normalize", counted)
    hard = ["か\u3099", "\u1112\u1161", "\u09c7\u09be", "\u0e48\u0e38"]
    easy = ["Café", "Tiếng Việt", "हिन्दी", "ภาษาไทย", "ΟΔΟΣ", "e\u0327\u0301", "\u09be", "が"]
    check_forms(hard + easy)
    assert seen == 2 * hard


def test_blocks_of_arrow_are_those_of_strings() -> None:
    texts = ["a b", "", "東京 Straße", *(f"text {k} " * (k % 50) for k in range(3000))]
    for kind in (pa.string(), pa.large_string()):
        array = pa.array(["left out", *texts, None], kind).slice(1)
        for column in (array, pa.chunked_array([array.slice(0, 700), array.slice(700)])):
            found = [text for block in blocks([column]) for text in texts_of(block)]
            assert found == [*texts, ""]
    assert [text for block in blocks([texts[:9], texts[9:]]) for text in texts_of(block)] == texts
    assert list(blocks([[], pa.array([], pa.string())])) == []


def test_blocks_hold_about_a_megabyte() -> None:
    texts = ["x" * 300_000] * 9 + ["y" * 5_000_000, "z"]
    for batch in (texts, pa.array(texts)):
        sizes = [int(block.bounds[-1]) for block in blocks([batch])]
        assert sum(sizes) == sum(map(len, texts))
        assert len(sizes) >= 4


def test_permutations_are_those_of_datasketch() -> None:
    for seed in (0, 1, 2**32 - 1):
        config = DedupConfig(seed=seed)
        expected = MinHash(num_perm=126, seed=seed, scheme="affine32").permutations
        assert np.array_equal(np.array(permutations(config)), expected)


@pytest.mark.parametrize(
    "config",
    [CONFIG, DedupConfig(shingle_words=1, seed=7), DedupConfig(permutations=20, bands=4)],
)
def test_signatures_and_keys_are_those_of_datasketch(config: DedupConfig) -> None:
    state = random.Random(3)
    normal = [normalize(nasty_text(state)) for _ in range(150)]
    normal += ["", "a", "a b c d", " ".join(f"w{k % 700}" for k in range(20_000)), "y" * 500]
    expected, alive = signatures(normal, config)
    signer = Signer(config)
    signed = signer.sign(Normalizer(splits=True)(block_of(normal)))
    assert np.array_equal(signed.signatures, expected)
    assert np.array_equal(signed.n_shingles > 0, alive)
    assert np.array_equal(signer.keys(signed), band_keys(expected, config.bands))


def shared_shingles(texts: list[bytes], pairs: list[tuple[int, int]], n: int) -> list[list[int]]:
    """What the kernel counts."""
    block = to_block(texts)
    longest = max(map(len, texts)) // 2 + 1
    shared = np.empty((len(pairs), 2), np.int64)
    slots = np.zeros(1 << (4 * longest).bit_length(), np.int64)
    compare.compare_pairs(
        block.data,
        np.stack([block.bounds[:-1], block.bounds[1:]], axis=1),
        np.array(pairs, np.int64).reshape(-1, 2),
        n,
        np.empty(longest, np.int64),
        np.empty(longest, np.int64),
        np.empty((2 * longest, 5), np.int64),
        slots,
        shared,
    )
    assert not slots.any()  # as clean as it came
    return shared.tolist()


TEXTS = st.lists(st.sampled_from(["a", "b", "cc", "東", "longer_word", "x" * 40]), max_size=30)


@settings(max_examples=150, deadline=None)
@given(st.lists(TEXTS, min_size=2, max_size=5), st.integers(1, 6), st.randoms())
def test_shared_shingles_are_those_of_exact_sets(
    documents: list[list[str]], n: int, state: random.Random
) -> None:
    texts = [" ".join(document) for document in documents]
    pairs = sorted((state.randrange(len(texts)), state.randrange(len(texts))) for _ in range(8))
    sets = [shingle_set(text, n) for text in texts]
    found = shared_shingles([text.encode() for text in texts], pairs, n)
    assert found == [[len(sets[a] & sets[b]), len(sets[a] | sets[b])] for a, b in pairs]


def colliding_words(state: random.Random) -> tuple[bytes, bytes]:
    """Two words of 20 bytes with one hash: their second eight bytes cancel what the first left."""
    found: list[bytes] = []
    while len(found) < 2:
        start = bytes(state.choices(b"abcdefgh", k=8))
        value = 20 * 0xC2B2AE3D27D4EB4F & 2**64 - 1
        product = (value ^ int.from_bytes(start, "little")) * 0xC2B2AE3D27D4EB4F
        word = start + (product >> 64 ^ product & 2**64 - 1).to_bytes(8, "little") + b"tail"
        if b" " not in word:
            found.append(word)
    return found[0], found[1]


def test_shingles_of_one_hash_are_told_apart_by_their_bytes() -> None:
    left, right = colliding_words(random.Random(4))
    assert left != right
    assert word_hash(left) == word_hash(right)
    texts = [b"a b " + left + b" c", b"a b " + right + b" c", left + b" " + right + b" " + left]
    assert shared_shingles(texts, [(0, 1), (0, 0), (0, 2), (2, 1)], 1) == [
        [3, 5], [4, 4], [1, 5], [1, 5],
    ]  # fmt: skip
    assert shared_shingles(texts[:2], [(0, 1)], 3) == [[0, 4]]


def test_compared_texts_without_words_share_nothing() -> None:
    assert shared_shingles([b"", b"a", b""], [(0, 1), (0, 2), (1, 0)], 5) == [
        [0, 1],
        [0, 0],
        [0, 1],
    ]


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=40))
@settings(deadline=None)
def test_united_sets_have_their_smallest_member_for_a_root(pairs: list[tuple[int, int]]) -> None:
    from lmcore.dedup.components import UnionFind

    expected = UnionFind(31)
    for a, b in pairs:
        expected.union(a, b)
    parents, members = np.arange(31, dtype=np.uint32), np.arange(31)
    compare.unite(parents, np.array(pairs, np.int64).reshape(-1, 2))
    roots = np.empty(31, np.int64)
    compare.find_roots(parents, members, roots)
    assert roots.tolist() == [expected.find(member) for member in range(31)]


def test_scattered_keys_are_all_keys_by_bucket_and_document() -> None:
    rng = np.random.default_rng(5)
    keys = rng.integers(0, 2**64, (500, 7), dtype=np.uint64)
    n_shingles = rng.integers(0, 3, 500)
    n_rows = int(np.count_nonzero(n_shingles)) * 7
    bounds, rows, documents = (
        np.empty(65, np.int64),
        np.empty(n_rows, np.uint64),
        np.empty(n_rows, np.uint32),
    )
    buckets.scatter_keys(keys, n_shingles, 6, bounds, rows, documents)
    expected = [
        (int(key) >> 58, k, int(key)) for k in np.flatnonzero(n_shingles) for key in keys[k]
    ]
    found = [
        (bucket, int(documents[at]), int(rows[at]))
        for bucket in range(64)
        for at in range(bounds[bucket], bounds[bucket + 1])
    ]
    assert sorted(found) == sorted((bucket, int(k), key) for bucket, k, key in expected)
    assert [row[:2] for row in found] == sorted(row[:2] for row in found)


def test_repeated_keys_are_all_marked_and_hardly_others() -> None:
    rng = np.random.default_rng(6)
    keys = rng.integers(0, 2**64, 5000, dtype=np.uint64)
    keys[4000:] = keys[:1000]
    marks = np.empty(5000, np.uint8)
    buckets.mark_repeated(keys, np.zeros(1 << 16, np.uint8), marks)
    assert marks[:1000].all()
    assert marks[4000:].all()
    assert marks[1000:4000].mean() < 0.15


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_kernels_stay_inside_of_their_arrays() -> None:
    files = [__file__, str(Path(__file__).with_name("test_cuts.py"))]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *files]
    folder = Path(__file__).parents[3]
    names = "nasty_texts or of_any_text or datasketch or exact_sets or one_hash or united or keys"
    names += " or suffix_order or every_pair_of_windows"
    done = subprocess.run(
        [*command, "-k", f"({names}) and not hundred"],
        cwd=folder,
        env={**os.environ, "NUMBA_BOUNDSCHECK": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout


def test_jaccard_of_equal_sets_is_computed_as_python_does() -> None:
    shared = np.array([[1, 3], [2, 3], [7, 9]], np.int64)
    assert (shared[:, 0] / shared[:, 1]).tolist() == [1 / 3, 2 / 3, 7 / 9]
    assert jaccard({"a"}, {"a", "b", "c"}) == 1 / 3
