"""Tokenizers divide the same text: BPE beside bytes, characters and words.

BPE was trained on every kept document, those held out included; the baselines learn from the
training split alone. Pages that were not kept are read as they were extracted, so that languages
which the tokenizer has not seen are measured too.

Cost: two passes over the kept texts, one over those of all pages, then what the configuration's
limits leave: 7 CPU seconds on 12,000 pages (10 MB kept, 22 languages), 3.4 on 4,000. Memory: the
limit for each language, and the text that the baselines learn from; 250 MB there.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from lmcore.evals.compression import choose, compare, count_ids, longest_tokens, read_chosen
from lmcore.evals.config import CompressionConfig
from lmcore.tokenizer.baselines import (
    ByteTokenizer,
    CharacterTokenizer,
    Encoding,
    WordTokenizer,
)
from lmcore.tokenizer.bpe import Tokenizer
from lmcore.tokens.shards import TokenShards
from tasks.curation import SCORES
from tasks.decontamination import read_unique
from tasks.extraction import TEXTS
from tasks.job import Job, Row, read_all
from warehouse.parquet import read_rows

logger = logging.getLogger(__name__)

TEXT_SETS = ("train", "validation", "pages")
Texts = dict[tuple[str, str], list[str]]
"""Texts by set and language."""


def compression(job: Job) -> None:
    """Compare the tokenizers by language and set of texts, and list BPE's longest tokens."""
    config = job.config(CompressionConfig, "compression")
    job.progress(0, len(TEXT_SETS) + 1, "choosing texts")
    bpe = Tokenizer.load(job.path("tokenizer"))
    index = [*read_rows(job.path("tokens") / "shards.parquet")]
    texts = _texts(job, config, index)
    tokenizers = {"bpe": bpe, **_baselines(job, config, index, bpe.vocab_size)}
    job.write("compression", "compression.parquet", _rows(job, tokenizers, texts))
    job.write("longest_tokens", "longest_tokens.parquet", _longest(job, config, bpe))


def _texts(job: Job, config: CompressionConfig, index: Sequence[Row]) -> Texts:
    """The texts to divide: of both splits as they were tokenised, of all pages as extracted."""
    scores = [*read_all(job.paths("annotated"), SCORES, ["doc_id", "language", "n_chars"])]
    languages = {str(row["doc_id"]): str(row["language"]) for row in scores}
    kept = choose(
        (
            (str(row["doc_id"]), (str(row["split"]), languages[str(row["doc_id"])]), _size(row))
            for row in index
        ),
        config.max_bytes,
    )
    # a character has at least one byte: enough are chosen, and cut to the limit when they are read
    pages = choose(
        (
            (str(row["doc_id"]), ("pages", str(row["language"])), int(str(row["n_chars"])))
            for row in scores
        ),
        config.max_bytes,
    )
    extracted = (_pair(row) for row in read_all(job.paths("extracted"), TEXTS))
    return {
        **read_chosen(_kept(job), kept, config.max_bytes),
        **read_chosen(extracted, pages, config.max_bytes),
    }


def _baselines(
    job: Job, config: CompressionConfig, index: Sequence[Row], vocab_size: int
) -> dict[str, Encoding]:
    """Tokenizers of bytes, of characters and of words; the last two learn from the training split."""
    of = [(str(row["doc_id"]), "train", _size(row)) for row in index if row["split"] == "train"]
    found = read_chosen(_kept(job), choose(of, config.train_bytes), config.train_bytes)
    texts = found.get("train", [])
    n_read, n_there = sum(len(text.encode()) for text in texts), sum(size for _, _, size in of)
    logger.info("training baselines bytes=%d of=%d", n_read, n_there)
    job.result.attributes |= {"baseline_bytes": n_read, "train_bytes": n_there}
    return {
        "byte": ByteTokenizer(),
        "character": CharacterTokenizer.train(texts, vocab_size),
        "word": WordTokenizer.train(texts, vocab_size),
    }


def _rows(job: Job, tokenizers: dict[str, Encoding], texts: Texts) -> Iterator[Row]:
    """A row for each set of texts, language and tokenizer; a set without text has none."""
    for done, text_set in enumerate(TEXT_SETS, start=1):
        job.progress(done, len(TEXT_SETS) + 1, text_set)
        found = [
            (language, text)
            for (of, language), mine in sorted(texts.items())
            for text in mine
            if of == text_set
        ]
        if found:
            for row in compare(tokenizers, found):
                yield {"text_set": text_set, **asdict(row)}


def _longest(job: Job, config: CompressionConfig, bpe: Tokenizer) -> Iterator[Row]:
    """The longest tokens that were learnt; special tokens were given."""
    given = {bpe.token_id(special) for special in bpe.special_tokens}
    learnt = {i: token for i, token in bpe.vocab.items() if i not in given}
    counts = count_ids(TokenShards(job.path("tokens"), "train"))
    n_used = sum(bool(counts[i]) for i in learnt)
    job.result.attributes |= {"n_ids": len(learnt), "n_ids_used": n_used}
    for rank, (token_id, token) in enumerate(longest_tokens(learnt, config.n_longest), start=1):
        yield {
            "rank": rank,
            "token_id": token_id,
            "token": token.decode(errors="replace"),
            "hex": token.hex(),
            "n_bytes": len(token),
            "n_occurrences": int(counts[token_id]),
        }


def _kept(job: Job) -> Iterator[tuple[str, str]]:
    return (_pair(row) for row in read_unique(job))


def _pair(row: Row) -> tuple[str, str]:
    return str(row["doc_id"]), str(row["text"])


def _size(row: Row) -> int:
    return int(str(row["n_bytes"]))
