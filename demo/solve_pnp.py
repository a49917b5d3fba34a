#!/usr/bin/env python
"""Compares the solver of the layer with cv2.solvePnP on random problems: accuracy, time per batch.

Each object has N points in a box of 2 m, a random orientation and a distance of 4 to 8 m to a
camera of 640 x 480 pixels with a focal length of 600 pixels; image points have noise. OpenCV solves
one object after the other in double precision (SOLVEPNP_ITERATIVE: a linear start, then
Levenberg-Marquardt). The layer solves all of them at once in single precision, from the best of
some random starts, with a Huber kernel. Neither gets an initial pose.

Example:
    python demo/solve_pnp.py
    python demo/solve_pnp.py --objects 1000 --points 64 --noise 2 --outliers 0.1 --runs 7
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from epropnp_det.errors import main_guard

if TYPE_CHECKING:
    from torch import Tensor

    from epropnp_det.pnp import PnPProblem

FOCAL = 600.0
SIZE = (640, 480)
LOW = (-1.0, -1.0, 4.0)
HIGH = (1.0, 1.0, 8.0)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--objects", type=int, default=1000, help="in the batch (default: %(default)s)"
    )
    parser.add_argument(
        "--points", type=int, default=32, help="of each object, at least 6 (default: %(default)s)"
    )
    parser.add_argument(
        "--noise",
        type=float,
        default=1.0,
        help="of image points, standard deviation [px] (default: %(default)s)",
    )
    parser.add_argument(
        "--outliers",
        type=float,
        default=0.0,
        help="share of image points anywhere in the image (default: %(default)s)",
    )
    parser.add_argument(
        "--runs", type=int, default=5, help="timed, after one that is not (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0, help="(default: %(default)s)")
    parser.add_argument(
        "--threads", type=int, default=1, help="of the CPU, for both (default: %(default)s)"
    )
    args = parser.parse_args()
    for name, least in (
        ("objects", 1),
        ("points", 6),
        ("runs", 1),
        ("threads", 1),
        ("noise", 0),
        ("outliers", 0),
    ):
        if getattr(args, name) < least:
            parser.error(f"--{name} must be at least {least}")
    if args.outliers > 1:
        parser.error("--outliers is a share: at most 1")
    return args


def make_problems(args: argparse.Namespace) -> tuple[PnPProblem, Tensor]:
    """Problems (B) and their true poses (B, 7)."""
    import torch
    from _six_dof import random_poses

    from epropnp_det.pnp import Camera, Correspondences, PnPProblem, SE3Pose

    generator = torch.Generator().manual_seed(args.seed)
    shape = (args.objects, args.points)
    camera = Camera.for_image([[FOCAL, 0, SIZE[0] / 2], [0, FOCAL, SIZE[1] / 2], [0, 0, 1]], SIZE)
    pose = random_poses(args.objects, LOW, HIGH, generator)
    x3d = 2 * torch.rand((*shape, 3), generator=generator) - 1
    x2d = camera.project(SE3Pose.transform(pose, x3d)) + args.noise * torch.randn(
        (*shape, 2), generator=generator
    )
    anywhere = torch.rand((*shape, 2), generator=generator) * torch.tensor(SIZE)
    x2d = torch.where(torch.rand((*shape, 1), generator=generator) < args.outliers, anywhere, x2d)
    # One weight for all points: the inverse of the noise, which makes the cost a sum of squares of
    # unit variance.
    w2d = torch.full_like(x2d, 1 / max(args.noise, 0.1))
    return PnPProblem.adaptive(Correspondences(x3d, x2d, w2d), camera, relative_delta=0.1), pose


def solve_with_layer(problem: PnPProblem, proposals: int = 64) -> Tensor:
    """Poses (B, 7), from the best of some random starts."""
    import torch

    from epropnp_det.pnp import EProPnP6DoF, RandomSampleInit

    layer = EProPnP6DoF(init=RandomSampleInit(proposals))
    return layer.solve(problem, generator=torch.Generator().manual_seed(1)).pose


def solve_with_opencv(problem: PnPProblem) -> Tensor:
    """Poses (B, 7); NaN where OpenCV finds none."""
    import torch

    points = problem.points
    rows = zip(
        points.x3d.double().numpy(),
        points.x2d.double().numpy(),
        problem.camera.matrix.double().numpy(),
    )
    return torch.stack([opencv_pose(*row) for row in rows]).float()


def opencv_pose(x3d, x2d, matrix) -> Tensor:
    """Pose (7,) of one object, from arrays (N, 3), (N, 2) and (3, 3)."""
    import cv2
    import torch

    found, turn, translation = cv2.solvePnP(x3d, x2d, matrix, None, flags=cv2.SOLVEPNP_ITERATIVE)
    if not found:
        return torch.full((7,), torch.nan)
    half = torch.from_numpy(turn[:, 0]) / 2
    quaternion = half.norm().cos()[None], half * torch.sinc(half.norm() / torch.pi)
    return torch.cat((torch.from_numpy(translation[:, 0]), *quaternion))


@dataclass(frozen=True)
class Row:
    """A line of the table: seconds of every run, errors (B,) in degrees and as a share of the
    distance.
    """

    name: str
    seconds: list[float]
    degrees: Tensor
    relative: Tensor

    def __str__(self) -> str:
        """Median time and its spread; mean, median and 95 % quantile of the errors."""
        import statistics

        median = 1e3 * statistics.median(self.seconds)
        time_ = f"{median:9.0f} ({1e3 * min(self.seconds):.0f}-{1e3 * max(self.seconds):.0f})"
        errors = "".join(
            f"{factor * value:10.3f}"
            for error, factor in ((self.degrees, 1), (self.relative, 100))
            for value in (error.mean(), error.median(), error.quantile(0.95))
        )
        return f"{self.name:<24}{time_:>22}{errors}"


_ERRORS = ("degrees", "median", "95 %", "% of t", "median", "95 %")
HEADER = f"{'':<24}{'ms, median (range)':>22}" + "".join(f"{name:>10}" for name in _ERRORS)


def measure(
    name: str, solve: Callable[[PnPProblem], Tensor], problem: PnPProblem, pose: Tensor, runs: int
) -> Row:
    """Errors, and times of `runs` runs after one that warms up."""
    from _six_dof import orientation_error, translation_error
    from tqdm import tqdm

    found = solve(problem)
    seconds = []
    for _ in tqdm(range(runs), desc=name, unit="run", leave=False, disable=None):
        begin = time.perf_counter()
        solve(problem)
        seconds.append(time.perf_counter() - begin)
    return Row(
        name,
        seconds,
        orientation_error(found, pose),
        translation_error(found, pose) / pose[:, :3].norm(dim=-1),
    )


@main_guard
def main() -> None:
    args = parse_args()
    # Slow to import, so after --help and wrong arguments.
    import cv2
    import torch

    torch.set_num_threads(args.threads)
    cv2.setNumThreads(args.threads)
    problem, pose = make_problems(args)
    solvers = {
        "layer, 64 starts": solve_with_layer,
        "layer, 16 starts": partial(solve_with_layer, proposals=16),
        "cv2.solvePnP, in a loop": solve_with_opencv,
    }
    rows = [measure(name, solve, problem, pose, args.runs) for name, solve in solvers.items()]
    print(
        f"{args.objects} objects of {args.points} points, noise {args.noise:g} px, "
        f"outliers {args.outliers:.0%}, {args.threads} thread(s)"
    )
    print(HEADER, *rows, sep="\n")


if __name__ == "__main__":
    sys.exit(main())
