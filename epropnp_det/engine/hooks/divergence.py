"""Reports a training that diverges while it runs."""

from __future__ import annotations

import math
from collections import deque

import numpy as np
from mmcv.runner import HOOKS, BaseRunner, Hook


@HOOKS.register_module()
class DivergenceHook(Hook):
    """Warns in one line where the loss is far above what it was, or where the pose samples have
    collapsed; once, until the training has recovered.

    Losses may be negative and may have outliers: medians are compared, and their distance is
    measured in median absolute deviations.

    Args:
        window: steps before, whose losses are the usual ones; a fourth of them must be there.
        recent: steps that are compared with those, and steps between two comparisons.
        spreads: how many deviations the median of the recent losses may be above the usual one.
        least_samples: what the median of the recent effective sample sizes must exceed. At 1 a
            single sample has all the weight: the loss has no information on the other poses.
    """

    def __init__(
        self,
        window: int = 400,
        recent: int = 20,
        spreads: float = 10.0,
        least_samples: float = 1.5,
    ):
        self.recent = recent
        self.spreads = spreads
        self.least_samples = least_samples
        self.usual: deque[float] = deque(maxlen=window)
        self.losses: list[float] = []
        self.samples: list[float] = []
        self.reported: set[str] = set()

    def after_train_iter(self, runner: BaseRunner) -> None:
        figures = runner.outputs.get("log_vars", {})  # mmcv's runners need none
        if "loss" not in figures:
            return
        self.losses.append(figures["loss"])
        if "effective_sample_size" in figures:
            self.samples.append(figures["effective_sample_size"])
        if len(self.losses) < self.recent:
            return
        faults = self._faults()
        for kind, message in faults.items():
            if kind not in self.reported:
                runner.logger.warning("the training may diverge: %s", message)
        self.reported = set(faults)
        if "loss" not in faults:
            self.usual.extend(filter(math.isfinite, self.losses))  # NaN has no median
        self.losses = []
        self.samples = []

    def _faults(self) -> dict[str, str]:
        """Messages on the recent steps, by kind."""
        faults = {}
        now = np.median(self.losses)
        if len(self.usual) * 4 >= (self.usual.maxlen or 0):
            before = np.median(self.usual)
            spread = np.median(np.abs(np.array(self.usual) - before))
            if not now <= before + self.spreads * spread:  # also NaN
                faults["loss"] = (
                    f"the loss is {now:.4g} (median of {self.recent} steps) after {before:.4g} "
                    f"(median of {len(self.usual)} steps, median deviation {spread:.2g}); lower "
                    "the learning rate, or resume an earlier checkpoint"
                )
        if self.samples and np.median(self.samples) <= self.least_samples:
            faults["samples"] = (
                f"the effective sample size is {np.median(self.samples):.3g} (median of "
                f"{self.recent} steps): the pose samples hold no information; look at w2d_scale, "
                "lower the learning rate, or take more samples"
            )
        return faults
