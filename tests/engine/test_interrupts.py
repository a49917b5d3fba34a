"""Ctrl-C ends what has no end."""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Iterator

import pytest

from epropnp_det.engine.interrupts import until_interrupt


@pytest.fixture(autouse=True)
def usual_interrupts() -> Iterator[None]:
    """A shell starts programs in the background with Ctrl-C ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_the_values_before_an_interrupt_are_kept() -> None:
    before = signal.getsignal(signal.SIGINT)
    kept = []
    for value in until_interrupt(itertools.count()):
        kept.append(value)
        if value == 3:
            os.kill(os.getpid(), signal.SIGINT)
    assert kept == [0, 1, 2, 3]
    assert signal.getsignal(signal.SIGINT) is before


def test_all_values_come_where_nothing_interrupts() -> None:
    assert list(until_interrupt(range(3))) == [0, 1, 2]


def test_a_second_interrupt_is_one_as_usual() -> None:
    with pytest.raises(KeyboardInterrupt):
        for value in until_interrupt(range(9)):
            assert value == 0
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
