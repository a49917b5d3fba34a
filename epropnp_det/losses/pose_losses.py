"""Losses on the pose of an object, for 4DoF and 6DoF poses: KL divergence, Eq. (5), and derivative
regularisation, Eq. (9)-(10).
"""

from __future__ import annotations

import torch
from torch import Tensor

from epropnp_det.pnp import (
    EProPnP4DoF,
    EProPnP6DoF,
    PnPProblem,
    PoseEstimate,
    PoseSamples,
    gauss_newton_step,
    monte_carlo_pose_loss,
)
from epropnp_det.pnp.losses.pose_distance import orientation_distance, position_distance

from .over_processes import mean_over_processes
from .running_scale import RunningScale


class MonteCarloPoseLoss(RunningScale):
    """KL divergence between the true and the predicted pose distribution, Eq. (5), divided by the
    running mean of the weight scale.

    The gradient of the KL loss with respect to the correspondences grows with the concentration of
    the distribution; dividing by the mean scale of the weights keeps its size through training. The
    loss may be negative: it is a negative log density.

    Args:
        loss_weight: factor of the loss.
        momentum: share of the newest value in the running mean of the scale.
    """

    def __init__(self, loss_weight: float = 0.5, momentum: float = 0.01):
        super().__init__(momentum)
        self.loss_weight = loss_weight

    def forward(
        self,
        samples: PoseSamples,
        target_cost: Tensor,
        scale: Tensor,
        weight: Tensor,
        avg_factor: float,
    ) -> Tensor:
        """Weighted sum of the losses of M objects over `avg_factor`, (). In training mode the
        running scale is updated first.

        Args:
            samples: pose samples of M objects.
            target_cost: (M,) cost at the true pose.
            scale: () mean scale of the weights in this batch; without objects it does not count.
            weight: (M,).
            avg_factor: the weighted sum is divided by this.
        """
        number = weight.sum()
        self.update_scale(scale.detach() * number, number)
        loss = self.divergence(samples, target_cost)
        return self.loss_weight * (loss * weight).sum() / (avg_factor * self.scale)

    def divergence(self, samples: PoseSamples, target_cost: Tensor) -> Tensor:
        """Samples of M objects and (M,) costs at the true pose -> (M,) loss of each object."""
        return monte_carlo_pose_loss(samples, target_cost)


class ReprojectionLoss(MonteCarloPoseLoss):
    """The first term of Eq. (5) alone: the cost at the true pose, without the integral over all
    poses. It is there for the ablation; arguments as of `MonteCarloPoseLoss`.
    """

    def divergence(self, samples: PoseSamples, target_cost: Tensor) -> Tensor:
        return target_cost.masked_fill(~target_cost.isfinite(), 0)


def derivative_losses(
    problem: PnPProblem, estimate: PoseEstimate, gt_pose: Tensor, beta: float = 1.0
) -> tuple[Tensor, Tensor]:
    """Derivative regularisation, Eq. (9)-(10): one differentiable Gauss-Newton step from the
    detached solution, compared with the true pose.

    Args:
        problem: (...); gradients flow into its points and its Huber threshold.
        estimate: (...), its solution, found without the true pose.
        gt_pose: (..., D) true poses.
        beta: position error [m] at which the square becomes a line.

    Returns:
        (...) position loss and (...) orientation loss of each object. Where the estimate is not
        valid both are zero up to rounding, without gradient.
    """
    # NaN times zero is NaN: the pose of a broken object is replaced before the step and after it,
    # not only weighted away.
    valid = estimate.valid[..., None]
    step = gauss_newton_step(problem, torch.where(valid, estimate.pose, gt_pose))
    pose = torch.where(valid, step, gt_pose)
    return position_distance(pose, gt_pose, beta), orientation_distance(pose, gt_pose)


def estimate_from_gt(
    local_solver: EProPnP4DoF | EProPnP6DoF,
    problem: PnPProblem,
    gt_pose: Tensor,
    estimate: PoseEstimate,
    generator: torch.Generator | None = None,
) -> PoseEstimate:
    """Solution from the better of a given estimate and the true pose: the samples of Eq. (5) start
    around it in training.

    Args:
        local_solver: a layer without a random start.
        problem: (...).
        gt_pose: (..., D) true poses.
        estimate: (...), a solution found without the true pose.
        generator: given to the solver; the compiled one draws a key whether or not it starts at
            random.
    """
    better = ~estimate.valid | (problem.detach().cost(gt_pose) < estimate.cost)
    start = torch.where(better[..., None], gt_pose, estimate.pose)
    return local_solver.solve(problem, start, generator)


def pose_figures(valid: Tensor, samples: PoseSamples | None = None) -> dict[str, Tensor]:
    """Figures of a training's poses for its log, each (), without gradient: the number of invalid
    objects of this process; over all processes, the share of valid objects and, with samples, the
    mean effective sample size.

    Every process of a distributed training has to call it.

    Args:
        valid: (M,) bool, objects whose poses are valid.
        samples: weighted poses of the M objects; the mean is over valid ones, 0 without any.
    """
    sampled = torch.zeros_like(valid) if samples is None else valid & samples.valid
    size = torch.zeros(valid.shape, device=valid.device)
    if samples is not None:
        size = torch.where(sampled, samples.effective_sample_size.float(), size)
    sums = torch.stack((valid.sum(), (~valid).sum(), sampled.sum(), size.sum()))
    good, broken, count, total = mean_over_processes(sums)
    figures = dict(
        invalid_objects=(~valid).sum().float(),
        valid_objects=torch.where(good + broken > 0, good / (good + broken), 1.0),
    )
    if samples is not None:
        figures["effective_sample_size"] = torch.where(count > 0, total / count, 0.0)
    return figures
