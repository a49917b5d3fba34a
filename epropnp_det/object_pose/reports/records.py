"""Predicted poses as plain values, for JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from epropnp_det.pnp import SE3Pose

from ..data.detection_file import Detection
from ..inference import PoseEvidence

FRAME = (
    "camera: x right, y down, z forward. A point p [m] of the object is at rotation p + "
    "translation_m in the camera frame; quaternion = w, x, y, z of the rotation. "
    "covariance_in_camera_frame, 6x6: of translation [m] and of the rotation vector r [rad] with "
    "true rotation = exp(r) rotation. Modes are the poses of locally lowest cost, the lowest "
    "first, with their shares of the posterior. A sample is x, y, z [m], qw, qx, qy, qz. Boxes are "
    "x, y, width, height [px] in the image that was given"
)


def as_records(
    detections: Sequence[Detection], evidence: PoseEvidence, with_samples: bool
) -> list[dict[str, Any]]:
    """A record for each box, in their order.

    Args:
        detections: (B,) boxes.
        evidence: (B,) their poses and modes, with samples if they are wanted.
    """
    return [
        _record(detection, evidence[index], with_samples)
        for index, detection in enumerate(detections)
    ]


def _record(detection: Detection, evidence: PoseEvidence, with_samples: bool) -> dict[str, Any]:
    """The record of one object, without batch dims."""
    pose = evidence.poses
    modes = evidence.modes
    record = dict(
        object_id=detection.object_id,
        box=detection.box.tolist(),
        score=detection.score,
        valid=bool(pose.valid),
        **_pose_record(pose.pose, pose.covariance),
        cost=float(pose.cost),
        **({} if pose.consensus is None else dict(consensus=float(pose.consensus))),
        modes=[
            dict(share=float(share), **_pose_record(vector, covariance))
            for vector, covariance, share, valid in zip(
                modes.pose, modes.covariance, modes.weight, modes.valid
            )
            if valid
        ],
    )
    if not with_samples or pose.sample_pose is None or pose.sample_weight is None:
        return record
    return record | dict(
        samples=pose.sample_pose.tolist(), sample_weights=pose.sample_weight.tolist()
    )


def _pose_record(pose: Tensor, covariance: Tensor) -> dict[str, Any]:
    """A pose (7,) and its covariance (6, 6)."""
    return dict(
        rotation=SE3Pose.rotation(pose).tolist(),
        translation_m=pose[:3].tolist(),
        quaternion=pose[3:].tolist(),
        covariance_in_camera_frame=covariance.tolist(),
    )
