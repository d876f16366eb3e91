"""Unique documents become a tokenizer, then token shards with an index."""

from collections.abc import Iterator
from dataclasses import asdict

from lmcore.errors import InputError
from lmcore.tokenizer.bpe import Tokenizer
from lmcore.tokenizer.config import TokenizerConfig
from lmcore.tokenizer.train import train_bpe
from lmcore.tokens.config import TokensConfig
from lmcore.tokens.shards import encode_to_shards
from tasks.decontamination import count_unique, read_unique
from tasks.job import Job


def tokenizer(job: Job) -> None:
    """Train byte-level BPE on every unique document that holds no evaluation item."""
    total = count_unique(job)
    if not total:
        msg = (
            "Found no document left after curation, deduplication and decontamination; expected at least one to "
            "train on; ask `c2m sql funnel` where they went, and loosen that rule or add pages."
        )
        raise InputError(msg)

    def texts() -> Iterator[str]:
        for done, row in enumerate(read_unique(job)):
            job.progress(done, total, f"{done:,d} documents counted")
            yield str(row["text"])

    def on_progress(what: str, done: int, of: int) -> None:
        if what == "merges":
            job.progress(done, of, f"{done:,d} merges")

    config = job.config(TokenizerConfig, "tokenizer")
    train_bpe(texts(), config, workers=job.spec.workers, progress=on_progress).save(job.out)


def tokens(job: Job) -> None:
    """Write every unique document that holds no evaluation item into the token shards."""
    total = count_unique(job)

    def documents() -> Iterator[tuple[str, str]]:
        for done, row in enumerate(read_unique(job)):
            job.progress(done, total, f"{done:,d} documents")
            yield str(row["doc_id"]), str(row["text"])

    coder = Tokenizer.load(job.path("tokenizer"))
    config = job.config(TokensConfig, "tokens")
    index = encode_to_shards(documents(), coder, job.out, config, workers=job.spec.workers)
    job.write("shards", "shards.parquet", (asdict(row) for row in index))
    job.account("shards", total)
