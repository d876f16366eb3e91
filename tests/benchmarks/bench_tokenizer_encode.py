"""Pre-tokenising and encoding against gigatoken and tiktoken: GPT-2's vocabulary, one thread.

Every measurement is a child process with an empty cache; peers and ours take turns. MB/s are of
CPU seconds, for all documents of the corpus one after another, ids as arrays, checked by hash.
tiktoken, which keeps no cache to fill, gets the first 10 MB, and so do we for that comparison.
The scan that pre-tokenising is compared with sums the same buffer in a compiled loop, a byte at a
time; the same sum in vector instructions is shown beside it. Two cores are wall time, so they
mean something on an idle machine only: one thread, two threads and, as what the machine allows,
two processes of one thread take turns, each over the corpus twice, cold; a ratio is that of a turn.

    make bench-tokenizer-encode
"""

import argparse
import functools
import gzip
import hashlib
import json
import multiprocessing
import statistics
import sys
import time
from pathlib import Path

SPECIAL = "<|endoftext|>"
CORE_TURNS = 9
"""Turns that compare cores, and one before them that is thrown away."""
CORE_PASSES = 2
"""Times that a turn encodes the corpus, with an empty cache each: over 2 s in one thread."""


def _documents(path):
    return path.read_text(encoding="utf-8").split(SPECIAL)


def _result(seconds, arrays, n_bytes):
    digest, n_ids = hashlib.sha256(), 0
    for ids in arrays:
        digest.update(ids.astype("<u4").tobytes())
        n_ids += len(ids)
    return {"rate": n_bytes / 1e6 / seconds, "n": n_ids, "ids": digest.hexdigest()[:16]}


def _gpt2():
    import tokenizer_corpus as corpora

    from lmcore.tokenizer.gpt2 import from_gpt2_files

    text = corpora.DATA / "text"
    return from_gpt2_files(text / "gpt2_vocab.json.gz", text / "gpt2_merges.txt.gz")


def _cold():
    """Return a tokenizer that has seen no text, with its kernels loaded."""
    tokenizer = _gpt2()
    tokenizer.warm_up()
    return tokenizer


def _ours(path):
    documents = _documents(path)
    n_bytes = path.stat().st_size
    next(iter(_cold().encode_batch(["a b"], workers=1)))  # loads the kernels
    tokenizer = _cold()
    started = time.process_time()
    arrays = list(tokenizer.encode_batch(documents, workers=1))
    return _result(time.process_time() - started, arrays, n_bytes)


def _encode_when_told(pipe, path):
    """Encode on as many threads as the pipe says, again and again, until it says 0."""
    documents, n_bytes = _documents(path), path.stat().st_size
    while n_threads := pipe.recv():
        tokenizers = [_cold() for _ in range(CORE_PASSES)]
        pipe.send("ready")
        pipe.recv()
        started = time.perf_counter()
        for tokenizer in tokenizers:
            arrays = list(tokenizer.encode_batch(documents, workers=n_threads))
        seconds = time.perf_counter() - started
        pipe.send(_result(seconds, arrays, CORE_PASSES * n_bytes))
        del arrays, tokenizer, tokenizers


def _rate(pipes, n_threads, hashes):
    """Return the MB/s of all who are told, together; they begin at the same time."""
    for pipe in pipes:
        pipe.send(n_threads)
    assert [pipe.recv() for pipe in pipes] == ["ready"] * len(pipes)
    for pipe in pipes:
        pipe.send("go")
    results = [pipe.recv() for pipe in pipes]
    hashes.update(result["ids"] for result in results)
    return len(pipes) * min(result["rate"] for result in results)


