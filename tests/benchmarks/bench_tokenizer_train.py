"""BPE training against gigatoken, Hugging Face tokenizers and rustbpe: 32,000 ids, one thread.

Every measurement is a child process; peers and ours take turns. Seconds are CPU seconds (user and
system, of the call alone: imports are not counted, nor is ours' one-time compilation). Memory is
the peak resident set of the whole process, imports included. Every trainer reads the same file.

    make bench-tokenizer-train
"""

import argparse
import hashlib
import json
import statistics
import sys
import time
from pathlib import Path

from lmcore.memory import peak_resident_bytes

SIZE = 32_000
SPECIAL = "<|endoftext|>"


def _digest(merges):
    lines = b"".join(
        left.hex().encode() + b" " + right.hex().encode() + b"\n" for left, right in merges
    )
    return hashlib.sha256(lines).hexdigest()[:16]


def _ours(path, ties, workers=1):
    from lmcore.tokenizer.config import TokenizerConfig
    from lmcore.tokenizer.train import train_bpe, train_bpe_files

    config = TokenizerConfig(vocab_size=SIZE, pattern="gpt2", special_tokens=(SPECIAL,), ties=ties)
    from lmcore.tokenizer import counter, merger  # noqa: F401 - imports are not counted

    sys.modules["lmcore.tokenizer.train"]._plain_chars = lambda: -1  # kernels, whatever the size
    tiny = TokenizerConfig(vocab_size=258, pattern="gpt2", special_tokens=(SPECIAL,))
    train_bpe(["ab abc"], tiny)  # loads the kernels
    started = time.process_time()
    merges = train_bpe_files([path], config, workers=workers).merges
    return time.process_time() - started, merges


def _gigatoken(path):
    import gigatoken

    started = time.process_time()
    _, merges = gigatoken.train_bpe(
        path, SIZE, [SPECIAL], tie_breaking="huggingface", separator=SPECIAL.encode()
    )
    return time.process_time() - started, merges


def _huggingface(path):
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=SIZE,
        special_tokens=[SPECIAL],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    started = time.process_time()
    texts = path.read_bytes().decode().split(SPECIAL)  # read_text would change its newlines
    tokenizer.train_from_iterator(texts, trainer)
    seconds = time.process_time() - started
    byte_of = {character: byte for byte, character in enumerate(_alphabet())}
    merges = [
        tuple(bytes(byte_of[c] for c in side) for side in merge)
        for merge in json.loads(tokenizer.to_str())["model"]["merges"]
    ]
    return seconds, merges


def _alphabet():
    visible = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    hidden = iter(range(256, 512))
    return [chr(byte) if byte in visible else chr(next(hidden)) for byte in range(256)]


def _rustbpe(path):
    import rustbpe

    pattern = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
    tokenizer = rustbpe.Tokenizer()
    started = time.process_time()
    texts = path.read_bytes().decode().split(SPECIAL)
    tokenizer.train_from_iterator(iter(texts), SIZE - 1, pattern=pattern)
    return time.process_time() - started, []


def _stream(path, n_times):
    """Train on the file read over and over: what grows with the length of the stream."""
    from lmcore.tokenizer.config import TokenizerConfig
    from lmcore.tokenizer.train import train_bpe_files

    config = TokenizerConfig(vocab_size=SIZE, pattern="gpt2", special_tokens=(SPECIAL,))
    started = time.process_time()
    tokenizer = train_bpe_files([path] * n_times, config)
    return time.process_time() - started, tokenizer.merges


def _corpus_en(data):
    import gzip

    from lmcore.tokenizer.config import TokenizerConfig
    from lmcore.tokenizer.train import train_bpe

    config = TokenizerConfig(vocab_size=500, pattern="gpt2", special_tokens=(SPECIAL,))
    text = gzip.decompress((data / "text" / "cs336_corpus_en.txt.gz").read_bytes())
    train = sys.modules["lmcore.tokenizer.train"]
    train._plain_chars = lambda: -1  # the kernels at once, whatever the size
    seconds = []
    for _ in range(6):
        started = time.perf_counter()
        merges = train_bpe([text], config).merges
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds[1:]), merges


def _child(kind, path):
    runs = {
        "ours": lambda: _ours(path, "greatest"),
        "ours-smallest": lambda: _ours(path, "smallest"),
        "gigatoken": lambda: _gigatoken(path),
        "huggingface": lambda: _huggingface(path),
        "rustbpe": lambda: _rustbpe(path),
        "stream": lambda: _stream(path, 1),
        "stream-ten": lambda: _stream(path, 10),
        "corpus-en": lambda: _corpus_en(path),
    }
    seconds, merges = runs[kind]()
    peak = peak_resident_bytes()
    print(
        json.dumps({"seconds": seconds, "rss": peak, "n": len(merges), "merges": _digest(merges)})
    )


def main():
    """Print the tables and, last, the keys."""
    import tokenizer_corpus as corpora

    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    print(corpora.describe())
    path, script = corpora.corpus(), Path(__file__).resolve()
    found = {}

    def run(kind, file=path, key=None):
        peer = kind in ("gigatoken", "huggingface", "rustbpe")
        result = corpora.measure(script, kind, file, peer=peer)
        found.setdefault(key or kind, []).append(result)
        print(
            f"  {key or kind:16s} {result['seconds']:7.3f} s {result['rss'] / 1e6:7.0f} MB",
            flush=True,
        )

    corpora.measure(script, "ours", corpora.head(10_000_000), peer=False)  # compiles, once
    for _ in range(options.runs):
        for kind in ("ours", "gigatoken", "ours-smallest"):
            run(kind)
    run("huggingface")
    run("rustbpe")
    run("stream")
    run("stream-ten")
    for size in (10_000_000, 30_000_000):
        for kind in ("ours", "gigatoken"):
            run(kind, corpora.head(size), f"{kind} {size // 1_000_000} MB")
    run("corpus-en", corpora.DATA)

    def median(kind, field="seconds"):
        return statistics.median(result[field] for result in found[kind])

    print("\n| trainer | CPU s | peak RSS, MB | merges |\n|---|---|---|---|")
    for kind, results in found.items():
        print(
            f"| {kind} | {median(kind):.3f} | {median(kind, 'rss') / 1e6:.0f} "
            f"| {results[0]['n']:,d} {results[0]['merges']} |"
        )
    same = {found[kind][0]["merges"] for kind in ("ours-smallest", "gigatoken", "huggingface")}
    print(f"merges of ours (smallest), gigatoken and Hugging Face equal: {len(same) == 1}")
    keys = {
        "train32k_vs_gigatoken": median("gigatoken") / median("ours"),
        "train32k_vs_hf": median("huggingface") / median("ours"),
        "train_rss_vs_gigatoken": median("ours", "rss") / median("gigatoken", "rss"),
        "train_rss_stream_growth": median("stream-ten", "rss") / median("stream", "rss"),
        "corpus_en_500_seconds": median("corpus-en"),
    }
    print(json.dumps({key: round(value, 4) for key, value in keys.items()}))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        _child(sys.argv[2], Path(sys.argv[3]))
    else:
        main()
