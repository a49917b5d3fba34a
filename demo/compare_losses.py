#!/usr/bin/env python
"""Table 3 of the paper on a small scale: three losses train a network for 3D points, image points
and weights, from poses alone or with coordinates as well.

The same small network (`_seen_points.py`) is trained with the Monte Carlo loss, Eq. (5), with the
distance of the pose differentiated implicitly, and with the reprojection error at the true pose;
each from scratch, and with true coordinates of the points as well. All have the same steps,
batches, optimiser, clipping and schedule; the learning rate of each is the best of the same three
by the orientation error on validation poses, with the first seed. Steps whose gradient is not
finite are left out, and counted. With coordinates, the first steps use them alone: all three losses
continue from the same network.

Writes losses.json, losses.md and losses.png into a folder. Parts of the table may be computed one
after the other: earlier results stay, unless they are trained again.

Example:
    python demo/compare_losses.py --out compare_losses
    python demo/compare_losses.py --out /tmp/short --steps 40 --seeds 0 --learning-rates 1e-2
"""

from __future__ import annotations

import argparse
import functools
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING

from epropnp_det.engine.output_files import make_folder, write_figure, write_text
from epropnp_det.errors import UserError, main_guard

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from epropnp_det.pnp import Correspondences, PnPProblem

# From poses alone; with coordinates, which come alone first.
STEPS, WARM_UP, SUPERVISED_STEPS, BATCH = 300, 400, 150, 32
SEEDS, LEARNING_RATES, WARM_UP_RATE = (0, 1, 2), (3e-3, 1e-2, 3e-2), 1e-2
# By trial: with a tenth of it reprojection gathers all points in one place in spite of the
# coordinates.
COORDINATE_WEIGHT = 100.0
# Norms of gradients beyond which they are clipped, without and with coordinates.
CLIP = (10.0, 100.0)
# Seeds and numbers of scenes.
VALIDATION, TEST = (2**30, 128), (2**31, 256)
LOSSES = {
    "implicit": "Implicit differentiation",
    "reprojection": "Reprojection",
    "monte_carlo": "Monte Carlo",
}


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("compare_losses"),
        metavar="FOLDER",
        help="(default: %(default)s)",
    )
    parser.add_argument(
        "--steps",
        type=int,
        default=STEPS,
        help="of trainings from poses alone (default: %(default)s)",
    )
    parser.add_argument(
        "--warm-up",
        type=int,
        default=WARM_UP,
        help="steps with coordinates alone, where they help (default: %(default)s)",
    )
    parser.add_argument(
        "--supervised-steps",
        type=int,
        default=SUPERVISED_STEPS,
        help="of the trainings after that (default: %(default)s)",
    )
    parser.add_argument(
        "--losses",
        nargs="+",
        choices=LOSSES,
        default=tuple(LOSSES),
        help="to train with (default: all three)",
    )
    parser.add_argument(
        "--coordinates",
        choices=("no", "yes", "both"),
        default="both",
        help="(default: %(default)s)",
    )
    parser.add_argument(
        "--coordinate-weight", type=float, default=COORDINATE_WEIGHT, help="(default: %(default)s)"
    )
    parser.add_argument(
        "--seeds", type=int, nargs="+", default=SEEDS, help="of weights and scenes (default: 0 1 2)"
    )
    parser.add_argument(
        "--learning-rates",
        type=float,
        nargs="+",
        default=LEARNING_RATES,
        help="(default: 3e-3 1e-2 3e-2)",
    )
    args = parser.parse_args()
    if min(args.steps, args.supervised_steps) < 1 or args.warm_up < 0:
        parser.error("--steps and --supervised-steps must be at least 1, --warm-up at least 0")
    if min(args.learning_rates) <= 0:
        parser.error("--learning-rates must be positive")
    return args


@dataclass(frozen=True)
class Cell:
    """A cell of the table: the loss, and whether the true coordinates help."""

    loss: str
    supervised: bool

    def __str__(self) -> str:
        return LOSSES[self.loss] + (", coordinates" if self.supervised else "")


CELLS = [Cell(loss, supervised) for supervised in (False, True) for loss in LOSSES]


@dataclass(frozen=True)
class Errors:
    """Mean errors on poses never seen; ADD-0.1d is the share of objects whose points are off by
    less than a tenth of its length.
    """

    degrees: float
    metres: float
    add: float


