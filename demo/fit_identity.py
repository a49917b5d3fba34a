#!/usr/bin/env python
"""A network learns the identity: from a rigid pose it predicts 3D points, image points and weights,
and PnP recovers the pose from them.

The only supervision is the error of the pose, through the Monte Carlo loss, Eq. (5), and the
derivative regularisation, Eq. (10); no points are given. This is the shortest complete training
with the layer: replace the input pose by an image of the object, and you have a pose estimator.

Poses: translation uniform in [-1, 1] x [-1, 1] x [4, 6] metres, orientation uniform over all
rotations; camera of 640 x 480 pixels, focal length 600 pixels. The target of the default settings:
mean errors below 3 degrees and 0.05 metres on unseen poses.

Example:
    python demo/fit_identity.py
    python demo/fit_identity.py --steps 200 --out /tmp/short.png
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from epropnp_det.engine.output_files import write_figure
from epropnp_det.errors import UserError, main_guard

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from epropnp_det.pnp import Correspondences

FOCAL, SIZE = 600.0, (640, 480)
LOW, HIGH = (-1.0, -1.0, 4.0), (1.0, 1.0, 6.0)
STEPS, BATCH, POINTS, WIDTH = 600, 64, 16, 256
LEARNING_RATE = 2e-3
# Degrees and metres.
TARGET = (3.0, 0.05)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--steps", type=int, default=STEPS, help="of training (default: %(default)s)"
    )
    parser.add_argument(
        "--batch", type=int, default=BATCH, help="poses per step (default: %(default)s)"
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="of weights, poses and samples (default: %(default)s)"
    )
    parser.add_argument("--threads", type=int, default=1, help="of the CPU (default: %(default)s)")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("fit_identity.png"),
        metavar="FILE",
        help="picture (default: %(default)s)",
    )
    args = parser.parse_args()
    for name in ("steps", "batch", "threads"):
        if getattr(args, name) < 1:
            parser.error(f"--{name} must be at least 1")
    return args


def make_network() -> nn.Module:
    """From [R | t] (B, 12) to 7 numbers per point (B, 7 POINTS), and 2 for the scale of the
    weights.
    """
    from torch import nn

    layers: list[nn.Module] = []
    for inputs in (12, WIDTH, WIDTH):
        layers += [nn.Linear(inputs, WIDTH), nn.SiLU()]
    return nn.Sequential(*layers, nn.Linear(WIDTH, 7 * POINTS + 2))


def predict(network: nn.Module, pose: Tensor) -> tuple[Correspondences, Tensor]:
    """Predicted points (B) of poses (B, 7), and the scale (B, 2) of their weights.

    The weights are a softmax over the points, which makes them relative, times the scale, which is
    the certainty of the whole.
    """
    import torch

    from epropnp_det.pnp import Correspondences, SE3Pose

    # The translation has the range of the entries of the rotation: about [-1, 1].
    low = torch.tensor(LOW)
    high = torch.tensor(HIGH)
    translation = (2 * pose[:, :3] - low - high) / (high - low)
    output = network(torch.cat((SE3Pose.rotation(pose).flatten(1), translation), dim=-1))
    x3d, x2d, logits = output[:, :-2].unflatten(1, (POINTS, 7)).split((3, 2, 2), dim=-1)
    scale = output[:, -2:].exp()
    # A unit of the network's output is a metre, or the hundred pixels that it covers in the image.
    x2d = 100 * x2d + torch.tensor(SIZE) / 2
    return Correspondences(x3d, x2d, logits.softmax(dim=1) * scale[:, None]), scale


@dataclass
class Curves:
    """Curves of the picture: the Monte Carlo loss of every step, and (step, degrees, metres) of the
    tests.
    """

    losses: list[float]
    errors: list[tuple[int, float, float]]


class Training:
    """One network, its layer and its optimiser; `step` trains, `test` measures."""

    def __init__(self, args: argparse.Namespace):
        import torch

        from epropnp_det.losses.running_scale import RunningScale
        from epropnp_det.pnp import Camera, EProPnP6DoF, RandomSampleInit

        torch.manual_seed(args.seed)
        self.network = make_network()
        self.batch = args.batch
        self.scale = RunningScale(momentum=0.01)
        self.generator = torch.Generator().manual_seed(args.seed)
        self.camera = Camera.for_image(
            [[FOCAL, 0, SIZE[0] / 2], [0, FOCAL, SIZE[1] / 2], [0, 0, 1]], SIZE
        )
        self.layer = EProPnP6DoF(
            mc_samples=128,
            lm_iterations=5,
            init=RandomSampleInit(proposals=16, points=8, iterations=2, candidates=1),
        )
        self.optimizer = torch.optim.Adam(self.network.parameters(), LEARNING_RATE)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer, LEARNING_RATE, args.steps, pct_start=0.1
        )

    def poses(self, number: int, generator: torch.Generator) -> Tensor:
        from _six_dof import random_poses

        return random_poses(number, LOW, HIGH, generator)

    def step(self) -> float:
        """One step on new poses; returns the Monte Carlo loss before it."""
        from torch.nn.utils import clip_grad_norm_

        monte_carlo, regularisation = self.losses(self.poses(self.batch, self.generator))
        # The gradient of the Monte Carlo loss grows with the scale of the weights: divided by its
        # running mean, it keeps its size.
        loss = monte_carlo / self.scale.scale + 0.1 * regularisation
        self.optimizer.zero_grad()
        loss.backward()
        clip_grad_norm_(self.network.parameters(), 10.0)
        self.optimizer.step()
        self.schedule.step()
        return monte_carlo.item()

    def losses(self, pose: Tensor) -> tuple[Tensor, Tensor]:
        """Monte Carlo loss and derivative regularisation, both (), at true poses (B, 7); the
        running scale is updated.
        """
        from epropnp_det.losses.pose_losses import derivative_losses
        from epropnp_det.pnp import PnPProblem, monte_carlo_pose_loss

        points, scale = predict(self.network, pose)
        problem = PnPProblem.adaptive(points, self.camera)
        # The regularisation is about the solution of a test, found without the true pose; the true
        # pose only helps to place the samples.
        estimate = self.layer.solve(problem, generator=self.generator)
        start = self.layer.solve(problem, pose, self.generator)
        samples = self.layer.sample(problem, start, self.generator)
        self.scale.update_scale(scale.detach().mean())
        monte_carlo = monte_carlo_pose_loss(samples, problem.cost(pose))
        position, orientation = derivative_losses(problem, estimate, pose)
        return monte_carlo.mean(), (position + orientation).mean()

    def test(self, number: int = 512) -> tuple[float, float]:
        """Mean errors [degrees], [m] on unseen poses."""
        import torch
        from _six_dof import orientation_error, translation_error

        from epropnp_det.pnp import EProPnP6DoF, PnPProblem

        generator = torch.Generator().manual_seed(2**31)
        pose = self.poses(number, generator)
        with torch.no_grad():
            points, _ = predict(self.network, pose)
        problem = PnPProblem.adaptive(points, self.camera)
        found = EProPnP6DoF().solve(problem, generator=generator).pose
        degrees = orientation_error(found, pose).mean().item()
        return degrees, translation_error(found, pose).mean().item()


def draw(curves: Curves, picture: Path) -> None:
    """Loss and errors over the steps, side by side."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 3))
    left, middle, right = figure.subplots(1, 3)
    left.plot(curves.losses, linewidth=0.6)
    left.set_title("Monte Carlo loss (a negative log density)", fontsize=9)
    steps, *errors = zip(*curves.errors)
    for axis, values, target, unit in zip((middle, right), errors, TARGET, ("degrees", "metres")):
        axis.semilogy(steps, values, marker="o", markersize=3)
        axis.axhline(target, color="grey", linestyle="--", linewidth=1)
        axis.set_title(
            f"mean {'orientation' if unit == 'degrees' else 'translation'} error [{unit}]; "
            "dashed: the target",
            fontsize=9,
        )
    for axis in (left, middle, right):
        axis.set_xlabel("step")
        axis.grid(alpha=0.3)
    figure.tight_layout()
    write_figure(picture, figure)


