"""Reading fastText's model files (.bin, and quantised .ftz) into arrays.

A file is a header of thirteen settings, the dictionary (words, then labels), the input matrix with one
row for each word and each hash bucket, and the output matrix with one row for each label. A quantised
file stores product-quantised rows (arXiv 1612.03651) and only the buckets that pruning left; its rows
are unpacked here, since what pruning leaves is small (lid.176.ftz: 0.9 MB, 8 MB unpacked).
Reading costs one copy of the file. Nothing of fastText's own code runs on it: what is damaged is an
error, not a crash.
"""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from lmcore.errors import InputError

MAGIC: Final = 793712314
VERSIONS: Final = (11, 12)
LABEL_PREFIX: Final = "__label__"
SEPARATORS: Final = b" \n\r\t\v\f\0"
"""What stands between words, and never in one."""
HIERARCHICAL_SOFTMAX, NEGATIVE_SAMPLING, SOFTMAX, ONE_VS_ALL = 1, 2, 3, 4
_SUPERVISED: Final = 3
_MOST_BUCKETS: Final = 1 << 26
"""Of a pruned model, which states them and holds few: a damaged count would fill memory."""
_LABEL_ENTRY: Final = 1
_CENTROIDS: Final = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class FastTextModel:
    """A supervised model as the file holds it."""

    dim: int
    word_ngrams: int
    loss: int
    n_buckets: int
    min_chars: int
    """Shortest character n-gram."""
    max_chars: int
    """Longest character n-gram; 0: none are used."""
    words: tuple[bytes, ...]
    labels: tuple[str, ...]
    """Without their prefix, in the order of the output rows."""
    label_counts: tuple[int, ...]
    input_rows: np.ndarray  # float32 [words + buckets, dim]
    output_rows: np.ndarray  # float32 [labels, dim]
    bucket_rows: np.ndarray | None
    """Row behind the words' of each bucket, -1 where pruning took it; None where all are there."""


class _Reader:
    """A cursor over the bytes of a file."""

    def __init__(self, content: bytes, path: Path) -> None:
        self._content, self._path, self._here = content, path, 0

    def refuse(self, found: str) -> InputError:
        return InputError(
            f"found {self._path} of {len(self._content):,d} bytes {found}; expected a supervised fastText "
            "model (.bin or .ftz): download or train it again"
        )

    def values(self, layout: str) -> tuple[int, ...]:
        """The next numbers, little-endian."""
        size = struct.calcsize("<" + layout)
        return struct.unpack("<" + layout, self._take(size))

    def array(self, kind: str, n: int) -> np.ndarray:
        return np.frombuffer(self._take(n * np.dtype(kind).itemsize), kind)

    def entry(self) -> tuple[bytes, int, int]:
        """The next word or label: (bytes, count, type)."""
        end = self._content.find(b"\0", self._here)
        if end < 0:
            raise self.refuse("which ends in its dictionary")
        word = self._content[self._here : end]
        self._here = end + 1
        count, kind = self.values("qb")
        return word, count, kind

    def _take(self, size: int) -> bytes:
        if size < 0:
            raise self.refuse("with a negative size")
        taken = self._content[self._here : self._here + size]
        if len(taken) < size:
            raise self.refuse(f"which ends {size - len(taken):,d} bytes early")
        self._here += size
        return taken


def read_model(path: Path) -> FastTextModel:
    """Read a supervised model.

    Raises:
        InputError: the file is missing, damaged, of another version or no supervised model.
    """
    if not path.is_file():
        raise InputError(
            f"found no file {path}; expected a fastText model (.bin or .ftz): give its path, or none"
        )
    reader = _Reader(path.read_bytes(), path)
    magic, version = reader.values("ii")
    if magic != MAGIC or version not in VERSIONS:
        raise reader.refuse(f"which begins with {magic}, {version} and not {MAGIC}, {VERSIONS[-1]}")
    settings = reader.values("12i")
    dim, word_ngrams, loss, model = settings[0], settings[5], settings[6], settings[7]
    n_buckets, min_chars, max_chars = settings[8:11]
    reader.values("q")  # a float: the threshold of subsampling, of no use here
    if model != _SUPERVISED or dim <= 0 or loss not in range(1, 5):
        raise reader.refuse(f"which is a model of kind {model}, dimension {dim} and loss {loss}")
    if n_buckets < 1 and (max_chars > 0 or word_ngrams > 1):
        raise reader.refuse(f"with n-grams and {n_buckets} buckets for them")
    words, labels, label_counts, pruned = _read_dictionary(reader)
    bucket_rows = None
    if pruned is not None:
        if n_buckets > _MOST_BUCKETS:
            raise reader.refuse(f"with {n_buckets:,d} buckets, more than {_MOST_BUCKETS:,d}")
        bucket_rows = np.full(max(n_buckets, 1), -1, np.int32)
        if len(pruned) and not (
            pruned.min() >= 0
            and pruned[:, 0].max() < len(bucket_rows)
            and pruned[:, 1].max() < len(pruned)
        ):
            raise reader.refuse("with a list of pruned buckets that points beyond them")
        bucket_rows[pruned[:, 0]] = pruned[:, 1]
    is_quantised = reader.values("?")[0]
    input_rows = _read_quantised(reader) if is_quantised else _read_dense(reader)
    is_output_quantised = reader.values("?")[0] and is_quantised
    output_rows = _read_quantised(reader) if is_output_quantised else _read_dense(reader)
    found = FastTextModel(
        dim=dim,
        word_ngrams=word_ngrams,
        loss=loss,
        n_buckets=n_buckets,
        min_chars=min_chars,
        max_chars=0 if version == 11 else max_chars,
        words=words,
        labels=labels,
        label_counts=label_counts,
        input_rows=input_rows,
        output_rows=output_rows,
        bucket_rows=bucket_rows,
    )
    _check_sizes(found, reader)
    return found