@dataclass(frozen=True)
class Run:
    """What came out of the training of one network; `skipped` counts its steps without a finite
    gradient.
    """

    cell: Cell
    learning_rate: float
    seed: int
    validation: Errors
    test: Errors
    skipped: int


def monte_carlo(problem: PnPProblem, pose: Tensor, generator: torch.Generator) -> Tensor:
    """Eq. (5), with samples around the better of a random start and the true pose."""
    from epropnp_det.pnp import monte_carlo_pose_loss

    layer = training_layer()
    samples = layer.sample(problem, layer.solve(problem, pose, generator), generator)
    return monte_carlo_pose_loss(samples, problem.cost(pose))


def implicit(problem: PnPProblem, pose: Tensor, generator: torch.Generator) -> Tensor:
    """Distance of Eq. (10) between the true pose and the solution, found without it."""
    from epropnp_det.pnp import implicit_pose_loss

    return implicit_pose_loss(problem, training_layer().solve(problem, generator=generator), pose)


def reprojection(problem: PnPProblem, pose: Tensor, generator: torch.Generator) -> Tensor:
    """Cost at the true pose as a negative log likelihood of the image points, w2d being the inverse
    of their standard deviations.

    Without the logarithm, weights of zero would be best; so this is the stronger baseline.
    """
    from epropnp_det.pnp import reprojection_loss

    return reprojection_loss(problem, pose) - problem.points.w2d.clamp(min=1e-6).log().sum((-2, -1))


def training_layer():
    from epropnp_det.pnp import EProPnP6DoF, RandomSampleInit

    init = RandomSampleInit(proposals=8, points=8, iterations=2, candidates=1)
    return EProPnP6DoF(mc_samples=128, lm_iterations=5, init=init)


def coordinate_loss(points: Correspondences, x3d: Tensor, x2d: Tensor) -> Tensor:
    """Smooth L1 of object points [m] and image points [100 px], summed over the coordinates of a
    point: ().
    """
    import torch
    from _seen_points import PIXELS
    from torch.nn.functional import smooth_l1_loss

    found = torch.cat((points.x3d, points.x2d / PIXELS), dim=-1)
    true = torch.cat((x3d, x2d / PIXELS), dim=-1)
    return smooth_l1_loss(found, true, beta=0.05, reduction="none").sum(-1).mean()


class Member:
    """A network, its optimiser and its scenes."""

    def __init__(self, learning_rate: float, seed: int, steps: int, warm_up: int = 0):
        import torch
        from _seen_points import Network

        from epropnp_det.losses.running_scale import RunningScale

        self.learning_rate = learning_rate
        self.seed = seed
        self.skipped = 0
        self.scale = RunningScale(momentum=0.01)
        torch.manual_seed(seed)
        self.network = Network()
        self.generator = torch.Generator().manual_seed(seed)
        if warm_up:
            self.network.load_state_dict(warm_network(seed, warm_up))
        self.optimizer = torch.optim.Adam(self.network.parameters())
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer, learning_rate, steps, pct_start=0.1
        )

    def step(self, clip: float) -> None:
        """A step along the clipped gradient, left out where it is not finite."""
        from torch.nn.utils import clip_grad_norm_

        if clip_grad_norm_(self.network.parameters(), clip).isfinite():
            self.optimizer.step()
        else:
            self.skipped += 1
        self.schedule.step()
        self.optimizer.zero_grad()

    def errors(self, seed: int, number: int) -> Errors:
        """Errors on `number` scenes of another seed, solved the same way for every loss."""
        import torch
        from _seen_points import CAMERA, HALF_AXES, draw_scenes, surface
        from _six_dof import orientation_error, translation_error

        from epropnp_det.pnp import EProPnP6DoF, PnPProblem, RandomSampleInit, SE3Pose

        generator = torch.Generator().manual_seed(seed)
        scenes = draw_scenes(number, generator)
        model = surface((100,), generator)
        with torch.no_grad():
            points, _ = self.network(scenes.features)
        init = RandomSampleInit(proposals=32, points=8, iterations=3, candidates=1)
        layer = EProPnP6DoF(init=init)
        found = layer.solve(PnPProblem.adaptive(points, CAMERA), generator=generator).pose
        off = SE3Pose.transform(found, model) - SE3Pose.transform(scenes.pose, model)
        close = off.norm(dim=-1).mean(-1) < 0.2 * max(HALF_AXES)
        return Errors(
            degrees=orientation_error(found, scenes.pose).mean().item(),
            metres=translation_error(found, scenes.pose).mean().item(),
            add=close.float().mean().item(),
        )


