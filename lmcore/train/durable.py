"""Files that are there whole or not at all, also after the power fails."""

import errno
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from lmcore.errors import InputError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def sync(path: Path) -> None:
    """Waits until the file's content, or the directory's list of names, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def partial_of(directory: Path) -> Path:
    """Where a directory is being filled: beside it, hidden."""
    return directory.with_name(f".{directory.name}.partial")


def write_directory(directory: Path, fill: Callable[[Path], None]) -> None:
    """Makes a directory by filling a hidden one beside it, then renaming it.

    A directory of that name, from an earlier try, is replaced. Where filling fails, what it wrote
    is deleted, which on a full disk makes room to say so.
    """
    partial = partial_of(directory)
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        fill(partial)
        publish_directory(directory)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def publish_directory(directory: Path) -> None:
    """Gives a directory that was filled beside its place its name."""
    partial = partial_of(directory)
    for path in sorted(partial.iterdir()):
        sync(path)
    sync(partial)
    replaced = _put_away(directory)
    partial.rename(directory)
    sync(directory.parent)
    shutil.rmtree(replaced, ignore_errors=True)


def drop_directory(directory: Path) -> None:
    """Deletes a directory, out of sight in one rename first."""
    shutil.rmtree(_put_away(directory), ignore_errors=True)


def _put_away(directory: Path) -> Path:
    away = directory.with_name(f".{directory.name}.replaced")
    shutil.rmtree(away, ignore_errors=True)
    with suppress(FileNotFoundError):
        directory.rename(away)
    return away


def write_file(path: Path, fill: Callable[[Path], None]) -> None:
    """Makes a file by filling a hidden one beside it, then renaming it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    try:
        fill(partial)
        sync(partial)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    partial.replace(path)
    sync(path.parent)


def write_json(path: Path, content: Mapping[str, object]) -> None:
    """Writes an object as sorted JSON, whole or not at all."""
    write_text(path, json.dumps(content, indent=2, sort_keys=True) + "\n")


def write_text(path: Path, text: str) -> None:
    """Writes a text, whole or not at all."""

    def fill(partial: Path) -> None:
        partial.write_text(text, encoding="utf-8")

    write_file(path, fill)


@contextmanager
def full_disk_refused(directory: Path) -> Iterator[None]:
    """Turns "no space left" into an error that says where.

    Raises:
        InputError: the disk, or a limit on the size of a file, is full.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise InputError(
            f"found no room left on the disk of {directory} ({error.strerror}); expected space for "
            "checkpoints, metrics and the final model; free some, then start again: it goes on "
            "from the last checkpoint"
        ) from error
