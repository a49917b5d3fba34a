"""Random numbers that are the same on every run."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def seed_everything(seed: int, deterministic: bool = False) -> None:
    """Seeds python, numpy and torch on all devices; `deterministic` also makes cuDNN choose
    reproducible kernels.
    """
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)
    if deterministic:
        torch.backends.cudnn.deterministic = True
        torch.backends.cudnn.benchmark = False


def seed_from(*key: int) -> int:
    """A seed below 2^63 that hardly any other key shares."""
    sequence = np.random.SeedSequence([number % 2**64 for number in key])
    return int(sequence.generate_state(1, np.uint64)[0] >> np.uint64(1))


@contextmanager
def draws_of(*key: int) -> Iterator[None]:
    """Inside the context the random numbers of python, numpy and torch on the CPU follow from
    `key`; after it they continue as if nothing had been drawn.
    """
    seed = seed_from(*key)
    states = (random.getstate(), np.random.get_state(), torch.default_generator.get_state())
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.default_generator.manual_seed(seed)  # those of GPUs stay as they are
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.default_generator.set_state(states[2])
