"""Files that a reader finds complete, or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any


@contextmanager
def replacing(path: Path, mode: str = "w", aside: Path | None = None) -> Iterator[IO[Any]]:
    """A temporary file, opened for writing, that becomes `path` at the end of the context; after an
    error it is removed and `path` is unchanged.

    Args:
        path: the file, in a folder that exists.
        mode: "w" or "wb".
        aside: folder of the temporary file, on the same disk; that of `path` if None.

    Raises:
        OSError: the disk is full or cannot be written.
    """
    temporary = (aside or path.parent) / f".{path.name}.{os.getpid()}"
    try:
        with open(temporary, mode) as file:
            yield file
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
