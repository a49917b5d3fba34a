"""Keeps the place of a training, and makes the random numbers of a step follow from it."""

from __future__ import annotations

import torch
from mmcv.runner import BaseRunner, Hook, IterBasedRunner, get_dist_info

from ..data_order import DataOrder
from ..seeding import seed_everything, seed_from


class ProgressHook(Hook):
    """Seeds every generator at the begin of each step, by seed, process and number of the step, and
    writes the place in the data order to `runner.meta`, for the checkpoint.

    A step therefore has the same random numbers in a resumed training as in one that was never
    interrupted; no state of a generator has to be saved.

    Args:
        order: the order of the data; this hook begins its epochs.
        samples_per_gpu: samples of a step in each process.
        generator: that of the model's step.
        seed: that of the whole training.
    """

    def __init__(
        self, order: DataOrder, samples_per_gpu: int, generator: torch.Generator, seed: int
    ):
        self.order = order
        self.samples_per_gpu = samples_per_gpu
        self.generator = generator
        self.seed = seed
        self.place = order.first  # epoch and position of the next step

    def before_train_epoch(self, runner: BaseRunner) -> None:
        self.order.set_epoch(runner.epoch)

    def before_train_iter(self, runner: BaseRunner) -> None:
        if isinstance(runner, IterBasedRunner):
            runner.data_loader._epoch = self.order.epoch  # mmcv counts from 0 after a resume
            runner._epoch = self.order.epoch
        key = (self.seed, get_dist_info()[0], runner.iter)
        seed_everything(seed_from(*key, 0))
        self.generator.manual_seed(seed_from(*key, 1))

    def after_train_iter(self, runner: BaseRunner) -> None:
        epoch, position = self.place
        position += self.samples_per_gpu * self.order.processes
        ended = position >= self.order.length
        self.place = (epoch + 1, 0) if ended else (epoch, position)
        runner.meta["progress"] = dict(
            iteration=runner.iter + 1,
            epoch=self.place[0],
            position=self.place[1],
            images=self.order.length,
            processes=self.order.processes,
            samples_per_gpu=self.samples_per_gpu,
            seed=self.seed,
        )
