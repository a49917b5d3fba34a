"""Errors and warnings for users: one line each, without a traceback."""

from __future__ import annotations

import errno
import functools
import sys
import warnings
from collections.abc import Callable
from typing import Any

USER_ERROR_EXIT_CODE = 2
# Of a write or read that fails whatever the program does: a full disk or quota, a folder that is
# read-only or another user's, a broken disk.
_DISK_FAULTS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO}


# Begins the traceback that torch adds to the message of an error in a data-loading process.
_TRACEBACK = "\nOriginal Traceback"


class UserError(ValueError):
    """Bad input that the user can correct (a wrong path, a wrong setting). The message is one clear
    sentence in one line: of a name that a file contains, characters that are not printable, such as
    a new line or a command of the terminal, are blanks or escaped.
    """

    def __init__(self, message: str = ""):
        super().__init__(message if _TRACEBACK in message else printable(message))


class ImageError(UserError):
    """An image file that cannot be used. A command with many images skips and counts it."""


class IncompleteError(ImageError):
    """A film of which only the frames up to a fault can be used."""


class RenamedWarning(DeprecationWarning):
    """A name of an earlier release, which works for one more release; the message has the new name.

    Python hides it in libraries; the commands show it once, in one line.
    """


class CameraWarning(UserWarning):
    """A camera matrix that hardly belongs to its image, or an image that the network sees little
    of. `warnings.simplefilter("error", CameraWarning)` makes it an error.
    """


class OtherCameraWarning(UserWarning):
    """An image of another camera than those that the network trained on: it is warped to one of
    them, and nothing is wrong. The message has the share of the image that the network sees.
    """


class DataWarning(UserWarning):
    """An annotation file with boxes or cameras that are used in part, or probably mistakes; or data
    without what the model could use.
    """


# Of the package itself: commands show each message once, in one line.
_OWN_WARNINGS = (RenamedWarning, CameraWarning, OtherCameraWarning, DataWarning)


def printable(text: str) -> str:
    """The text in one line, with a blank for other white space and an escape for what is not
    printable.
    """
    return "".join(
        character
        if character.isprintable()
        else " "
        if character.isspace()
        else ascii(character)[1:-1]
        for character in text
    )


def one_line(error: BaseException) -> str:
    """The message of `error` in one line: each run of white space becomes one blank.

    torch puts the traceback of a data-loading process into the message; its last line is the error.
    """
    text = str(error)
    if _TRACEBACK in text:
        text = text.strip().rsplit(f"{type(error).__name__}: ", 1)[-1]
    return printable(" ".join(text.split())) or type(error).__name__


def main_guard(main: Callable[..., int | None]) -> Callable[..., int]:
    """Decorates the `main` of a command, which ends with `sys.exit(main())`.

    A `UserError`, or a `CameraWarning` that --strict makes an error, becomes one line `error: ...`
    on stderr and the exit code 2, and so does a full or read-only disk; any other exception is a
    bug and keeps its traceback.
    A warning of this module is shown once, in one line `warning: ...`.
    """

    @functools.wraps(main)
    def guarded(*args: object, **kwargs: object) -> int:
        try:
            with warnings.catch_warnings():
                for category in _OWN_WARNINGS:
                    warnings.simplefilter("once", category)
                warnings.showwarning = _show_in_one_line(warnings.showwarning)
                return main(*args, **kwargs) or 0
        except (UserError, CameraWarning, OSError) as error:
            if isinstance(error, OSError) and error.errno not in _DISK_FAULTS:
                raise
            print(f"error: {one_line(error)}", file=sys.stderr, flush=True)
            return USER_ERROR_EXIT_CODE

    return guarded


def _show_in_one_line(show: Callable[..., None]) -> Callable[..., None]:
    """A `warnings.showwarning` that prints each of the package's own warnings once, and passes
    others to `show`."""
    # Python forgets what it has shown once whenever any package changes its filters.
    lines: set[str] = set()

    def shown(message: Warning, category: type[Warning], *args: Any, **kwargs: Any) -> None:
        if not issubclass(category, _OWN_WARNINGS):
            show(message, category, *args, **kwargs)
            return
        line = f"warning: {one_line(message)}"
        if line not in lines:
            lines.add(line)
            print(line, file=sys.stderr, flush=True)

    return shown
