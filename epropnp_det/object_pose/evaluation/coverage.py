"""How often the regions of the predicted pose distributions hold the true pose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from epropnp_det.drawing import draw_reliability, stacked
from epropnp_det.engine.outside_files import read_json
from epropnp_det.errors import UserError
from epropnp_det.posterior.credible_regions import (
    NOMINAL,
    coverage,
    orientation_hpd_level,
    pose_hpd_level,
    position_hpd_level,
)

from ..rigid_pose import RigidPose
from .judged_pose import JudgedPose
from .pose_errors import nearest_symmetric_truth

QUANTITIES = ("position", "orientation", "pose")


@dataclass(frozen=True)
class PoseLevels:
    """Levels of the true pose of an object, see `epropnp_det.posterior.credible_regions`: the true
    value lies inside the region of probability p where level <= p.

    Args:
        symmetric: whether the object has symmetries. The true pose is then that of its symmetric
            poses whose orientation is nearest to the predicted one.
    """

    object_id: int
    symmetric: bool
    position: float
    orientation: float
    pose: float


def pose_levels(objects: Sequence[JudgedPose]) -> list[PoseLevels]:
    """Levels of the true poses; objects without a posterior are left out."""
    progress = tqdm(objects, desc="coverage", unit="object", disable=None)
    return [_levels(each) for each in progress if each.has_posterior]


def _levels(judged: JudgedPose) -> PoseLevels:
    estimate = RigidPose.from_vector(judged.pose.pose[0].double().numpy())
    model = judged.model
    true = nearest_symmetric_truth(estimate, judged.truth, model.symmetries).to_vector()
    samples = judged.samples
    weight = judged.weight
    return PoseLevels(
        model.object_id,
        model.is_symmetric,
        position_hpd_level(samples[:, :3], weight, true[:3]),
        orientation_hpd_level(samples[:, 3:], weight, true[3:]),
        pose_hpd_level(samples, weight, true),
    )


def coverage_table(levels: Sequence[PoseLevels]) -> dict[str, float]:
    """Shares of the true poses inside the regions, by quantity and nominal probability."""
    table = {}
    for quantity in QUANTITIES:
        values = [getattr(each, quantity) for each in levels]
        for nominal in NOMINAL:
            table[f"coverage {quantity} {nominal:g}"] = coverage(values, nominal)
    return table


def draw_coverage(runs: Mapping[str, Sequence[PoseLevels]]) -> np.ndarray:
    """Coverage and histogram of the levels of position, orientation and pose, a row for each run:
    (H, W, 3) uint8 BGR.

    Args:
        runs: levels by the title of the row.
    """
    rows = []
    for title, levels in runs.items():
        by_quantity = {
            name: np.array([getattr(each, name) for each in levels]) for name in QUANTITIES
        }
        rows.append(draw_reliability(by_quantity, title))
    return stacked(*rows)


def read_levels(path: str | Path) -> list[PoseLevels]:
    """The levels that `tools/test.py --eval bop` wrote.

    Raises:
        UserError: the file is missing, has another form, or lists no object.
    """
    remedy = "name the levels.json of a test with pose samples (test_cfg.samples)"
    content = read_json(path, "levels", remedy)
    try:
        levels = [PoseLevels(**each) for each in content]
    except (TypeError, ValueError) as error:
        raise UserError(f"{path} is no file of levels ({error}); {remedy}") from error
    if not levels:
        raise UserError(f"{path} lists no object; {remedy}")
    return levels
