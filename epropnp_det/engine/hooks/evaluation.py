"""Evaluation while training."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from mmcv.runner import BaseRunner, EvalHook
from torch.utils.data import DataLoader

from epropnp_det.errors import UserError

from ..checkpoint_folder import Best, CheckpointFolder
from ..prediction import predict_dataset
from ..saving import save_training
from .checkpoints import folder_of


@runtime_checkable
class ChecksEvaluation(Protocol):
    """A dataset whose metrics need more than the results."""

    def check_evaluation(self, metric: str | Sequence[str] | None) -> list[str]:
        """Names of the metrics to compute; `metric` as in the config's `evaluation`.

        Raises:
            UserError: a metric is unknown or lacks what it needs.
        """


class EvaluationHook(EvalHook):
    """Evaluates with `predict_dataset`, by one process or many, on a CPU or GPUs, and keeps the
    checkpoint of the best metric (`save_best`); mmcv's hook keeps the schedule.

    Args:
        dataset: in test mode.
        workers: processes that load images.
        settings: as in the config's `evaluation`: interval, start, save_best, and what the
            dataset's `evaluate` takes.

    Raises:
        TypeError: a setting that neither mmcv's hook nor `evaluate` takes.
    """

    def __init__(self, dataset: Any, workers: int, **settings: Any):
        # EvalHook reads the dataset and its length from the loader; without `test_fn` it would use
        # a function of its own.
        super().__init__(DataLoader(dataset), test_fn=predict_dataset, **settings)
        self.workers = workers
        taken = inspect.signature(dataset.evaluate).parameters
        takes_all = any(each.kind is each.VAR_KEYWORD for each in taken.values())
        unknown = [] if takes_all else [key for key in self.eval_kwargs if key not in taken]
        if unknown:
            raise TypeError(f"evaluation has no key {unknown[0]}; use one of {', '.join(taken)}")

    def before_run(self, runner: BaseRunner) -> None:
        self.folder = CheckpointFolder(folder_of(runner.work_dir, self.out_dir))

    def _do_evaluate(self, runner: BaseRunner) -> None:
        dataset = self.dataloader.dataset
        results = predict_dataset(runner.model.module, dataset, workers=self.workers)
        if results is None:
            return
        runner.log_buffer.output["eval_iter_num"] = len(dataset)
        score = self._score(runner, results)
        if score is not None:
            self._save_ckpt(runner, score)

    def _score(self, runner: BaseRunner, results: list[Any]) -> float | None:
        """Writes the metrics to the log; the one that decides on the best checkpoint, if any.

        Raises:
            UserError: there is no metric of the name that the config has.
        """
        try:
            score = self.evaluate(runner, results)
        except KeyError as error:
            if error.args != (self.key_indicator,):
                raise
            metrics = ", ".join(sorted(map(str, runner.log_buffer.output)))
            raise UserError(
                f"evaluation.save_best: no metric {self.key_indicator!r}; use one of {metrics}"
            ) from error
        return None if score is None else float(score)

    def _save_ckpt(self, runner: BaseRunner, score: float) -> None:
        best = self.folder.best()
        if best is not None and not self.compare_func(score, best.score):
            return
        unit, done = ("epoch", runner.epoch) if self.by_epoch else ("iter", runner.iter)
        name = f"best_{self.key_indicator}_{unit}_{done + 1}.pth"
        save_training(runner, self.folder.path / name)
        self.folder.set_best(Best(name, score))
        runner.logger.info("best %s so far: %.4f, %s", self.key_indicator, score, name)
