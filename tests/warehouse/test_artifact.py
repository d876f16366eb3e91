"""Manifests: written and read back whole, refused when they are not ours."""

import pytest

from warehouse.artifact import Accounting, Artifact, FileEntry, Input, Manifest
from warehouse.errors import CorruptArtifactError


def manifest() -> Manifest:
    return Manifest(
        kind="extract",
        name="extract/ä.warc.gz",
        key="k" * 64,
        code_version=3,
        config={"seconds": 1.5, "names": ["a"]},
        inputs=(Input("crawl", "sample_crawl", "p" * 64, "c" * 64, "file:x"),),
        files=(FileEntry("records.parquet", 10, "s" * 64, "records", 2), FileEntry("a.bin", 1, "t" * 64)),
        content="c" * 64,
        accounting=Accounting(2, 1, {"not_html": 1}),
        attributes={"vocab_size": 12},
    )  # fmt: skip


def test_manifest_written_and_read_back_is_equal():
    assert Manifest.from_json(manifest().to_json()) == manifest()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "{}",
        '{"accounting": null}',
        manifest().to_json().replace('"key"', '"keys"'),
    ],
)
def test_manifest_unreadable_text_raises(text):
    with pytest.raises(CorruptArtifactError):
        Manifest.from_json(text)


def test_artifact_file_not_in_manifest_raises_and_names_the_others(tmp_path):
    with pytest.raises(CorruptArtifactError, match=r"records\.parquet"):
        Artifact(tmp_path, manifest()).file("other.bin")


def test_artifact_tables_lists_only_files_of_tables(tmp_path):
    assert Artifact(tmp_path, manifest()).tables() == {"records": [tmp_path / "records.parquet"]}
