"""Near duplicates at a wanted similarity, by editing sentences and words of a page.

With S shingles, replacing k words that lie five apart leaves J = (S - 5k) / (S + 5k):
at S = 260 one word costs about .04, so edits are tried until J is near the target.
Nothing between .78 and .82 is produced: J >= .8 decides what counts as a duplicate.
Cost: about 2 ms a page (each try computes the exact Jaccard).
"""

import re
from collections.abc import Sequence
from random import Random

from lmcore.crawl.sample_document import Document
from lmcore.errors import LmcoreError

TARGETS = (0.3, 0.5, 0.7, 0.85, 0.9, 0.95)
TOLERANCE = 0.025
SHINGLE_WORDS = 5
FORBIDDEN = (0.78, 0.82)

_WORD = re.compile(r"\w+")
_SENTENCE = re.compile(r"(?<=[.!?]) (?=[A-Z\"])")
_SWAPS = {
    "small": "tiny", "big": "large", "quickly": "rapidly", "very": "really", "old": "aged", "house": "home",
    "said": "remarked", "looked": "glanced", "many": "numerous", "good": "fine", "children": "youngsters",
    "often": "frequently", "began": "started", "road": "street", "people": "folk", "little": "modest", "and": "plus",
    "because": "since", "but": "yet", "when": "while", "first": "initial", "only": "merely", "every": "each",
}  # fmt: skip


def shingles(text: str) -> set[tuple[str, ...]]:
    """The set of lower-cased word 5-grams of a text (one shorter tuple if it has fewer words)."""
    words = _WORD.findall(text.lower())
    if len(words) < SHINGLE_WORDS:
        return {tuple(words)} if words else set()
    return set(zip(*(words[i:] for i in range(SHINGLE_WORDS)), strict=False))


def jaccard(a: set[tuple[str, ...]], b: set[tuple[str, ...]]) -> float:
    """|a and b| / |a or b|; two empty sets are equal."""
    union = len(a | b)
    return len(a & b) / union if union else 1.0


def _edit(
    blocks: list[tuple[str, str]], donor: Sequence[str], rng: Random, *, small: bool
) -> list[tuple[str, str]]:
    """One edit: a sentence exchanged or dropped, or (small) a word exchanged."""
    at = rng.randrange(len(blocks))
    tag, text = blocks[at]
    if small:
        words = text.split(" ")
        candidates = [i for i, word in enumerate(words) if word in _SWAPS]
        if not candidates:
            return blocks
        i = rng.choice(candidates)
        words[i] = _SWAPS[words[i]]
        edited = " ".join(words)
    else:
        sentences = _SENTENCE.split(text)
        i = rng.randrange(len(sentences))
        if len(sentences) > 1 and rng.random() < 0.3:
            del sentences[i]
        else:
            sentences[i] = rng.choice(donor)
        edited = " ".join(sentences)
    return [*blocks[:at], (tag, edited), *blocks[at + 1 :]]


def make_near_duplicate(
    base: Document, donor: Document, target: float, rng: Random
) -> tuple[Document, float]:
    """A page whose exact Jaccard with `base` is within TOLERANCE of `target`, and that Jaccard.

    Sentences come from `donor`, an unrelated page. Raises LmcoreError if no edit sequence
    succeeds (a text far shorter than the pages this is made for).
    """
    original = shingles(base.main_text)
    sentences = [s for _, text in donor.blocks for s in _SENTENCE.split(text)]
    for _ in range(20):
        blocks, similarity = list(base.blocks), 1.0
        for _ in range(300):
            if (
                abs(similarity - target) <= TOLERANCE
                and not FORBIDDEN[0] <= similarity <= FORBIDDEN[1]
            ):
                return Document(base.title, blocks, authors=base.authors), similarity
            tried = _edit(blocks, sentences, rng, small=similarity - target < 0.12)
            s = jaccard(original, shingles("\n".join(text for _, text in tried)))
            if s >= target - TOLERANCE:
                blocks, similarity = tried, s
    raise LmcoreError(
        f"no near duplicate at {target:.2f} of a page with {len(original):,d} shingles;"
        " expected a page of some hundred words"
    )