def _cores(path):
    """Return MB/s of each way to use two cores, turn by turn, and the hashes of the ids."""
    context = multiprocessing.get_context("spawn")
    pairs = [context.Pipe() for _ in range(2)]
    processes = [
        context.Process(target=_encode_when_told, args=(theirs, path), daemon=True)
        for _, theirs in pairs
    ]
    for process in processes:
        process.start()
    first, second = (ours for ours, _ in pairs)
    ways = {
        "one thread": ([first], 1),
        "two threads": ([first], 2),
        "two processes": ([first, second], 1),
    }
    rates, hashes = {way: [] for way in ways}, set()
    for turn in range(CORE_TURNS + 1):
        for way in ways if turn % 2 else reversed(ways):
            rate = _rate(*ways[way], hashes)
            if turn:
                rates[way].append(rate)
    for pipe, process in zip((first, second), processes, strict=True):
        pipe.send(0)
        process.join()
    return {"rates": rates, "ids": sorted(hashes)}


def _ranks(folder):
    """Write GPT-2's vocabulary as tiktoken ranks, from the files the peers cannot read."""
    import base64

    visible = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    hidden = iter(range(256, 512))
    byte_of = {chr(b) if b in visible else chr(next(hidden)): b for b in range(256)}
    vocab = json.loads(gzip.decompress((folder / "gpt2_vocab.json.gz").read_bytes()))
    tokens = {
        bytes(byte_of[c] for c in text): token_id
        for text, token_id in vocab.items()
        if text != SPECIAL
    }
    lines = [b"%s %d" % (base64.b64encode(token), rank) for token, rank in tokens.items()]
    return tokens, b"\n".join(lines) + b"\n"


def _gigatoken(path, folder):
    import gigatoken

    ranks = path.with_name("gpt2.tiktoken")
    ranks.write_bytes(_ranks(folder)[1])
    documents = _documents(path)
    tokenizer = gigatoken.Tokenizer.from_tiktoken(ranks, "gpt2")
    backend = tokenizer.backend
    started = time.process_time()
    arrays = [backend.encode(document) for document in documents]
    return _result(time.process_time() - started, arrays, path.stat().st_size)


def _tiktoken(path, folder):
    import numpy as np
    import tiktoken

    pattern = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
    tokenizer = tiktoken.Encoding(
        "gpt2", pat_str=pattern, mergeable_ranks=_ranks(folder)[0], special_tokens={}
    )
    documents = _documents(path)
    started = time.process_time()
    arrays = [tokenizer.encode_to_numpy(document, disallowed_special=()) for document in documents]
    seconds = time.process_time() - started
    return _result(seconds, [np.asarray(ids) for ids in arrays], path.stat().st_size)


def _byte_sums():
    """Return a compiled sum that loads a byte at a time, and one in vector instructions."""
    import numba
    import numpy as np
    from llvmlite import ir
    from numba import types
    from numba.extending import intrinsic

    from lmcore.kernels.memory import span_of

    # One load and one addition a byte, each after the one before: an empty piece of assembly keeps
    # LLVM from making vectors, or several sums, of it.
    @intrinsic
    def add_byte(typing_context, total, span, offset):
        def generate(context, builder, signature, arguments):
            byte, word = ir.IntType(8), ir.IntType(64)
            address = builder.add(builder.extract_value(arguments[1], 0), arguments[2])
            value = builder.load(builder.inttoptr(address, byte.as_pointer()), align=1)
            added = builder.add(arguments[0], builder.zext(value, word))
            return builder.asm(ir.FunctionType(word, [word]), "", "=r,0", [added], False)

        return types.int64(types.int64, types.UniTuple(types.int64, 2), types.int64), generate

    @numba.njit(nogil=True)
    def sum_bytes(data):
        span, total = span_of(data), np.int64(0)
        for k in range(data.shape[0]):
            total = add_byte(total, span, k)
        return total

    @numba.njit(nogil=True)
    def sum_vectors(data):
        total = np.int64(0)
        for k in range(data.shape[0]):
            total += data[k]
        return total

    return sum_bytes, sum_vectors


