"""One crawl, read from a folder, from a web server, through its columnar index, and from S3.

The servers are local stand-ins that speak the real protocols: `web_server`, and moto's S3 server, whose
address and credentials come from the environment as those of a real one do.
"""

import gzip
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from commands import ask, c2m
from web_server import serve

from lmcore.crawl.sample import warc_names, write_sample_crawl
from lmcore.crawl.sample_config import SampleConfig

WARCS = "crawl-data/CC-MAIN-2025-00/segments/1735689600000.00/warc"
LIST = "crawl-data/CC-MAIN-2025-00/warc.paths.gz"
LAST = "deduplicate"
SAMPLE = SampleConfig(n_pages=120, n_files=2)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def crawl(tmp_path_factory):
    """A crawl in Common Crawl's layout: path list, archives below their segment."""
    folder = tmp_path_factory.mktemp("crawl")
    made = tmp_path_factory.mktemp("made")
    write_sample_crawl(made, SAMPLE)
    (folder / WARCS).mkdir(parents=True)
    names = [name.rsplit("/", 1)[-1] for name in warc_names(SAMPLE)]
    for name in names:
        next(made.rglob(name)).rename(folder / WARCS / name)
    listing = "".join(f"{WARCS}/{name}\n" for name in names)
    (folder / LIST).write_bytes(gzip.compress(listing.encode()))
    return folder


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """One for all runs, so that the classifiers are trained once."""
    return tmp_path_factory.mktemp("remote") / "store"


def outcomes(store, **settings):
    """Run the corpus stages; the outcome of every record, the accounts, and the unique texts."""
    given = [part for name, value in settings.items() for part in ("--set", f"{name}={value}")]
    given = [part.replace("__", ".") for part in given]
    done = c2m(store, "run", "smoke", "--until", LAST, *given, seconds=500)
    assert done.returncode == 0, done.stdout + done.stderr
    accounts = ask(store, "select stage, sum(rows_in) as n, sum(rows_kept) as kept, "
                   "sum(rows_rejected) as rejected from accounting join runs using (run_id) "
                   "where is_selected group by stage order by stage")  # fmt: skip
    records = ask(store, "select r.record_id as id, record_type, outcome, r.url, r.warc_file, "
                  "r.warc_offset, r.warc_length, j.stage, j.reason from records as r "
                  "left join rejections as j on j.doc_id = record_id order by id")  # fmt: skip
    texts = ask(store, "select url, md5(u.text) as text from unique_texts as u "
                "join records on record_id = doc_id order by url")  # fmt: skip
    return accounts, records, texts


def fates(records):
    """What became of each record, wherever it was read from."""
    return [(row["id"], row["outcome"], row["stage"], row["reason"]) for row in records]


def by_url(records):
    """The same for files of other names, which give documents other ids.

    Of copies that are equally good the smaller id stays, so which one went is left out.
    """
    return sorted(
        (row["url"], row["outcome"], *(("", "") if row["stage"] in (None, LAST) else (str(row["stage"]), str(row["reason"]))))
        for row in records
    )  # fmt: skip


@pytest.fixture(scope="module")
def local(crawl, store):
    found = outcomes(store, corpus__warcs=f'["{crawl}/crawl-data/**/*.warc.gz"]')
    accounts, records, texts = found
    assert [row["stage"] for row in accounts] == ["annotate", "decide", "deduplicate", "extract"]
    assert all(row["n"] == row["kept"] + row["rejected"] for row in accounts)
    assert len({row["outcome"] for row in records}) > 4
    assert len(texts) > 30
    return found


def test_path_list_on_a_web_server_gives_what_the_folder_gives(crawl, store, local):
    with serve(crawl) as web:
        accounts, records, texts = outcomes(store, corpus__warcs=f'["{web.root}/{LIST}"]')
    assert accounts == local[0]
    assert fates(records) == fates(local[1])
    assert texts == local[2]
    assert {path for _, path, span in web.asked if span} >= {f"/{LIST}", f"/{WARCS}/{records[0]['warc_file'].rsplit('/', 1)[-1]}"}  # fmt: skip


