"""Resumes a training from one of its checkpoints, exactly where that is possible."""

from __future__ import annotations

from epropnp_det import compat  # noqa: F401  before mmcv, whose versions it reconciles

# isort: split
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mmcv.runner import BaseRunner, EpochBasedRunner, IterBasedRunner

from epropnp_det.errors import UserError

from .checkpoint import load_weights

_NAMES = dict(
    images="images of the dataset",
    processes="processes",
    samples_per_gpu="images per process and step",
    seed="seed",
)


@dataclass(frozen=True)
class DataPlan:
    """All that determines the order of the data, except the place in it.

    Args:
        images: number of samples of the dataset.
        processes: number of processes that train together.
        samples_per_gpu: samples of a step in each process.
        seed: that of the training.
    """

    images: int
    processes: int
    samples_per_gpu: int
    seed: int

    def differences(self, before: Mapping[str, Any]) -> str:
        """The values that are not those of `before`, in words; empty where all are the same."""
        return ", ".join(
            f"{_NAMES[key]}: {value} instead of {before.get(key)}"
            for key, value in asdict(self).items()
            if value != before.get(key)
        )

    def place_after(self, steps: int) -> tuple[int, int]:
        """Epoch, and position in it, after this number of steps without an interruption."""
        per_step = self.processes * self.samples_per_gpu
        epoch, step = divmod(steps, -(-self.images // per_step))
        return epoch, step * per_step


def resume(runner: BaseRunner, path: Path, plan: DataPlan) -> tuple[int, int]:
    """Loads weights, optimizer and progress from a checkpoint of the same training.

    Where the training cannot continue as it would have without an interruption, for example with
    another number of processes, the log has a line.

    mmcv's own `resume` is not used: it runs the text of the config in the checkpoint as Python, and
    counts one iteration twice in an iteration-based training.

    Returns:
        Epoch of the data, and position in it over all processes, of the next step.

    Raises:
        UserError: the checkpoint does not fit or holds no progress.
    """
    checkpoint = load_weights(runner.model.module, path)
    if "optimizer" not in checkpoint or not {"epoch", "iter"} <= checkpoint.get("meta", {}).keys():
        raise UserError(
            f"checkpoint {path} holds weights only, no progress to resume; use --load-from to "
            "start from its weights"
        )
    try:
        runner.optimizer.load_state_dict(checkpoint["optimizer"])
    except ValueError as error:
        raise UserError(f"checkpoint {path} was written with another optimizer: {error}") from error
    meta = checkpoint["meta"]
    runner._epoch = meta["epoch"]
    runner._iter = meta["iter"] + isinstance(runner, IterBasedRunner)
    runner._inner_iter = runner._iter if isinstance(runner, IterBasedRunner) else 0
    runner.meta.setdefault("hook_msgs", {}).update(meta.get("hook_msgs", {}))
    if "fp16" in meta:  # the scale of the loss
        runner.meta["fp16"] = meta["fp16"]
    place = _place(runner, path, meta.get("progress"), plan)
    runner._epoch = place[0]
    runner.logger.info("resumed %s at epoch %d, iteration %d", path, runner.epoch, runner.iter)
    return place


def _place(runner: BaseRunner, path: Path, progress: Any, plan: DataPlan) -> tuple[int, int]:
    if not isinstance(progress, dict):
        runner.logger.warning(
            "%s is of an earlier version and has no place in the data order: it follows from the "
            "number of steps. The random numbers are others than before.",
            path,
        )
        place = plan.place_after(runner.iter)
        # The steps may be those of another number of processes; an epoch is one in any case.
        counts_epochs = isinstance(runner, EpochBasedRunner)
        return (runner.epoch, 0) if counts_epochs and place[0] != runner.epoch else place
    epoch, position = progress["epoch"], progress["position"]
    changes = plan.differences(progress)
    if changes:
        runner.logger.warning(
            "the training continues, but not as it would have without the interruption (%s): the "
            "random numbers, the order of sums or the images of a step are others",
            changes,
        )
    if plan.images != progress["images"] and position > 0:
        return epoch + 1, 0
    return epoch, position
