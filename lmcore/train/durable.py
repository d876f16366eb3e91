"""Files that are there whole or not at all, also after the power fails."""

import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path


def sync(path: Path) -> None:
    """Waits until the file's content, or the directory's list of names, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_directory(directory: Path, fill: Callable[[Path], None]) -> None:
    """Makes a directory by filling a hidden one beside it, then renaming it.

    A directory of that name, from an earlier try, is replaced.
    """
    partial = directory.with_name(f".{directory.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    fill(partial)
    for path in sorted(partial.iterdir()):
        sync(path)
    sync(partial)
    replaced = directory.with_name(f".{directory.name}.replaced")
    shutil.rmtree(replaced, ignore_errors=True)
    if directory.exists():
        directory.rename(replaced)
    partial.rename(directory)
    sync(directory.parent)
    shutil.rmtree(replaced, ignore_errors=True)


def write_file(path: Path, fill: Callable[[Path], None]) -> None:
    """Makes a file by filling a hidden one beside it, then renaming it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    fill(partial)
    sync(partial)
    partial.replace(path)
    sync(path.parent)


def write_json(path: Path, content: Mapping[str, object]) -> None:
    """Writes an object as sorted JSON, whole or not at all."""
    text = json.dumps(content, indent=2, sort_keys=True) + "\n"
    write_file(path, lambda partial: _write_text(partial, text))


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
