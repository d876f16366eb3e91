"""Remote files, path lists and the columnar index against a web server laid out like a crawl."""

import gzip
from io import BytesIO

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from web_server import serve

from lmcore.crawl.ccindex import fetch_selected, select_places
from lmcore.crawl.index_config import IndexConfig, selected_names
from lmcore.crawl.paths import read_path_list
from lmcore.crawl.remote import download, find_remote, is_remote, read_range
from lmcore.crawl.warc import read_records
from lmcore.errors import ConfigError, InputError, TransientError

CRAWL = "crawl-data/CC-MAIN-2026-01"
NAMES = [f"{CRAWL}/segments/1/warc/{number}.warc.gz" for number in range(2)]
DOMAINS = ["a.example", "b.example", "c.example"]


@pytest.fixture(scope="module")
def crawl(tmp_path_factory, record, pack):
    """A folder like Common Crawl's: two WARC files, their path list and their index."""
    folder, rows = tmp_path_factory.mktemp("crawl"), []
    for f, name in enumerate(NAMES):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        kept = [record(10 * f + k, b"page %d" % k) for k in range(6)]
        path.write_bytes(pack("gz", kept))
        for k, raw in enumerate(read_records(BytesIO(path.read_bytes()), max_record_bytes=1 << 20)):
            rows.append(
                {
                    "url": raw.url,
                    "url_host_registered_domain": DOMAINS[k % 3],
                    "content_languages": ["eng", "fra,eng", None][k % 3],
                    "content_mime_detected": ["text/html", "application/pdf"][k % 2],
                    "fetch_status": 200 if k else 404,
                    "warc_filename": name,
                    "warc_record_offset": raw.offset,
                    "warc_record_length": raw.length,
                }
            )
    pq.write_table(pa.Table.from_pylist(rows), folder / "index.parquet", row_group_size=4)
    listed = "\n".join(NAMES).encode() + b"\n"
    (folder / CRAWL / "warc.paths.gz").write_bytes(gzip.compress(listed))
    return folder


@pytest.fixture
def web(crawl):
    with serve(crawl) as server:
        yield server


def no_sleep(_: float) -> None:
    pass


def test_is_remote_knows_web_and_s3_from_paths():
    urls = ["http://a/b", "HTTPS://a/b", "s3://bucket/key", "/a/b", "a:b", "file:///a", "ftp://a/b"]
    assert [is_remote(url) for url in urls] == [True, True, True, False, False, False, False]


def test_download_gives_the_file_and_asks_no_more_when_it_is_kept(web, crawl, tmp_path):
    found = find_remote(f"{web.root}/{NAMES[0]}")
    path = download(found, tmp_path, sleep=no_sleep)
    assert path.read_bytes() == (crawl / NAMES[0]).read_bytes()
    n_asked = web.asked.total()
    assert download(found, tmp_path, sleep=no_sleep) == path
    assert web.asked.total() == n_asked


def test_download_goes_on_where_an_earlier_one_stopped(web, crawl, tmp_path):
    found, whole = find_remote(f"{web.root}/{NAMES[0]}"), (crawl / NAMES[0]).read_bytes()
    (tmp_path / f"{found.content}.part").write_bytes(whole[:100])
    assert download(found, tmp_path, sleep=no_sleep).read_bytes() == whole
    spans = {span for (method, _, span) in web.asked if method == "GET" and span}
    assert spans == {f"bytes=100-{len(whole) - 1}"}


def test_download_of_a_file_that_changes_meanwhile_is_weather_and_keeps_nothing(web, tmp_path):
    found = find_remote(f"{web.root}/{NAMES[0]}")
    stale = type(found)(found.url, found.n_bytes, "another version")
    with pytest.raises(TransientError, match="changed while it was downloaded"):
        download(stale, tmp_path, sleep=no_sleep)
    assert [path.stat().st_size for path in tmp_path.iterdir()] == [0]


def test_content_changes_with_length_and_version_only(web):
    first, second = (find_remote(f"{web.root}/{name}") for name in NAMES)
    assert first.content != second.content
    assert first.content == type(first)("http://mirror/x", first.n_bytes, first.version).content


def test_busy_server_is_asked_again_with_growing_pauses(web):
    pauses = []
    web.n_errors = 3
    assert read_range(f"{web.root}/{NAMES[0]}", 0, 3, sleep=pauses.append) == b"\x1f\x8b\x08"
    assert pauses == [0.5, 1.0, 2.0]


@pytest.mark.parametrize(
    "call", [find_remote, lambda url, sleep: read_range(url, 0, 3, sleep=sleep)]
)
def test_server_that_stays_busy_is_weather(web, call):
    web.n_errors = 1000
    with pytest.raises(TransientError, match="6 times, expected an answer; try again later"):
        call(f"{web.root}/{NAMES[0]}", sleep=no_sleep)


