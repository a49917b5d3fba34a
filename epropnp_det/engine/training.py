"""Trains the model of a config, on a CPU or GPUs, by one process or many."""

from __future__ import annotations

from epropnp_det import compat  # noqa: F401  before mmcv, whose versions it reconciles

# isort: split
import contextlib
import copy
import functools
import inspect
import logging
import os
import sys
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from mmcv import Config
from mmcv.parallel import collate
from mmcv.runner import (
    BaseModule,
    BaseRunner,
    EpochBasedRunner,
    build_optimizer,
    build_runner,
    get_dist_info,
)
from mmcv.utils import get_logger
from torch import nn
from torch.utils.data import DataLoader

from epropnp_det import __version__
from epropnp_det.errors import UserError

from .checkpoint import load_matching_weights
from .checkpoint_folder import CheckpointFolder, numbered_checkpoints
from .config import (
    CONFIG_FAULTS,
    build_dataset,
    build_model,
    check_first_item,
    config_fault,
    require_keys,
)
from .config_keys import check_training_numbers
from .data_order import DataOrder, SeededSamples
from .hooks.checkpoints import SafeCheckpointHook, folder_of
from .hooks.divergence import DivergenceHook
from .hooks.evaluation import ChecksEvaluation, EvaluationHook
from .hooks.finite_optimizer import finite_hook_type
from .hooks.memory import MemoryHook
from .hooks.mixed_precision import MixedPrecisionHook  # noqa: F401  registers it
from .hooks.progress import ProgressHook
from .hooks.table_log import hide_hook_list
from .hooks.tensorboard_log import TensorBoardHook  # noqa: F401  registers it
from .learning_rate import scaled_optimizer
from .output_files import write_text
from .resuming import DataPlan, resume
from .seeding import seed_everything
from .worker_processes import end_with, killed_loaders_in_one_line
from .wrapping import with_shared_statistics, wrap_model

_NEEDED_KEYS = (
    "model",
    "data",
    "runner",
    "optimizer",
    "optimizer_config",
    "lr_config",
    "checkpoint_config",
    "log_config",
    "log_level",
    "find_unused_parameters",
)


@dataclass(frozen=True)
class TrainingOptions:
    """Settings of a training that are not in its config.

    Args:
        work_dir: folder of logs and checkpoints.
        seed: start of all random numbers.
        deterministic: reproducible cuDNN kernels.
        validate: evaluate while training, at the interval of the config.
        resume: from the newest checkpoint in `work_dir`; from the start where there is none.
        resume_from: checkpoint with weights, optimizer and progress.
        load_from: checkpoint of which the weights alone are used.
        scale_lr: scale the learning rate to the total batch, see `scaled_optimizer`.
    """

    work_dir: Path
    device: torch.device
    seed: int = 0
    deterministic: bool = False
    validate: bool = True
    resume: bool = False
    resume_from: Path | None = None
    load_from: Path | None = None
    scale_lr: bool = False


def train(config: Config, options: TrainingOptions) -> None:
    """Trains a model and writes logs, the whole config and checkpoints to `options.work_dir`.

    The same seed, device and number of processes give the same weights, bit for bit on a CPU.

    Raises:
        UserError: a mistake in the config, missing files, or a checkpoint that does not fit.
    """
    require_keys(config, *_NEEDED_KEYS)
    check_training_numbers(config._cfg_dict, config.filename)
    timestamp = time.strftime("%Y%m%d_%H%M%S")
    logger = _start_log(config, options, timestamp)
    # Before the model, whose pretrained weights are downloaded: missing data ends the command here.
    dataset, validation = _checked_data(config, options.validate)
    # Each process has a seed of its own, so that flips and pose samples differ. DDP copies the
    # initial weights of the first process.
    seed_everything(options.seed + get_dist_info()[0], options.deterministic)
    model = build_model(config)
    folder = CheckpointFolder(
        folder_of(options.work_dir, (config.checkpoint_config or {}).get("out_dir"))
    )
    start = _find_start(options, folder, logger)
    if start is None:
        init_weights(model)
    model.CLASSES = dataset.CLASSES
    if config.get("sync_bn", False):
        model = with_shared_statistics(model, options.device, logger)
    wrapped = wrap_model(model, options.device, config.find_unused_parameters)
    runner = _build_runner(wrapped, config, options, logger, timestamp)
    rank, processes = get_dist_info()
    samples = config.data.samples_per_gpu
    place = _load_start(
        runner, start, options, DataPlan(len(dataset), processes, samples, options.seed)
    )
    order = DataOrder(len(dataset), options.seed, rank, processes, *place)
    generator = torch.Generator(options.device)
    # Before the hooks of the config: the learning rate may depend on the epoch.
    progress = ProgressHook(order, samples, generator, options.seed)
    runner.register_hook(progress, priority="VERY_HIGH")
    _register_hooks(runner, config, validation)
    loader = _train_loader(SeededSamples(dataset, options.seed), config, order)
    if rank == 0:
        folder.begin(start)
    file = options.work_dir / f"{timestamp}.traceback.txt"
    with first_step_in_one_line(runner, config, file), killed_loaders_in_one_line():
        runner.run([loader], [("train", 1)], **_step_arguments(model, generator))


