#!/usr/bin/env python
"""Visual odometry of a drive through the synthetic world; the 6DoF layer is its pose-only step.

Strong corners with LiDAR depth are followed by optical flow from a keyframe on. Each frame solves
robust PnP from the pose that constant velocity predicts; the posterior of the frame before is the
prior. Out come the poses with the covariance of their drift. cv2.solvePnPRansac gets the same
matches. The true poses of the camera judge both: absolute trajectory error (ATE) and relative pose
error (RPE) by the evo package (requirements/odometry.txt).

Times are processor times of one thread. Rendered frames stay in the work dir and are used again.

Example:
    python demo/track_camera.py --scenes scene-0103 scene-0916 --frames 60
    python demo/track_camera.py --outliers 0 0.3 --out outliers.png
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from epropnp_det.engine.output_files import write_figure
from epropnp_det.errors import UserError, main_guard

if TYPE_CHECKING:
    import numpy as np
    from _drive import Frame
    from _odometry import Matches, Trajectory

LEVELS = (0.5, 0.68, 0.9, 0.95)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--scenes",
        nargs="+",
        default=["scene-0103"],
        metavar="NAME",
        help="of the synthetic world (default: %(default)s)",
    )
    parser.add_argument(
        "--frames", type=int, default=60, help="of each scene, at least 3 (default: %(default)s)"
    )
    parser.add_argument(
        "--rate", type=float, default=10.0, help="frames per second (default: %(default)s)"
    )
    parser.add_argument(
        "--points", type=int, default=300, help="of a keyframe, at least 10 (default: %(default)s)"
    )
    parser.add_argument(
        "--outliers",
        type=float,
        nargs="+",
        default=[0.0],
        metavar="SHARE",
        help="of the image points that are moved anywhere in the image; several shares make "
        "several tables (default: %(default)s)",
    )
    parser.add_argument(
        "--lidar-noise",
        type=float,
        default=0.02,
        help="standard deviation of the LiDAR's range [m] (default: %(default)s)",
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=0,
        help="of the world, the noise and the outliers (default: %(default)s)",
    )
    parser.add_argument(
        "--work-dir",
        type=Path,
        default=Path("work_dirs/drive"),
        metavar="DIR",
        help="rendered frames (default: %(default)s)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("track_camera.png"),
        metavar="FILE",
        help="picture; the numbers go to the same name with .json (default: %(default)s)",
    )
    args = parser.parse_args()
    for name, least in (("frames", 3), ("points", 10), ("lidar_noise", 0)):
        if getattr(args, name) < least:
            parser.error(f"--{name.replace('_', '-')} must be at least {least}")
    if not all(0 <= share < 1 for share in args.outliers):
        parser.error("--outliers are shares from 0 to below 1")
    if not 0 < args.rate <= 1000:
        parser.error("--rate must be above 0 and at most 1000")
    return args


@dataclass(frozen=True)
class Run:
    """One solver on one drive, and the true poses (T, 4, 4) of the camera in its first frame."""

    scene: str
    solver: str
    outliers: float
    trajectory: Trajectory
    truth: np.ndarray


@main_guard
def main() -> None:
    args = parse_args()
    try:
        import evo  # noqa: F401
    except ImportError as error:
        raise UserError(
            "the evo package is missing; pip install -r requirements/odometry.txt"
        ) from error
    # Slow to import, so after --help and wrong arguments.
    import cv2
    import torch

    from epropnp_det.engine.json_files import write_json

    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    drives = [Drive.of(args, scene) for scene in args.scenes]
    tables = {}
    runs = []
    for share in args.outliers:
        some = [run for one in drives for run in one.track(args, share)]
        tables[f"{share:g}"] = summary(some, drives)
        runs += some
    write_json(args.out.with_suffix(".json"), tables, indent=1)
    print_tables(args, tables)
    draw(runs, args.out)
    print(f"picture: {args.out}; numbers: {args.out.with_suffix('.json')}")


@dataclass(frozen=True)
class Drive:
    """The matches of a scene's frames, and the true poses (T, 4, 4) of the camera in its first
    frame.
    """

    scene: str
    matches: list[Matches]
    truth: np.ndarray

    @classmethod
    def of(cls, args: argparse.Namespace, scene: str) -> Drive:
        import numpy as np
        from _drive import FRONT, drive
        from _odometry import follow

        frames = drive(args.work_dir, scene, args.seed, args.frames, args.rate)
        frames = [noisy(frame, args.lidar_noise, args.seed + i) for i, frame in enumerate(frames)]
        truth = np.linalg.inv(frames[0].pose) @ np.stack([frame.pose for frame in frames])
        return cls(scene, follow(frames, FRONT.intrinsic, args.points), truth)

    def track(self, args: argparse.Namespace, outliers: float) -> list[Run]:
        """All solvers, with a share of outliers."""
        import torch
        from _drive import FRONT, IMAGE_SIZE
        from _odometry import LayerTracker, Noise, RansacTracker, run, with_outliers

        from epropnp_det.pnp import Camera

        seen = with_outliers(self.matches, outliers, IMAGE_SIZE, args.seed)
        camera = Camera.for_image(torch.from_numpy(FRONT.intrinsic), IMAGE_SIZE)
        noise = Noise(rate=args.rate)
        solvers = {
            "layer, prior": LayerTracker(camera, noise),
            "layer, no prior": LayerTracker(camera, noise, use_prior=False),
            "RANSAC": RansacTracker(FRONT.intrinsic),
        }
        return [
            Run(self.scene, name, outliers, run(seen, solver), self.truth)
            for name, solver in solvers.items()
        ]


def noisy(frame: Frame, deviation: float, seed: int) -> Frame:
    """The frame with noise in the range of its LiDAR points, seen from the camera."""
    import numpy as np

    distance = np.linalg.norm(frame.points, axis=1, keepdims=True)
    error = deviation * np.random.default_rng(seed).standard_normal(distance.shape)
    return replace(frame, points=frame.points * (1 + error / distance))


# --- numbers ---


def summary(runs: list[Run], drives: list[Drive]) -> dict[str, Any]:
    """Errors, coverage and times of each solver over all scenes."""
    import numpy as np

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
    flow = float(1e3 * np.median([one.seconds for drive in drives for one in drive.matches]))
    points = float(np.mean([len(one.x2d) for drive in drives for one in drive.matches]))
    return {"flow_milliseconds": flow, "points": points, "levels": LEVELS, "solvers": solvers}


def evo_errors(run: Run) -> dict[str, float]:
    """ATE after the best rigid motion [m], RPE of consecutive frames [m, degrees], and the final
    drift as a share of the way [%].
    """
    import numpy as np
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


def coverage(runs: list[Run]) -> dict[str, list[float]]:
    """Shares of the frames whose regions of each level contain the true pose (6 dimensions): that
    in the keyframe, and that in the first frame, which has drifted. Empty without covariances.
    """
    import numpy as np
    from scipy.stats import chi2

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
            shares[name] = [float((rank <= level).mean()) for level in LEVELS]
    return shares


def mahalanobis(error: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Squared Mahalanobis distances (T,) of errors (T, D) with covariances (T, D, D)."""
    import numpy as np

    whitened = np.linalg.solve(covariance, error[..., None])[..., 0]
    return (error * whitened).sum(axis=1)


