"""Reading labelled texts: which Parquet file teaches what.

Two label sets are needed, quality (1 = high) and toxicity (1 = toxic). A file teaches a set by its
name (quality.parquet, dclm_human_quality.parquet, toxicity.parquet: the set's name is part of the
file's) and its columns: text, and label (or toxic), and optionally split (train or test). Rows without
label are skipped, repeated texts count once, and a set without a split is split by the hash of its
text, so that equal texts never lie on both sides.
"""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow.parquet as pq

from lmcore.errors import InputError

_LABEL_COLUMNS = {"quality": ("label",), "toxicity": ("label", "toxic")}

LABEL_SETS = tuple(_LABEL_COLUMNS)
"""The sets a run needs: one classifier each."""


class LabelledText(NamedTuple):
    """One text of a label set."""

    text: str
    label: int
    is_test: bool


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "replace")).digest()[:8], "big")


def _files(labels: Sequence[Path]) -> list[Path]:
    found: list[Path] = []
    for path in labels:
        found += sorted(path.glob("*.parquet")) if path.is_dir() else [path]
    return sorted(set(found))


def _label_column(path: Path, name: str) -> str | None:
    columns = pq.read_schema(path).names
    if "text" not in columns:
        return None
    return next((column for column in _LABEL_COLUMNS[name] if column in columns), None)


def find_label_sets(labels: Sequence[Path]) -> dict[str, list[tuple[Path, str]]]:
    """Each set's files with the name of their label column.

    Raises:
        InputError: a file cannot be read, or no file teaches a set.
    """
    files = _files(labels)
    sets: dict[str, list[tuple[Path, str]]] = {name: [] for name in LABEL_SETS}
    for path in files:
        for name in LABEL_SETS:
            if name not in path.stem:
                continue
            try:
                column = _label_column(path, name)
            except (OSError, ValueError) as error:  # pyarrow's ArrowInvalid is a ValueError
                raise InputError(
                    f"found {path.name}, which is no readable Parquet file ({error}); expected labelled texts:"
                    " repair it or name other files in curate.labels"
                ) from error
            if column is not None:
                sets[name].append((path, column))
    for name, members in sets.items():
        if not members:
            names = ", ".join(path.name for path in files) or "no file"
            raise InputError(
                f"found {names} among the labels, nothing that teaches {name}; expected a Parquet file with "
                f"{name!r} in its name and the columns text and {' or '.join(_LABEL_COLUMNS[name])}: "
                "name its folder or file in curate.labels"
            )
    return sets


def _rows(files: Iterable[tuple[Path, str]], name: str) -> Iterable[tuple[str, int, str | None]]:
    for path, column in files:
        names = pq.read_schema(path).names
        columns = ["text", column, *(["split"] if "split" in names else [])]
        for row in pq.read_table(path, columns=columns).to_pylist():
            text, label = row["text"], row[column]
            if text is None or label is None:
                continue
            if label not in (0, 1):
                raise InputError(
                    f"found label {label!r} in {path.name}; expected 0 or 1 for {name}: map the labels"
                )
            yield text, int(label), row.get("split")


def read_label_set(
    files: Sequence[tuple[Path, str]], name: str, *, max_texts: int, test_fraction: float
) -> list[LabelledText]:
    """Read a set: distinct texts in the order of their hashes, as many of each class as there are.

    Raises:
        InputError: a label is neither 0 nor 1, or a class is missing from the training or test part.
    """
    distinct: dict[str, tuple[int, str | None]] = {}
    for text, label, split in _rows(files, name):
        if text.strip():
            distinct.setdefault(text, (label, split))
    by_hash = sorted(distinct, key=lambda text: (_hash(text), text))
    quota = {0: max_texts // 2, 1: max_texts // 2}
    n_available = {label: sum(distinct[text][0] == label for text in by_hash) for label in (0, 1)}
    for label in (0, 1):  # what one class leaves free, the other may take, up to twice its own
        free = max(quota[label] - n_available[label], 0)
        quota[1 - label] = min(quota[1 - label] + free, 2 * max(n_available[label], 1))
    chosen: list[LabelledText] = []
    for text in by_hash:
        label, split = distinct[text]
        if quota[label] <= 0:
            continue
        quota[label] -= 1
        # hash bits that the order above does not use first
        is_test = (
            split == "test"
            if split
            else (_hash("split\0" + text) % 10_000) < test_fraction * 10_000
        )
        chosen.append(LabelledText(text, label, is_test))
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
