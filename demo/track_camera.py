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
    python demo/track_camera.py --outliers 0 0.3 --draws 5 --out outliers.png
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from epropnp_det.engine.optional_packages import optional_package
from epropnp_det.engine.output_files import write_figure
from epropnp_det.errors import main_guard

if TYPE_CHECKING:
    import numpy as np

    from epropnp_det.odometry.accuracy import Run
    from epropnp_det.odometry.matches import Matches


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
        "--points",
        type=int,
        default=700,
        help="of a keyframe, at least 10; 700 leave about 300 per frame (default: %(default)s)",
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
        "--draws",
        type=int,
        default=1,
        help="of the outliers, over which the numbers are means (default: %(default)s)",
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
    for name, least in (("frames", 3), ("points", 10), ("draws", 1), ("lidar_noise", 0)):
        if getattr(args, name) < least:
            parser.error(f"--{name.replace('_', '-')} must be at least {least}")
    if not all(0 <= share < 1 for share in args.outliers):
        parser.error("--outliers are shares from 0 to below 1")
    if not 0 < args.rate <= 1000:
        parser.error("--rate must be above 0 and at most 1000")
    return args


@main_guard
def main() -> None:
    args = parse_args()
    message = "the evo package is missing; pip install -r requirements/odometry.txt"
    optional_package("evo", message)
    # Slow to import, so after --help and wrong arguments.
    import cv2
    import torch

    from epropnp_det.engine.json_files import write_json
    from epropnp_det.odometry.accuracy import summary
    from epropnp_det.odometry.pictures import draw_drives

    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    drives = [Drive.of(args, scene) for scene in args.scenes]
    matches = [one for each in drives for one in each.matches]
    tables = {}
    runs = []
    for share in args.outliers:
        draws = [
            [run for one in drives for run in one.track(args.rate, share, args.seed + draw)]
            for draw in range(args.draws if share else 1)
        ]
        tables[f"{share:g}"] = summary([run for some in draws for run in some], matches)
        runs += draws[0]
    write_json(args.out.with_suffix(".json"), tables, indent=1)
    print_tables(args, tables)
    write_figure(args.out, draw_drives(runs), dpi=90)
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

        from epropnp_det.odometry.matches import follow
        from epropnp_det.odometry.synthetic_drive import FRONT, drive, noisy

        frames = drive(args.work_dir, scene, args.seed, args.frames, args.rate)
        frames = [noisy(frame, args.lidar_noise, args.seed + i) for i, frame in enumerate(frames)]
        truth = np.linalg.inv(frames[0].pose) @ np.stack([frame.pose for frame in frames])
        return cls(scene, follow(frames, FRONT.intrinsic, args.points), truth)

    def track(self, rate: float, outliers: float, seed: int) -> list[Run]:
        """All solvers, with a share of outliers that the seed draws."""
        import torch

        from epropnp_det.odometry.accuracy import Run
        from epropnp_det.odometry.matches import with_outliers
        from epropnp_det.odometry.synthetic_drive import FRONT, IMAGE_SIZE
        from epropnp_det.odometry.trackers import LayerTracker, Noise, RansacTracker, Solver
        from epropnp_det.odometry.trajectory import run
        from epropnp_det.pnp import Camera

        seen = with_outliers(self.matches, outliers, IMAGE_SIZE, seed)
        camera = Camera.for_image(torch.from_numpy(FRONT.intrinsic), IMAGE_SIZE)
        noise = Noise(rate=rate)
        solvers: dict[str, Solver] = {
            "layer, prior": LayerTracker(camera, noise),
            "layer, no prior": LayerTracker(camera, noise, use_prior=False),
            "RANSAC": RansacTracker(FRONT.intrinsic),
        }
        return [
            Run(self.scene, name, outliers, run(seen, solver), self.truth)
            for name, solver in solvers.items()
        ]


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
        print(f"regions of {tuple(table['levels'])} contain the true pose in shares of the frames:")
        for name, row in table["solvers"].items():
            for frame, shares in row["coverage"].items():
                print(f"  {name}, {frame}: " + ", ".join(f"{found:.2f}" for found in shares))


if __name__ == "__main__":
    sys.exit(main())