@functools.cache
def warm_network(seed: int, steps: int) -> dict[str, Tensor]:
    """Parameters of a network trained on coordinates alone, the same for all losses that follow."""
    from _seen_points import draw_scenes
    from tqdm import trange

    member = Member(WARM_UP_RATE, seed, steps)
    for _ in trange(steps, desc=f"coordinates alone, seed {seed}", unit="step", leave=False):
        scenes = draw_scenes(BATCH, member.generator)
        coordinate_loss(member.network(scenes.features)[0], scenes.x3d, scenes.x2d).backward()
        member.step(CLIP[1])
    return member.network.state_dict()


def total_loss(
    cell: Cell, members: list[Member], coordinate_weight: float, generator: torch.Generator
) -> Tensor:
    """Sum of the members' losses on new scenes: all of them in one batch of the layer. No member
    changes the gradient of another.
    """
    import torch
    from _seen_points import CAMERA, draw_scenes

    from epropnp_det.pnp import Correspondences, PnPProblem

    scenes = [draw_scenes(BATCH, member.generator) for member in members]
    points, scales = zip(
        *(member.network(scene.features) for member, scene in zip(members, scenes))
    )
    stacked = Correspondences(
        *(torch.stack([getattr(one, name) for one in points]) for name in ("x3d", "x2d", "w2d"))
    )
    pose = torch.stack([scene.pose for scene in scenes])
    pose_loss = {"monte_carlo": monte_carlo, "implicit": implicit, "reprojection": reprojection}[
        cell.loss
    ]
    losses = list(pose_loss(PnPProblem.adaptive(stacked, CAMERA), pose, generator).mean(-1))
    if cell.loss != "implicit":
        # The gradients of the two others grow with the scale of the weights.
        for member, scale in zip(members, scales):
            member.scale.update_scale(scale.detach().mean())
        losses = [loss / member.scale.scale for loss, member in zip(losses, members)]
    if cell.supervised:
        losses += [
            coordinate_weight * coordinate_loss(one, scene.x3d, scene.x2d)
            for one, scene in zip(points, scenes)
        ]
    return torch.stack(losses).sum()


def train(
    cell: Cell, rates: Sequence[float], seeds: Sequence[int], args: argparse.Namespace
) -> list[Run]:
    """Networks of every learning rate and seed, side by side."""
    import torch
    from tqdm import trange

    steps, warm_up = (args.supervised_steps, args.warm_up) if cell.supervised else (args.steps, 0)
    members = [Member(rate, seed, steps, warm_up) for rate in rates for seed in seeds]
    generator = torch.Generator().manual_seed(seeds[0])
    for _ in trange(steps, desc=str(cell), unit="step", leave=False):
        total_loss(cell, members, args.coordinate_weight, generator).backward()
        for member in members:
            member.step(CLIP[cell.supervised])
    return [
        Run(
            cell,
            member.learning_rate,
            member.seed,
            member.errors(*VALIDATION),
            member.errors(*TEST),
            member.skipped,
        )
        for member in members
    ]


def line(run: Run) -> str:
    errors = f"{run.test.degrees:6.1f} degrees {run.test.metres:8.2f} m"
    add = f"ADD-0.1d {run.test.add:6.1%}  {run.skipped} skipped"
    return f"{run.cell!s:38s} rate {run.learning_rate:<7g} seed {run.seed} {errors}  {add}"


def best_rate(runs: list[Run]) -> float:
    """The learning rate with the smallest orientation error on the validation poses, by the first
    seed there is.
    """
    first = [run for run in runs if run.seed == runs[0].seed]
    return min(first, key=lambda run: run.validation.degrees).learning_rate


def chosen(runs: list[Run], cell: Cell) -> list[Run]:
    """The runs of a cell at its best rate, one a seed."""
    inside = [run for run in runs if run.cell == cell]
    return [run for run in inside if run.learning_rate == best_rate(inside)]


def present(runs: list[Run]) -> list[Cell]:
    """The cells that have runs, in the order of the table."""
    return [cell for cell in CELLS if any(run.cell == cell for run in runs)]


