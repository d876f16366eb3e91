"""Which records of a crawl are taken by its columnar index. Standard library only."""

from dataclasses import dataclass

from lmcore.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexConfig:
    """A selection over Common Crawl's columnar index; empty lists select nothing away."""

    files: tuple[str, ...] = ()
    """paths, folders, globs or URLs of the index's Parquet files; none: no selection"""
    base: str = "https://data.commoncrawl.org/"
    """where the crawl's own paths begin: a URL or a folder that holds `crawl-data`"""
    domains: tuple[str, ...] = ()
    """registered domains (column url_host_registered_domain)"""
    languages: tuple[str, ...] = ()
    """main language of the page, three letters as the index has them (column content_languages)"""
    mimes: tuple[str, ...] = ()
    """media types as detected (column content_mime_detected)"""
    statuses: tuple[int, ...] = (200,)
    """HTTP status codes (column fetch_status)"""
    max_records: int = 10_000
    """at most as many, the first by file and offset"""
    n_files: int = 1
    """local files that the records are written into; each is a step of extraction"""

    def __post_init__(self) -> None:
        for name in ("max_records", "n_files"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}, expected 1 or more; raise it")


def selected_names(config: IndexConfig) -> list[str]:
    """Names of the files that the selected records are written into."""
    return [f"selected-{number:05d}.warc.gz" for number in range(config.n_files)]
