"""The table of the released LineMOD evaluation: shares of poses within limits, in percent.

It differs from BOP: n deg n cm and the projection turn the eggbox alone by its symmetry, and ADI
counts for the eggbox and the glue (bowl and cup among the unused objects).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.integrate import simpson
from scipy.spatial.transform import Rotation

from ..rigid_pose import RigidPose
from . import pose_errors

SYMMETRIC = ("eggbox", "glue", "bowl", "cup")
TURNED = ("eggbox",)
_DEGREES_AND_CM = ("2deg_2cm", 2), ("5deg_5cm", 5), ("10deg_10cm", 10)
# Steps of the thresholds of the areas: 0.0001 diameters, 0.1 px.
_ADD_STEPS = 1000
_PROJECTION_STEPS = 500


@dataclass(frozen=True)
class LinemodErrors:
    """Errors of P poses of one object: `add` in diameters (ADI where the object is symmetric),
    `rotation` [degrees], `translation` [m], `projection` [px], each (P,).
    """

    add: np.ndarray
    rotation: np.ndarray
    translation: np.ndarray
    projection: np.ndarray


def linemod_errors(
    name: str,
    estimate: RigidPose,
    truth: RigidPose,
    vertices: np.ndarray,
    diameter: float,
    camera_matrix: np.ndarray,
) -> LinemodErrors:
    """Errors of the poses (P,) of the object `name`; vertices (N, 3) and diameter in metres."""
    distance = pose_errors.adi if name in SYMMETRIC else pose_errors.add
    if name in TURNED:
        turned = estimate.compose(_HALF_TURN)
        wrong = (pose_errors.rotation_error(estimate, truth) > 90)[:, None]
        rotation = np.where(wrong[..., None], turned.rotation, estimate.rotation)
        shown = RigidPose(rotation, estimate.translation)
    else:
        shown = estimate
    return LinemodErrors(
        distance(estimate, truth, vertices) / diameter,
        pose_errors.rotation_error(shown, truth),
        pose_errors.translation_error(shown, truth),
        pose_errors.projection_error(shown, truth, vertices, camera_matrix),
    )


def linemod_row(errors: LinemodErrors) -> dict[str, float]:
    """One object's row of the table [%].

    `2deg_2cm`, `5deg_5cm`, `10deg_10cm` and `all` (the mean of n = 1..10) each as rotation, with
    the suffixes `_rotation` and `_translation` for either limit alone; `add_0.02`, `add_0.05`,
    `add_0.10`; `proj_2`, `proj_5`, `proj_10`, `proj_20`; areas under the curves of ADD up to 0.1
    diameters and of the projection up to 50 px.
    """
    row: dict[str, float] = {}
    for name, limit in _DEGREES_AND_CM:
        row |= _within(errors, name, (limit,))
    row |= _within(errors, "all", tuple(range(1, 11)))
    for share in (0.02, 0.05, 0.1):
        row[f"add_{share:.2f}"] = _share(errors.add < share)
    for pixels in (2, 5, 10, 20):
        row[f"proj_{pixels}"] = _share(errors.projection < pixels)
    row["add_area"] = _area(errors.add, 0.1, _ADD_STEPS)
    row["proj_area"] = _area(errors.projection, 50.0, _PROJECTION_STEPS)
    return row


def linemod_mean(rows: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """The mean over the objects of every column."""
    columns = next(iter(rows.values()))
    return {name: float(np.mean([row[name] for row in rows.values()])) for name in columns}


def _within(errors: LinemodErrors, name: str, limits: tuple[int, ...]) -> dict[str, float]:
    turned = [errors.rotation < limit for limit in limits]
    moved = [errors.translation < limit / 100 for limit in limits]
    both = [turn & move for turn, move in zip(turned, moved)]
    return {
        f"{name}_rotation": _share(turned),
        f"{name}_translation": _share(moved),
        name: _share(both),
    }


def _share(hits: np.ndarray | list[np.ndarray]) -> float:
    return 100 * float(np.mean(hits))


def _area(errors: np.ndarray, limit: float, steps: int) -> float:
    """Mean share of errors below a threshold that goes from 0 to `limit`, by Simpson's rule.

    The thresholds end one step before `limit`, and the sum is divided by the whole `limit`.
    """
    thresholds = np.arange(steps) * limit / steps
    shares = (errors[:, None] < thresholds).mean(axis=0)
    return 100 * float(simpson(shares, dx=limit / steps)) / limit


_HALF_TURN = RigidPose(Rotation.from_euler("z", 180, degrees=True).as_matrix(), np.zeros(3))
