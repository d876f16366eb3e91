"""Reading crawl files: our reader against warcio's ArchiveIterator, on the same files.

The work is every record of a `.warc.gz`: its header parsed, the HTTP head of requests, responses
and revisits parsed, the payload read in full as stored (warcio's is bytes that were joined, ours a
view of the member's memory). Files are the sample crawl's and, where
C2M_SHARED_DATA names a folder with `webpages`, the real ones there: pages of today in
`crawl-data`, old and odd archives in `raw_warcs`.

Before anything is timed, both list each file's records: type, URL, all HTTP fields and the payload's
digest must be the same. Files in which either finds damage are counted apart and not timed, because
warcio stops there and would have less to do. `warc_vs_warcio` is the lowest ratio of these corpora.
A corpus that holds less than 50 MB is read several times in a run, as often by either: once takes
40 ms, in which a process's first touch of its memory weighs as much as what is compared. Read once,
it is a row and a figure (`_once`) of its own.
Two more are made of the sample's whole files and stand apart: `plain`, the same records without
compression, and `large`, one gzip member of about 2 MB a file.
"""

import gzip
import hashlib
import json
import math
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import harness

PEER = "warcio==1.8.1"
N_RUNS = 7
N_PAGES = 4000
N_FILES = 20
"""Of 200 pages each, so that the sample's few damaged records leave most files whole."""

_LEAST_BYTES = 50_000_000
"""Of payload in a timed run."""

_MAX_RECORD_BYTES = 1 << 30
_HTTP_TYPES = ("response", "request", "revisit")
_HTTP_SCHEMES = ("http:", "https:")

