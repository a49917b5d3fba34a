"""Names from files that others wrote, which become paths: they stay inside their folder."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

from epropnp_det.errors import UserError

_MAX_NAME_BYTES = 200  # of a file system, less the endings


def check_inside_root(name: str) -> str:
    """The file name itself.

    Raises:
        UserError: it is absolute, climbs out of the data root, or has unprintable characters.
    """
    parts = PurePosixPath(name.replace("\\", "/"))
    if not name or not name.isprintable() or parts.is_absolute() or ".." in parts.parts:
        raise UserError(
            f"file name {name!r} leaves the data root; names must be printable, relative to it and "
            "free of '..'"
        )
    return name


def check_one_name(name: str) -> str:
    """A token or an id that is the name of a file, itself.

    Raises:
        UserError: it has a slash, is "." or "..", is too long, or has unprintable characters.
    """
    is_short = len(name.encode("utf-8", "replace")) <= _MAX_NAME_BYTES
    if not (name.isprintable() and is_short) or set("/\\") & set(name) or name in ("", ".", ".."):
        shown = name if is_short else f"{name[:40]}..."
        raise UserError(
            f"{shown!r} cannot be the name of a file; tokens and ids are printable, of at most "
            f"{_MAX_NAME_BYTES} bytes, and free of slashes"
        )
    return name


def file_under(root: str | Path, name: str) -> Path:
    """The path of a file that another file names, below a folder.

    A folder below `root` may be a link to anywhere: data sets lie on several disks. A file may be a
    link to a file below `root` alone.

    Raises:
        UserError: the name leaves the folder, or is a link that does.
    """
    path = Path(root, check_inside_root(name))
    if os.path.islink(path):
        target = Path(os.path.realpath(path))
        inside = (Path(os.path.realpath(root)), Path(os.path.realpath(path.parent)))
        if not any(target.is_relative_to(folder) for folder in inside):
            raise UserError(
                f"file name {name!r} is a link that leaves the data root {root}; copy the file "
                "there, or link its whole folder"
            )
    return path
