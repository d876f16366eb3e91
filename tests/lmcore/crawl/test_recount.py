import io

import pytest

from lmcore.crawl.recount import count_records
from lmcore.crawl.warc import read_records

PACKINGS = ["plain", "gz", "gz_whole", "gz_pieces", "zst", "zst_pieces", "lz4", "lz4_whole"]


@pytest.mark.parametrize("packing", PACKINGS)
def test_count_records_agrees_with_our_reader_on_whole_files(record, pack, packing, tmp_path):
    data = pack(packing, [record(i, b"x" * (i * i * 331)) for i in range(12)])
    path = tmp_path / "a"
    path.write_bytes(data)
    n_ours = sum(1 for _ in read_records(io.BytesIO(data), max_record_bytes=1 << 20))
    assert count_records(path) == n_ours == 12


@pytest.mark.parametrize(
    "content",
    [b"no archive", b"filedesc://a.arc 0.0.0.0 20080430204825 text/plain 1\nx\n"],
    ids=["none", "arc"],
)
def test_count_records_file_that_fastwarc_does_not_read_has_no_count(tmp_path, content):
    path = tmp_path / "a"
    path.write_bytes(content)
    assert count_records(path) is None
    assert count_records(tmp_path / "gone") is None