Payload = bytes | bytearray | memoryview
Found = tuple[str, str, object, Payload, str]
"""Type, URL, HTTP head as the reader has it (None without), payload, and what is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """One contender: its records, and its HTTP heads in words that can be compared."""

    records: Callable[[str], Iterator[Found]]
    to_plain_head: Callable[[object], tuple[str, Iterable[tuple[str, str]]]]


def _our_reader() -> Reader:
    from lmcore.crawl.headers import split_headers
    from lmcore.crawl.http import Response, parse_response
    from lmcore.crawl.raw_record import RawRecord
    from lmcore.crawl.warc import read_records

    def split(record: RawRecord) -> tuple[object, Payload, str]:
        """HTTP head, payload and problem of a block that should be HTTP."""
        block = record.block
        if record.record_type != "request":
            response = parse_response(block)
            if response is None:
                return None, block, record.problem or "no HTTP response"
            return response, response.body, record.problem
        fields, begin = split_headers(block, max_bytes=len(block))
        if fields is None:
            return None, block, record.problem or "no HTTP request"
        return (block, fields), block[begin:], record.problem

    def records(path: str) -> Iterator[Found]:
        with Path(path).open("rb") as file:
            for record in read_records(file, max_record_bytes=_MAX_RECORD_BYTES):
                payload: Payload = record.block
                head, problem = None, record.problem
                is_http = record.record_type in _HTTP_TYPES and record.url.startswith(_HTTP_SCHEMES)
                if is_http and payload:
                    head, payload, problem = split(record)
                yield record.record_type, record.url, head, payload, problem

    def to_plain_head(head: object) -> tuple[str, Iterable[tuple[str, str]]]:
        if isinstance(head, Response):
            first, fields = str(head.status), head.headers
        else:
            assert isinstance(head, tuple)
            first, fields = head[0].split(b" ", 1)[0].decode("latin-1"), head[1]
        return first, ((k.decode("latin-1"), v.decode("latin-1")) for k, v in fields.items())

    return Reader(records=records, to_plain_head=to_plain_head)


def _warcio_reader() -> Reader:
    from warcio.archiveiterator import ArchiveIterator  # type: ignore[import-not-found]
    from warcio.statusandheaders import StatusAndHeaders  # type: ignore[import-not-found]

    def records(path: str) -> Iterator[Found]:
        with Path(path).open("rb") as file:
            for record in ArchiveIterator(file):
                url = record.rec_headers.get_header("WARC-Target-URI") or ""
                payload = record.raw_stream.read()
                yield record.rec_type, url, record.http_headers, payload, ""

    def to_plain_head(head: object) -> tuple[str, Iterable[tuple[str, str]]]:
        assert isinstance(head, StatusAndHeaders)
        is_response = head.protocol.startswith("HTTP/")
        return (head.get_statuscode() if is_response else head.protocol), head.headers

    return Reader(records=records, to_plain_head=to_plain_head)


def _count(reader: Reader) -> Callable[[list[str], int], dict[str, int]]:
    """The timed work."""

    def work(paths: list[str], n_passes: int) -> dict[str, int]:
        n_records = n_heads = payload_bytes = 0
        for path in paths * n_passes:
            for _, _, head, payload, _ in reader.records(path):
                n_records += 1
                n_heads += head is not None
                payload_bytes += len(payload)
        return {"records": n_records, "HTTP heads": n_heads, "payload bytes": payload_bytes}

    return work


def _describe(reader: Reader, path: str) -> tuple[list[list[str]], str]:
    described, damage = [], ""
    try:
        for record_type, url, head, payload, problem in reader.records(path):
            damage = damage or problem
            first, pairs = ("", ()) if head is None else reader.to_plain_head(head)
            fields: dict[str, str] = {}
            for name, value in pairs:  # the first of several counts
                fields.setdefault(name.strip().lower(), value.strip())
            plain_head = json.dumps([first, sorted(fields.items())])
            described.append(
                [
                    record_type.lower(),
                    url.replace(" ", "%20"),  # warcio writes blanks so
                    hashlib.sha1(plain_head.encode()).hexdigest(),
                    hashlib.sha1(payload).hexdigest(),
                ]
            )
    except Exception as error:  # damage ends the peer's file, by whichever error
        damage = f"{type(error).__name__}: {ascii(' '.join(str(error).split()))[1:61]}"
    return described, damage


def _list(reader: Reader) -> Callable[[list[str]], list[tuple[list[list[str]], str]]]:
    """The check's work: each file's records, and its damage, "" where it is whole."""
    return lambda paths: [_describe(reader, path) for path in paths]


def crawl2model() -> Callable[[list[str], int], object]:
    return _count(_our_reader())


def warcio() -> Callable[[list[str], int], object]:
    return _count(_warcio_reader())


def list_crawl2model() -> Callable[[list[str]], object]:
    return _list(_our_reader())


def list_warcio() -> Callable[[list[str]], object]:
    return _list(_warcio_reader())


@dataclass(slots=True)
class Checked:
    """A corpus after the check."""

    whole: list[str]
    damaged: list[tuple[str, str, int, int]]
    """Name, reason, records we found, records warcio found."""


def _check(python: Path, paths: list[str]) -> Checked:
    """Sorts damaged files out; raises SystemExit where two readings of a whole file differ."""
    script = Path(__file__).resolve()
    ours, theirs = (
        harness.run_once(python, script, contender, paths).outcome
        for contender in ("list_crawl2model", "list_warcio")
    )
    assert isinstance(ours, list)
    assert isinstance(theirs, list)
    checked = Checked([], [])
    for path, (our_records, our_damage), (their_records, their_damage) in zip(
        paths, ours, theirs, strict=True
    ):
        if our_damage or their_damage:
            reason = f"ours: {our_damage or '-'}; warcio: {their_damage or '-'}"
            checked.damaged.append((Path(path).name, reason, len(our_records), len(their_records)))
        elif our_records != their_records:
            pairs = zip(our_records, their_records, strict=False)
            first = next((pair for pair in pairs if pair[0] != pair[1]), "one list goes on")
            raise SystemExit(
                f"{Path(path).name}: {len(our_records):,d} records of ours and"
                f" {len(their_records):,d} of warcio's differ, expected the same; compare the"
                f" first that differ: {first}"
            )
        else:
            checked.whole.append(path)
    return checked


def _corpora(folder: Path) -> dict[str, list[str]]:
    """Paths of crawl files by corpus; the sample crawl is written into the folder."""
    from lmcore.crawl.sample import warc_names, write_sample_crawl
    from lmcore.crawl.sample_config import SampleConfig

    config = SampleConfig(n_pages=N_PAGES, n_files=N_FILES)
    write_sample_crawl(folder, config)
    corpora = {"sample": [str(folder / name) for name in warc_names(config)]}
    if shared := os.environ.get("C2M_SHARED_DATA"):
        pages = Path(shared) / "webpages"
        for name, pattern in (
            ("pages", "crawl-data/**/*.warc.gz"),
            ("archives", "raw_warcs/*.warc.gz"),
        ):
            corpora[name] = sorted(map(str, pages.glob(pattern)))
            if not corpora[name]:
                raise SystemExit(
                    f"no {pattern} in {pages}, expected real crawl files; unset C2M_SHARED_DATA or"
                    " let it name their folder"
                )
    return corpora


def _derived(folder: Path, whole: list[str]) -> dict[str, list[str]]:
    """Uncompressed files and files of one large member, made of files that are whole."""
    made: dict[str, list[str]] = {"plain": [], "large": []}
    for path in map(Path, whole):
        records = gzip.decompress(path.read_bytes())
        head = (
            "WARC/1.0\r\nWARC-Type: resource\r\nWARC-Record-ID: <urn:c2m:large>\r\n"
            "WARC-Date: 2026-01-01T00:00:00Z\r\nWARC-Target-URI: https://a.example/large\r\n"
            f"Content-Type: application/warc\r\nContent-Length: {len(records)}\r\n\r\n"
        )
        large = gzip.compress(head.encode() + records + b"\r\n\r\n", 6, mtime=0)
        for name, suffix, content in (("plain", "", records), ("large", ".gz", large)):
            made[name].append(str(folder / f"{name}-{path.name.removesuffix('.gz')}{suffix}"))
            Path(made[name][-1]).write_bytes(content)
    return made


@dataclass(frozen=True, slots=True)
class Measured:
    """One corpus, read by both."""

    row: list[object]
    ratio: float
    """The peer's time over ours."""
    payload_bytes: int


