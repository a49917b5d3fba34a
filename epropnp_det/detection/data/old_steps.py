"""Registered names of earlier pipeline steps, which work for one more release."""

from __future__ import annotations

import warnings
from typing import Any

from mmdet3d.datasets.builder import PIPELINES

from epropnp_det.errors import RenamedWarning

from .symmetric_yaw import CanonicalizeSymmetricYaw


@PIPELINES.register_module()
class FaceAway(CanonicalizeSymmetricYaw):
    """Earlier name of `CanonicalizeSymmetricYaw`."""

    def __init__(self, **settings: Any):
        warnings.warn(
            "pipeline step FaceAway is now CanonicalizeSymmetricYaw", RenamedWarning, stacklevel=2
        )
        super().__init__(**settings)