def train(args: argparse.Namespace) -> Curves:
    """Trains for all steps, with ten tests during and one after the training."""
    from tqdm import trange

    training = Training(args)
    curves = Curves([], [])
    every = max(1, args.steps // 10)
    bar = trange(1, args.steps + 1, desc="training", unit="step")
    for step in bar:
        curves.losses.append(training.step())
        if step % every == 0 or step == args.steps:
            curves.errors.append((step, *training.test()))
            bar.set_postfix(
                degrees=f"{curves.errors[-1][1]:.2f}", metres=f"{curves.errors[-1][2]:.3f}"
            )
    return curves


@main_guard
def main() -> int:
    args = parse_args()
    if not args.out.absolute().parent.is_dir():
        raise UserError(
            f"folder {args.out.absolute().parent} does not exist; --out is the file to write"
        )
    # Slow to import: only after --help and wrong arguments are handled.
    import torch

    torch.set_num_threads(args.threads)
    curves = train(args)
    draw(curves, args.out)
    _, degrees, metres = curves.errors[-1]
    reached = degrees < TARGET[0] and metres < TARGET[1]
    print(
        f"mean errors on 512 new poses: {degrees:.2f} degrees, {metres:.4f} m; picture: {args.out}"
    )
    print(f"target: {TARGET[0]:g} degrees, {TARGET[1]:g} m: {'reached' if reached else 'missed'}")
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