def _measure(python: Path, name: str, paths: list[str], n_passes: int = 1) -> Measured:
    script, contenders = Path(__file__).resolve(), ("crawl2model", "warcio")
    runs = harness.interleave(python, script, contenders, paths, n_passes, n_runs=N_RUNS)
    outcomes = {json.dumps(run.outcome, sort_keys=True) for each in runs.values() for run in each}
    if len(outcomes) != 1:
        raise SystemExit(f"{name}: timed runs found {outcomes}, expected the same of all")
    found = json.loads(outcomes.pop())
    ours, theirs = (harness.median_seconds(runs[contender]) for contender in contenders)
    pairs = zip(runs["warcio"], runs["crawl2model"], strict=True)
    of_pairs = [peer.cpu_seconds / our.cpu_seconds for peer, our in pairs]
    row: list[object] = [
        name if n_passes == 1 else f"{name}, {n_passes} times",
        len(paths),
        f"{found['records']:,d}",
        f"{found['payload bytes'] / 1e6:.1f}",
        f"{ours:.3f}",
        f"{theirs:.3f}",
        f"{found['records'] / ours:,.0f}",
        f"{found['records'] / theirs:,.0f}",
        f"{theirs / ours:.2f} ({min(of_pairs):.2f} to {max(of_pairs):.2f})",
    ]
    return Measured(row, theirs / ours, found["payload bytes"])


def main() -> None:
    python = harness.peer_environment("warc", PEER)
    rows, damaged, ratios, apart, n_whole = [], [], {}, {}, 0
    whole: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        for name, paths in _corpora(Path(folder)).items():
            checked = _check(python, paths)
            measured = _measure(python, name, checked.whole)
            rows.append(measured.row)
            n_passes = math.ceil(_LEAST_BYTES / measured.payload_bytes)
            if n_passes > 1:
                apart[f"{name}_once"] = measured.ratio
                measured = _measure(python, name, checked.whole, n_passes)
                rows.append(measured.row)
            ratios[name] = measured.ratio
            damaged += checked.damaged
            n_whole += len(checked.whole)
            whole = whole or checked.whole
        for name, paths in _derived(Path(folder), whole).items():
            measured = _measure(python, name, _check(python, paths).whole)
            rows.append(measured.row)
            apart[name] = measured.ratio
    print(f"\nFiles that both read whole, the same in all ({N_RUNS} runs each, CPU medians):\n")
    print(
        harness.to_table(
            [
                "corpus", "files", "records", "payload MB", "our s", "warcio s",
                "our records/s", "warcio records/s", "warcio s / our s (pairs)",
            ],
            rows,
        )
    )  # fmt: skip
    print("\nFiles in which either found damage, not timed:\n")
    print(harness.to_table(["file", "damage", "our records", "warcio records"], damaged))
    print(f"\ncrawl2model {version('crawl2model')}, {PEER}, FastWARC {version('fastwarc')}")
    print(
        harness.to_last_line(
            {
                "warc_vs_warcio": round(min(ratios.values()), 3),
                **{
                    f"warc_vs_warcio_{name}": round(ratio, 3)
                    for name, ratio in (ratios | apart).items()
                },
                "warc_files_equal": n_whole,
                "warc_files_damaged": len(damaged),
                "warc_records_of_damaged_files": sum(row[2] for row in damaged),
                "warc_records_of_damaged_files_warcio": sum(row[3] for row in damaged),
            }
        )
    )


if __name__ == "__main__":
    main()
