"""The Monte Carlo pose loss, Eq. (5)."""

from __future__ import annotations

from torch import Tensor

from ..results import PoseSamples


def monte_carlo_pose_loss(samples: PoseSamples, target_cost: Tensor) -> Tensor:
    """KL divergence from a narrow target to the posterior, Eq. (5), less constants.

    The constant log S of Eq. (6) is dropped. The loss is a negative log density, per m^3 rad:
    negative values are normal, and mean that the posterior is sharp and right.

    Args:
        samples: samples of the posterior, (...) objects.
        target_cost: (...), `problem.cost` at the true pose.

    Returns:
        (...) per object; zero, without gradient, where the samples are not valid or the target cost
        is not finite.

    Example:
        >>> import torch
        >>> from epropnp_det.pnp import Camera, Correspondences, EProPnP4DoF, PnPProblem, YawPose
        >>> generator = torch.Generator().manual_seed(0)
        >>> camera = Camera.for_image([[1000.0, 0, 800], [0, 1000, 450], [0, 0, 1]], (1600, 900))
        >>> true_pose = torch.tensor([[1.0, 0.5, 10.0, 0.3]])
        >>> x3d = torch.rand(1, 16, 3, generator=generator) - 0.5
        >>> x2d = camera.project(YawPose.transform(true_pose, x3d))
        >>> w2d = torch.full((1, 16, 2), 0.1, requires_grad=True)
        >>> problem = PnPProblem.adaptive(Correspondences(x3d, x2d, w2d), camera)
        >>> samples = EProPnP4DoF(mc_samples=128).sample(problem, generator=generator)
        >>> loss = monte_carlo_pose_loss(samples, problem.cost(true_pose))
        >>> loss.sum().backward()
        >>> bool((w2d.grad < 0).any())  # exact points earn larger weights
        True
    """
    counts = samples.valid & target_cost.isfinite()
    # Replaced before the log-sum-exp as well as after: a derivative of infinity would turn a zero
    # gradient into NaN.
    log_integral = samples.log_weights.masked_fill(~counts, 0).logsumexp(0)
    return (log_integral + target_cost).masked_fill(~counts, 0)
