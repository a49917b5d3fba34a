"""Predicted poses as plain values, for JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from epropnp_det.pnp import SE3Pose

from ..data.detection_file import Detection
from ..structures import ObjectPoses

FRAME = (
    "camera: x right, y down, z forward. A point p [m] of the object is at rotation p + "
    "translation_m in the camera frame; quaternion = w, x, y, z of the rotation. "
    "covariance_in_camera_frame, 6x6: of translation [m] and of the rotation vector r [rad] with "
    "true rotation = exp(r) rotation. A sample is x, y, z [m], qw, qx, qy, qz. Boxes are x, y, "
    "width, height [px]"
)


def as_records(
    detections: Sequence[Detection], poses: ObjectPoses, with_samples: bool
) -> list[dict[str, Any]]:
    """A record for each box, in their order.

    Args:
        detections: (B,) boxes.
        poses: (B,) their poses, with samples if they are wanted.
    """
    return [
        _record(detection, poses[index], with_samples) for index, detection in enumerate(detections)
    ]


def _record(detection: Detection, pose: ObjectPoses, with_samples: bool) -> dict[str, Any]:
    """The record of one object, without batch dims."""
    record = dict(
        object_id=detection.object_id,
        box=detection.box.tolist(),
        score=detection.score,
        valid=bool(pose.valid),
        rotation=SE3Pose.rotation(pose.pose).tolist(),
        translation_m=pose.pose[:3].tolist(),
        quaternion=pose.pose[3:].tolist(),
        cost=float(pose.cost),
        covariance_in_camera_frame=pose.covariance.tolist(),
    )
    if not with_samples or pose.sample_pose is None or pose.sample_weight is None:
        return record
    return record | dict(
        samples=pose.sample_pose.tolist(), sample_weights=pose.sample_weight.tolist()
    )
