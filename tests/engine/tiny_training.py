"""A training of seconds through `train` itself, in processes of its own: a network with all that
draws random numbers or keeps a state.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import sys
from collections.abc import Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmcv.runner import BaseModule, get_dist_info
from mmcv.utils.logging import logger_initialized
from mmdet.datasets import DATASETS
from torch import Tensor, nn
from torch.nn import functional

from epropnp_det.compat import init_distributed, leave_process_group
from epropnp_det.engine.config import load_config
from epropnp_det.engine.registry import MODELS
from epropnp_det.engine.training import TrainingOptions, train
from epropnp_det.errors import main_guard
from epropnp_det.losses.running_scale import RunningScale
from tests.forked_processes import free_port

IMAGES = 11
CONFIG = f"""
custom_imports = dict(imports=["{__name__}"], allow_failed_imports=False)
model = dict(type="TinyModel")
data = dict(samples_per_gpu=2, workers_per_gpu=2, train=dict(type="TinyImages"))
optimizer = dict(type="AdamW", lr=1e-2)
optimizer_config = dict(type="FiniteOptimizerHook", grad_clip=dict(max_norm=5, norm_type=2))
log_config = dict(interval=1, hooks=[dict(type="TextLoggerHook")])
log_level = "WARNING"
find_unused_parameters = True
"""
SCHEDULES = dict(
    iterations="""
lr_config = dict(policy="CosineAnnealing", by_epoch=False, warmup="linear", warmup_iters=4,
                 warmup_ratio=0.1, min_lr_ratio=0.001)
runner = dict(type="IterBasedRunner", max_iters=11)
checkpoint_config = dict(interval=4)
""",
    epochs="""
lr_config = dict(policy="step", step=[2])
runner = dict(type="EpochBasedRunner", max_epochs=3)
checkpoint_config = dict(interval=1)
""",
)


@DATASETS.register_module()
class TinyImages:
    """Images that each source of random numbers augments.

    Args:
        length: number of images.
        kill_at: number of the image that kills the process that loads it.
    """

    CLASSES = ("car",)

    def __init__(self, length: int = IMAGES, test_mode: bool = False, kill_at: int | None = None):
        self.length = length
        self.kill_at = kill_at

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        if index == self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        image = torch.full((3, 8, 8), float(index)) + random.random() + np.random.rand()
        return dict(img=image + torch.rand(3, 8, 8))


@MODELS.register_module()
class TinyModel(BaseModule):
    """Has batch statistics, dropout, a running scale, and draws of its own.

    Args:
        kill_at: number of the step at which the process kills itself, from 0.
        fail_at: number of the step at which it raises an exception.
        kill_rank: the process that does either; None for each.
        ballast: numbers that checkpoints hold in addition.
    """

    def __init__(
        self,
        kill_at: int | None = None,
        fail_at: int | None = None,
        kill_rank: int | None = None,
        ballast: int = 0,
        **_: Any,
    ):
        super().__init__()
        self.register_buffer("ballast", torch.zeros(ballast))
        self.backbone = nn.Sequential(
            nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.3), nn.Conv2d(4, 1, 3)
        )
        self.scale = RunningScale(0.1)
        self.kill_at = kill_at
        self.fail_at = fail_at
        self.kill_rank = kill_rank
        self.steps = 0

    def forward(self, img: Tensor, generator: torch.Generator) -> Tensor:
        out = self.backbone(img / 10).mean((1, 2, 3))
        target = torch.rand(len(img), generator=generator) + random.random() + np.random.rand()
        self.scale.update_scale(out.detach().abs().mean())
        return functional.mse_loss(out, target) / self.scale.scale

    def train_step(
        self, data: dict[str, Tensor], optimizer: object, generator: torch.Generator
    ) -> dict[str, Any]:
        if self.kill_rank in (None, get_dist_info()[0]):
            if self.steps == self.kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
            if self.steps == self.fail_at:
                raise RuntimeError("a fault of one process")
        self.steps += 1
        loss = self(**data, generator=generator)
        return dict(loss=loss, log_vars=dict(loss=float(loss)), num_samples=len(data["img"]))


def write_config(folder: Path, schedule: str) -> Path:
    path = folder / f"{schedule}.py"
    path.write_text(CONFIG + SCHEDULES[schedule])
    return path


def start(
    config: Path, processes: int = 1, options: dict[str, Any] | None = None, **settings: Any
) -> list[BaseProcess]:
    """Starts a training in processes of its own, and does not wait for them.

    Args:
        options: changes of the config.
        settings: fields of `TrainingOptions`, without the device.
    """
    port = free_port()
    context = multiprocessing.get_context("fork")  # everything is imported already
    started = []
    for rank in range(processes):
        environment = dict(
            RANK=str(rank),
            LOCAL_RANK=str(rank),
            WORLD_SIZE=str(processes),
            MASTER_ADDR="127.0.0.1",
            MASTER_PORT=str(port),
        )
        arguments = (config, environment, options or {}, settings)
        started.append(context.Process(target=_run, args=arguments))
        started[-1].start()
    return started


def assert_same(first: Any, second: Any, where: str = "") -> None:
    """Checks that two nested values are equal, bit for bit."""
    if isinstance(first, Tensor):
        assert torch.equal(first, second), where
    elif isinstance(first, dict):
        assert first.keys() == second.keys(), where
        for key, value in first.items():
            assert_same(value, second[key], f"{where}.{key}")
    else:
        assert first == second, where


def wait(started: Sequence[BaseProcess]) -> list[int | None]:
    """Exit codes of the processes."""
    for process in started:
        process.join(timeout=100)
    return [process.exitcode for process in started]


def _run(
    config: Path, environment: dict[str, str], options: dict[str, Any], settings: dict[str, Any]
) -> None:
    torch.set_num_threads(1)  # threads of the parent are not there after a fork
    logger_initialized.clear()  # and the loggers of earlier trainings would write no file
    os.environ.update(environment)
    launcher = "none" if environment["WORLD_SIZE"] == "1" else "pytorch"
    device = init_distributed(launcher, "cpu")
    run = main_guard(train)
    code = run(load_config(config, options), TrainingOptions(device=device, **settings))
    leave_process_group()
    sys.exit(code)
