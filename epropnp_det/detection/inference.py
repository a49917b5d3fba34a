"""Detection on single images."""

from __future__ import annotations

from epropnp_det import compat  # noqa: F401  before mmcv, which it fixes

# isort: split
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from mmcv import Config
from mmcv.parallel import collate
from mmcv.runner import BaseModule
from torch import nn

from epropnp_det.engine.wrapping import to_device
from epropnp_det.errors import UserError

if TYPE_CHECKING:
    from .structures.predictions import Detections

from epropnp_det.engine.intrinsics import camera_matrix


@torch.no_grad()
def detect(
    model: BaseModule,
    image: str | Path | np.ndarray,
    intrinsics: Sequence[float] | np.ndarray,
    seed: int = 0,
    mc_samples: int | None = None,
) -> Detections:
    """Objects in one image.

    Args:
        model: from `init_model`.
        image: a file, or (H, W, 3) uint8, channels blue, green, red.
        intrinsics: 3x3 camera matrix or (fx, fy, cx, cy) in pixels of this image, the centre of its
            first pixel at (0.5, 0.5).
        seed: seed of the random start of the pose solver and of the samples.
        mc_samples: how many weighted samples of each pose to draw, a multiple of the rounds of
            adaptive sampling (4); None for none.

    Returns:
        `Detections` on the CPU, best first: poses (x, y, z of the gravity centre, yaw) in the
        camera frame of the image (x right, y down, z forward; m, rad), sizes (l, h, w) in m,
        velocities in m/s, the covariance of each pose, and its samples if requested. Samples
        change nothing else.

    Raises:
        UserError: the image is missing, truncated or of another kind; the intrinsics are not a
            camera matrix; the number of samples is no multiple of the rounds.
    """
    if mc_samples is not None:
        check_samples(model, mc_samples)
    device = next(model.parameters()).device
    data = to_device(
        collate([_network_input(model.cfg, image, camera_matrix(intrinsics))], samples_per_gpu=1),
        device,
    )
    generators = [torch.Generator(device).manual_seed(seed)]
    return model.detect(data["img"], data["img_metas"], generators, mc_samples)[0].to("cpu")


def check_samples(model: nn.Module, mc_samples: int) -> None:
    """Raises UserError where a model cannot draw so many samples of a pose, or predicts no
    distribution at all.
    """
    from .detector import EProPnPDet

    if not isinstance(model, EProPnPDet):
        raise UserError(
            f"a {type(model).__name__} predicts no pose distribution; use a config of EProPnPDet"
        )
    try:
        model.bbox_head.sampler(mc_samples)
    except ValueError as error:
        raise UserError(str(error)) from error


def _network_input(
    config: Config, image: str | Path | np.ndarray, matrix: np.ndarray
) -> dict[str, Any]:
    from mmdet3d.datasets.pipelines import Compose

    import epropnp_det.detection  # noqa: F401  registers the pipeline's steps

    info = dict(cam_intrinsic=matrix.tolist())
    if isinstance(image, np.ndarray):
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            raise UserError(f"an image must be (H, W, 3) uint8, not {image.shape} {image.dtype}")
        results = dict(img=image, img_info=info, img_prefix=None)
    else:
        results = dict(img_info=dict(info, filename=str(image)), img_prefix=None)
    return Compose(config.data.test.pipeline)(results)