@contextlib.contextmanager
def first_step_in_one_line(runner: BaseRunner, config: Config, file: Path) -> Iterator[None]:
    """Turns an exception of the first step into one line: settings that nothing has checked end
    there. A later exception keeps its traceback on the terminal.

    Args:
        file: gets the traceback of the first step, for the case that it is a bug.

    Raises:
        UserError: the first step of the runner fails.
    """
    first = runner.iter
    try:
        yield
    except CONFIG_FAULTS as error:
        if isinstance(error, UserError) or runner.iter > first:
            raise
        write_text(file, traceback.format_exc())
        where = f"the first step with {config.filename} failed (traceback: {file})"
        raise config_fault(where, error) from error


def _start_log(config: Config, options: TrainingOptions, timestamp: str) -> logging.Logger:
    try:
        options.work_dir.mkdir(parents=True, exist_ok=True)
        file = options.work_dir / f"{timestamp}.log"
        logger = get_logger("epropnp_det", log_file=str(file), log_level=config.log_level)
        logger.addFilter(hide_hook_list)
    except OSError as error:
        raise UserError(f"work dir {options.work_dir} cannot be written: {error}") from error
    except (TypeError, ValueError) as error:
        raise config_fault(f"log_level of {config.filename}", error) from error
    for handler in logger.handlers:
        if isinstance(handler, logging.FileHandler):
            handler.handleError = _raise_fault  # type: ignore[method-assign]
    if get_dist_info()[0] == 0:
        config.dump(str(options.work_dir / Path(config.filename).name))
    where = f"{get_dist_info()[1]} process(es) on {options.device.type}"
    logger.info(
        "epropnp_det %s, torch %s, %s, seed %d", __version__, torch.__version__, where, options.seed
    )
    return logger


def _raise_fault(record: logging.LogRecord) -> None:
    """Lets the training end at a log that cannot be written; logging would print a traceback for
    each line.
    """
    raise sys.exc_info()[1] or RuntimeError(f"not logged: {record.msg}")


def init_weights(model: BaseModule) -> None:
    """Draws or loads the initial weights of a model.

    Raises:
        UserError: pretrained weights cannot be loaded.
    """
    mmcv_logger = get_logger("mmcv")
    level = mmcv_logger.level
    mmcv_logger.setLevel(logging.WARNING)  # it would print four lines for each parameter
    try:
        model.init_weights()
    except OSError as error:
        raise UserError(
            f"the pretrained weights of the backbone cannot be loaded: {error}"
        ) from error
    finally:
        mmcv_logger.setLevel(level)


def _find_start(
    options: TrainingOptions, folder: CheckpointFolder, logger: logging.Logger
) -> Path | None:
    """The checkpoint to resume, if any; the first process chooses it for all."""
    if options.resume_from is not None or not options.resume:
        return options.resume_from
    chosen: list[Path | None] = [None]
    if get_dist_info()[0] == 0:
        chosen[0] = folder.newest_whole(logger)
    if dist.is_initialized():
        dist.broadcast_object_list(chosen)
    if chosen[0] is None:
        earlier = numbered_checkpoints(folder.path)
        others = f" ({earlier[-1].name} is of an earlier training)" if earlier else ""
        logger.info(
            "no checkpoint of this training in %s yet%s: starting from the beginning",
            folder.path,
            others,
        )
    return chosen[0]


def _step_arguments(model: nn.Module, generator: torch.Generator) -> dict[str, Any]:
    """The `generator` of a training step, for models that take one; others, such as those of
    mmdet3d, draw from torch's global generator.
    """
    train_step: Any = model.train_step
    takes_one = "generator" in inspect.signature(train_step).parameters
    return dict(generator=generator) if takes_one else {}