@pytest.mark.parametrize(
    "call", [find_remote, lambda url, sleep: read_range(url, 0, 3, sleep=sleep)]
)
def test_missing_file_is_an_error_at_once(web, call):
    with pytest.raises(InputError, match=r"nothing\.warc failed.*correct the URL"):
        call(f"{web.root}/nothing.warc", sleep=pytest.fail)


def test_server_that_ignores_ranges_is_named(web):
    web.ignores_ranges = True
    with pytest.raises(InputError, match="expected a server that honours Range"):
        read_range(f"{web.root}/{NAMES[0]}", 5, 3, sleep=no_sleep)


def test_file_that_nothing_identifies_is_refused(web):
    web.has_etags = False
    with pytest.raises(InputError, match="expected a length and an ETag"):
        find_remote(f"{web.root}/{NAMES[0]}", sleep=no_sleep)


def test_read_path_list_remote_and_local_names_files_below_the_root_of_the_crawl(web, crawl):
    listed = f"{CRAWL}/warc.paths.gz"
    assert read_path_list(f"{web.root}/{listed}") == [f"{web.root}/{name}" for name in NAMES]
    assert read_path_list(str(crawl / listed), 1) == [str(crawl / NAMES[0])]


@pytest.mark.parametrize("content", [b"", b"\n", b"\x1f\x8b\x08broken", b"\xff\xfe"])
def test_read_path_list_that_is_none_is_refused(tmp_path, content):
    path = tmp_path / "warc.paths"
    path.write_bytes(content)
    with pytest.raises(InputError, match="expected one path a line"):
        read_path_list(str(path))


@pytest.mark.parametrize(
    ("selection", "taken"),
    [
        ({}, {1, 2, 3, 4, 5}),
        ({"statuses": ()}, {0, 1, 2, 3, 4, 5}),
        ({"domains": ("b.example",)}, {1, 4}),
        ({"languages": ("eng",)}, {3}),
        ({"languages": ("fra", "eng")}, {1, 3, 4}),
        ({"mimes": ("application/pdf",), "domains": ("a.example", "c.example")}, {3, 5}),
    ],
    ids=str,
)
def test_fetch_selected_writes_the_chosen_records_and_no_others(
    web, crawl, tmp_path, selection, taken
):
    expected = [f"urn:uuid:{10 * f + k}" for f in range(2) for k in sorted(taken)]
    for base in (web.root, str(crawl)):
        config = IndexConfig(base=base, n_files=2, **selection)
        index = f"{web.root}/index.parquet" if base == web.root else str(crawl / "index.parquet")
        places = list(fetch_selected([index], config, tmp_path))
        found = []
        for name in selected_names(config):
            data = BytesIO((tmp_path / name).read_bytes())
            found += list(read_records(data, max_record_bytes=1 << 20))
        assert [raw.record_id for raw in found] == expected
        assert {raw.problem for raw in found} == {""}
        assert [place.length for place in places] == [raw.length for raw in found]


def test_fetch_selected_asks_for_single_records_by_range(web, crawl, tmp_path):
    config = IndexConfig(base=web.root, domains=("b.example",), max_records=1)
    (place,) = fetch_selected([str(crawl / "index.parquet")], config, tmp_path)
    span = f"bytes={place.offset}-{place.offset + place.length - 1}"
    assert [key for key in web.asked if key[0] == "GET"] == [("GET", f"/{NAMES[0]}", span)]


def test_select_places_of_nothing_or_of_no_index_is_refused(crawl, tmp_path):
    index = str(crawl / "index.parquet")
    with pytest.raises(InputError, match="no record that the selection takes"):
        select_places([index], IndexConfig(domains=("z.example",)))
    odd = tmp_path / "odd.parquet"
    pq.write_table(pa.table({"url": ["x"]}), odd)
    with pytest.raises(InputError, match="no column fetch_status, warc_filename"):
        select_places([str(odd)], IndexConfig())
    odd.write_bytes(b"none")
    with pytest.raises(InputError, match="is no Parquet file"):
        select_places([str(odd)], IndexConfig())


def test_index_config_refuses_counts_below_one():
    with pytest.raises(ConfigError, match="max_records is 0"):
        IndexConfig(max_records=0)


def test_fetch_selected_from_a_crawl_that_is_too_short_is_refused(crawl, tmp_path):
    for name in NAMES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"short")
    config = IndexConfig(base=str(tmp_path))
    with pytest.raises(InputError, match=r"correct index\.base"):
        list(fetch_selected([str(crawl / "index.parquet")], config, tmp_path))
