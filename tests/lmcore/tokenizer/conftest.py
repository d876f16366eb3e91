"""The paths of the tokenizer, chosen whatever the size of a text, and the texts that are shared."""

import gzip
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lmcore.tokenizer import train

Chooser = Callable[[str], None]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of the shared data; skip where it is not here."""
    beside = Path(__file__).parents[3].parent / "shared" / "data"
    folder = Path(os.environ.get("C2M_SHARED_DATA", beside))
    if not (folder / "text").is_dir():
        pytest.skip("the shared data is not here")
    return folder


@pytest.fixture(scope="session")
def shared_texts(shared_data: Path) -> Callable[[str], Iterator[list[str]]]:
    """Return what yields the texts of each file that matches, every column of strings."""

    def read(glob: str) -> Iterator[list[str]]:
        for path in sorted(shared_data.glob(glob)):
            if path.suffix == ".gz":
                yield [gzip.decompress(path.read_bytes()).decode(errors="replace")]
                continue
            table = pq.read_table(path)
            kinds = (pa.string(), pa.large_string())
            columns = [table[field.name] for field in table.schema if field.type in kinds]
            yield [text for column in columns for text in column.to_pylist() if text]

    return read


@pytest.fixture
def choose_path(monkeypatch: pytest.MonkeyPatch) -> Chooser:
    """Return what has everything done in plain Python, or by kernels, from the first byte on."""

    def choose(path: str) -> None:
        is_compiled = path == "compiled"
        if is_compiled:
            pytest.importorskip("numba")
        monkeypatch.setattr("lmcore.tokenizer.bpe.is_worth_while", lambda _: is_compiled)
        monkeypatch.setattr("lmcore.tokenizer.bpe.would_wait", lambda: not is_compiled)
        monkeypatch.setattr(train, "_plain_chars", lambda: -1 if is_compiled else 1 << 62)

    return choose


@pytest.fixture
def always_compiled(choose_path: Chooser) -> None:
    """Have kernels do everything."""
    choose_path("compiled")
