"""The Monte Carlo pose loss, Eq. (5)."""

from __future__ import annotations

from torch import Tensor

from ..results import PoseSamples


def monte_carlo_pose_loss(samples: PoseSamples, target_cost: Tensor) -> Tensor:
    """KL divergence from a narrow target to the posterior, Eq. (5), less constants.

    The constant log S of Eq. (6) is dropped. The loss is a negative log density, per m^3 rad:
    negative values are normal, and mean that the posterior is sharp and right.

    Args:
        samples: of the posterior, (...) objects.
        target_cost: (...), `problem.cost` at the true pose.

    Returns:
        (...) per object; zero, without gradient, where the samples are not valid or the target cost
        is not finite.
    """
    counts = samples.valid & target_cost.isfinite()
    # Replaced before the log-sum-exp as well as after: a derivative of infinity would turn a zero
    # gradient into NaN.
    log_integral = samples.log_weights.masked_fill(~counts, 0).logsumexp(0)
    return (log_integral + target_cost).masked_fill(~counts, 0)