def _train_loader(dataset: SeededSamples, config: Config, order: DataOrder) -> DataLoader:
    """Batches in the given order."""
    workers = config.data.workers_per_gpu
    samples = config.data.samples_per_gpu
    # mmdet's loader seeds its workers with the same numbers in every epoch, which repeats all
    # flips, and its samplers need a GPU.
    return DataLoader(
        dataset,
        batch_size=samples,
        sampler=order,
        num_workers=workers,
        collate_fn=functools.partial(collate, samples_per_gpu=samples),
        worker_init_fn=functools.partial(end_with, os.getpid()),
        persistent_workers=workers > 0,
        pin_memory=torch.cuda.is_available(),
    )


def _build_runner(
    model: nn.Module,
    config: Config,
    options: TrainingOptions,
    logger: logging.Logger,
    timestamp: str,
) -> BaseRunner:
    try:
        settings = scaled_optimizer(config, get_dist_info()[1], options.scale_lr, logger)
        optimizer = build_optimizer(model, settings)
        meta = dict(
            seed=options.seed,
            exp_name=Path(config.filename).name,
            epropnp_det_version=__version__,
            config=config.pretty_text,
        )
        defaults = dict(
            model=model,
            optimizer=optimizer,
            work_dir=str(options.work_dir),
            logger=logger,
            meta=meta,
        )
        runner = build_runner(copy.deepcopy(config.runner), default_args=defaults)
    except UserError:
        raise
    except CONFIG_FAULTS as error:
        where = f"optimizer or runner settings of {config.filename}"
        raise config_fault(where, error) from error
    runner.timestamp = timestamp  # gives the .log and the .log.json the same name
    return runner


def _register_hooks(runner: BaseRunner, config: Config, validation: Any) -> None:
    """Registers the hooks of the config; `validation` is the dataset to evaluate, or None.

    Raises:
        UserError: a hook does not take its settings.
    """
    try:
        _register_hooks_of_config(runner, config, validation)
    except UserError:
        raise
    except CONFIG_FAULTS as error:
        where = (
            f"hook settings of {config.filename} (lr_config, optimizer_config, checkpoint_config, "
            "log_config, evaluation, custom_hooks)"
        )
        raise config_fault(where, error) from error


def _register_hooks_of_config(runner: BaseRunner, config: Config, validation: Any) -> None:
    settings = copy.deepcopy(config._cfg_dict)  # mmcv takes keys out of what it is given
    checkpoints: Any = settings.checkpoint_config
    if checkpoints and checkpoints.get("type", "CheckpointHook") == "CheckpointHook":
        checkpoints.type = SafeCheckpointHook.__name__
    optimizer_config: Any = settings.optimizer_config
    optimizer_config.type = finite_hook_type(optimizer_config.get("type", "OptimizerHook"))
    runner.register_training_hooks(
        settings.lr_config,
        optimizer_config,
        checkpoints,
        settings.log_config,
        settings.get("momentum_config"),
        custom_hooks_config=settings.get("custom_hooks"),
    )
    for default in (MemoryHook, DivergenceHook):
        if not any(isinstance(hook, default) for hook in runner.hooks):
            runner.register_hook(default())
    if validation is not None:
        settings.evaluation.setdefault("by_epoch", isinstance(runner, EpochBasedRunner))
        hook = EvaluationHook(validation, config.data.workers_per_gpu, **settings.evaluation)
        runner.register_hook(hook, priority="LOW")


def _checked_data(config: Config, validate: bool) -> tuple[Any, Any]:
    """The datasets of the training and of its validation, if any; their first items are read.

    Raises:
        UserError: missing files, or a mistake in the config.
    """
    dataset = build_dataset(config.data.train, test_mode=False, config=config)
    check_first_item(dataset, "data.train", config)
    validation = _validation_set(config) if validate else None
    if validation is not None:
        check_first_item(validation, "data.val", config)
    return dataset, validation


def _validation_set(config: Config) -> Any:
    """The dataset to evaluate while training; None where the config has no `evaluation`, or one
    with `interval=None`.

    Raises:
        UserError: a metric lacks what it needs.
    """
    evaluation = config.get("evaluation")
    if evaluation is None or evaluation.get("interval", 1) is None:
        return None
    dataset = build_dataset(config.data.val, test_mode=True, config=config)
    if isinstance(dataset, ChecksEvaluation):
        dataset.check_evaluation(evaluation.get("metric"))
    return dataset


def _load_start(
    runner: BaseRunner, start: Path | None, options: TrainingOptions, plan: DataPlan
) -> tuple[int, int]:
    """Loads what the training starts from; returns epoch and position of its first step."""
    if start is not None:
        return resume(runner, start, plan)
    if options.load_from is not None:
        match = load_matching_weights(runner.model.module, options.load_from)
        runner.logger.info(
            "weights from %s: %d keys match; %s", options.load_from, match.matched, match
        )
    return 0, 0
