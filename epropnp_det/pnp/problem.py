"""The weighted PnP problem: cost, residual and normal equations."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from . import ops
from ._linalg import identity
from ._records import Record, full_precision
from .camera import Camera
from .correspondences import LARGEST, SMALLEST, Correspondences
from .ops import torch_impl
from .ops.robust import ROBUST, RobustKernel
from .results import Linearization
from .spaces import pose_space
from .spaces.base import PoseSpace


@dataclass(frozen=True)
class PnPProblem(Record):
    """Pose from weighted points, robustified: 1/2 sum_i rho(|f_i(y)|^2), Eq. (1) and (11).

    Poses carry the batch dims `...` of the problem, and may have further sample dims in front of
    them.

    Args:
        points: the correspondences (...).
        camera: batch dims that broadcast to those of the points.
        delta: threshold of the robust kernel (...) > 0, or broadcastable.
        robust: the kernel rho: 'huber', 'cauchy', or 'none' for plain least squares (which does not
            look at delta).

    An object whose camera or threshold is broken loses its weights, see `usable`.

    Raises:
        ValueError: no robust kernel of that name.

    Example:
        >>> from epropnp_det.pnp import YawPose
        >>> camera = Camera.for_image([[1000.0, 0, 800], [0, 1000, 450], [0, 0, 1]], (1600, 900))
        >>> true_pose = torch.tensor([[1.0, 0.5, 10.0, 0.3]])  # x, y, z [m], yaw [rad]
        >>> x3d = torch.rand(1, 8, 3) - 0.5
        >>> x2d = camera.project(YawPose.transform(true_pose, x3d))
        >>> points = Correspondences(x3d, x2d, torch.ones(1, 8, 2))
        >>> problem = PnPProblem.adaptive(points, camera)
        >>> one_pixel_off = true_pose + torch.tensor([0.01, 0.0, 0.0, 0.0])
        >>> bool(problem.cost(true_pose) < problem.cost(one_pixel_off))
        True
    """

    points: Correspondences
    camera: Camera
    delta: Tensor
    robust: str = "huber"

    def __post_init__(self) -> None:
        if self.robust not in ROBUST:
            raise ValueError(
                f"unknown robust kernel {self.robust!r}; use one of {', '.join(map(repr, ROBUST))}"
            )
        shape, dtype = self.points.shape, self.points.dtype
        camera = self.camera if self.camera.matrix.dtype == dtype else self.camera.to(dtype)
        object.__setattr__(self, "camera", camera.expand(*shape))
        object.__setattr__(self, "delta", self.delta.to(dtype).expand(shape))
        for name, value in ops.choose("mend", self).mend(self).items():
            object.__setattr__(self, name, value)

    def mended(self) -> dict[str, Any]:
        """`points`, `camera` and `delta` that stand in for broken cameras and thresholds, in plain
        torch.
        """
        matrix, delta = self.camera.matrix, self.delta
        sound = _invertible(matrix) & (delta > SMALLEST) & (delta < LARGEST * LARGEST)
        return dict(
            camera=replace(
                self.camera, matrix=torch.where(sound[..., None, None], matrix, identity(matrix))
            ),
            delta=torch.where(sound, delta, 1.0),
            points=replace(
                self.points, w2d=torch.where(sound[..., None, None], self.points.w2d, 0.0)
            ),
        )

    @classmethod
    def adaptive(
        cls,
        points: Correspondences,
        camera: Camera,
        relative_delta: float = 0.5,
        robust: str = "huber",
        through_x2d: bool = True,
    ) -> PnPProblem:
        """The problem with the threshold of `adaptive_threshold`.

        Args:
            points: of the problem.
            camera: of the problem.
            robust: kernel of the problem.
            relative_delta: factor of the threshold.
            through_x2d: whether gradients flow through the threshold into x2d; they always flow
                into w2d. The released v1 programs say no.
        """
        seen = points if through_x2d else replace(points, x2d=points.x2d.detach())
        return cls(
            points, camera, ops.choose("threshold", seen).threshold(seen, relative_delta), robust
        )

    @property
    def shape(self) -> torch.Size:
        """The batch dims `...`."""
        return self.points.shape

    @property
    def device(self) -> torch.device:
        return self.points.device

    @property
    def dtype(self) -> torch.dtype:
        return self.points.dtype

    @property
    def robust_kernel(self) -> RobustKernel:
        """The formulas of the robust kernel."""
        return ROBUST[self.robust]

    @property
    def usable(self) -> Tensor:
        """(...) bool: the numbers are finite, some weights are positive, and the weighted points do
        not all coincide.
        """
        return self.points.spread() > SMALLEST

    def determines(self, space: type[PoseSpace]) -> Tensor:
        """(...) bool: `usable` for poses of this space. Points on one line leave a 6DoF pose free
        to turn about it.
        """
        return self.usable if space.min_point_rank == 1 else self.usable & (self.points.breadth() > SMALLEST)

    def centre(self) -> tuple[PnPProblem, Tensor]:
        """The problem with object coordinates relative to their mean, and that mean (..., 3) [m].

        Rotation and translation are then nearly independent, which is what solver and proposals
        need. `translate_object_frame` by the mean takes a pose to the centred problem, by minus the mean takes
        it back.
        """
        mean = self.points.mean_x3d()
        return replace(
            self, points=replace(self.points, x3d=self.points.x3d - mean[..., None, :])
        ), mean

    def crop(self, corner: Tensor) -> PnPProblem:
        """The same problem, costs and poses on images whose pixel (0, 0) was at `corner` (...,
        2).
        """
        points = replace(self.points, x2d=self.points.x2d - corner[..., None, :])
        return replace(self, points=points, camera=self.camera.crop(*corner.unbind(-1)))

    def crop_to_points(self) -> PnPProblem:
        """`crop` to the mean image point of each object.

        Costs and gradients round finer there: a reprojection error is no longer the difference of
            two large numbers.
        """
        counts = self.points.counts()[..., None]
        return self.crop((self.points.x2d.detach() * counts).sum(-2) / counts.sum(-2).clamp(min=1))

    @full_precision
    def cost(self, pose: Tensor) -> Tensor:
        """Robust cost (S, ...) at poses (S, ..., D), any number of sample dims S; infinite where
        that is no pose.
        """
        space = pose_space(pose)
        exists = space.is_valid(pose)
        pose = torch.where(exists[..., None], pose, space.identity(pose))
        pose = pose.expand(*torch.broadcast_shapes(pose.shape[:-1], self.shape), pose.shape[-1])
        samples = pose.shape[: pose.ndim - 1 - len(self.shape)]
        flat = pose.reshape(samples.numel(), *self.shape, pose.shape[-1])
        cost = ops.choose("cost", self).cost(self, flat)
        return cost.reshape((*samples, *self.shape)).masked_fill(~exists, torch.inf)

    def residual(self, pose: Tensor) -> Tensor:
        """Rescaled weighted reprojection errors (S, ..., N, 2): f_i of Eq. (1) times
        sqrt(rho'(|f_i|^2)).

        For the Huber kernel the factor is sqrt(min(1, delta / |f_i|)).
        """
        return self.residual_with_jacobian(pose)[0]

    @full_precision
    def residual_with_jacobian(
        self, pose: Tensor, zero_clipped: bool = True
    ) -> tuple[Tensor, Tensor]:
        """`residual` (S, ..., N, 2) and its Jacobian (S, ..., N, 2, T) in the tangent of the pose,
        the factor held fixed.

        With `zero_clipped=False`, rows of projections outside the limits keep their derivative.
        """
        _, residual, rows = torch_impl.rows(self, pose, zero_clipped)
        return residual.mT, rows.movedim((-3, -1), (-1, -3))

    @full_precision
    def linearize(self, pose: Tensor, zero_clipped: bool = True) -> Linearization:
        """Cost, gradient J^T F and Hessian J^T J of the rescaled residuals at poses (S, ..., D)."""
        return ops.choose("linearize", self).linearize(self, pose, zero_clipped)


def _invertible(matrix: Tensor) -> Tensor:
    """(...) bool: camera matrices (..., 3, 3) with finite, reasonable entries whose rows do not lie
    in a plane.
    """
    sound = (matrix.abs() <= LARGEST).all(-1).all(-1)
    first, second, third = (
        torch.where(sound[..., None, None], matrix, identity(matrix)).detach().unbind(-2)
    )
    volume = (first * torch.linalg.cross(second, third)).sum(-1).abs()
    return sound & (
        volume > SMALLEST * first.norm(dim=-1) * second.norm(dim=-1) * third.norm(dim=-1)
    )
