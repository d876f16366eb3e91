"""Reading labelled texts: which Parquet file teaches what.

Two label sets are needed, quality (1 = high) and toxicity (1 = toxic); educational, hate, nsfw and
reference (1 = like a reference corpus, 0 = like the crawl) are taught where a file holds them. A file
teaches a set by its name (quality.parquet, dclm_human_quality.parquet, toxicity.parquet: the set's name
is part of the file's) and its columns: text, and label or the set's own (toxic, hate, ...), and
optionally split (train or test) and source. Rows without label are skipped, repeated texts count once,
and a set without a split is split by the hash of its text, so that equal texts never lie on both sides.
"""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow.parquet as pq

from lmcore.errors import InputError

_TAUGHT_BY: dict[str, dict[str, tuple[str, ...]]] = {
    "quality": {"quality": ("label",)},
    "toxicity": {"toxicity": ("label", "toxic")},
    "educational": {"educational": ("label", "educational")},
    "hate": {"hate": ("label", "hate"), "toxicity": ("hate",)},
    "nsfw": {"nsfw": ("label", "nsfw"), "toxicity": ("nsfw",)},
    "reference": {"reference": ("label", "reference")},
}
"""Set -> part of a file's name -> the columns that hold its labels, the first that is there."""

LABEL_SETS = ("quality", "toxicity")
"""The sets a run needs: one classifier each."""

OPTIONAL_SETS = tuple(name for name in _TAUGHT_BY if name not in LABEL_SETS)
"""The sets that are taught where a file holds them."""


class LabelledText(NamedTuple):
    """One text of a label set."""

    text: str
    label: int
    is_test: bool
    source: str = ""
    """The collection it comes from, where the file says so."""


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "replace")).digest()[:8], "big")


def list_files(labels: Sequence[Path]) -> list[Path]:
    """The Parquet files of files and folders, in the order of their paths."""
    found: list[Path] = []
    for path in labels:
        found += sorted(path.glob("*.parquet")) if path.is_dir() else [path]
    return sorted(set(found))


def _label_column(path: Path, columns: Sequence[str]) -> str | None:
    names = pq.read_schema(path).names
    if "text" not in names:
        return None
    return next((column for column in columns if column in names), None)


def find_label_sets(labels: Sequence[Path]) -> dict[str, list[tuple[Path, str]]]:
    """Each set's files with the name of their label column; optional sets only where there are files.

    Raises:
        InputError: a file cannot be read, or no file teaches a set that is needed.
    """
    files = list_files(labels)
    sets: dict[str, list[tuple[Path, str]]] = {name: [] for name in _TAUGHT_BY}
    for path in files:
        for name, parts in _TAUGHT_BY.items():
            columns = next((columns for part, columns in parts.items() if part in path.stem), None)
            if columns is None:
                continue
            try:
                column = _label_column(path, columns)
            except (OSError, ValueError) as error:  # pyarrow's ArrowInvalid is a ValueError
                raise InputError(
                    f"found {path.name}, which is no readable Parquet file ({error}); expected labelled texts:"
                    " repair it or name other files in curate.labels"
                ) from error
            if column is not None:
                sets[name].append((path, column))
    for name in LABEL_SETS:
        if not sets[name]:
            names = ", ".join(path.name for path in files) or "no file"
            raise InputError(
                f"found {names} among the labels, nothing that teaches {name}; expected a Parquet file with "
                f"{name!r} in its name and the columns text and {' or '.join(_TAUGHT_BY[name][name])}: "
                "name its folder or file in curate.labels"
            )
    return {name: members for name, members in sets.items() if members}


def _rows(
    files: Iterable[tuple[Path, str]], name: str
) -> Iterable[tuple[str, int, str | None, str]]:
    for path, column in files:
        names = pq.read_schema(path).names
        columns = ["text", column, *(extra for extra in ("split", "source") if extra in names)]
        for row in pq.read_table(path, columns=columns).to_pylist():
            text, label = row["text"], row[column]
            if text is None or label is None:
                continue
            if label not in (0, 1):
                raise InputError(
                    f"found label {label!r} in {path.name}; expected 0 or 1 for {name}: map the labels"
                )
            yield text, int(label), row.get("split"), str(row.get("source") or "")


def read_label_set(
    files: Sequence[tuple[Path, str]], name: str, *, max_texts: int, test_fraction: float
) -> list[LabelledText]:
    """Read a set: distinct texts in the order of their hashes, as many of each class as there are.

    Raises:
        InputError: a label is neither 0 nor 1, or a class is missing from the training or test part.
    """
    distinct: dict[str, tuple[int, str | None, str]] = {}
    for text, label, split, source in _rows(files, name):
        if text.strip():
            distinct.setdefault(text, (label, split, source))
    by_hash = sorted(distinct, key=lambda text: (_hash(text), text))
    quota = {0: max_texts // 2, 1: max_texts // 2}
    n_available = {label: sum(distinct[text][0] == label for text in by_hash) for label in (0, 1)}
    for label in (0, 1):  # what one class leaves free, the other may take, up to twice its own
        free = max(quota[label] - n_available[label], 0)
        quota[1 - label] = min(quota[1 - label] + free, 2 * max(n_available[label], 1))
    chosen: list[LabelledText] = []
    for text in by_hash:
        label, split, source = distinct[text]
        if quota[label] <= 0:
            continue
        quota[label] -= 1
        # hash bits that the order above does not use first
        is_test = (
            split == "test"
            if split
            else (_hash("split\0" + text) % 10_000) < test_fraction * 10_000
        )
        chosen.append(LabelledText(text, label, is_test, source))
    _check_classes(chosen, name)
    return chosen


def _check_classes(texts: Sequence[LabelledText], name: str) -> None:
    counts: dict[tuple[bool, int], int] = {
        (part, label): 0 for part in (False, True) for label in (0, 1)
    }
    for text in texts:
        counts[text.is_test, text.label] += 1
    if min(counts.values()) == 0:
        raise InputError(
            f"found {counts[False, 0]:,d} texts labelled 0 and {counts[False, 1]:,d} labelled 1 to train {name} on, "
            f"{counts[True, 0]:,d} and {counts[True, 1]:,d} to test it; expected some of each: add labelled texts"
        )
