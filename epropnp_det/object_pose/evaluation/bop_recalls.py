"""Recalls of the BOP challenge: the share of the targets that an estimate finds.

Estimates of an object in an image are taken by falling score, at most as many as there are
instances; each takes the nearest instance left, if its error is below the threshold. The average
recall is the mean over the thresholds.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from epropnp_det.errors import UserError

from ..data.bop_dataset import TargetTruth
from ..data.object_models import ObjectModel
from ..rigid_pose import RigidPose
from . import pose_errors
from .bop_results import BopResult

# Thresholds of every column. MSSD and ADD(-S) are in diameters, MSPD in px of an image 640 px wide,
# `degrees_and_cm` is the larger of the angle [degrees] and the distance [cm].
THRESHOLDS: Mapping[str, tuple[str, np.ndarray]] = {
    "AR_MSSD": ("mssd", np.arange(0.05, 0.51, 0.05)),
    "AR_MSPD": ("mspd", np.arange(5, 51, 5)),
    "ADD(-S) 0.02d": ("add_s", np.array([0.02])),
    "ADD(-S) 0.05d": ("add_s", np.array([0.05])),
    "ADD(-S) 0.1d": ("add_s", np.array([0.1])),
    "2 deg 2 cm": ("degrees_and_cm", np.array([2])),
    "5 deg 5 cm": ("degrees_and_cm", np.array([5])),
    "10 deg 10 cm": ("degrees_and_cm", np.array([10])),
    "projection 5 px": ("projection", np.array([5])),
}
_MSPD_WIDTH = 640


@dataclass(frozen=True)
class TargetErrors:
    """Errors of E estimates against the G instances of one target.

    Args:
        scores: (E,).
        errors: by name (E, G).
    """

    object_id: int
    count: int
    scores: np.ndarray
    errors: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Recall:
    """A recall by object, its mean over the objects, and over all targets (the challenge's)."""

    by_object: Mapping[int, float]
    mean: float
    of_targets: float


def evaluate(
    results: Iterable[BopResult],
    targets: Sequence[TargetTruth],
    models: Mapping[int, ObjectModel],
) -> dict[str, Recall]:
    """Every column of `THRESHOLDS`. Results that are no target are left out, as in the challenge.

    Args:
        models: by object id; for the challenge's numbers those of `models_eval`.

    Raises:
        UserError: there is no target, or a target's object has no model.
    """
    if not targets:
        raise UserError("there is no target to evaluate; check the file of targets")
    errors = errors_of_targets(results, targets, models)
    return {name: recall(errors, kind, limits) for name, (kind, limits) in THRESHOLDS.items()}


def errors_of_targets(
    results: Iterable[BopResult],
    targets: Sequence[TargetTruth],
    models: Mapping[int, ObjectModel],
) -> list[TargetErrors]:
    """The errors of every estimate against every instance of its target."""
    found = defaultdict(list)
    for result in results:
        found[result.scene_id, result.image_id, result.object_id].append(result)
    errors = []
    for target in targets:
        if target.object_id not in models:
            raise UserError(
                f"object {target.object_id} of image {target.image_id} in scene {target.scene_id} "
                "has no model; add it to models_eval"
            )
        key = (target.scene_id, target.image_id, target.object_id)
        errors.append(_errors_of_target(found[key], target, models[target.object_id]))
    return errors


def recall(targets: Sequence[TargetErrors], name: str, thresholds: Iterable[float]) -> Recall:
    """The recall averaged over the thresholds of the error `name`."""
    thresholds = list(thresholds)
    hits: dict[int, int] = defaultdict(int)
    wanted: dict[int, int] = defaultdict(int)
    for target in targets:
        wanted[target.object_id] += target.count
        for limit in thresholds:
            matched = match_greedily(target.scores, target.errors[name], limit, target.count)
            hits[target.object_id] += int((matched >= 0).sum())
    by_object = {key: hits[key] / (wanted[key] * len(thresholds)) for key in sorted(wanted)}
    total = sum(hits.values()) / (sum(wanted.values()) * len(thresholds))
    return Recall(by_object, float(np.mean(list(by_object.values()))), total)


def match_greedily(
    scores: np.ndarray, errors: np.ndarray, threshold: float, count: int
) -> np.ndarray:
    """The instance (E,) that each estimate finds, -1 for none; errors (E, G).

    Only the `count` estimates of highest score take part; the error must be below the threshold.
    """
    matched = np.full(len(scores), -1)
    free = np.ones(errors.shape[1], bool)
    for index in np.argsort(-np.asarray(scores), kind="stable")[:count]:
        row = np.where(free, errors[index], np.inf)
        if free.any() and row.min() < threshold:
            matched[index] = row.argmin()
            free[matched[index]] = False
    return matched


def _errors_of_target(
    results: Sequence[BopResult], target: TargetTruth, model: ObjectModel
) -> TargetErrors:
    estimates = RigidPose.stack([result.pose for result in results])[:, None]
    truth = target.poses[None]
    symmetries = model.symmetries
    nearest = pose_errors.nearest_symmetric_truth(estimates, truth, symmetries)
    distance = pose_errors.adi if len(symmetries.translation) > 1 else pose_errors.add
    matrix = target.camera_matrix
    mspd = pose_errors.mspd(estimates, truth, model.vertices, symmetries, matrix)
    centimetres = 100 * pose_errors.translation_error(estimates, nearest)
    errors = {
        "mssd": pose_errors.mssd(estimates, truth, model.vertices, symmetries) / model.diameter,
        "mspd": mspd * _MSPD_WIDTH / target.image_width,
        "add_s": distance(estimates, truth, model.vertices) / model.diameter,
        "degrees_and_cm": np.maximum(pose_errors.rotation_error(estimates, nearest), centimetres),
        "projection": pose_errors.projection_error(estimates, nearest, model.vertices, matrix),
    }
    scores = np.array([result.score for result in results])
    return TargetErrors(target.object_id, target.count, scores, errors)
