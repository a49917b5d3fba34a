"""Values of the object-pose family: where patches lie, the network's
predictions, ground truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

import torch
from torch import Tensor

from epropnp_det.calibration.regions import regions
from epropnp_det.pnp import PnPProblem, PoseModes, SE3Pose
from epropnp_det.pnp._records import Record
from epropnp_det.posterior.ranking import Region


@dataclass(frozen=True)
class PatchGeometry(Record):
    """Where the square patches of B objects lie in their images, and the objects' sizes.

    Args:
        origin: (B, 2) x, y [px] of the upper left corner of the patch in the image.
        side: (B,) [px] of the image that the patch covers.
        matrix: (B, 3, 3) intrinsics of the image, with the pixel convention of `origin`.
        half_extent: (B, 3) [m], half sizes of the object's box about its origin.
        object_index: (B,) place of the object in the model's list of objects.
    """

    origin: Tensor
    side: Tensor
    matrix: Tensor
    half_extent: Tensor
    object_index: Tensor

    def cell(self, cells: int) -> Tensor:
        """Width (B,) [px] of a cell where the patch is divided into `cells` columns."""
        return self.side / cells


@dataclass(frozen=True)
class CorrespondenceMaps(Record):
    """What the network predicts of B patches.

    Args:
        noc: (B, 3, h, w) normalised object coordinates: object point / half extent.
        logit: (B, 2, h, w) weight logits of x and y.
        scale: (B, 2) > 0, global weight scales of x and y. Pixels of a cell in v2; [1/px] in v1.
    """

    noc: Tensor
    logit: Tensor
    scale: Tensor


@dataclass(frozen=True)
class PixelMaps(Record):
    """What a Pix2Pose network predicts of B patches.

    Args:
        noc: (B, 3, h, w) normalised object coordinates: object point / half extent.
        error: (B, 1, h, w) in [0, 1], expected mean absolute error of the three coordinates.
        mask_logit: (B, 1, h, w) logit of the probability that the cell shows the object, or would
            if nothing stood before it.
    """

    noc: Tensor
    error: Tensor
    mask_logit: Tensor


@dataclass(frozen=True)
class PatchProblems(Record):
    """The problems of B objects, and where their points come from.

    Args:
        problem: (B,) of h w points; with further views theirs follow.
        geometry: (B,) where the patches lie in the image.
        noc: (B, 3, h, w) normalised object coordinates of the cells.
        consensus: (B,) share of the object's cells that agree with the solution, or None, see
            `ObjectPoses`.
    """

    problem: PnPProblem
    geometry: PatchGeometry
    noc: Tensor
    consensus: Tensor | None = None

    @property
    def agreement(self) -> Tensor:
        """The consensus (B,); zeros where there is none."""
        return torch.zeros_like(self.geometry.side) if self.consensus is None else self.consensus


@dataclass(frozen=True)
class GroundTruth(Record):
    """Ground truth of B patches.

    Args:
        pose: (B, 7) x, y, z [m], qw, qx, qy, qz: object to camera frame.
        noc: (B, 3, h, w) normalised object coordinates, zeros where the object is not seen. None
            for a training without coordinate maps.
        mask: (B, 1, h, w) in [0, 1], share of the cell that shows the object; None as `noc`.
        symmetries: (B, S, 7) motions of the object frame, as poses, that leave the object as it is,
            the identity first. Objects with fewer repeat the identity. None: no object has any.
        vertices: (B, V, 3) [m], some vertices of the models; None where no loss needs them.
    """

    pose: Tensor
    noc: Tensor | None = None
    mask: Tensor | None = None
    symmetries: Tensor | None = None
    vertices: Tensor | None = None


@dataclass(frozen=True)
class ObjectPoses(Record):
    """Predicted poses of B objects.

    Args:
        pose: (B, 7) x, y, z [m], qw, qx, qy, qz: object to camera frame.
        covariance: (B, 6, 6) of position [m] and of the rotation vector [rad] in the camera frame.
        cost: (B,) robust cost of the pose.
        valid: (B,) bool, False where the correspondences determine no pose.
        sample_pose: (B, S, 7), or None where no samples were drawn.
        sample_weight: (B, S), summing to one over S; NaN for objects without a posterior.
        consensus: (B,) share of the object's cells that agree with the pose, for networks that
            predict a mask, else None.
        temperature: (B,) of the posteriors; None where the checkpoint is not calibrated.
        conformal_levels: (B, Q, 99) of the regions of `region`, where there are samples and a
            calibration.
    """

    pose: Tensor
    covariance: Tensor
    cost: Tensor
    valid: Tensor
    sample_pose: Tensor | None = None
    sample_weight: Tensor | None = None
    consensus: Tensor | None = None
    temperature: Tensor | None = None
    conformal_levels: Tensor | None = None

    def region(
        self, probability: float, quantity: str = "position", kind: str | None = None
    ) -> list[Region | None]:
        """The smallest region of this probability for each object, None where it has no posterior.

        Args:
            probability: in (0, 1).
            quantity: 'orientation', 'position', 'depth' or 'pose'.
            kind: 'conformal' or 'credible', see `epropnp_det.calibration.regions`; None: conformal
                where the checkpoint is calibrated.

        Raises:
            ValueError: no samples, an unknown name, or conformal regions without a calibration.
        """
        samples = (self.sample_pose, self.sample_weight, self.conformal_levels)
        return regions(*samples, probability, quantity, kind)

    @classmethod
    def cat(cls, parts: Sequence[ObjectPoses]) -> Self:
        """Joins at least one part; samples are in all parts or in none."""
        joined: dict[str, Any] = {}
        for field in fields(cls):
            values = [getattr(part, field.name) for part in parts]
            joined[field.name] = None if values[0] is None else torch.cat(values)
        return cls(**joined)


@dataclass(frozen=True)
class ObjectModes(Record):
    """Distinct poses of B objects that explain their correspondences, those of lowest cost first.

    Args:
        pose: (B, M, 7) x, y, z [m], qw, qx, qy, qz: object to camera frame.
        covariance: (B, M, 6, 6), as in `ObjectPoses`.
        weight: (B, M) share of the posterior around each mode.
        valid: (B, M) bool, False where an object has no further mode.
    """

    pose: Tensor
    covariance: Tensor
    weight: Tensor
    valid: Tensor

    @classmethod
    def of(cls, modes: PoseModes) -> Self:
        """From the layer's modes (M, B)."""
        covariance = modes.covariance_of("rotation_vector")
        values = (modes.pose, covariance, modes.weight, modes.valid)
        return cls(*(value.transpose(0, 1) for value in values))

    @classmethod
    def cat(cls, parts: Sequence[ObjectModes]) -> Self:
        """Joins at least one part."""
        names = [field.name for field in fields(cls)]
        return cls(**{name: torch.cat([getattr(each, name) for each in parts]) for name in names})


def compose(outer: Tensor, inner: Tensor) -> Tensor:
    """The motion (..., 7) that applies `inner` first and `outer` after it, both (..., 7)."""
    w = outer[..., 3:4]
    v = outer[..., 4:]
    u = inner[..., 3:4]
    n = inner[..., 4:]
    real = w * u - (v * n).sum(-1, keepdim=True)
    cross = torch.linalg.cross(*torch.broadcast_tensors(v, n))
    position = SE3Pose.transform(outer, inner[..., None, :3])[..., 0, :]
    return torch.cat((position, real, w * n + u * v + cross), dim=-1)
