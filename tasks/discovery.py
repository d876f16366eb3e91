"""Source files of a recipe: paths, globs, URLs and path lists become named, hashed files.

Names are what documents remember, so they hold nothing of this machine: Common Crawl's own path
where there is one, else the file's name with as many folders as it takes to be unique.
A file is hashed once; afterwards its size, mtime and inode vouch for it. Crawl files are looked into
only until one of them holds a record: a few milliseconds, unless none does. Remote files are asked
for their length and ETag, eight at a time, and not downloaded.
"""

import glob
import json
import logging
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from io import BufferedIOBase, BytesIO
from pathlib import Path

from lmcore.crawl.paths import is_path_list, read_path_list
from lmcore.crawl.remote import find_remote, is_remote, read_range
from lmcore.crawl.sniff import describe_start, has_record, starts_with_record
from lmcore.dedup.contamination_config import SUFFIXES
from lmcore.errors import InputError
from tasks.graph import Source, Sources
from warehouse import fingerprint
from warehouse.store import Store

logger = logging.getLogger(__name__)
_CRAWL_ROOT = "crawl-data"
UNREADABLE = "unreadable"
_SHOWN = 5
_SNIFFED_BYTES = 1 << 18
_N_ASKED = 8


class _HashCache:
    """Remembers the hashes of files that have not changed since."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._known: dict[str, list[object]] = json.loads(path.read_text())
        except (OSError, ValueError):
            self._known = {}
        self._dirty = False

    def hash(self, path: Path) -> str:
        """Content hash of a file; "unreadable" when it cannot be opened."""
        try:
            seen = path.stat()
            stat: list[object] = [seen.st_size, seen.st_mtime_ns, seen.st_ino]
            known = self._known.get(str(path))
            if known is not None and known[:3] == stat:
                return str(known[3])
            digest = fingerprint.hash_file(path)
        except OSError as error:
            logger.warning("unreadable file=%s error=%s", path, error.strerror)
            return UNREADABLE
        self._known[str(path)] = [*stat, digest]
        self._dirty = True
        return digest

    def save(self) -> None:
        """Write what was learnt."""
        if self._dirty:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            aside = self._path.with_name(f".{uuid.uuid4().hex}")
            aside.write_text(json.dumps(self._known))
            aside.replace(self._path)


def match(patterns: Sequence[str], what: str) -> list[Path]:
    """Files that paths and globs name, sorted; InputError when one of them names none."""
    found: set[Path] = set()
    for pattern in patterns:
        matched = [Path(path) for path in glob.glob(pattern, recursive=True)]  # noqa: PTH207 - Path.glob takes no absolute pattern
        files = {path.resolve() for path in matched if path.is_file()}
        for folder in (path for path in matched if path.is_dir()):
            files |= {path.resolve() for path in folder.glob("*") if path.is_file()}
        if not files:
            msg = (
                f"Found no file for {what} = {pattern!r}, looking from {Path.cwd()}; expected a "
                "path, a folder or a glob that matches at least one file; correct it or --set "
                "another."
            )
            raise InputError(msg)
        found |= files
    return sorted(found)


def _crawl_name(path: Path) -> str:
    """Common Crawl's own name of a file; empty where its path holds none."""
    at = path.parts.index(_CRAWL_ROOT) if _CRAWL_ROOT in path.parts else len(path.parts)
    return "/".join(path.parts[at:])


def name_files(paths: Iterable[Path]) -> dict[str, Path]:
    """Name files without a trace of this machine, each name once."""
    paths = list(paths)
    crawled = {path: _crawl_name(path) for path in paths}
    counts = Counter(name for name in crawled.values() if name)
    named = {name: path for path, name in crawled.items() if counts[name] == 1}
    remaining = [path for path, name in crawled.items() if counts[name] != 1]
    depth = 1
    while remaining:
        names = Counter("/".join(path.parts[-depth:]) for path in remaining)
        unique = [p for p in remaining if names["/".join(p.parts[-depth:])] == 1]
        named.update({"/".join(path.parts[-depth:]): path for path in unique})
        remaining = [path for path in remaining if path not in set(unique)]
        depth += 1
    return dict(sorted(named.items()))


