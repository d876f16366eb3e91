"""How time grows with a text that has no place to cut: of each kind, a quarter to a whole megabyte.

Growth is the exponent b of CPU time ~ bytes^b: 1 is linear, 2 quadratic; a heap and caches that
fill allow for a little more than 1. Small times are noisy: the best of several runs counts.
tiktoken 0.14 panics on the first kind; it is no contender here.

    make bench-tokenizer-giants
"""

import json
import math
import random
import sys
import time
from pathlib import Path

SIZES = (250_000, 500_000, 1_000_000)
UNITS = {"spaces": " ", "letters": "a", "carets": "^", "emoji": "😀", "nuls": "\0"}
KINDS = (*UNITS, "chinese", "no UTF-8")


def _giant(kind, n_bytes):
    """Return so many bytes of text (no UTF-8: bytes) with no blank and no change of class in it."""
    if kind == "chinese":
        characters = [chr(code) for code in range(0x4E00, 0x4E00 + 2000)]
        return "".join(random.Random(1).choices(characters, k=n_bytes // 3))
    if kind == "no UTF-8":
        return bytes(random.Random(1).choices(range(0x80, 0x100), k=n_bytes))
    return UNITS[kind] * (n_bytes // len(UNITS[kind].encode()))


def _seconds(work, text):
    runs = []
    while len(runs) < 20 and sum(runs) < 0.6:
        started = time.process_time()
        work(text)
        runs.append(time.process_time() - started)
    return min(runs)


def _growth(kind, work):
    """Return the exponent, and the seconds of the largest."""
    seconds = [_seconds(work, _giant(kind, n_bytes)) for n_bytes in SIZES]
    return math.log(seconds[-1] / seconds[0]) / math.log(SIZES[-1] / SIZES[0]), seconds[-1]


def _works():
    """Return what is measured: (name, kinds, function of a text)."""
    import tokenizer_corpus as corpora

    from lmcore.tokenizer import bpe, train
    from lmcore.tokenizer.config import TokenizerConfig
    from lmcore.tokenizer.gpt2 import from_gpt2_files

    folder = corpora.DATA / "text"
    tokenizer = from_gpt2_files(folder / "gpt2_vocab.json.gz", folder / "gpt2_merges.txt.gz")
    config = TokenizerConfig(vocab_size=256 + 12, pattern="gpt2", special_tokens=())
    texts = tuple(kind for kind in KINDS if kind != "no UTF-8")
    for path in ("plain", "compiled"):
        bpe.is_worth_while = lambda _, path=path: path == "compiled"
        train._plain_chars = lambda path=path: -1 if path == "compiled" else 1 << 62
        tokenizer.encode("the first one loads the kernels")
        train.train_bpe(["as does this"], TokenizerConfig(vocab_size=258, special_tokens=()))
        yield f"encode, {path}", texts, tokenizer.encode
        yield f"train, {path}", KINDS, lambda text: train.train_bpe([text], config)
    yield (
        "dropout 0.1",
        texts,
        lambda text: tokenizer.encode_with_dropout(text, 0.1, random.Random(1)),
    )


def main():
    """Print the table and, last, the largest exponent of each work."""
    from harness import to_table

    rows, keys = [], {}
    for name, kinds, work in _works():
        found = {kind: _growth(kind, work) for kind in kinds}
        rows += [(name, kind, f"{b:.2f}", f"{seconds:.4f}") for kind, (b, seconds) in found.items()]
        key = name.replace(", ", "_").replace(" ", "_").replace(".", "")
        keys[f"growth_{key}"] = round(max(b for b, _ in found.values()), 3)
    print(to_table(["work", "text", "growth", "s at 1 MB"], rows))
    print(json.dumps(keys))


if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2])]
    main()
