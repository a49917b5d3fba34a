"""Thousands of objects without a solution among healthy ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from epropnp_det.pnp import (
    Camera,
    Correspondences,
    PnPProblem,
    PoseEstimate,
    PoseSamples,
    RandomSampleInit,
    YawPose,
    gauss_newton_step,
    monte_carlo_pose_loss,
)
from epropnp_det.pnp.spaces.base import PoseSpace

from . import scenes
from .scenes import SPACES, seeded, uniform

POINTS = 12


@dataclass(frozen=True)
class Values:
    """What a problem is made of, for objects (B,)."""

    x3d: Tensor
    x2d: Tensor
    w2d: Tensor
    mask: Tensor
    matrix: Tensor

    def where(self, choice: Tensor, other: Values) -> Values:
        pairs = (
            (getattr(self, name), getattr(other, name))
            for name in ("x3d", "x2d", "w2d", "mask", "matrix")
        )
        return Values(
            *(torch.where(choice.reshape(-1, *(1,) * (yes.ndim - 1)), yes, no) for yes, no in pairs)
        )


def change(name: str, spoil: Callable[[Tensor], Tensor]) -> Callable[[Values], Values]:
    return lambda values: Values(**{**values.__dict__, name: spoil(getattr(values, name))})


def first_point(value: float) -> Callable[[Tensor], Tensor]:
    """The number in one coordinate of the first point."""
    return lambda tensor: torch.cat((torch.full_like(tensor[:, :1], value), tensor[:, 1:]), dim=1)


def through_the_camera(values: Values, xyz: Tensor) -> Tensor:
    """Pixels of points of the camera frame, on whichever side of the camera they are."""
    image = xyz @ values.matrix.mT
    return image[..., :2] / image[..., 2:]


def behind(values: Values) -> Values:
    """Image points of objects that float behind the camera."""
    xyz = values.x3d + torch.tensor([0.5, 0.5, -12.0], dtype=values.x3d.dtype)
    return Values(
        values.x3d, through_the_camera(values, xyz), values.w2d, values.mask, values.matrix
    )


# These determine no pose, whatever the pose space ...
HOPELESS: dict[str, Callable[[Values], Values]] = {
    "all object points equal": change("x3d", lambda x: x[:, :1].expand_as(x)),
    "all image points equal": change("x2d", lambda x: x[:, :1].expand_as(x)),
    "zero weights": change("w2d", torch.zeros_like),
    "one weight only": change("w2d", lambda w: w * (torch.arange(POINTS) == 3)[:, None]),
    "one huge weight": change("w2d", first_point(1e20)),
    "one infinite weight": change("w2d", first_point(torch.inf)),
    "one negative weight": change("w2d", first_point(-1.0)),
    "NaN in the object points": change("x3d", first_point(torch.nan)),
    "infinity in the object points": change("x3d", first_point(-torch.inf)),
    "NaN in the image points": change("x2d", first_point(torch.nan)),
    "infinity in the image points": change("x2d", first_point(torch.inf)),
    "NaN in the weights": change("w2d", first_point(torch.nan)),
    "NaN in the camera": change("matrix", lambda m: torch.full_like(m, torch.nan)),
    "infinity in the camera": change("matrix", lambda m: torch.full_like(m, torch.inf)),
    "a camera that is flat": change(
        "matrix", lambda m: m * torch.tensor([[1.0], [0.0], [1.0]], dtype=m.dtype)
    ),
    "no points": change("mask", torch.zeros_like),
    "one point": change("mask", lambda mask: mask & (torch.arange(POINTS) == 5)),
}
# ... a rigid pose may turn about the line of its points ...
LINE = {
    "points on one line": change(
        "x3d", lambda x: x[..., :1] * torch.tensor([1.0, -0.3, 0.5], dtype=x.dtype)
    )
}
# ... and these may or may not have a solution: nothing may raise or spread.
DOUBTFUL: dict[str, Callable[[Values], Values]] = {
    "projected through the camera from behind": behind,
    "one weight of nearly all": change("w2d", first_point(9e5)),
    "tiny weights": change("w2d", lambda w: w * 1e-9),
    "enormous objects": change("x3d", lambda x: x * 1e5),
    "tiny objects": change("x3d", lambda x: x * 1e-4),
    "two points": change("mask", lambda mask: mask & (torch.arange(POINTS) < 2)),
    "image points far away": change("x2d", lambda x: x + 9e5),
}


def healthy(
    space: type[PoseSpace], number: int, dtype: torch.dtype = torch.float64
) -> tuple[Values, Tensor]:
    pose = scenes.poses((number,), seeded(1), dtype, space)
    points = scenes.points(pose, POINTS, seed=1)
    mask = torch.ones(number, POINTS, dtype=torch.bool)
    return Values(
        points.x3d, points.x2d, points.w2d, mask, scenes.camera(dtype).matrix.expand(number, 3, 3)
    ), pose


@dataclass(frozen=True)
class Outcome:
    estimate: PoseEstimate
    samples: PoseSamples
    loss: Tensor
    step: Tensor
    gradients: tuple[Tensor, ...]

    def tensors(self) -> list[Tensor]:
        """Everything of it, with the objects in front."""
        drawn = (self.samples.pose.movedim(1, 0), self.samples.log_weights.detach().mT)
        found = (self.estimate.pose, self.estimate.cost, self.estimate.hessian)
        return [*found, *drawn, self.loss.detach(), self.step.detach(), *self.gradients]


def run(space: type[PoseSpace], values: Values, target: Tensor) -> Outcome:
    """Everything a training step does with the layer, and its gradients."""
    inputs = tuple(getattr(values, name).clone().requires_grad_() for name in ("x3d", "x2d", "w2d"))
    problem = PnPProblem.adaptive(
        Correspondences(*inputs, values.mask), Camera.for_image(values.matrix, scenes.SIZE)
    )
    layer = scenes.layer(space, mc_samples=16, lm_iterations=5, init=RandomSampleInit(4, 6, 2))
    estimate, samples = layer(problem, generator=seeded(0))
    loss = monte_carlo_pose_loss(samples, problem.cost(target))
    step = gauss_newton_step(problem, estimate.pose)
    return Outcome(
        estimate, samples, loss, step, torch.autograd.grad(loss.sum() + step.sum(), inputs)
    )


@pytest.mark.parametrize(
    "number, dtype", [(10_000, torch.float32), (2_000, torch.float64)], ids=["float32", "float64"]
)
@SPACES
def test_bad_objects_are_flagged_and_healthy_ones_never_notice(
    space: type[PoseSpace], number: int, dtype: torch.dtype
) -> None:
    hopeless = HOPELESS if space is YawPose else HOPELESS | LINE
    kinds = {**hopeless, **LINE, **DOUBTFUL}
    values, target = healthy(space, number, dtype)
    # Half of the objects are spoilt, each in one of the ways.
    kind = torch.where(
        uniform((number,), 0, 1, seeded(2)) < 0.5, -1, torch.arange(number) % len(kinds)
    )
    spoilt = values
    for index, spoil in enumerate(kinds.values()):
        spoilt = spoil(values).where(kind == index, spoilt)
    whole, outcome = run(space, values, target), run(space, spoilt, target)
    for name, index in zip(kinds, range(len(kinds))):
        flagged = ~outcome.estimate.valid[kind == index]
        assert len(flagged) > 20, name
        assert flagged.all() or name not in hopeless, (
            f"{name}: {int(flagged.sum())} of {len(flagged)} flagged"
        )
    assert (outcome.loss[~outcome.samples.valid] == 0).all()
    for tensor in (outcome.samples.pose, outcome.loss, *outcome.gradients):
        assert tensor.isfinite().all()
    # Bit by bit the same as if healthy objects stood where the bad ones are.
    for first, second in zip(whole.tensors(), outcome.tensors()):
        assert torch.equal(first[kind < 0], second[kind < 0])
    assert torch.equal(whole.estimate.valid[kind < 0], outcome.estimate.valid[kind < 0])
    assert whole.estimate.valid.double().mean() > 0.99


@SPACES
def test_objects_found_behind_the_camera_are_flagged(space: type[PoseSpace]) -> None:
    values, target = healthy(space, 1000)
    opposite = torch.cat((target[:, :2], -target[:, 2:3], target[:, 3:]), dim=-1)
    points = Correspondences(
        values.x3d, through_the_camera(values, space.transform(opposite, values.x3d)), values.w2d
    )
    problem = PnPProblem.adaptive(points, Camera.for_image(values.matrix, scenes.SIZE, border=1e6))
    layer = scenes.layer(space, mc_samples=16, init=None)
    estimate = layer.solve(problem, opposite)
    samples = layer.sample(problem, estimate, seeded(0))
    assert not estimate.valid.any() and not samples.valid.any()
    assert (monte_carlo_pose_loss(samples, problem.cost(opposite)) == 0).all()