def write_index(crawl, records):
    """A columnar index of the responses, as Common Crawl writes one."""
    responses = [row for row in records if row["record_type"] == "response"]
    names = {path.name: str(path.relative_to(crawl)) for path in (crawl / WARCS).iterdir()}
    table = {
        "url": [row["url"] for row in responses],
        "fetch_status": [200] * len(responses),
        "warc_filename": [names[row["warc_file"].rsplit("/", 1)[-1]] for row in responses],
        "warc_record_offset": [row["warc_offset"] for row in responses],
        "warc_record_length": [row["warc_length"] for row in responses],
    }
    pq.write_table(pa.table(table), crawl / "cc-index.parquet")
    return {row["id"] for row in responses}


def test_records_of_an_index_fare_as_in_their_files(crawl, store, local):
    chosen = write_index(crawl, local[1])
    with serve(crawl) as web:
        settings = {"index__files": f'["{web.root}/cc-index.parquet"]', "index__base": web.root}
        accounts, records, texts = outcomes(store, **settings, index__n_files=2)
    assert all(row["n"] == row["kept"] + row["rejected"] for row in accounts)
    wanted = [row for row in local[1] if row["id"] in chosen]
    assert by_url(records) == by_url(wanted)
    assert Counter(row["reason"] for row in records) == Counter(row["reason"] for row in wanted)
    assert sorted(row["text"] for row in texts) == sorted(row["text"] for row in local[2])
    whole = sum(path.stat().st_size for path in (crawl / WARCS).iterdir())
    spans = [
        span.removeprefix("bytes=").split("-")
        for _, path, span in web.asked
        if path.endswith(".gz")
    ]
    assert 0 < sum(int(last) - int(first) + 1 for first, last in spans) < whole


@pytest.fixture
def bucket(crawl, monkeypatch):
    """The crawl in a bucket of an S3 server, its address and keys in the environment."""
    pytest.importorskip("moto", reason="moto is not installed (extra s3)")
    s3fs = pytest.importorskip("s3fs", reason="s3fs is not installed (extra remote)")
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    for name, value in {**keys, "AWS_DEFAULT_REGION": "us-east-1"}.items():
        monkeypatch.setenv(name, value)
    with s3_server() as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        files = s3fs.S3FileSystem(skip_instance_cache=True)
        files.mkdir("crawls")
        files.put(str(crawl / "crawl-data"), "crawls/crawl-data", recursive=True)
        yield "s3://crawls"


class s3_server:  # noqa: N801  # a context manager
    """moto's server in a process of its own."""

    def __enter__(self):
        with serve_nothing() as port:
            address = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        self._server = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ
        )
        for _ in range(300):
            try:
                urllib.request.urlopen(address, timeout=5).close()  # our own server
            except urllib.error.HTTPError:
                return address
            except OSError:
                time.sleep(0.1)
            else:
                return address
        raise TimeoutError(f"no S3 server at {address} after 30 s")

    def __exit__(self, *_):
        self._server.terminate()
        self._server.wait(20)


def serve_nothing():
    """A port that is free now."""
    import contextlib
    import socket

    @contextlib.contextmanager
    def bound():
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            yield found.getsockname()[1]

    return bound()


def test_path_list_in_s3_gives_what_the_folder_gives(store, local, bucket):
    accounts, records, texts = outcomes(store, corpus__warcs=f'["{bucket}/{LIST}"]')
    assert accounts == local[0]
    assert fates(records) == fates(local[1])
    assert texts == local[2]


def test_bucket_that_is_not_there_is_an_error_in_one_paragraph(store, bucket):
    done = c2m(store, "run", "smoke", "--set", f'corpus.warcs=["{bucket}-not/a.warc.gz"]')
    assert done.returncode == 2, done.stdout + done.stderr
    assert "crawls-not/a.warc.gz" in done.stderr
    assert "Traceback" not in done.stderr
