"""A predicted distribution with the true pose that it is compared with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..data.object_models import ObjectModel
from ..rigid_pose import RigidPose
from ..structures import ObjectPoses


@dataclass(frozen=True)
class JudgedPose:
    """Prediction and ground truth of one object.

    Args:
        pose: predicted, a batch of one object.
        truth: true pose.
        model: the object's model.
    """

    pose: ObjectPoses
    truth: RigidPose
    model: ObjectModel

    @property
    def has_posterior(self) -> bool:
        weight = self.pose.sample_weight
        return weight is not None and bool(weight.isfinite().all())

    @property
    def samples(self) -> np.ndarray:
        """(S, 7) x, y, z [m], qw, qx, qy, qz; only with a posterior."""
        assert self.pose.sample_pose is not None
        return self.pose.sample_pose[0].double().numpy()

    @property
    def weight(self) -> np.ndarray:
        """(S,) of the samples; only with a posterior."""
        assert self.pose.sample_weight is not None
        return self.pose.sample_weight[0].double().numpy()
