"""Which image comes when in a training, and which random numbers augment it: both follow from the
seed and the place in the epoch, so that a resumed training repeats neither.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch.utils.data import Dataset, Sampler

from .seeding import draws_of


class Place(NamedTuple):
    """A sample to load.

    Args:
        sample: its index in the dataset.
        epoch: number of the pass over the dataset, from 0.
        position: in the order of this epoch, over all processes.
    """

    sample: int
    epoch: int
    position: int


class DataOrder(Sampler[Place]):
    """Another order of the dataset in every epoch; each process has its share of the samples.

    Position p of an epoch belongs to process p mod `processes`, whatever the process loads at a
    time. The last processes repeat the first samples where the numbers do not divide.

    Args:
        length: number of samples of the dataset.
        seed: determines the order, the same in all processes.
        rank, processes: number of this process, and of all.
        epoch, position: where the order begins; later epochs begin at 0.
    """

    def __init__(
        self,
        length: int,
        seed: int,
        rank: int = 0,
        processes: int = 1,
        epoch: int = 0,
        position: int = 0,
    ):
        self.length = length
        self.seed = seed
        self.rank = rank
        self.processes = processes
        self.epoch = epoch
        self.first = (epoch, position)

    def set_epoch(self, epoch: int) -> None:
        """Chooses the epoch of the next pass."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Samples of this process in a whole epoch."""
        return -(-self.length // self.processes)

    def __iter__(self) -> Iterator[Place]:
        epoch = self.epoch
        generator = torch.Generator().manual_seed(self.seed + epoch)
        order = torch.randperm(self.length, generator=generator).tolist()
        begin = self.first[1] if epoch == self.first[0] else 0
        count = -(-(self.length - begin) // self.processes)
        for position in range(begin + self.rank, begin + count * self.processes, self.processes):
            yield Place(order[position % self.length], epoch, position)


class SeededSamples(Dataset):
    """A dataset whose random numbers, those of python, numpy and torch, follow from a seed and the
    place of a sample. Neither the number of processes that load nor the samples before matter.

    Args:
        dataset: takes the index of a sample.
        seed: determines all draws.
    """

    def __init__(self, dataset: Any, seed: int):
        self.dataset = dataset
        self.seed = seed

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, place: Place) -> Any:
        with draws_of(self.seed, place.epoch, place.position):
            return self.dataset[place.sample]
