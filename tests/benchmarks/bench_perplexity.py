"""Log-probabilities of sentences: our scorer beside KenLM's, both under one ARPA file that we wrote.

The model is made of English books (of the shared data where C2M_SHARED_DATA has them, else of the
descriptions of installed packages), the sentences are the lines of others. Both contenders take a line as
a string and load the file before the clock starts. The scores must agree to KenLM's float32 sums.

    make bench-perplexity
"""

import math
import sys
from collections.abc import Callable
from pathlib import Path

import harness
import minhash_corpus
import pyarrow.parquet as pq

KENLM = "kenlm==0.3.0"
N_RUNS = 3
N_WORDS = {"train": 600_000, "score": 400_000}
FOLDER = harness.ROOT / ".benchmarks" / "perplexity"
LARGEST_DIFFERENCE = 1e-5
"""Of a line's log10 probability, relative: KenLM rounds weights and adds them in float32."""

Work = Callable[..., object]


def _lines() -> list[list[str]]:
    """Lines of words, lower-case; training comes from the front and scoring from the back."""
    books = minhash_corpus.DATA / "text" / "classic_books.parquet"
    if books.exists():
        rows = pq.read_table(books, columns=["lang", "text"]).to_pylist()
        texts = [row["text"] for row in rows if row["lang"] in ("en", "eng", "English")]
    else:
        texts = [
            path.read_text(errors="replace")
            for path in sorted(Path(pq.__file__).parents[1].glob("*.dist-info/METADATA"))
        ]
    split = [line.lower().split() for text in texts for line in text.split("\n")]
    return [words for words in split if words and not {"<s>", "</s>", "<unk>"} & {*words}]


def _take(lines: list[list[str]], n_words: int) -> list[list[str]]:
    chosen: list[list[str]] = []
    for line in lines:
        n_words -= len(line)
        if n_words < 0:
            break
        chosen.append(line)
    return chosen


def crawl2model() -> Work:
    from lmcore.ngram.arpa import read_arpa
    from lmcore.ngram.scorer import Scorer

    scorer = Scorer(read_arpa(FOLDER / "books.arpa"))
    scorer.log10_probabilities([["warm"]])

    def work(path: str) -> list[float]:
        lines = Path(path).read_text().split("\n")
        scores: list[float] = scorer.log10_probabilities([line.split() for line in lines]).tolist()
        return scores

    return work


def kenlm() -> Work:
    import kenlm as peer  # type: ignore[import-not-found]

    model = peer.Model(str(FOLDER / "books.arpa"))

    def work(path: str) -> list[float]:
        lines = Path(path).read_text().split("\n")
        return [model.score(line, bos=True, eos=True) for line in lines]

    return work


def main() -> None:
    from lmcore.ngram.arpa import write_arpa
    from lmcore.ngram.backoff import estimate

    FOLDER.mkdir(parents=True, exist_ok=True)
    lines = _lines()
    model = estimate(_take(lines, N_WORDS["train"]))
    write_arpa(model, FOLDER / "books.arpa")
    scored = _take(lines[::-1], N_WORDS["score"])
    (FOLDER / "lines.txt").write_text("\n".join(" ".join(line) for line in scored))
    pythons = {
        "crawl2model": Path(sys.executable),
        "kenlm": harness.peer_environment("kenlm", KENLM),
    }
    runs: dict[str, list[harness.Run]] = {name: [] for name in pythons}
    for turn in range(N_RUNS):
        for name in list(pythons)[:: 1 if turn % 2 else -1]:
            run = harness.run_once(pythons[name], Path(__file__), name, str(FOLDER / "lines.txt"))
            runs[name].append(run)
    ours, theirs = (runs[name][-1].outcome for name in pythons)
    assert isinstance(ours, list)
    assert isinstance(theirs, list)
    largest = max(abs(a - b) / abs(b) for a, b in zip(ours, theirs, strict=True))
    if largest > LARGEST_DIFFERENCE:
        sys.exit(f"a line differs by {largest}, expected at most {LARGEST_DIFFERENCE}")
    n_units = sum(map(len, scored)) + len(scored)
    seconds = {name: harness.median_seconds(found) for name, found in runs.items()}
    rows = [
        [name, f"{n_units / seconds[name]:,.0f}", f"{10 ** (-math.fsum(scores) / n_units):.2f}"]
        for name, scores in (("crawl2model", ours), ("kenlm", theirs))
    ]
    print(harness.to_table(["", "words/s", "perplexity"], rows))
    figures = {
        "perplexity_vs_kenlm": round(seconds["kenlm"] / seconds["crawl2model"], 2),
        "perplexity_largest_difference": largest,
        "n_ngrams": len(model.contexts),
    }
    print(harness.to_last_line(figures))


if __name__ == "__main__":
    main()
