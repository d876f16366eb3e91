"""The corpus and the peers of the tokenizer benchmarks.

Corpus: the text of every set in the shared data's `text/` (books, textbooks, PEPs, RFCs, stories in
many languages, Wikipedia, C4), each once, and the pages of `webpages/` extracted by resiliparse.
Documents are joined by `<|endoftext|>`. Nothing is repeated.

Peers live in an environment of their own inside the checkout, installed at their newest; each
measurement is a child process that prints one JSON object.
"""

import gzip
import hashlib
import json
import os
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pyarrow.parquet as pq
from harness import ROOT, peer_environment

DATA = Path(os.environ.get("C2M_SHARED_DATA", ROOT.parent / "shared" / "data"))
WORK = ROOT / ".benchmarks" / "tokenizer"
PACKAGES = ["gigatoken", "tokenizers", "rustbpe", "tiktoken", "numpy"]
SEPARATOR = "<|endoftext|>"
_COLUMNS = ("text", "story")
_NO_TEXT = ("gpt2_", "cs336_train")


def _texts():
    for path in sorted((DATA / "text").iterdir()):
        if path.name.startswith(_NO_TEXT):
            continue
        if path.suffix == ".parquet":
            table = pq.read_table(path)
            column = next(name for name in _COLUMNS if name in table.column_names)
            yield from (text for text in table[column].to_pylist() if text)
        elif path.suffix == ".gz":
            yield gzip.decompress(path.read_bytes()).decode(errors="replace")


def _pages():
    from lmcore.crawl.config import ExtractConfig
    from lmcore.crawl.extract import extract_archive

    config = ExtractConfig(tier="fast")
    for path in sorted((DATA / "webpages" / "crawl-data").rglob("*.warc.gz")):
        for record in extract_archive(path, path.name, config):
            if record.text:
                yield record.text


def corpus() -> Path:
    """Return the file of the corpus, made at the first call."""
    path = WORK / "corpus.txt"
    if not path.exists():
        if not (DATA / "text").is_dir():
            sys.exit(f"found no {DATA / 'text'}; set C2M_SHARED_DATA to the shared data")
        WORK.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        with partial.open("w", encoding="utf-8", newline="") as file:
            for number, text in enumerate(text for part in (_texts(), _pages()) for text in part):
                file.write((SEPARATOR if number else "") + text.replace(SEPARATOR, ""))
        partial.replace(path)
    return path


def head(n_bytes: int) -> Path:
    """Return a file with the first bytes of the corpus, cut behind a whole character."""
    path = WORK / f"corpus-{n_bytes}.txt"
    if not path.exists():
        with corpus().open("rb") as file:
            data = file.read(n_bytes).decode(errors="ignore").encode()
        path.write_bytes(data)
    return path


def peers_python() -> Path:
    """Return the interpreter of the peers' environment, made at the first call."""
    return peer_environment("tokenizer", *PACKAGES)


def measure(script: Path, *arguments: object, peer: bool) -> dict:
    """Return what a child process of the script prints, one thread everywhere."""
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "RAYON_NUM_THREADS": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "PYTHONPATH": str(ROOT),
    }
    python = peers_python() if peer else sys.executable
    command = [str(python), str(script), "--child", *map(str, arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=ROOT)
    if done.returncode:
        raise RuntimeError(f"{command} failed: {done.stderr[-2000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def describe() -> str:
    """Return what the figures were measured on."""
    path = corpus()
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
    listed = subprocess.run(
        [peers_python(), "-m", "pip", "list", "--format=json"], capture_output=True, check=True
    ).stdout
    peers = {entry["name"]: entry["version"] for entry in json.loads(listed)}
    names = ", ".join(f"{name} {peers[name]}" for name in PACKAGES)
    cpu = next(
        (
            line.split(":")[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    return (
        f"corpus: {path.stat().st_size / 1e6:.1f} MB (sha256 {digest}), each text once\n"
        f"machine: {os.cpu_count()} x {cpu}; Python {platform.python_version()}, "
        f"numba {version('numba')}; peers: {names}"
    )
