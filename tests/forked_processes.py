"""Processes of a test that work together."""

from __future__ import annotations

import multiprocessing
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def forked(
    work: Callable[..., None], processes: int, *arguments: Any, timeout: float = 60
) -> Iterator[None]:
    """Runs `work(rank, *arguments)` in forked processes, next to the block of `with`; each of them
    has to end without an error, at most `timeout` seconds [s] after the block.
    """
    context = multiprocessing.get_context("fork")
    started = [context.Process(target=work, args=(rank, *arguments)) for rank in range(processes)]
    for process in started:
        process.start()
    yield
    for process in started:
        process.join(timeout=timeout)
        assert process.exitcode == 0


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]
