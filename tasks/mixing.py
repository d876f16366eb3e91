"""The training split is mixed anew: groups of documents, weights, whole copies, shards of the same form."""

from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from lmcore.mixing.config import MixConfig
from lmcore.mixing.draw import draw_copies, mixture
from lmcore.mixing.groups import Document, bucket, gather, group_tokens
from lmcore.mixing.weights import ask_tokens, budget_of, weights_of
from lmcore.tokens.mixed import write_mixed
from lmcore.tokens.shards import IndexRow
from tasks.curation import SCORES
from tasks.extraction import RECORDS
from tasks.job import Job, Row, read_all
from warehouse.parquet import read_rows

SHARDS = "shards.parquet"
PROXIES = "mix_proxies.parquet"
UNKNOWN = "unknown"
"""Host of a document whose URL has none."""


def mix(job: Job) -> None:
    """Draw copies of the training documents by group, and write them as token shards."""
    config = job.config(MixConfig, "mix")
    index = read_index(job)
    documents = grouped(job, config, index)
    sizes = group_tokens(documents)
    weights = read_learnt(job) or weights_of(sizes, config)
    budget = budget_of(sizes, config)
    is_laid_out = config.method == "sources"
    asked = sizes if is_laid_out else ask_tokens(weights, sizes, budget, config.max_epochs)
    copies = draw_copies(documents, asked, config.seed)
    job.write(
        "mixture",
        "mixture.parquet",
        (share._asdict() for share in mixture(documents, weights, asked, copies, budget=budget)),
    )
    job.write("mixed_documents", "mixed_documents.parquet", _document_rows(documents, copies))
    job.account("mixed_documents", len(documents))
    shard_tokens = int(str(job.spec.config["shard_tokens"]))
    groups = {one.doc_id: one.group for one in documents} if is_laid_out else None
    rows = write_mixed(job.path("tokens"), index, copies, job.out, shard_tokens, groups=groups)
    job.write("mixed_shards", "mixed_shards.parquet", (row._asdict() for row in rows))
    n_drawn = sum(row.length for row in rows)
    job.result.attributes = {"n_tokens_wanted": budget, "n_tokens_drawn": n_drawn}


def _document_rows(documents: list[Document], copies: Mapping[str, int]) -> Iterator[Row]:
    for doc_id, group, n_tokens in documents:
        n_copies = copies[doc_id]
        yield {
            "doc_id": doc_id,
            "group_name": group,
            "n_tokens": n_tokens,
            "n_copies": n_copies,
            "outcome": "drawn" if n_copies else "left_out",
        }


def read_learnt(job: Job) -> dict[str, float]:
    """Read the weights that small models taught; none where none were asked."""
    rows = read_all(job.paths("learnt"), PROXIES)
    return {str(row["group_name"]): float(str(row["weight"])) for row in rows}


def read_index(job: Job) -> list[IndexRow]:
    """Read where the token shards hold each document of the training split."""
    rows = read_rows(job.path("tokens") / SHARDS)
    return [IndexRow(**row) for row in rows if row["split"] == "train"]  # type: ignore[arg-type]  # the table's own columns


def grouped(job: Job, config: MixConfig, index: list[IndexRow]) -> list[Document]:
    """Put each document of the training split into its group."""
    parts = [_values(job, config, key) for key in config.by]
    documents = (
        Document(row.doc_id, "/".join(values[row.doc_id] for values in parts), row.length)
        for row in index
    )
    return gather(documents, named=config.groups, max_groups=config.max_groups)


def _values(job: Job, config: MixConfig, key: str) -> dict[str, str]:
    """Return what a key says of each document."""
    if key == "cluster_size":
        sizes = _cluster_sizes(job)
        return {d: bucket(float(size), config.cluster_edges) for d, size in sizes.items()}
    if key in ("language", "quality"):
        scores = read_all(job.paths("annotated"), SCORES, ["doc_id", key])
        if key == "language":
            return {str(row["doc_id"]): str(row[key]) for row in scores}
        edges = config.quality_edges
        return {str(row["doc_id"]): bucket(float(str(row[key])), edges) for row in scores}
    records = read_all(job.paths("extracted"), RECORDS, ["record_id", "url", "warc_file"])
    if key == "file":
        return {str(row["record_id"]): str(row["warc_file"]) for row in records}
    return {str(r["record_id"]): urlsplit(str(r["url"])).hostname or UNKNOWN for r in records}


def _cluster_sizes(job: Job) -> dict[str, int]:
    """Count the documents that each document that stayed stands for, itself included."""
    corpus = job.path("corpus")
    sizes = {
        str(row["doc_id"]): 1 for row in read_rows(corpus / "unique_texts.parquet", ["doc_id"])
    }
    for row in read_rows(corpus / "duplicates.parquet", ["survivor_id"]):
        survivor = str(row["survivor_id"])
        sizes[survivor] = sizes.get(survivor, 1) + 1
    return sizes