def _read_dictionary(
    reader: _Reader,
) -> tuple[tuple[bytes, ...], tuple[str, ...], tuple[int, ...], np.ndarray | None]:
    """Words, labels, counts of the labels, and the pairs (bucket, row) that pruning left."""
    size, n_words, n_labels = reader.values("iii")
    _, n_pruned = reader.values("qq")
    if min(n_words, n_labels) < 0 or size != n_words + n_labels or n_labels < 1:
        raise reader.refuse(f"with {n_words:,d} words and {n_labels:,d} labels of {size:,d}")
    entries = [reader.entry() for _ in range(size)]
    words = tuple(word for word, _, _ in entries[:n_words])
    labels = tuple(word.decode("utf-8", "replace") for word, _, _ in entries[n_words:])
    if any(kind != _LABEL_ENTRY for _, _, kind in entries[n_words:]) or not all(
        label.startswith(LABEL_PREFIX) for label in labels
    ):
        raise reader.refuse(f"with labels such as {labels[0]!r} that lack {LABEL_PREFIX}")
    content = b"".join(words)
    if b"" in words or len(content.translate(None, SEPARATORS)) < len(content):
        raise reader.refuse("with words that hold blanks")
    pruned = reader.array("<i4", 2 * n_pruned).reshape(-1, 2) if n_pruned >= 0 else None
    plain = tuple(label.removeprefix(LABEL_PREFIX) for label in labels)
    return words, plain, tuple(count for _, count, _ in entries[n_words:]), pruned


def _read_dense(reader: _Reader) -> np.ndarray:
    n_rows, n_columns = reader.values("qq")
    return reader.array("<f4", n_rows * n_columns).reshape(n_rows, n_columns)


def _read_quantised(reader: _Reader) -> np.ndarray:
    """Unpack a product-quantised matrix: each row is a centroid for each of its parts."""
    has_norms = bool(reader.values("?")[0])
    n_rows, n_columns = reader.values("qq")
    (n_codes,) = reader.values("i")
    codes = reader.array("u1", n_codes)
    matrix = _unpack(reader, codes, n_rows, n_columns)
    if has_norms:
        norm_codes = reader.array("u1", n_rows)
        matrix = matrix * _unpack(reader, norm_codes, n_rows, 1)
    return matrix


def _unpack(reader: _Reader, codes: np.ndarray, n_rows: int, n_columns: int) -> np.ndarray:
    dim, n_parts, part_dim, last_dim = reader.values("iiii")
    centroids = reader.array("<f4", dim * _CENTROIDS)
    if dim != n_columns or len(codes) != n_rows * n_parts or part_dim < 1 or n_parts < 1:
        raise reader.refuse(f"with {len(codes):,d} codes for {n_rows:,d} rows of {n_columns:,d}")
    codes = codes.reshape(n_rows, n_parts)
    parts = []
    for part in range(n_parts):
        width = last_dim if part == n_parts - 1 else part_dim
        start = part * _CENTROIDS * part_dim
        table = centroids[start : start + _CENTROIDS * width].reshape(_CENTROIDS, width)
        parts.append(table[codes[:, part]])
    return np.concatenate(parts, axis=1)


def _check_sizes(model: FastTextModel, reader: _Reader) -> None:
    """Refuse matrices that are not of the size that the dictionary asks for."""
    n_rows = len(model.words)
    if model.bucket_rows is None:
        n_rows += max(model.n_buckets, 0)
    else:
        n_rows += int(model.bucket_rows.max(initial=-1)) + 1
    shapes = (model.input_rows.shape, model.output_rows.shape)
    wanted = ((n_rows, model.dim), (len(model.labels), model.dim))
    is_enough = shapes[0][0] >= n_rows and shapes[0][1] == model.dim and shapes[1] == wanted[1]
    if not is_enough:
        raise reader.refuse(f"with matrices of {shapes} where the dictionary asks for {wanted}")


def write_model(model: FastTextModel, path: Path) -> None:
    """Write a model that is not pruned as fastText does; `read_model` and fastText read it."""
    n_words, n_labels = len(model.words), len(model.labels)
    settings = (model.dim, 5, 0, 1, 5, model.word_ngrams, model.loss, _SUPERVISED)
    entries = [
        *(struct.pack("<qb", 1, 0) for _ in model.words),
        *(struct.pack("<qb", count, _LABEL_ENTRY) for count in model.label_counts),
    ]
    names = [*model.words, *(f"{LABEL_PREFIX}{label}".encode() for label in model.labels)]
    with path.open("wb") as file:
        file.write(struct.pack("<ii8i", MAGIC, VERSIONS[-1], *settings))
        file.write(struct.pack("<4i", model.n_buckets, model.min_chars, model.max_chars, 100))
        file.write(struct.pack("<d", 1e-4))
        file.write(struct.pack("<iiiqq", n_words + n_labels, n_words, n_labels, 1, -1))
        for name, entry in zip(names, entries, strict=True):
            file.write(name + b"\0" + entry)
        for rows in (model.input_rows, model.output_rows):
            file.write(struct.pack("<?qq", False, *rows.shape))
            file.write(np.ascontiguousarray(rows, "<f4").tobytes())
