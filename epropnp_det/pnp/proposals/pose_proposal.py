"""The proposal over whole poses: translation and orientation apart (Section 3.2)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .._records import Record
from ..spaces import pose_space
from ..spaces.base import PoseSpace
from .orientation import Orientation
from .student_t import StudentT


@dataclass(frozen=True)
class PoseProposal(Record):
    """Independent proposals for the two parts of a pose.

    Args:
        translation: Student-t, df 3.
        orientation: proposal of the family that belongs to the pose space.
        broken: (...) flags objects for which one of the two could not be made.
        space: the pose space.
    """

    translation: StudentT
    orientation: Orientation
    broken: Tensor
    space: type[PoseSpace]

    @classmethod
    def laplace(cls, pose: Tensor, covariance: Tensor) -> PoseProposal:
        """First proposal, from an estimate (..., D) and its covariance (..., T, T) in the
        tangent.
        """
        space = pose_space(pose)
        position, turn = space.split(pose)
        translation, broken = StudentT.laplace(position, covariance[..., :3, :3])
        orientation, also_broken = space.orientation.laplace(turn, covariance[..., 3:, 3:])
        return cls(translation, orientation, broken | also_broken, space)

    def refit(self, pose: Tensor, log_weights: Tensor) -> PoseProposal:
        """The proposal fitted to weighted samples (S, ..., D), (S, ...); objects where that breaks
        keep this one.
        """
        weight = log_weights.softmax(0)
        position, turn = self.space.split(pose)
        translation, broken = StudentT.fit(position, weight)
        orientation, also_broken = self.space.orientation.fit(turn, weight)
        return self.torch_where(
            broken | also_broken, PoseProposal(translation, orientation, self.broken, self.space)
        )

    def sample(self, number: int, generator: torch.Generator | None = None) -> Tensor:
        """Poses (number, ..., D)."""
        return self.space.join(
            self.translation.sample(number, generator), self.orientation.sample(number, generator)
        )

    def log_prob(self, pose: Tensor) -> Tensor:
        """Log density (S, ...) of poses (S, ..., D), per m^3 and rad (4DoF) or unit area of S^3
        (6DoF).
        """
        position, turn = self.space.split(pose)
        return self.translation.log_prob(position) + self.orientation.log_prob(turn)
