#!/usr/bin/env python
"""Draws bias and variance of the log normaliser of the pose posterior against the number of
samples.

The exact value is a grid quadrature for a 4DoF problem, and the Gaussian integral for a linearised
6DoF problem. The table on the terminal has the mean of Z_hat / Z with its standard error, bias and
variance of log Z_hat.

Example:
    python tools/plot_normalizer.py docs/images/normalizer.png --runs 200 --samples 64 128 512 2048
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from epropnp_det.engine.output_files import write_figure
from epropnp_det.errors import UserError, main_guard
from epropnp_det.pnp import (
    Camera,
    Correspondences,
    EProPnP4DoF,
    PnPProblem,
    SE3Pose,
    YawPose,
    levenberg_marquardt,
)
from epropnp_det.pnp.amis import amis
from epropnp_det.pnp.proposals.pose_proposal import PoseProposal
from epropnp_det.pnp.reference_normalizers import QuadraticProblem, grid_log_normalizer
from epropnp_det.pnp.spaces.base import PoseSpace

AT_ONCE = 400_000  # poses sampled in one go


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("picture", type=Path, help="file to write, .png or .svg")
    parser.add_argument(
        "--runs",
        type=int,
        default=200,
        help="independent runs of each setting (default %(default)s)",
    )
    parser.add_argument(
        "--samples",
        type=int,
        nargs="+",
        default=[64, 128, 256, 512, 1024, 2048],
        help="default %(default)s",
    )
    parser.add_argument(
        "--rounds",
        type=int,
        nargs="+",
        default=[1, 4],
        help="rounds of adaptation (default 1 and 4)",
    )
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


@dataclass(frozen=True)
class Case:
    """A posterior with a known normaliser: `draw(runs, samples, rounds, generator)` estimates its
    log (runs,).
    """

    name: str
    log_normalizer: float
    draw: Callable[[int, int, int, torch.Generator], Tensor]


def car(space: type[PoseSpace], generator: torch.Generator) -> tuple[PnPProblem, Tensor]:
    """Eight noisy points of a car 15 m away, and its pose."""
    level = torch.tensor((1.0, 1.0, 15.0, 0.6), dtype=torch.float64)
    half = level[3] / 2
    turned = torch.stack((half.cos(), 0 * half, half.sin(), 0 * half))
    pose = level if space is YawPose else torch.cat((level[:3], turned))
    x3d = (torch.rand(8, 3, generator=generator, dtype=torch.float64) - 0.5) * torch.tensor(
        (4.6, 1.7, 1.9)
    )
    camera = Camera.for_image(
        torch.tensor([[1260.0, 0, 816], [0, 1250, 491], [0, 0, 1]], dtype=torch.float64),
        (1600, 900),
    )
    x2d = camera.project(space.transform(pose, x3d)) + torch.randn(
        8, 2, generator=generator, dtype=torch.float64
    )
    return PnPProblem.adaptive(Correspondences(x3d, x2d, torch.full_like(x2d, 2.5)), camera), pose


def repeated(tensor: Tensor, runs: int) -> Tensor:
    return tensor.expand(runs, *tensor.shape)


def grid_case(generator: torch.Generator) -> Case:
    problem, pose = car(YawPose, generator)
    estimate = levenberg_marquardt(problem, pose, 50)

    def draw(runs: int, samples: int, rounds: int, generator: torch.Generator) -> Tensor:
        layer = EProPnP4DoF(mc_samples=samples, amis_rounds=rounds, init=None)
        each, found = (
            record.map(lambda tensor: repeated(tensor, runs)) for record in (problem, estimate)
        )
        return layer.sample(each, found, generator).log_normalizer

    return Case("4DoF, truth by quadrature", float(grid_log_normalizer(problem, estimate)), draw)


def linearized_case(generator: torch.Generator) -> Case:
    problem, pose = car(SE3Pose, generator)
    estimate = levenberg_marquardt(problem, pose, 50)
    quadratic = QuadraticProblem(estimate.pose, estimate.hessian)

    def draw(runs: int, samples: int, rounds: int, generator: torch.Generator) -> Tensor:
        each = quadratic.map(lambda tensor: repeated(tensor, runs))
        first = PoseProposal.laplace(each.pose, torch.linalg.inv(each.hessian))
        return amis(
            each, first, torch.ones(runs, dtype=torch.bool), samples, rounds, generator
        ).log_normalizer

    return Case("6DoF, linearised", float(quadratic.log_normalizer), draw)


@torch.no_grad()
def errors(case: Case, runs: int, samples: int, rounds: int, generator: torch.Generator) -> Tensor:
    """log Z_hat - log Z of each run (runs,)."""
    part = max(1, AT_ONCE // samples)
    sizes = [min(part, runs - begin) for begin in range(0, runs, part)]
    return (
        torch.cat([case.draw(size, samples, rounds, generator) for size in sizes])
        - case.log_normalizer
    )


def report(case: Case, samples: int, rounds: int, error: Tensor) -> str:
    ratio = error.exp()
    setting = f"{case.name:28s} {rounds:2d} round{'s' if rounds > 1 else ' '} {samples:6d} samples"
    mean = f"mean of Z_hat/Z {ratio.mean():.4f} +- {ratio.std() / math.sqrt(len(error)):.4f}"
    return (
        f"{setting}   {mean}   bias of log {error.mean():+.4f}   variance of log {error.var():.5f}"
    )


def draw_picture(results: dict[tuple[str, int], list[tuple[int, Tensor]]], picture: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 3.8))
    left, right = figure.subplots(1, 2, sharex=True)
    for (name, rounds), values in results.items():
        samples = [number for number, _ in values]
        style = dict(
            marker="o",
            markersize=4,
            linestyle="-" if rounds > 1 else "--",
            label=f"{name}, {rounds} round{'s' * (rounds > 1)}",
        )
        spread = [float(error.std()) / math.sqrt(len(error)) for _, error in values]
        left.errorbar(
            samples, [float(error.mean()) for _, error in values], yerr=spread, capsize=2, **style
        )
        right.plot(samples, [float(error.var()) for _, error in values], **style)
    left.axhline(0, color="black", linewidth=0.8)
    left.set(xscale="log", xlabel="samples", ylabel="bias of log Z_hat")
    right.set(xscale="log", yscale="log", xlabel="samples", ylabel="variance of log Z_hat")
    right.legend(fontsize=8)
    for axis in (left, right):
        axis.grid(alpha=0.3, which="both")
    figure.tight_layout()
    write_figure(picture, figure)


@main_guard
def main() -> None:
    args = parse_args()
    if any(samples % rounds for samples in args.samples for rounds in args.rounds):
        raise UserError(
            "every number of samples must be a multiple of every number of rounds; change "
            "--samples or --rounds"
        )
    generator = torch.Generator().manual_seed(args.seed)
    cases = (grid_case(generator), linearized_case(generator))
    settings = [
        (case, rounds, samples)
        for case in cases
        for rounds in args.rounds
        for samples in args.samples
    ]
    results: dict[tuple[str, int], list[tuple[int, Tensor]]] = {}
    for case, rounds, samples in tqdm(settings, desc="settings", disable=None):
        error = errors(case, args.runs, samples, rounds, generator)
        results.setdefault((case.name, rounds), []).append((samples, error))
        tqdm.write(report(case, samples, rounds, error))
    draw_picture(results, args.picture)


if __name__ == "__main__":
    sys.exit(main())
