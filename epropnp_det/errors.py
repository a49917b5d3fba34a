"""Mistakes of the user, reported in one line instead of a traceback."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable

USER_ERROR_EXIT_CODE = 2


class UserError(ValueError):
    """Bad input that the user can put right (a wrong path, a wrong setting). The message is one
    clear sentence.
    """


def one_line(error: BaseException) -> str:
    """The message of `error` in one line: every run of white space, line breaks included, becomes
    one blank.

    torch puts the traceback of a data-loading process into the message; what that process had to
    say is its last line.
    """
    text = str(error)
    if "\nOriginal Traceback" in text:
        text = text.strip().rsplit(f"{type(error).__name__}: ", 1)[-1]
    return " ".join(text.split()) or type(error).__name__


def main_guard(main: Callable[..., int | None]) -> Callable[..., int]:
    """Makes `main` return an exit code: a `UserError` becomes one line `error: ...` on stderr and
    the code 2.

    Anything else is a fault of ours and keeps its traceback. Use as `sys.exit(main())` with a
    decorated `main`.
    """

    @functools.wraps(main)
    def guarded(*args: object, **kwargs: object) -> int:
        try:
            return main(*args, **kwargs) or 0
        except UserError as error:
            print(f"error: {one_line(error)}", file=sys.stderr, flush=True)
            return USER_ERROR_EXIT_CODE

    return guarded
