"""Detection on single images."""

from __future__ import annotations

from epropnp_det import compat  # noqa: F401  before mmcv, which it fixes

# isort: split
import warnings
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
from epropnp_det.errors import CameraWarning, UserError

if TYPE_CHECKING:
    from .structures.predictions import Detections

from epropnp_det.engine.intrinsics import Intrinsics, camera_faults

MIN_SEEN_SHARE = 0.7  # the models' own 1600x900 images keep 0.75


@torch.no_grad()
def detect(
    model: BaseModule,
    image: str | Path | np.ndarray,
    intrinsics: Intrinsics | Sequence[float] | np.ndarray,
    seed: int = 0,
    mc_samples: int | None = None,
) -> Detections:
    """Objects in one image.

    Args:
        model: from `init_model`.
        image: a file, or (H, W, 3) uint8, channels blue, green, red.
        intrinsics: `Intrinsics`, 3x3 camera matrix, 3x4 projection matrix, or (fx, fy, cx, cy), in
            pixels of this image, the centre of its first pixel at (0.5, 0.5).
        seed: seed of the random start of the pose solver and of the samples.
        mc_samples: how many weighted samples of each pose to draw, a multiple of the rounds of
            adaptive sampling (4); None for none.

    Returns:
        `Detections` on the CPU, best first: poses (x, y, z of the gravity centre, yaw) in the
        camera frame of the image (x right, y down, z forward; m, rad), sizes (l, h, w) in m,
        velocities in m/s, the covariance of each pose, and its samples if requested. Samples
        change nothing else.

    Warns:
        CameraWarning: the camera matrix hardly belongs to an image of this size, or the crop of the
            test pipeline removes much of the image.

    Raises:
        UserError: the image is missing, truncated or of another kind; the intrinsics are not a
            camera matrix; the number of samples is no multiple of the rounds.
    """
    if mc_samples is not None:
        check_samples(model, mc_samples)
    device = next(model.parameters()).device
    camera = Intrinsics.of(intrinsics)
    data = to_device(collate([_network_input(model.cfg, image, camera)], samples_per_gpu=1), device)
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
    config: Config, image: str | Path | np.ndarray, camera: Intrinsics
) -> dict[str, Any]:
    from mmdet3d.datasets.pipelines import Compose

    import epropnp_det.detection  # noqa: F401  registers the pipeline's steps

    info = dict(cam_intrinsic=camera.matrix.tolist())
    if isinstance(image, np.ndarray):
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            raise UserError(f"an image must be (H, W, 3) uint8, not {image.shape} {image.dtype}")
        results = dict(img=image, img_info=info, img_prefix=None)
    else:
        results = dict(img_info=dict(info, filename=str(image)), img_prefix=None)
    loaded = Compose(config.data.test.pipeline)(results)
    height, width = loaded["img_metas"].data["ori_shape"][:2]
    _warn_of_camera(config.data.test.pipeline, camera, (width, height))
    return loaded


def _warn_of_camera(
    pipeline: Sequence[dict[str, Any]], camera: Intrinsics, size: tuple[int, int]
) -> None:
    """Warns of intrinsics or a crop that does not suit an image of this width and height."""
    from .data.projection import clip_boxes

    width, height = size
    faults = camera_faults(camera, size)
    for step in pipeline:
        if step["type"] == "CropImage":
            box = clip_boxes(np.array(step["box"]), width, height)
            seen = (box[2] - box[0]) * (box[3] - box[1]) / (width * height)
            if seen < MIN_SEEN_SHARE:
                faults.append(
                    f"the network sees {seen:.0%} of the {width}x{height} image: the config crops "
                    f"to {tuple(step['box'])}; set the crop of data.test.pipeline for this camera"
                )
    for fault in faults:
        warnings.warn(fault, CameraWarning, stacklevel=4)
