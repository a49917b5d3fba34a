"""Losses of the object queries: pose distribution, derivatives at its peak, and properties of the
objects.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from epropnp_det.losses.over_processes import shared_count
from epropnp_det.losses.pose_losses import derivative_losses, estimate_from_gt, pose_figures
from epropnp_det.pnp import EProPnP4DoF, PnPProblem, PoseEstimate

from ..heads.scoring import score_target
from ..structures.ground_truth import GroundTruth
from ..structures.predictions import ObjectPredictions
from ..structures.tensor_record import select_class


@dataclass(frozen=True)
class GradientSettings:
    """Paths of the gradients of the pose losses. The values of the losses are the same; the
    released v1 and v1b programs switch both off.

    Args:
        delta_to_x2d: through the Huber threshold to the image points (to the weights they always
            flow).
        step_to_scales: through the Gauss-Newton step of Eq. (9) to box size, weight scale and Huber
            threshold.
    """

    delta_to_x2d: bool = True
    step_to_scales: bool = True


@dataclass(frozen=True)
class PoseTraining:
    """Settings of the pose losses.

    Args:
        layer: solves and samples.
        local_solver: the same layer without the random start.
        position_weight, orientation_weight: of the derivative regularisation, Eq. (10).
        gradients: their paths.
    """

    layer: EProPnP4DoF
    local_solver: EProPnP4DoF
    position_weight: float
    orientation_weight: float
    gradients: GradientSettings

    @classmethod
    def from_config(
        cls, pnp: Mapping[str, Any], losses: Mapping[str, Any], gradients: Mapping[str, Any]
    ) -> PoseTraining:
        """Settings from configs of the layer, of the losses and of `GradientSettings`.

        Raises:
            TypeError: an unknown setting.
        """
        return cls(
            layer=EProPnP4DoF(**pnp),
            local_solver=EProPnP4DoF(**dict(pnp, init=None)),
            position_weight=losses["position"],
            orientation_weight=losses["orientation"],
            gradients=GradientSettings(**gradients),
        )


@dataclass(frozen=True)
class QueryTargets:
    """Training targets of M queries."""

    gt: GroundTruth  # (M,) the box of each query
    size_code: Tensor  # (M, 3) its encoded size
    weight: Tensor  # (M,) importance weight, see `shared_weights`
    uniform_weight: Tensor  # (M,) likewise, see `QuerySample`
    count: int  # queries that the batch should have; losses are sums divided by it


def object_losses(
    losses: nn.ModuleDict,
    training: PoseTraining,
    predicted: ObjectPredictions,
    problem: PnPProblem,
    targets: QueryTargets,
    generator: torch.Generator | None = None,
) -> dict[str, Tensor]:
    """Losses of M queries and figures for the log, each ().

    Args:
        losses: `pose`, `MonteCarloPoseLoss`; `size` and `velocity`, smooth L1; `score`, binary
            cross-entropy; `attribute`, cross-entropy.
        training: settings of the pose losses.
        predicted, problem: of the M queries.
        targets: the same queries.
        generator: draws the random start and the pose samples.
    """
    # Without the true pose: the regularisation and the 3D score are about the solution of a test.
    estimate = training.layer.solve(problem, generator=generator)
    return (
        pose_losses(losses["pose"], training, predicted, problem, targets, estimate, generator)
        | property_losses(losses, predicted, targets)
        | score_loss(losses["score"], predicted, targets, estimate)
    )


def pose_losses(
    divergence: nn.Module,
    training: PoseTraining,
    predicted: ObjectPredictions,
    problem: PnPProblem,
    targets: QueryTargets,
    estimate: PoseEstimate,
    generator: torch.Generator | None,
) -> dict[str, Tensor]:
    """KL loss, Eq. (5), and derivative regularisation, Eq. (9)-(10).

    Args:
        divergence: `MonteCarloPoseLoss`.
        estimate: (M,), solutions found without the true poses.
        other arguments: see `object_losses`.
    """
    gt_pose = targets.gt.pose
    start = estimate_from_gt(training.local_solver, problem, gt_pose, estimate, generator)
    samples = training.layer.sample(problem, start, generator=generator)
    scale = mean_scale(predicted.w2d_scale, targets.weight)
    cost = problem.cost(gt_pose)
    stepped = problem
    if not training.gradients.step_to_scales:
        stepped = with_constant_scales(problem, predicted)
    position, orientation = derivative_losses(stepped, estimate, gt_pose)
    good = targets.weight * estimate.valid
    losses = dict(
        loss_pose=divergence(samples, cost, scale, targets.weight, targets.count),
        loss_position=training.position_weight * (position * good).sum() / targets.count,
        loss_orientation=training.orientation_weight * (orientation * good).sum() / targets.count,
        w2d_scale=predicted.w2d_scale.detach().sum() / (2 * targets.count),
    )
    return losses | pose_figures(estimate.valid & samples.valid, samples)


def property_losses(
    losses: nn.ModuleDict, predicted: ObjectPredictions, targets: QueryTargets
) -> dict[str, Tensor]:
    """Size code of the true class, velocity and attribute where they are known."""
    gt = targets.gt
    known = targets.weight * gt.velocity.isfinite().all(1)
    velocity = torch.where(known[:, None] > 0, gt.velocity, predicted.velocity.detach())
    return dict(
        loss_size=losses["size"](
            select_class(predicted.size_code, gt.label),
            targets.size_code,
            weight=targets.weight[:, None],
            avg_factor=3 * targets.count,
        ),
        loss_velocity=losses["velocity"](
            predicted.velocity,
            velocity,
            weight=known[:, None],
            avg_factor=2 * shared_count(known.sum(), least=1e-6),
        ),
        loss_attribute=losses["attribute"](
            predicted.attribute, gt.attribute, weight=targets.weight, avg_factor=targets.count
        ),
    )


def score_loss(
    score: nn.Module, predicted: ObjectPredictions, targets: QueryTargets, estimate: PoseEstimate
) -> dict[str, Tensor]:
    """Loss of the 3D score, whose target is the accuracy of `estimate` in bird's-eye view, and the
    mean position error, m.
    """
    error = (estimate.pose - targets.gt.pose)[:, [0, 2]].norm(dim=1)
    error = torch.where(estimate.valid, error, 1.0)
    good = targets.uniform_weight * estimate.valid
    loss = score(predicted.score, score_target(error), weight=good, avg_factor=targets.count)
    return dict(loss_score=loss, position_error=(error * good).sum() / targets.count)


def with_constant_scales(problem: PnPProblem, predicted: ObjectPredictions) -> PnPProblem:
    """The same problem (M,), from which no gradient reaches size, weight scale and Huber threshold
    of the predictions.
    """
    points = predicted.correspondences(constant_scales=True)
    return replace(problem, points=points, delta=problem.delta.detach())


def mean_scale(scale: Tensor, weight: Tensor) -> Tensor:
    """Weighted mean of (M, 2) weight scales, (); 1 without any object."""
    total = 2 * weight.sum()
    return (scale * weight[:, None]).sum() / total if len(scale) else scale.new_ones(())
