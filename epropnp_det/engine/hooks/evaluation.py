"""Evaluation while training."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from mmcv.runner import BaseRunner, EvalHook
from torch.utils.data import DataLoader

from ..prediction import predict_dataset


@runtime_checkable
class ChecksEvaluation(Protocol):
    """A dataset whose metrics need more than the results."""

    def check_evaluation(self, metric: str | Sequence[str] | None) -> list[str]:
        """Names of the metrics to compute; `metric` as in the config's `evaluation`.

        Raises:
            UserError: a metric is unknown or lacks what it needs.
        """


class EvaluationHook(EvalHook):
    """Evaluates with `predict_dataset`, by one process or many, on a CPU or GPUs; mmcv's hook keeps
    the schedule and the best checkpoint.

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

    def _do_evaluate(self, runner: BaseRunner) -> None:
        dataset = self.dataloader.dataset
        results = predict_dataset(runner.model.module, dataset, workers=self.workers)
        if results is None:
            return
        runner.log_buffer.output["eval_iter_num"] = len(dataset)
        score = self.evaluate(runner, results)
        if self.save_best and score:
            self._save_ckpt(runner, score)