def _scans(path):
    """Interleave the scanners with sums of the same buffer; MB/s of each."""
    import numpy as np

    from lmcore.tokenizer.scanner import Scanner, to_block

    sum_bytes, sum_vectors = _byte_sums()
    data = path.read_bytes()
    block = to_block([data])
    segments = np.array([[0, len(data), -1]])
    scanners = {pattern: Scanner(pattern) for pattern in ("gpt2", "cl100k", "o200k", "digits")}
    rates = {}
    assert sum_bytes(block) == sum_vectors(block) == int(block.sum(dtype=np.int64))
    for turn in range(12):
        for name, function in {
            "sum": lambda: sum_bytes(block),
            "vector sum": lambda: sum_vectors(block),
            **{
                pattern: functools.partial(
                    lambda scanner: sum(scanner.scan(block, segments)), scanner
                )
                for pattern, scanner in scanners.items()
            },
        }.items():
            started = time.thread_time()
            function()
            if turn:
                seconds = time.thread_time() - started
                rates.setdefault(name, []).append(len(data) / 1e6 / seconds)
    return {name: statistics.median(values) for name, values in rates.items()}


def _child(kind, path, folder):
    runs = {
        "ours": lambda: _ours(path),
        "cores": lambda: _cores(path),
        "gigatoken": lambda: _gigatoken(path, folder),
        "tiktoken": lambda: _tiktoken(path, folder),
        "scans": lambda: _scans(path),
    }
    print(json.dumps(runs[kind]()))


def main():
    """Print the tables and, last, the keys."""
    import tokenizer_corpus as corpora

    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    print(corpora.describe())
    script, text = Path(__file__).resolve(), corpora.DATA / "text"
    corpus, sample = corpora.corpus(), corpora.head(10_000_000)
    found = {}

    def run(kind, file, key=None):
        peer = kind in ("gigatoken", "tiktoken")
        result = corpora.measure(script, kind, file, text, peer=peer)
        found.setdefault(key or kind, []).append(result)
        print(f"  {key or kind:18s} {result['rate']:7.1f} MB/s", flush=True)

    corpora.measure(script, "ours", sample, text, peer=False)  # compiles, once
    for _ in range(options.runs):
        run("ours", corpus)
        run("gigatoken", corpus)
        run("ours", sample, "ours, 10 MB")
        run("tiktoken", sample)
    scans = corpora.measure(script, "scans", corpus, text, peer=False)
    cores = corpora.measure(script, "cores", corpus, text, peer=False)
    rates = cores["rates"]

    def times_one(way):
        return [rate / one for rate, one in zip(rates[way], rates["one thread"], strict=True)]

    def median(kind):
        return statistics.median(result["rate"] for result in found[kind])

    print("\n| encoder | MB/s | ids |\n|---|---|---|")
    for kind, results in found.items():
        print(f"| {kind} | {median(kind):.1f} | {results[0]['n']:,d} {results[0]['ids']} |")
    print("\n| scan | MB/s |\n|---|---|")
    for name, rate in scans.items():
        print(f"| {name} | {rate:,.0f} |")
    print(
        "\n| on two cores | MB/s of wall time | times one thread, each turn | median |\n|---|---|---|---|"
    )
    for way, values in rates.items():
        turns = ", ".join(f"{ratio:.2f}" for ratio in times_one(way))
        ratio = statistics.median(times_one(way))
        print(f"| {way} | {statistics.median(values):.1f} | {turns} | {ratio:.2f} |")
    equal = {found[kind][0]["ids"] for kind in ("ours", "gigatoken")} | set(cores["ids"])
    equal_sample = {found[kind][0]["ids"] for kind in ("ours, 10 MB", "tiktoken")}
    print(f"ids equal to gigatoken's: {len(equal) == 1}, to tiktoken's: {len(equal_sample) == 1}")
    keys = {
        f"pretokenize_{pattern}_vs_scan": scans[pattern] / scans["sum"]
        for pattern in ("gpt2", "cl100k", "o200k")
    }
    keys["encode_vs_tiktoken"] = median("ours, 10 MB") / median("tiktoken")
    keys["encode_vs_gigatoken"] = median("ours") / median("gigatoken")
    keys["encode_2core_speedup"] = statistics.median(times_one("two threads"))
    print(json.dumps({key: round(value, 3) for key, value in keys.items()}))


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    if sys.argv[1:2] == ["--child"]:
        _child(sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]))
    else:
        main()