def table(runs: list[Run]) -> str:
    """Markdown: mean over the seeds, and the range."""
    head = (
        "| loss | coordinates | rate | orientation [°] | translation [m] | ADD-0.1d "
        "| skipped steps |"
    )
    rows = [head, "|---|---|---|---|---|---|---|"]
    for cell in present(runs):
        best = chosen(runs, cell)
        columns = (
            (run.test.degrees for run in best),
            (run.test.metres for run in best),
            (run.test.add for run in best),
        )
        errors = " | ".join(
            spread(list(values), form) for values, form in zip(columns, (".1f", ".2f", ".1%"))
        )
        skipped = sum(run.skipped for run in best)
        yes = "yes" if cell.supervised else "no"
        rows.append(
            f"| {LOSSES[cell.loss]} | {yes} | {best[0].learning_rate:g} | {errors} | {skipped} |"
        )
    return "\n".join(rows) + "\n"


def spread(values: list[float], form: str) -> str:
    return f"{mean(values):{form}} ({min(values):{form}} to {max(values):{form}})"


def draw(runs: list[Run], picture: Path) -> None:
    """A dot for each seed: errors of orientation and ADD-0.1d, with and without coordinates."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.2))
    left, right = figure.subplots(1, 2, sharey=True)
    cells = present(runs)[::-1]
    for height, cell in enumerate(cells):
        tests = [run.test for run in chosen(runs, cell)]
        style = dict(color="C0" if cell.supervised else "C1", alpha=0.8)
        left.scatter([test.degrees for test in tests], [height] * len(tests), **style)
        right.scatter([100 * test.add for test in tests], [height] * len(tests), **style)
    ticks = (1, 3, 10, 30, 100)
    left.set(
        xscale="log",
        xlabel="mean orientation error [degrees]",
        xlim=(1, 200),
        yticks=range(len(cells)),
    )
    left.set_xticks(ticks, [str(tick) for tick in ticks])
    left.minorticks_off()
    left.set_yticklabels([str(cell) for cell in cells], fontsize=9)
    right.set(xlabel="ADD-0.1d [%]", xlim=(-3, 103))
    for axis in (left, right):
        axis.grid(alpha=0.3)
    figure.tight_layout()
    write_figure(picture, figure)


def wanted(args: argparse.Namespace) -> list[Cell]:
    return [
        cell
        for cell in CELLS
        if cell.loss in args.losses
        and args.coordinates in ("both", "yes" if cell.supervised else "no")
    ]


def earlier(file: Path, trained: list[Cell]) -> list[Run]:
    """The runs in a file, without those of cells that are trained now."""
    if not file.exists():
        return []
    try:
        runs = [
            Run(
                Cell(**entry["cell"]),
                entry["learning_rate"],
                entry["seed"],
                Errors(**entry["validation"]),
                Errors(**entry["test"]),
                entry["skipped"],
            )
            for entry in json.loads(file.read_text())
        ]
    except (ValueError, TypeError, KeyError) as error:
        raise UserError(
            f"{file} was not written by this program ({error}); remove it or choose another --out"
        ) from error
    return [run for run in runs if run.cell not in trained]


def compare(args: argparse.Namespace) -> list[Run]:
    """The cells of the table, each saved as it is done: every rate with the first seed, then the
    best one with the others.
    """
    from tqdm import tqdm

    file, cells = args.out / "losses.json", wanted(args)
    runs = earlier(file, cells)
    for cell in tqdm(cells, desc="cells of the table", disable=None):
        done = train(cell, args.learning_rates, args.seeds[:1], args)
        if args.seeds[1:]:
            done += train(cell, [best_rate(done)], args.seeds[1:], args)
        runs += done
        tqdm.write("\n".join(line(run) for run in done))
        write_text(file, json.dumps([asdict(run) for run in runs], indent=1) + "\n")
    return runs


@main_guard
def main() -> None:
    args = parse_args()
    make_folder(args.out)
    # Slow to import: not before --help and wrong arguments are dealt with.
    import torch

    torch.set_num_threads(1)
    runs = compare(args)
    draw(runs, args.out / "losses.png")
    write_text(args.out / "losses.md", table(runs))
    print(table(runs))


if __name__ == "__main__":
    sys.exit(main())
