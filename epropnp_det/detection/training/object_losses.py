"""Losses of the object queries: the pose distribution, the derivatives at its peak, and the
object's properties.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from epropnp_det.losses.pose_losses import orientation_loss, position_loss
from epropnp_det.pnp import (
    Correspondences,
    EProPnP4DoF,
    PnPProblem,
    PoseEstimate,
    gauss_newton_step,
)

from ..heads.coders import SizeCoder
from ..heads.scoring import score_target
from ..structures.ground_truth import GroundTruth
from ..structures.predictions import ObjectPredictions
from ..structures.tensor_record import select_class
from .targets import QuerySample


@dataclass(frozen=True)
class GradientSettings:
    """Where gradients of the pose losses flow. The values of the losses are the same; the released
    v1 and v1b programs say no to both.

    Args:
        delta_to_x2d: through the Huber threshold to the image points (to the weights they always
            flow).
        step_to_scales: through the Gauss-Newton step of Eq. (9) to box size, weight scale and Huber
            threshold.
    """

    delta_to_x2d: bool = True
    step_to_scales: bool = True


@dataclass(frozen=True)
class ObjectLosses:
    """The loss functions of the object queries, each with its weight inside.

    Args:
        pose: `MonteCarloPoseLoss`; size, velocity: smooth L1; score: binary cross-entropy;
            attribute: cross-entropy.
        position_weight, orientation_weight: of the derivative regularisation, Eq. (10).
        coder: of box sizes.
        layer: solves and samples; local_solver: the same without the random start.
        gradients: where those of the pose losses flow.
    """

    pose: nn.Module
    size: nn.Module
    score: nn.Module
    velocity: nn.Module
    attribute: nn.Module
    position_weight: float
    orientation_weight: float
    coder: SizeCoder
    layer: EProPnP4DoF
    local_solver: EProPnP4DoF
    gradients: GradientSettings

    def __call__(
        self,
        predicted: ObjectPredictions,
        problem: PnPProblem,
        truth: GroundTruth,
        draw: QuerySample,
        count: int,
        generator: torch.Generator | None = None,
    ) -> dict[str, Tensor]:
        """Losses of M queries; all are sums divided by `count`, the number of queries the batch was
        meant to have.
        """
        estimate_without_gt = self.layer.solve(problem, generator=generator)
        pose = self.pose_losses(
            predicted, problem, truth, draw.weight, count, estimate_without_gt, generator
        )
        return (
            pose
            | self.property_losses(predicted, truth, draw.weight, count)
            | self.score_loss(predicted, truth, draw, count, estimate_without_gt)
        )

    def pose_losses(
        self,
        predicted: ObjectPredictions,
        problem: PnPProblem,
        truth: GroundTruth,
        weight: Tensor,
        count: int,
        estimate_without_gt: PoseEstimate,
        generator: torch.Generator | None,
    ) -> dict[str, Tensor]:
        """KL loss, Eq. (5), and derivative regularisation, Eq. (9)-(10), at `estimate_without_gt`: a solution
        that has not seen the truth.
        """
        samples = self.layer.sample(
            problem,
            self.estimate_from_gt(problem, truth.pose, estimate_without_gt),
            generator=generator,
        )
        step = gauss_newton_step(
            problem if self.gradients.step_to_scales else with_constant_scales(problem, predicted),
            estimate_without_gt.pose,
        )
        good = weight * estimate_without_gt.valid
        # NaN times zero is NaN: a broken object's error is replaced, not only weighted away.
        error = torch.where(estimate_without_gt.valid[:, None], step - truth.pose, 0.0)
        return dict(
            loss_pose=self.pose(
                samples,
                problem.cost(truth.pose),
                mean_scale(predicted.w2d_scale, weight),
                weight,
                count,
            ),
            loss_position=self.position_weight * (position_loss(error[:, :3]) * good).sum() / count,
            loss_orientation=self.orientation_weight
            * (orientation_loss(error[:, 3]) * good).sum()
            / count,
            invalid_objects=(~estimate_without_gt.valid | ~samples.valid).sum().float(),
            w2d_scale=predicted.w2d_scale.detach().sum() / (2 * count),
        )

    def estimate_from_gt(
        self, problem: PnPProblem, target: Tensor, estimate_without_gt: PoseEstimate
    ) -> PoseEstimate:
        """Solution from the better of a estimate_without_gt one and the truth: where the proposals of the sampler
        start.
        """
        better = ~estimate_without_gt.valid | (
            problem.detach().cost(target) < estimate_without_gt.cost
        )
        return self.local_solver.solve(
            problem, start=torch.where(better[:, None], target, estimate_without_gt.pose)
        )

    def property_losses(
        self, predicted: ObjectPredictions, truth: GroundTruth, weight: Tensor, count: int
    ) -> dict[str, Tensor]:
        """Size code of the true class, velocity where it is known, attribute."""
        code = select_class(predicted.size_code, truth.label)
        known = weight * truth.velocity.isfinite().all(1)
        velocity = torch.where(known[:, None] > 0, truth.velocity, predicted.velocity.detach())
        return dict(
            loss_size=self.size(
                code,
                self.coder.encode(truth.size, truth.label),
                weight=weight[:, None],
                avg_factor=3 * count,
            ),
            loss_velocity=self.velocity(
                predicted.velocity,
                velocity,
                weight=known[:, None],
                avg_factor=2 * known.sum().clamp(min=1e-6),
            ),
            loss_attribute=self.attribute(
                predicted.attribute, truth.attribute, weight=weight, avg_factor=count
            ),
        )

    def score_loss(
        self,
        predicted: ObjectPredictions,
        truth: GroundTruth,
        draw: QuerySample,
        count: int,
        estimate_without_gt: PoseEstimate,
    ) -> dict[str, Tensor]:
        """The 3D score learns how near `estimate_without_gt` came to the truth in bird's-eye view."""
        error = (estimate_without_gt.pose - truth.pose)[:, [0, 2]].norm(dim=1)
        good = draw.uniform_weight * estimate_without_gt.valid
        error = torch.where(estimate_without_gt.valid, error, 1.0)
        return dict(
            loss_score=self.score(
                predicted.score, score_target(error), weight=good, avg_factor=count
            ),
            position_error=(error * good).sum() / count,
        )


def with_constant_scales(problem: PnPProblem, predicted: ObjectPredictions) -> PnPProblem:
    """The same problem (M,), from which no gradient reaches size, weight scale and Huber threshold
    of the predictions.
    """
    scale = predicted.w2d_scale[:, None]
    x3d = predicted.noc * predicted.size.detach()[:, None]
    points = Correspondences(x3d, predicted.x2d, predicted.w2d / scale * scale.detach())
    return replace(problem, points=points, delta=problem.delta.detach())


def mean_scale(scale: Tensor, weight: Tensor) -> Tensor:
    """Weighted mean of (M, 2) weight scales; 1 without any object."""
    return (scale * weight[:, None]).mean() if len(scale) else scale.new_ones(())