def deviation(poses: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Translation [m] and rotation vector [rad] (T, 6) from true to found poses (T, 4, 4)."""
    import numpy as np
    from scipy.spatial.transform import Rotation

    turn = Rotation.from_matrix(poses[:, :3, :3] @ truth[:, :3, :3].transpose(0, 2, 1)).as_rotvec()
    return np.concatenate((poses[:, :3, 3] - truth[:, :3, 3], turn), axis=1)


def print_tables(args: argparse.Namespace, tables: dict[str, Any]) -> None:
    columns = ("ATE [m]", "RPE [m]", "RPE [deg]", "drift [%]", "ms", "ms, 95 %", "not found")
    keys = ("ate_metres", "rpe_metres", "rpe_degrees", "drift_percent")
    for share, table in tables.items():
        print(
            f"{len(args.scenes)} scene(s) of {args.frames} frames, {table['points']:.0f} points "
            f"per frame, {float(share):.0%} outliers; optical flow "
            f"{table['flow_milliseconds']:.1f} ms per frame"
        )
        print(f"{'':<18}" + "".join(f"{name:>11}" for name in columns))
        for name, row in table["solvers"].items():
            numbers = "".join(f"{row[key]:>11.4f}" for key in keys)
            times = f"{row['milliseconds']:>11.1f}{row['milliseconds_95']:>11.1f}"
            print(f"{name:<18}{numbers}{times}{row['not_found']:>11}")
        print(f"regions of {LEVELS} contain the true pose in shares of the frames:")
        for name, row in table["solvers"].items():
            for frame, shares in row["coverage"].items():
                print(f"  {name}, {frame}: " + ", ".join(f"{found:.2f}" for found in shares))


# --- picture ---


def draw(runs: list[Run], path: Path) -> None:
    """A column for each scene and share of outliers: the drive from above, and below it the error
    of the position with the predicted standard deviation.
    """
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    drives = list(dict.fromkeys((run.outliers, run.scene) for run in runs))
    figure, axes = plt.subplots(
        2, len(drives), figsize=(4.5 * len(drives), 7), squeeze=False, layout="constrained"
    )
    for column, (outliers, scene) in enumerate(drives):
        own = [run for run in runs if (run.outliers, run.scene) == (outliers, scene)]
        draw_from_above(axes[0, column], own)
        draw_errors(axes[1, column], own)
        axes[0, column].set_title(f"{scene}, {outliers:.0%} outliers")
    write_figure(path, figure, dpi=90)
    plt.close(figure)


# Magnification of the ellipses, which are centimetres on a drive of tens of metres.
MAGNIFIED = 30
# Of Okabe and Ito: distinct without red and green.
COLORS = {"layer, prior": "#0072B2", "layer, no prior": "#009E73", "RANSAC": "#D55E00"}


def draw_from_above(axes: Any, runs: list[Run]) -> None:
    """x right and z ahead of the first camera [m]; ellipses of 95 %, magnified."""
    import numpy as np
    from matplotlib.patches import Ellipse
    from scipy.stats import chi2

    from epropnp_det.drawing.birdseye import plane_ellipse

    truth = runs[0].truth
    axes.plot(truth[:, 0, 3], truth[:, 2, 3], color="black", lw=4, alpha=0.25, label="true")
    for run in runs:
        poses = run.trajectory.poses
        axes.plot(poses[:, 0, 3], poses[:, 2, 3], color=COLORS[run.solver], lw=1, label=run.solver)
    first = runs[0]
    sigmas = MAGNIFIED * float(np.sqrt(chi2.ppf(0.95, 2)))
    step = max(len(truth) // 8, 1)
    for pose, covariance in list(zip(first.trajectory.poses, first.trajectory.covariance))[::step]:
        along, across, angle = plane_ellipse(covariance[np.ix_((0, 2), (0, 2))], sigmas)
        place = pose[[0, 2], 3]
        ellipse = Ellipse(place, along, across, angle=angle, fill=False, color=COLORS[first.solver])
        axes.add_patch(ellipse)
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_xlabel(f"x [m]; 95 % ellipses, {MAGNIFIED} times their size")
    axes.set_ylabel("z [m]")
    axes.legend(fontsize=8)


def draw_errors(axes: Any, runs: list[Run]) -> None:
    import numpy as np

    for run in runs:
        error = np.linalg.norm(deviation(run.trajectory.poses, run.truth)[:, :3], axis=1)
        axes.plot(100 * error, color=COLORS[run.solver], label=run.solver)
    variance = np.trace(runs[0].trajectory.covariance[:, :3, :3], axis1=1, axis2=2)
    axes.plot(100 * np.sqrt(variance), "--", color="#0072B2", label="predicted, with prior")
    axes.set_xlabel("frame")
    axes.set_ylabel("error of the position [cm]")
    axes.legend(fontsize=8)


if __name__ == "__main__":
    sys.exit(main())
