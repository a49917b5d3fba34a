"""Trajectories against the true poses: errors by the evo package, and the coverage of predicted
covariances.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation
from scipy.stats import chi2

from epropnp_det.posterior.credible_regions import NOMINAL

from .matches import Matches
from .trajectory import Trajectory


@dataclass(frozen=True)
class Run:
    """One solver on one drive, and the true poses (T, 4, 4) of the camera in its first frame."""

    scene: str
    solver: str
    outliers: float
    trajectory: Trajectory
    truth: np.ndarray


def summary(runs: Sequence[Run], matches: Sequence[Matches]) -> dict[str, Any]:
    """Errors, coverage and times of each solver over all scenes.

    Args:
        runs: each solver on each scene.
        matches: those of all frames of all scenes.
    """
    solvers = {}
    for name in dict.fromkeys(run.solver for run in runs):
        own = [run for run in runs if run.solver == name]
        errors = [evo_errors(run) for run in own]
        seconds = np.concatenate([[s.seconds for s in run.trajectory.steps] for run in own])
        solvers[name] = {
            **{key: float(np.mean([error[key] for error in errors])) for key in errors[0]},
            "milliseconds": float(1e3 * np.median(seconds)),
            "milliseconds_95": float(1e3 * np.quantile(seconds, 0.95)),
            "not_found": int(sum(not s.found for run in own for s in run.trajectory.steps)),
            "coverage": coverage(own),
        }
    flow = float(1e3 * np.median([one.seconds for one in matches]))
    points = float(np.mean([len(one.x2d) for one in matches]))
    return {"flow_milliseconds": flow, "points": points, "levels": NOMINAL, "solvers": solvers}


def evo_errors(run: Run) -> dict[str, float]:
    """ATE after the best rigid motion [m], RPE of consecutive frames [m, degrees], and the final
    drift as a share of the way [%].
    """
    from evo.core import metrics
    from evo.core.trajectory import PosePath3D

    truth = PosePath3D(poses_se3=list(run.truth))
    found = PosePath3D(poses_se3=list(run.trajectory.poses))
    end = np.linalg.norm(run.truth[-1, :3, 3] - run.trajectory.poses[-1, :3, 3])

    def root_mean_square(metric: Any) -> float:
        metric.process_data((truth, found))
        return metric.get_statistic(metrics.StatisticsType.rmse)

    metres = metrics.PoseRelation.translation_part
    degrees = metrics.PoseRelation.rotation_angle_deg
    relative = {
        "rpe_metres": root_mean_square(metrics.RPE(metres, delta=1)),
        "rpe_degrees": root_mean_square(metrics.RPE(degrees, delta=1)),
    }
    found.align(truth)
    return {
        "ate_metres": root_mean_square(metrics.APE(metres)),
        **relative,
        "drift_percent": float(100 * end / truth.path_length),
    }


def coverage(runs: Sequence[Run]) -> dict[str, list[float]]:
    """Shares of the frames whose regions of each level contain the true pose (6 dimensions): that
    in the keyframe, and that in the first frame, which has drifted. Empty without covariances.
    """
    squared: dict[str, list[np.ndarray]] = {"in keyframe": [], "in first frame": []}
    for run in runs:
        steps = run.trajectory.steps
        keys = [step.keyframe for step in steps]
        own = np.stack([step.covariance.numpy() for step in steps])
        found = np.linalg.inv(run.trajectory.poses[keys]) @ run.trajectory.poses[1:]
        true = np.linalg.inv(run.truth[keys]) @ run.truth[1:]
        squared["in keyframe"].append(mahalanobis(deviation(found, true), own))
        drifted = deviation(run.trajectory.poses, run.truth)[1:]
        squared["in first frame"].append(mahalanobis(drifted, run.trajectory.covariance[1:]))
    shares = {}
    for name, values in squared.items():
        rank = chi2.cdf(np.concatenate(values), 6)
        if np.isfinite(rank).all():
            shares[name] = [float((rank <= level).mean()) for level in NOMINAL]
    return shares


def mahalanobis(error: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Squared Mahalanobis distances (T,) of errors (T, D) with covariances (T, D, D)."""
    whitened = np.linalg.solve(covariance, error[..., None])[..., 0]
    return (error * whitened).sum(axis=1)


def deviation(poses: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Translation [m] and rotation vector [rad] (T, 6) from true to found poses (T, 4, 4)."""
    turn = Rotation.from_matrix(poses[:, :3, :3] @ truth[:, :3, :3].transpose(0, 2, 1)).as_rotvec()
    return np.concatenate((poses[:, :3, 3] - truth[:, :3, 3], turn), axis=1)
