"""Files that a reader finds complete, or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any


@contextmanager
def replacing(
    path: Path, mode: str = "w", aside: Path | None = None, durable: bool = False
) -> Iterator[IO[Any]]:
    """A temporary file, opened for writing, that becomes `path` at the end of the context; after an
    error it is removed and `path` is unchanged.

    Args:
        path: the file, in a folder that exists.
        mode: "w" or "wb".
        aside: folder of the temporary file, on the same disk; that of `path` if None.
        durable: wait until the disk has the file, so that it survives a power failure too.

    Raises:
        OSError: the disk is full or cannot be written.
    """
    # The end of a long name: there is a number to add.
    temporary = (aside or path.parent) / f".{path.name[-60:]}.{os.getpid()}"
    try:
        with open(temporary, mode) as file:
            yield file
            if durable:
                file.flush()
                os.fsync(file.fileno())
        os.replace(temporary, path)
        if durable:
            flush_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def replace_link(path: Path, target: str) -> None:
    """Makes `path` a symbolic link, where there may be a file or a link already; a copy of the
    target where the disk has no links.

    Args:
        target: name of a file in the folder of `path`.

    Raises:
        OSError: the disk is full or cannot be written.
    """
    temporary = path.parent / f".{path.name}.{os.getpid()}"
    try:
        temporary.symlink_to(target)
        os.replace(temporary, path)
        flush_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def flush_folder(folder: Path) -> None:
    """Waits until the disk has the names of the files of a folder."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
