"""From an image and its intrinsics to 3D boxes, or to poses of known objects, with their
distributions:

model = init_model("configs/detection/nuscenes/epropnp_v2_r101_12e_nuscenes.py", "epoch_12.pth",
device="cuda") detections = detect(model, "image.jpg", (1266.4, 1266.4, 816.3, 491.5))

detector = init_detector("detector.py", "detector.pth") network = init_pose_network("network.py",
"network.pth", models="data/own/models") found = estimate_poses(detector, network, image, matrix)
"""

from __future__ import annotations

import importlib
import warnings
from typing import TYPE_CHECKING, Any

from epropnp_det.detection.inference import detect
from epropnp_det.engine.model import init_model

if TYPE_CHECKING:
    from epropnp_det.object_pose.object_detector import init_detector
    from epropnp_det.object_pose.pipeline import estimate_poses, init_pose_network

__all__ = ["detect", "estimate_poses", "init_detector", "init_model", "init_pose_network"]

# Found when they are called for: their imports take seconds, and a detector of boxes needs none.
_OBJECT_POSES = {
    "estimate_poses": "epropnp_det.object_pose.pipeline",
    "init_detector": "epropnp_det.object_pose.object_detector",
    "init_pose_network": "epropnp_det.object_pose.pipeline",
}

# What used to be here as well; the old names work for one release.
_MOVED = {
    "camera_matrix": "epropnp_det.engine.intrinsics",
    "intrinsics_by_file_name": "epropnp_det.engine.intrinsics",
    "parse_intrinsics": "epropnp_det.engine.intrinsics",
    "check_samples": "epropnp_det.detection.inference",
}


def __getattr__(name: str) -> Any:
    if name in _OBJECT_POSES:
        return getattr(importlib.import_module(_OBJECT_POSES[name]), name)
    if name not in _MOVED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    warnings.warn(f"{__name__}.{name} moved to {_MOVED[name]}", DeprecationWarning, stacklevel=2)
    return getattr(importlib.import_module(_MOVED[name]), name)
