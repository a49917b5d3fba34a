"""From an image and its intrinsics to 3D boxes with pose distributions, in two calls:

model = init_model("configs/detection/nuscenes/epropnp_v2_r101_12e_nuscenes.py", "epoch_12.pth",
device="cuda") detections = detect(model, "image.jpg", (1266.4, 1266.4, 816.3, 491.5))
"""

from __future__ import annotations

import importlib
import warnings
from typing import Any

from epropnp_det.detection.inference import detect
from epropnp_det.engine.model import init_model

__all__ = ["detect", "init_model"]

# What used to be here as well; the old names work for one release.
_MOVED = {
    "camera_matrix": "epropnp_det.engine.intrinsics",
    "intrinsics_by_file_name": "epropnp_det.engine.intrinsics",
    "parse_intrinsics": "epropnp_det.engine.intrinsics",
    "check_samples": "epropnp_det.detection.inference",
}


def __getattr__(name: str) -> Any:
    if name not in _MOVED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    warnings.warn(f"{__name__}.{name} moved to {_MOVED[name]}", DeprecationWarning, stacklevel=2)
    return getattr(importlib.import_module(_MOVED[name]), name)