def _open(source: Source) -> BufferedIOBase:
    """A source file to look into; of a remote one its beginning."""
    if not is_remote(source.path):
        return Path(source.path).open("rb")
    n_bytes = min(find_remote(source.path).n_bytes, _SNIFFED_BYTES)
    return BytesIO(read_range(source.path, 0, n_bytes))


def list_paths(patterns: Sequence[str], max_files: int) -> list[str]:
    """Patterns with every path list replaced by what it names."""
    found: list[str] = []
    for pattern in patterns:
        is_list = is_path_list(pattern)
        found += read_path_list(pattern, max_files) if is_list else [pattern]
    return found


def _holds(source: Source, look: Callable[[BufferedIOBase], bool]) -> bool:
    """What a look into a source file finds; False where it cannot be read."""
    if source.content == UNREADABLE:
        return False
    try:
        with _open(source) as file:
            return look(file)
    except OSError:
        return False


def _describe(source: Source) -> str:
    """What is wrong with a source file, in a few words."""
    try:
        with _open(source) as file:
            found = describe_start(file)
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return "cannot be read to its end" if source.content == UNREADABLE else found


def require_archive(sources: Sequence[Source]) -> None:
    """Raise InputError unless a record begins in at least one of the files.

    Their first bytes are tried before any of them is searched to its end, as extraction does: an
    archive whose beginning is lost still counts.
    """
    if any(_holds(source, look) for look in (starts_with_record, has_record) for source in sources):
        return
    shown = [f"{source.name} ({_describe(source)})" for source in sources[:_SHOWN]]
    n_more = len(sources) - len(shown)
    more = f", and {n_more:,d} more" if n_more else ""
    msg = (
        f"Found no record in any of the {len(sources):,d} files of corpus.warcs: "
        f"{', '.join(shown)}{more}; expected at least one that can be read as WARC, WET or ARC; "
        "correct it or --set another."
    )
    raise InputError(msg)


def _ending(sources: Sequence[Source], suffixes: tuple[str, ...]) -> tuple[Source, ...]:
    return tuple(source for source in sources if source.name.endswith(suffixes))


def discover(  # noqa: PLR0913  # a name for each kind of file
    store: Store,
    *,
    warcs: Sequence[str],
    labels: str,
    lid_model: str,
    lists: str = "",
    perplexity_models: str = "",
    evaluation_sets: Sequence[str] = (),
    index: Sequence[str] = (),
    remember: bool = True,
) -> Sources:
    """Find and hash every source file of a recipe; ``remember`` writes down the hashes.

    Raises InputError where nothing is found, or nothing that a stage can read.
    """
    cache = _HashCache(store.root / "cache" / "hashes.json")

    def sources(patterns: Sequence[str], what: str) -> tuple[Source, ...]:
        if not any(patterns):
            return ()
        urls = {Path(pattern): pattern for pattern in patterns if is_remote(pattern)}
        local = match([pattern for pattern in patterns if not is_remote(pattern)], what)
        named = name_files([*local, *urls])
        with ThreadPoolExecutor(_N_ASKED) as pool:
            remotes = pool.map(find_remote, urls.values())
            contents = {path: found.content for path, found in zip(urls, remotes, strict=True)}
        return tuple(
            Source(name, contents.get(path) or cache.hash(path), urls.get(path, str(path)))
            for name, path in named.items()
        )

    found = Sources(
        warcs=sources(warcs, "corpus.warcs"),
        index=sources(index, "index.files"),
        labels=_ending(sources([labels], "curate.labels"), (".parquet",)),
        lid_model=sources([lid_model], "curate.lid_model"),
        lists=sources([lists], "curate.lists"),
        perplexity_models=sources([perplexity_models], "curate.perplexity_models"),
        evaluation_sets=_ending(sources(evaluation_sets, "decontaminate.sets"), SUFFIXES),
    )
    if remember:
        cache.save()
    if found.warcs:
        require_archive(found.warcs)
    if labels and not found.labels:
        msg = (
            f"Found no Parquet file for curate.labels = {labels!r}; expected quality and toxicity "
            "labels (columns text and label); name a folder or file that holds them."
        )
        raise InputError(msg)
    if evaluation_sets and not found.evaluation_sets:
        msg = (
            f"Found no file of {', '.join(SUFFIXES)} for decontaminate.sets = "
            f"{list(evaluation_sets)!r}; expected evaluation sets; name a folder or files that hold them."
        )
        raise InputError(msg)
    return found
