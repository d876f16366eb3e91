"""Writing a file so that it is there whole or not at all, also after a power cut."""

import os
from pathlib import Path


def write_file(path: Path, data: bytes) -> None:
    """Write the bytes aside, fsync, and rename into place."""
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """Make the names in a directory durable."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
