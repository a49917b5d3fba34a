"""A Gaussian prior on the pose, as one more term of the cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ._linalg import damped_inverse, safe_cholesky, scaled, unit_scale
from ._records import InputRecord, full_precision, real_tensors
from .results import Linearization
from .spaces import pose_space
from .spaces.base import PoseSpace

# Stands for the infinite tangent of a half turn: its square is finite in float32.
FARTHEST = 1e9


@dataclass(frozen=True, init=False)
class PosePrior(InputRecord):
    """A Gaussian prior on the pose: a problem that has it adds 1/2 d^T precision d to its cost.

    d is the tangent along which `retract` reaches the pose from the mean, so the prior density is
    Gaussian in d. A tracker takes the posterior of the previous frame after its motion model.
    Directions in which nothing is known have zero precision.

    Args:
        pose: (..., D), the mean.
        precision: (..., T, T), the inverse of the covariance in the tangent of the mean; symmetric
            and positive semi-definite.
        anchor: (..., 3) [m], a point in object coordinates: pose and precision are those of a frame
            with this origin and the axes of the object. None: the object's own origin.

    An object with a broken prior (not finite, or no pose) loses its weights, see `PnPProblem`.

    Raises:
        ValueError: shapes that do not belong together, or tensors on several devices.

    Example:
        >>> mean = torch.tensor([1.0, 0.5, 10.0, 0.3])  # x, y, z [m], yaw [rad]
        >>> prior = PosePrior.from_covariance(mean, 0.01 * torch.eye(4))
        >>> prior.cost(mean + torch.tensor([0.1, 0.0, 0.0, 0.0]))  # one standard deviation
        tensor(0.5000)
    """

    pose: Tensor
    precision: Tensor
    anchor: Tensor

    def __init__(self, pose: Any, precision: Any, anchor: Any | None = None) -> None:
        given = real_tensors(pose=pose, precision=precision)
        space = pose_space(given["pose"])
        square = (space.tangent_dim, space.tangent_dim)
        if given["precision"].shape[-2:] != square:
            raise ValueError(
                f"prior: a pose of {space.dim} numbers has a precision (..., {square[0]}, "
                f"{square[0]}), not {tuple(given['precision'].shape)}"
            )
        if anchor is None:
            anchor = torch.zeros_like(given["pose"][..., :3])
        given = real_tensors(**given, anchor=anchor)
        shapes = [given["pose"].shape[:-1], given["precision"].shape[:-2]]
        shapes.append(given["anchor"].shape[:-1])
        try:
            shape = torch.broadcast_shapes(*shapes)
        except RuntimeError as error:
            raise ValueError(
                "batch dims of the prior's pose, precision and anchor do not broadcast: "
                f"{[tuple(one) for one in shapes]}"
            ) from error
        self._set(**given)
        self._set(**vars(self.expand(*shape)))

    @classmethod
    def from_covariance(cls, pose: Any, covariance: Any, coordinates: str = "tangent") -> PosePrior:
        """The prior with this mean (..., D) and covariance.

        Args:
            pose: (..., D), the mean.
            covariance: (..., T, T) in the tangent of the mean, as `PoseEstimate.covariance`; or
                (..., 6, 6) of translation [m] and rotation vector [rad] in the camera frame, as
                `PoseEstimate.covariance_of`. One that is not positive definite breaks the prior of
                its object.
            coordinates: 'tangent' or 'rotation_vector'.

        Raises:
            ValueError: other coordinates.
        """
        given = real_tensors(pose=pose, covariance=covariance)
        if coordinates not in ("tangent", "rotation_vector"):
            raise ValueError(
                f"prior: no coordinates {coordinates!r}; use 'tangent' or 'rotation_vector'"
            )
        covariance = given["covariance"]
        if coordinates == "rotation_vector":
            axes = pose_space(given["pose"]).axes(given["pose"])
            turn = axes / axes.square().sum(-1, keepdim=True)
            chart = torch.block_diag(torch.eye(3).to(turn), turn)
            covariance = chart @ covariance @ chart.mT
        precision, broken = damped_inverse(covariance, damping=0.0)
        return cls(given["pose"], precision.masked_fill(broken[..., None, None], torch.nan))

    @property
    def shape(self) -> torch.Size:
        """The batch dims `...`."""
        return self.pose.shape[:-1]

    @property
    def device(self) -> torch.device:
        return self.pose.device

    @property
    def space(self) -> type[PoseSpace]:
        """The pose space of the mean."""
        return pose_space(self.pose)

    @property
    def mode(self) -> Tensor:
        """The pose (..., D) of the object where the prior is the densest."""
        return self.space.translate_object_frame(self.pose, -self.anchor)

    @property
    def intact(self) -> Tensor:
        """(...) bool: the numbers are finite and the mean is a pose."""
        finite = self.precision.isfinite().flatten(-2).all(-1) & self.anchor.isfinite().all(-1)
        return finite & self.space.is_valid(self.pose)

    @property
    def proper(self) -> Tensor:
        """(...) bool: it determines the pose without any points."""
        _, broken = safe_cholesky(scaled(self.precision, unit_scale(self.precision)))
        return ~broken

    def expand(self, *shape: int) -> PosePrior:
        """The same prior with its batch dims expanded to `shape`, without copying."""
        dim = self.space.tangent_dim
        return self.replace_unchecked(
            pose=self.pose.expand(*shape, self.space.dim),
            precision=self.precision.expand(*shape, dim, dim),
            anchor=self.anchor.expand(*shape, 3),
        )

    def translate_object_frame(self, offset: Tensor) -> PosePrior:
        """The same prior for poses of the frame whose origin lies at `offset` (..., 3), in object
        coordinates.
        """
        return self.replace_unchecked(anchor=self.anchor - offset)

    @full_precision
    def cost(self, pose: Tensor) -> Tensor:
        """1/2 d^T precision d (S, ...) at poses (S, ..., D), any number of sample dims S."""
        step = self._tangent(self.space.translate_object_frame(pose, self.anchor))
        return 0.5 * (step * (self.precision @ step[..., None])[..., 0]).sum(-1)

    @full_precision
    def linearize(self, pose: Tensor) -> Linearization:
        """Cost (S, ...), its gradient (S, ..., T) and Gauss-Newton Hessian (S, ..., T, T) in the
        tangent of poses (S, ..., D).
        """
        anchored = self.space.translate_object_frame(pose, self.anchor)
        step = self._tangent(anchored)
        slope = self.space.difference_jacobian(self.pose, anchored).nan_to_num(0.0, 0.0, 0.0)
        slope = slope @ self.space.translated_tangent(pose, self.anchor)
        weighted = self.precision @ step[..., None]
        return Linearization(
            0.5 * (step * weighted[..., 0]).sum(-1),
            (slope.mT @ weighted)[..., 0],
            slope.mT @ self.precision @ slope,
        )

    def _tangent(self, anchored: Tensor) -> Tensor:
        step = self.space.difference(self.pose, anchored)
        return step.nan_to_num(0.0, FARTHEST, -FARTHEST)
