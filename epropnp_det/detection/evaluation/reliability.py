"""Reliability of the predicted pose distributions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from epropnp_det.posterior.credible_regions import (
    NOMINAL,
    binomial_error,
    coverage,
    position_hpd_level,
    yaw_hpd_level,
)
from epropnp_det.posterior.density import effective_sample_size
from epropnp_det.posterior.quantities import YAW_POSE

from .pose_distributions import ImageResult

# Quantities that are compared with the ground truth, and their names in a picture.
QUANTITIES = {name: YAW_POSE[name].shown for name in ("yaw", "position", "depth")}


@dataclass(frozen=True)
class ObjectHpdLevels:
    """Highest-density levels (`posterior.credible_regions`) of a true box in the distribution that
    was predicted for it.
    """

    label: int
    yaw: float
    position: float
    depth: float
    effective_samples: float


def hpd_levels(result: ImageResult) -> Iterator[ObjectHpdLevels]:
    """Levels of every detection in an image that has a true box and finite sample weights."""
    found = result.detections
    samples = found.require("sample_pose")
    weights = found.require("sample_weight")
    for index in (result.match >= 0).nonzero()[:, 0].tolist():
        sample = samples[index].double().numpy()
        weight = weights[index].double().numpy()
        if np.isfinite(weight).all():
            truth = result.truth.pose[result.match[index]].double().numpy()
            yield ObjectHpdLevels(
                label=int(found.label[index]),
                yaw=yaw_hpd_level(sample[:, 3], weight, truth[3]),
                position=position_hpd_level(sample[:, [0, 2]], weight, truth[[0, 2]]),
                depth=position_hpd_level(sample[:, [2]], weight, truth[[2]]),
                effective_samples=effective_sample_size(weight),
            )


def reliability_table(
    levels: Sequence[ObjectHpdLevels], class_names: Sequence[str]
) -> dict[str, Any]:
    """Shares of true values inside the regions, over all objects (at least one) and by class."""
    by_class = {
        name: [each for each in levels if each.label == label]
        for label, name in enumerate(class_names)
    }
    return dict(
        objects=len(levels),
        median_effective_samples=float(np.median([each.effective_samples for each in levels])),
        binomial_error={str(nominal): binomial_error(nominal, len(levels)) for nominal in NOMINAL},
        coverage=_shares(levels),
        classes={
            name: dict(objects=len(some), coverage=_shares(some))
            for name, some in by_class.items()
            if some
        },
    )


def _shares(levels: Sequence[ObjectHpdLevels]) -> dict[str, dict[str, float]]:
    columns = {name: [getattr(each, name) for each in levels] for name in QUANTITIES}
    return {
        name: {str(nominal): coverage(values, nominal) for nominal in NOMINAL}
        for name, values in columns.items()
    }
