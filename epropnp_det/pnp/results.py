"""What a layer returns: linearizations, point estimates and weighted samples."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from ._linalg import damped_inverse, identity
from ._records import Record, full_precision
from .spaces import pose_space


@dataclass(frozen=True)
class Linearization(Record):
    """Cost (...), gradient (..., T) and Gauss-Newton Hessian (..., T, T) of Eq. (11) in the tangent
    of a pose.
    """

    cost: Tensor
    gradient: Tensor
    hessian: Tensor

    def plus(self, other: Linearization) -> Linearization:
        """That of the sum of two costs."""
        return Linearization(
            self.cost + other.cost, self.gradient + other.gradient, self.hessian + other.hessian
        )


@dataclass(frozen=True)
class PoseSamples(Record):
    """Weighted samples of the posterior p(y|X) of each object.

    Args:
        pose: (S, ..., D), detached.
        log_weights: (S, ...), log v_j of Eq. (6): log of exp(-cost) over the mixture density.
            Differentiable through the cost. Their log-sum-exp less log S estimates log int
            exp(-cost(y)) dy.
        valid: (...) bool, False where the estimate or a proposal broke.

    Indexing and `shape` refer to the object dims `...`; the sample dim stays in front.
    """

    pose: Tensor
    log_weights: Tensor
    valid: Tensor

    def __getitem__(self, index: Any) -> PoseSamples:
        behind = (slice(None), *(index if isinstance(index, tuple) else (index,)))
        return PoseSamples(self.pose[behind], self.log_weights[behind], self.valid[index])

    @property
    def weights(self) -> Tensor:
        """Normalised weights (S, ...), summing to one over the samples."""
        return self.log_weights.softmax(0)

    @property
    def log_normalizer(self) -> Tensor:
        """Estimate (...) of log int exp(-cost(y)) dy, the second term of Eq. (5)."""
        return self.log_weights.logsumexp(0) - math.log(self.log_weights.shape[0])

    @property
    def effective_sample_size(self) -> Tensor:
        """1 / sum of squared normalised weights (...), between 1 and S: near 1 the samples hold no
        information.
        """
        return self.weights.detach().square().sum(0).reciprocal()

    @property
    def mean(self) -> Tensor:
        """Posterior mean (..., D), detached: of the positions, and the mean direction of the
        orientations.
        """
        return pose_space(self.pose).mean(self.pose, self.weights.detach())

    @property
    def displacements(self) -> Tensor:
        """From the mean to each sample: translation [m] and rotation vector [rad] (S, ..., 6) in
        the camera frame, detached. Their weighted quantiles are the marginals.
        """
        return pose_space(self.pose).displacement(self.mean, self.pose)

    def within(self, distance: Tensor) -> PoseSamples:
        """Samples (S, ...) of the posterior of poses whose positions are no farther from the camera
        than `distance` (...) [m]: the others get no weight.

        Under a flat prior the posterior has infinite mass far away: the points of an object there
        meet in one pixel, at a finite cost. An object without a sample within the distance is
        flagged in `valid`.
        """
        is_near = self.pose[..., :3].norm(dim=-1) <= distance
        log_weights = self.log_weights.masked_fill(~is_near, -math.inf)
        return PoseSamples(self.pose, log_weights, self.valid & is_near.any(0))

    def thinned(self, number: int) -> PoseSamples:
        """`number` of the samples by systematic resampling, detached, their weights nearly even.
        `log_normalizer` stays.

        For computations that take long with many samples. A sample that is drawn n times has the
        weight n once; the others have none, so no two lie at the same place.

        Args:
            number: S of the result; if it is not below that of the samples, they stay as they are.

        Raises:
            ValueError: a number below one.
        """
        if number < 1:
            raise ValueError(f"PoseSamples.thinned: number must be at least 1, not {number}")
        if number >= len(self.pose):
            return self
        shape = self.valid.shape
        share = self.weights.detach().double().reshape(len(self.pose), shape.numel()).T
        levels = (torch.arange(number, device=share.device, dtype=share.dtype) + 0.5) / number
        levels = levels.expand(shape.numel(), number).contiguous()
        drawn = torch.searchsorted(share.cumsum(1), levels).clamp(max=share.shape[1] - 1)
        times = torch.zeros_like(share).scatter_add(1, drawn, torch.ones_like(levels))
        repeated = torch.nn.functional.pad(drawn.diff(dim=1) == 0, (1, 0))
        count = times.gather(1, drawn).masked_fill(repeated, 0)
        place = drawn.T.reshape(number, *shape)
        normalizer = self.log_normalizer.detach()
        return PoseSamples(
            self.pose.gather(0, place[..., None].expand(*place.shape, self.pose.shape[-1])),
            count.T.reshape(place.shape).log().to(normalizer) + normalizer,
            self.valid,
        )

    def quantiles(self, levels: Sequence[float], values: Tensor | None = None) -> Tensor:
        """Posterior quantiles, detached: the least value that at least such a share of the weight
        does not exceed.

        Args:
            levels: Q numbers between 0 and 1.
            values: (S, ..., V), numbers of each sample, for example distances; None for the
                tangents from the mean to the samples (metres, and radians of yaw or the vector d of
                `SE3Pose`).

        Returns:
            (Q, ..., V).
        """
        if values is None:
            values = pose_space(self.pose).difference(self.mean, self.pose)
        ordered, order = values.detach().sort(dim=0)
        share = self.weights.detach()[..., None].expand_as(values).gather(0, order).cumsum(0)
        # Rounding may leave the last share below a level of one.
        picks = [
            (share < level).sum(0, keepdim=True).clamp(max=len(ordered) - 1) for level in levels
        ]
        return torch.cat([ordered.gather(0, pick) for pick in picks])


@dataclass(frozen=True)
class PoseEstimate(Record):
    """The minimum found for each object, outside the autograd graph.

    Args:
        pose: (..., D).
        cost: (...), Huber cost there.
        hessian: (..., T, T), Gauss-Newton Hessian there, in the tangent of the pose.
        valid: (...) bool. False for an object that has no solution: broken points or points that
            determine no pose (all in one place, for 6DoF also on one line), no weight, a camera
            without inverse or a threshold that is not positive, a Hessian without inverse, or
            points that end up behind the camera.
    """

    pose: Tensor
    cost: Tensor
    hessian: Tensor
    valid: Tensor

    @property
    def covariance(self) -> Tensor:
        """Laplace approximation (hessian + 1e-5 I)^-1 of the posterior covariance (..., T, T); NaN
        where it does not exist.
        """
        # Not a decorator: torch.compile does not follow those on what it has made itself.
        with torch.no_grad():
            inverse, broken = damped_inverse(self.hessian)
            return inverse.masked_fill(broken[..., None, None], torch.nan)

    @full_precision
    def covariance_of(self, coordinates: str = "rotation_vector", frame: str = "camera") -> Tensor:
        """Laplace approximation of the posterior covariance in coordinates with units; NaN where it
        does not exist.

        Args:
            coordinates: 'rotation_vector': translation [m] and rotation vector [rad],
                (..., 6, 6); or 'tangent', as `covariance`, (..., T, T).
            frame: whose axes translation and rotation vector have, 'camera' or 'object'. The pose
                is (exp(rotation) R, t + translation) in the camera frame,
                (R exp(rotation), t + R translation) in the object frame.

        Raises:
            ValueError: other coordinates or another frame.
        """
        if coordinates not in ("rotation_vector", "tangent"):
            raise ValueError(
                f"covariance_of: no coordinates {coordinates!r}; use 'rotation_vector' or 'tangent'"
            )
        if frame not in ("camera", "object"):
            raise ValueError(f"covariance_of: no frame {frame!r}; use 'camera' or 'object'")
        if coordinates == "tangent":
            if frame == "object":
                raise ValueError("covariance_of: the tangent is in the camera frame alone")
            return self.covariance
        with torch.no_grad():
            chart = self._chart(frame)
            return chart @ self.covariance @ chart.mT

    def _chart(self, frame: str) -> Tensor:
        """The derivative (..., 6, T) of translation and rotation vector in the tangent."""
        space = pose_space(self.pose)
        rotation = space.rotation(self.pose)
        onto = rotation.mT if frame == "object" else identity(rotation).expand_as(rotation)
        turn = onto @ space.axes(rotation).mT
        upper = torch.cat((onto, torch.zeros_like(turn)), dim=-1)
        lower = torch.cat((torch.zeros_like(onto), turn), dim=-1)
        return torch.cat((upper, lower), dim=-2)

    def tempered(self, temperature: Tensor) -> PoseEstimate:
        """The same minimum of `PnPProblem.tempered`: cost and Hessian are divided by T (...) > 0,
        or broadcastable.
        """
        divisor = temperature.to(self.cost).expand(self.cost.shape)
        return replace(
            self, cost=self.cost / divisor, hessian=self.hessian / divisor[..., None, None]
        )

    def matrix(self) -> Tensor:
        """[[R, t], [0, 1]] (..., 4, 4), from the object frame to the camera frame."""
        upper = pose_space(self.pose).matrix(self.pose)
        last = identity(upper.new_empty(4, 4))[3:].expand(*upper.shape[:-2], 1, 4)
        return torch.cat((upper, last), dim=-2)

    @full_precision
    def inverse(self) -> PoseEstimate:
        """The same estimate as a pose of the camera in the object frame; its matrix is the inverse
        matrix.

        The Hessian (so the covariance) is in the tangent of the new pose.
        """
        space = pose_space(self.pose)
        inverse = space.inverse(self.pose)
        back = space.inverse_tangent(inverse)
        return replace(self, pose=inverse, hessian=back.mT @ self.hessian @ back)

    @property
    def device(self) -> torch.device:
        return self.pose.device


@dataclass(frozen=True)
class PoseModes(PoseEstimate):
    """Distinct minima of each object, (M, ...), the lowest first, and their shares of the
    posterior.

    Args:
        valid: (M, ...) bool. False for objects without a solution, as in `PoseEstimate`, and where
            an object has no further minimum.
        weight: (M, ...) share of the posterior around each minimum: they sum to one over the modes
            of an object, and are zero where `valid` is False.
    """

    weight: Tensor
