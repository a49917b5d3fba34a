"""Ctrl-C as the way to end what has no end."""

from __future__ import annotations

import signal
from collections.abc import Iterable, Iterator
from types import FrameType
from typing import TypeVar

T = TypeVar("T")


def until_interrupt(values: Iterable[T]) -> Iterator[T]:
    """The values up to the first Ctrl-C; a second one raises KeyboardInterrupt as usual. For the
    main thread alone.
    """
    interrupted = False

    def note(number: int, place: FrameType | None) -> None:
        nonlocal interrupted
        interrupted = True
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, note)
    try:
        for value in values:
            yield value
            if interrupted:
                return
    finally:
        signal.signal(signal.SIGINT, before)
