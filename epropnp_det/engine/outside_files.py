"""Files that others wrote: regular ones of a sane size, as bytes, text or JSON, or one clear line.

Every reader of the package begins here: annotation files, tables of nuScenes, submissions, files of
BOP and KITTI, intrinsics, images.
"""

from __future__ import annotations

import json
import math
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from epropnp_det.errors import UserError

MAX_BYTES = 2**33  # the largest table of nuScenes has 1.1 GiB
MAX_DEPTH = 32  # of lists and dicts in each other; annotation files have 4 of them
_MAX_DIGITS = 25  # numbers of the files have at most 19


def read_bytes(
    path: str | Path,
    what: str,
    remedy: str,
    max_bytes: int = MAX_BYTES,
    error_type: type[UserError] = UserError,
) -> bytes:
    """The content of a regular file. A pipe or a device would block or never end.

    Args:
        what: kind of the file at the beginning of a message, such as "image".
        remedy: what to do about a file that cannot be read.
        max_bytes: size above which the file is refused.
        error_type: raised below.

    Raises:
        UserError: missing, no regular file, not readable, or too large.
    """
    with _reading(path, what, remedy, error_type):
        size = _size_of_regular_file(path, what, remedy, error_type)
        if size > max_bytes:
            raise error_type(f"{what} {path} has {size} bytes; at most {max_bytes} are read")
        return Path(path).read_bytes()


def check_regular_file(
    path: str | Path, what: str, remedy: str, error_type: type[UserError] = UserError
) -> None:
    """For a reader of another library: raises where `read_bytes` does, but for the size.

    Raises:
        UserError: missing, or no regular file.
    """
    with _reading(path, what, remedy, error_type):
        _size_of_regular_file(path, what, remedy, error_type)


@contextmanager
def _reading(
    path: str | Path, what: str, remedy: str, error_type: type[UserError]
) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise error_type(f"{what} {path} cannot be read: {error.strerror}; {remedy}") from error
    except ValueError as error:
        if isinstance(error, UserError):
            raise
        # A null character, or half a pair of UTF-16 in the name.
        raise error_type(f"{what} {str(path)!r} cannot be read: {error}; {remedy}") from error


def _size_of_regular_file(
    path: str | Path, what: str, remedy: str, error_type: type[UserError]
) -> int:
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):
        kind = "a folder" if stat.S_ISDIR(status.st_mode) else "a pipe or a device"
        raise error_type(f"{what} {path} is no regular file but {kind}; {remedy}")
    return status.st_size


def read_text(path: str | Path, what: str, remedy: str, max_bytes: int = MAX_BYTES) -> str:
    """The text of a regular file in UTF-8, with or without a byte order mark.

    Raises:
        UserError: as `read_bytes`, or not UTF-8; the message has the byte.
    """
    content = read_bytes(path, what, remedy, max_bytes)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{what} {path} is not text in UTF-8: byte {error.start} is "
            f"0x{content[error.start]:02x}; {remedy}"
        ) from error


def read_json(
    path: str | Path,
    what: str,
    remedy: str,
    max_bytes: int = MAX_BYTES,
    object_hook: Callable[[dict], Any] | None = None,
) -> Any:
    """The content of a JSON file. NaN, which JSON does not have, is null; whole numbers of more
    than 25 digits are infinite, so the check of their key refuses them.

    Args:
        object_hook: json's.

    Raises:
        UserError: as `read_text`, empty, not JSON, or nested too deeply for a parser.
    """
    content = read_bytes(path, what, remedy, max_bytes)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{what} {path} is not JSON (byte {error.start} is not UTF-8); {remedy}"
        ) from error
    return parse_json(text, f"{what} {path}", remedy, object_hook)


def parse_json(
    text: str, where: str, remedy: str, object_hook: Callable[[dict], Any] | None = None
) -> Any:
    """`read_json` of a text; `where` names it in messages.

    Raises:
        UserError: empty, not JSON, or nested too deeply for a parser.
    """
    try:
        return json.loads(
            text, parse_constant=_constant, parse_int=_whole_number, object_hook=object_hook
        )
    except RecursionError as error:
        raise UserError(f"{where} is nested too deeply: {deepest_place(text)}; {remedy}") from error
    except ValueError as error:
        found = "it is empty" if not text.strip() else str(error)
        raise UserError(f"{where} is not JSON ({found}); {remedy}") from error


def _constant(name: str) -> float | None:
    return None if name == "NaN" else float(name)


def _whole_number(digits: str) -> int | float:
    if len(digits) <= _MAX_DIGITS:
        return int(digits)
    return -math.inf if digits.startswith("-") else math.inf


def deepest_place(text: str) -> str:
    """Line and column of the first bracket of a JSON text that is in more than `MAX_DEPTH`
    others."""
    depth = 0
    is_string = False
    is_escaped = False
    for index, character in enumerate(text):
        if is_string:
            is_string = is_escaped or character != '"'
            is_escaped = character == "\\" and not is_escaped
        elif character == '"':
            is_string = True
        else:
            depth += (character in "[{") - (character in "]}")
        if depth > MAX_DEPTH:
            line = text.count("\n", 0, index) + 1
            column = index - text.rfind("\n", 0, index)
            return f"line {line}, column {column} is in more than {MAX_DEPTH} brackets"
    return "its lists and dicts are in each other"


def check_depth(value: Any, where: str, remedy: str) -> None:
    """Raises `UserError` where lists and dicts are nested deeply; `where` names the file."""
    if is_nested_deeply(value):
        raise UserError(f"{where} is nested too deeply; {remedy}")


def is_nested_deeply(value: Any, limit: int = MAX_DEPTH) -> bool:
    """Whether lists and dicts are in each other more than `limit` times. Copying and writing such
    a value would end in a `RecursionError`."""
    level = [value]
    for _ in range(limit + 1):
        level = [
            item
            for each in level
            if isinstance(each, (list, tuple, dict))
            for item in (each.values() if isinstance(each, dict) else each)
        ]
        if not level:
            return False
    return True
