"""Reliability of the pose distributions that were predicted in an image."""

from __future__ import annotations

from epropnp_det.calibration.reliability import Reliability, compare_samples

from ..data.class_set import ClassSet
from .calibration_objects import nearest_truth, symmetries
from .pose_distributions import ImageResult


def image_reliability(result: ImageResult, classes: ClassSet) -> Reliability:
    """Comparison of the samples of every detection in an image that has a true box with the pose
    of that box: of its headings the nearest one, where a half turn changes nothing.
    """
    matched = (result.match >= 0).nonzero()[:, 0]
    found = result.detections[matched]
    half_turn, round_shape = symmetries(found.label, classes)
    true_pose = result.truth.pose[result.match[matched]].to(found.pose)
    return compare_samples(
        found.require("sample_pose"),
        found.require("sample_weight"),
        nearest_truth(true_pose, found.pose, half_turn, round_shape),
        ~round_shape,
        found.label,
    )
