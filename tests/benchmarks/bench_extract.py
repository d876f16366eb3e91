"""Extraction with all our accounting against a bare loop over trafilatura, on the same pages.

Ours reads the archive, decodes HTTP and charset, isolates each page in a killable child and counts
every record; the peer is given decoded HTML from memory. CPU seconds of the process tree,
interleaved, medians of three. The ratio is therefore the price of the guarantees.
"""

import json
import resource
import statistics
import tempfile
import time
from pathlib import Path

import trafilatura

from lmcore.crawl.charset import decode_page
from lmcore.crawl.config import ExtractConfig
from lmcore.crawl.extract import extract_archive
from lmcore.crawl.http import EncodingError, decode_body, parse_content_type, parse_response
from lmcore.crawl.sample import warc_names, write_sample_crawl
from lmcore.crawl.sample_config import SampleConfig
from lmcore.crawl.warc import read_records

PAGES = 600
ROUNDS = 3


def cpu_seconds():
    own = resource.getrusage(resource.RUSAGE_SELF)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def timed(call):
    started = cpu_seconds()
    result = call()
    return result, cpu_seconds() - started


def ours(path):
    config = ExtractConfig()
    return {r.url: r.text for r in extract_archive(path, path.name, config) if r.text}


def load_html(path):
    pages = {}
    with path.open("rb") as file:
        for record in read_records(file, max_record_bytes=1 << 24):
            response = parse_response(record.block) if record.record_type == "response" else None
            if response is None or record.problem or response.status != 200:
                continue
            try:
                body = decode_body(response, max_bytes=1 << 24)
            except EncodingError:  # the sample holds damaged pages on purpose
                continue
            mime, charset = parse_content_type(response.content_type)
            if mime == "text/html":
                pages[record.url] = decode_page(body, charset)[0]
    return pages


def peer(pages):
    return {
        url: trafilatura.extract(html, include_comments=False, include_tables=True)
        for url, html in pages.items()
    }


def main():
    config = SampleConfig(n_pages=PAGES, n_files=1)
    with tempfile.TemporaryDirectory() as folder:
        write_sample_crawl(Path(folder), config)
        path = Path(folder) / warc_names(config)[0]
        pages = load_html(path)
        seconds = {"ours": [], "trafilatura": []}
        for _ in range(ROUNDS):
            extracted, spent = timed(lambda: ours(path))
            seconds["ours"].append(spent / len(extracted))
            plain, spent = timed(lambda: peer(pages))
            seconds["trafilatura"].append(spent / len(plain))
    # a page laid out by tables comes back from the peer as one row; ours takes it apart
    common = [
        url for url, text in plain.items() if text and url in extracted and not text.startswith("|")
    ]
    equal = sum(plain[url].strip() == extracted[url].strip() for url in common)
    assert equal >= 0.95 * len(common), f"{equal} of {len(common)} texts agree"
    ours_ms, peer_ms = (1000 * statistics.median(seconds[name]) for name in seconds)
    print(
        f"| extractor | CPU ms a page |\n|---|---|\n| crawl2model | {ours_ms:.2f} |\n| trafilatura | {peer_ms:.2f} |"
    )
    print(f"{equal} of {len(common)} texts equal; {time.strftime('%Y-%m-%d')}")
    print(
        json.dumps(
            {
                "extract_vs_trafilatura": round(peer_ms / ours_ms, 3),
                "extract_ms_per_page": round(ours_ms, 3),
            }
        )
    )


if __name__ == "__main__":
    main()
