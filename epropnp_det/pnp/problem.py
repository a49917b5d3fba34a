"""The weighted PnP problem: cost, residual and normal equations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from . import ops
from ._constants import LARGEST, SMALLEST
from ._linalg import identity
from ._records import InputRecord, full_precision, real_tensors
from .camera import Camera
from .correspondences import Correspondences
from .ops import ProblemTensors, operators, torch_impl
from .ops.cpu import library
from .ops.robust import ROBUST, RobustKernel, adaptive_threshold
from .prior import PosePrior
from .results import Linearization
from .spaces import pose_space
from .spaces.base import PoseSpace


@dataclass(frozen=True)
class PnPProblem(InputRecord):
    """Pose from weighted points, robustified: 1/2 sum_i rho(|f_i(y)|^2), Eq. (1) and (11); and
    from a prior, where there is one.

    Poses carry the batch dims `...` of the problem, and may have further sample dims in front of
    them.

    Args:
        points: the correspondences (...).
        camera: batch dims that broadcast to those of the points.
        delta: threshold of the robust kernel (...) > 0, or broadcastable.
        robust: the kernel rho: 'huber', 'cauchy', or 'none' for plain least squares (which does not
            use delta).
        prior: what is known of the pose before the points, with batch dims that broadcast to those
            of the points; its cost is added to that of the points. None: nothing is.

    An object whose camera, threshold or prior is broken loses its weights and its prior, see
    `usable`.

    Raises:
        ValueError: no robust kernel of that name, or a camera, threshold or prior whose batch dims
            do not broadcast to those of the points, or that is on another device.

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
    prior: PosePrior | None = None

    def __post_init__(self) -> None:
        if self.robust not in ROBUST:
            raise ValueError(
                f"unknown robust kernel {self.robust!r}; use one of {', '.join(map(repr, ROBUST))}"
            )
        points = self.points
        given = real_tensors(x3d=points.x3d, camera=self.camera.matrix, delta=self.delta)
        delta = given["delta"].to(points.dtype)
        if delta.shape != points.shape:
            delta = _expanded("delta", delta, points.shape)
        if self.camera.shape != points.shape:
            _expanded("camera", self.camera.matrix[..., 0, 0], points.shape)
        camera = self.camera
        if camera.matrix.dtype != points.dtype:
            camera = camera.to(points.dtype)
        if camera.shape != points.shape:
            camera = camera.expand(*points.shape)
        self._set(**_sanitized(points, camera, delta))
        if self.prior is not None:
            self._set(**_with_prior(self.points, self.prior))

    @classmethod
    def adaptive(
        cls,
        points: Correspondences,
        camera: Camera,
        relative_delta: float = 0.5,
        robust: str = "huber",
        through_x2d: bool = True,
        prior: PosePrior | None = None,
    ) -> PnPProblem:
        """The problem with the threshold of `adaptive_threshold`.

        Args:
            points: points of the problem.
            camera: camera of the problem.
            robust: kernel of the problem.
            relative_delta: factor of the threshold.
            through_x2d: whether gradients flow through the threshold into x2d; they always flow
                into w2d. The released v1 programs say no.
            prior: prior of the problem.
        """
        x2d = points.x2d if through_x2d else points.x2d.detach()
        if ops.has_kernel("threshold", (x2d, points.w2d)):
            delta = operators.threshold(x2d, points.w2d, points.mask, float(relative_delta))
        else:
            delta = adaptive_threshold(x2d, points.w2d, points.mask, relative_delta)
        return cls(points, camera, delta, robust, prior)

    @property
    def tensors(self) -> ProblemTensors:
        """The values of the problem as operators take them."""
        points = self.points
        camera = self.camera
        return ProblemTensors(
            points.x3d,
            points.x2d,
            points.w2d,
            self.delta,
            camera.matrix,
            camera.clip_min,
            camera.clip_max,
            camera.image_origin,
            points.mask,
            camera.z_min,
            self.robust,
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
        """(...) bool: `usable` for poses of this space, or a prior that suffices without points.
        Points on one line leave a 6DoF pose free to turn about it.
        """
        by_points = torch_impl.determines(self.tensors, space)
        return by_points if self.prior is None else by_points | self.prior.proper

    def has_kernel(self, operation: str) -> bool:
        """Whether one operator runs this whole operation; operators take no prior."""
        return self.prior is None and ops.has_kernel_for(operation, self.tensors)

    def centre(self) -> tuple[PnPProblem, Tensor]:
        """The problem with object coordinates relative to their mean, and that mean (..., 3) [m].

        Rotation and translation are then nearly independent, which is what solver and proposals
        need. `translate_object_frame` by the mean takes a pose to the centred problem, by minus the
        mean takes it back.
        """
        mean = self.points.mean_x3d()
        x3d = self.points.x3d - mean[..., None, :]
        prior = None if self.prior is None else self.prior.translate_object_frame(mean)
        points = self.points.replace_unchecked(x3d=x3d)
        return self.replace_unchecked(points=points, prior=prior), mean

    def tempered(self, temperature: Tensor) -> PnPProblem:
        """The problem whose posterior is p(y|X)^(1/T): its cost is that of this one over T.

        Weights and threshold are divided by the square root of T, so the cost keeps the form of
        Eq. (11) with every robust kernel, and its minima stay where they are.

        Args:
            temperature: T (...) > 0, or broadcastable; one changes nothing.
        """
        factor = temperature.to(self.delta).sqrt().reciprocal().expand(self.shape)
        points = self.points.replace_unchecked(w2d=self.points.w2d * factor[..., None, None])
        prior = self.prior
        if prior is not None:
            precision = prior.precision * factor.square()[..., None, None]
            prior = prior.replace_unchecked(precision=precision)
        return self.replace_unchecked(points=points, delta=self.delta * factor, prior=prior)

    def crop(self, corner: Tensor) -> PnPProblem:
        """The same problem, costs and poses on images whose pixel (0, 0) was at `corner` (...,
        2).
        """
        x2d = self.points.x2d - corner[..., None, :]
        return self.replace_unchecked(
            points=self.points.replace_unchecked(x2d=x2d),
            camera=self.camera.crop(*corner.unbind(-1)),
        )

    def crop_to_points(self) -> PnPProblem:
        """`crop` to the mean image point of each object.

        Costs and gradients round finer there: a reprojection error is no longer the difference of
        two large numbers.
        """
        return self.crop(torch_impl.mean_of_existing(self.points.x2d, self.points.mask))

    @full_precision
    def cost(self, pose: Tensor) -> Tensor:
        """Robust cost (S, ...) at poses (S, ..., D), any number of sample dims S; infinite where
        that is no pose.
        """
        space = pose_space(pose)
        valid = space.is_valid(pose)
        pose = torch.where(valid[..., None], pose, space.identity(pose))
        pose = pose.expand(*torch.broadcast_shapes(pose.shape[:-1], self.shape), pose.shape[-1])
        tensors = self.tensors
        if ops.has_kernel_for("cost", tensors, pose):
            cost = operators.cost(*tensors, ops.each_sample(tensors, pose))
        else:
            cost = torch_impl.cost(tensors, pose)
        if self.prior is not None:
            cost = cost + self.prior.cost(pose)
        return cost.masked_fill(~valid, torch.inf)

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
        _, residual, rows = torch_impl.rows(self.tensors, pose, zero_clipped)
        return residual.mT, rows.movedim((-3, -1), (-1, -3))

    @full_precision
    def linearize(self, pose: Tensor, zero_clipped: bool = True) -> Linearization:
        """Cost, gradient J^T F and Hessian J^T J of the rescaled residuals at poses (S, ..., D),
        with those of the prior.
        """
        tensors = self.tensors
        if ops.has_kernel_for("linearize", tensors, pose):
            poses = ops.each_sample(tensors, pose)
            at = Linearization(*operators.linearize(*tensors, poses, zero_clipped))
        else:
            at = Linearization(*torch_impl.linearize(tensors, pose, zero_clipped))
        return at if self.prior is None else at.plus(self.prior.linearize(pose))


def _with_prior(points: Correspondences, prior: PosePrior) -> dict[str, Any]:
    """Points and prior of one dtype and shape; both without weight where the prior is broken."""
    real_tensors(x3d=points.x3d, prior=prior.pose)
    _expanded("prior", prior.precision[..., 0, 0], points.shape)
    prior = prior.to(points.dtype).expand(*points.shape)
    whole = prior.intact[..., None]
    harmless = prior.replace_unchecked(
        pose=torch.where(whole, prior.pose, prior.space.identity(prior.pose)),
        precision=torch.where(whole[..., None], prior.precision, 0.0),
        anchor=torch.where(whole, prior.anchor, 0.0),
    )
    w2d = torch.where(whole[..., None], points.w2d, 0.0)
    return dict(points=points.replace_unchecked(w2d=w2d), prior=harmless)


def _expanded(name: str, value: Tensor, shape: torch.Size) -> Tensor:
    try:
        return value.expand(shape)
    except RuntimeError as error:
        raise ValueError(
            f"{name} has batch dims {tuple(value.shape)}, which do not broadcast to "
            f"{tuple(shape)}, those of the points"
        ) from error


def _sanitized(points: Correspondences, camera: Camera, delta: Tensor) -> dict[str, Any]:
    """Points, camera and threshold with stand-ins for broken cameras and thresholds, whose objects
    lose their weights; laid out for kernels.
    """
    camera = camera.map(Tensor.contiguous)
    delta = delta.contiguous()
    matrix = camera.matrix
    if ops.reads_values(matrix, delta) and library.cameras_usable(matrix, delta):
        return dict(camera=camera, delta=delta)
    usable = _invertible(matrix) & (delta > SMALLEST) & (delta < LARGEST * LARGEST)
    whole = usable[..., None, None]
    w2d = torch.where(whole, points.w2d, 0.0)
    return dict(
        points=points.replace_unchecked(w2d=w2d),
        camera=camera.replace_unchecked(matrix=torch.where(whole, matrix, identity(matrix))),
        delta=torch.where(usable, delta, 1.0),
    )


def _invertible(matrix: Tensor) -> Tensor:
    """(...) bool: camera matrices (..., 3, 3) with finite, reasonable entries whose rows do not lie
    in a plane.
    """
    bounded = (matrix.abs() <= LARGEST).all(-1).all(-1)
    whole = torch.where(bounded[..., None, None], matrix, identity(matrix)).detach()
    first, second, third = whole.unbind(-2)
    volume = (first * torch.linalg.cross(second, third)).sum(-1).abs()
    lengths = first.norm(dim=-1) * second.norm(dim=-1) * third.norm(dim=-1)
    return bounded & (volume > SMALLEST * lengths)
