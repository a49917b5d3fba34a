"""Detection on single images."""

from __future__ import annotations

from epropnp_det import compat  # noqa: F401  before mmcv, which it fixes

# isort: split
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, overload

import numpy as np
import torch
from mmcv import Config
from mmcv.parallel import collate
from mmcv.runner import BaseModule
from torch import nn

from epropnp_det.engine.image_arrays import to_bgr
from epropnp_det.engine.intrinsics import Intrinsics, camera_faults
from epropnp_det.engine.lens import Lens
from epropnp_det.engine.wrapping import to_device
from epropnp_det.errors import CameraWarning, OtherCameraWarning, UserError

from .boxes import Boxes3D
from .data.canonical_camera import canonical_step
from .data.image_view import seen_share
from .data.nuscenes_dataset import read_class_set
from .detections import Detections
from .level_frame import rotation_of_down, rotation_of_tilt

if TYPE_CHECKING:
    from PIL import Image

OneImage: TypeAlias = "str | Path | np.ndarray | Image.Image"
Camera: TypeAlias = "Intrinsics | Sequence[float] | np.ndarray"

MIN_SEEN_SHARE = 0.7  # the models' own 1600x900 images keep 0.75
MAX_PITCH = 45  # degrees
MAX_ROLL = 180
ROUNDED = 1e-3  # of the entries of a rotation that is typed in


@overload
def detect(
    model: BaseModule, image: OneImage, intrinsics: Camera, *args: Any, **settings: Any
) -> Detections: ...


@overload
def detect(
    model: BaseModule,
    image: list[OneImage],
    intrinsics: Camera | Sequence[Intrinsics],
    *args: Any,
    **settings: Any,
) -> list[Detections]: ...


@torch.no_grad()
def detect(
    model: BaseModule,
    image: OneImage | list[OneImage],
    intrinsics: Camera | Sequence[Intrinsics],
    seed: int = 0,
    mc_samples: int | None = None,
    *,
    channels: str = "bgr",
    rotation: np.ndarray | None = None,
    pitch: float = 0.0,
    roll: float = 0.0,
    distortion: Sequence[float] | None = None,
    runtime: str = "torch",
) -> Detections | list[Detections]:
    """Objects in one image, or in each image of a list, which are predicted together.

    Args:
        model: from `init_model`.
        image: a file, an image of Pillow, or an array as `to_bgr` takes it; or a list of these.
        intrinsics: `Intrinsics`, 3x3 camera matrix, 3x4 projection matrix, or (fx, fy, cx, cy), in
            pixels of this image, the centre of its first pixel at (0.5, 0.5). For a list of images
            one of these for all, or a list with the `Intrinsics` of each.
        seed: seed of the random start of the pose solver and of the samples, the same for each
            image of a list.
        mc_samples: how many weighted samples of each pose to draw, a multiple of the rounds of
            adaptive sampling (4); None for none.
        channels: order of arrays: "bgr", "rgb" or "gray".
        rotation: (3, 3) of a tilted camera, from its frame to a frame whose y axis points down
            along gravity.
        pitch: degrees by which the optical axis points above the horizon, in place of `rotation`.
        roll: degrees by which the camera is turned clockwise about its optical axis, seen from
            behind it.
        distortion: coefficients of the lens, 5 for OpenCV's k1, k2, p1, p2, k3 or 4 for OpenCV's
            fisheye model, in place of those of the intrinsics.
        runtime: what runs the network: "torch", "openvino", "onnxruntime", or a file of
            `epropnp export` with the network of this model. The first call with another runtime
            than torch converts the network, or reads the file. Poses are always solved by
            `epropnp_det.pnp`.

    Returns:
        `Detections` on the CPU, for a list of images a list of them; best first: poses (x, y, z of
        the gravity centre, yaw) in the camera frame of the image (x right, y down, z forward; m,
        rad), sizes (l, h, w) in m, velocities in m/s, the covariance of each pose, and its samples
        and points if samples are requested. Samples change nothing else. Detections of a tilted
        camera also have `level_rotation`, and `detections.in_level_frame()` has them in its level
        frame, in which boxes are upright.

    Warns:
        CameraWarning: the camera matrix hardly belongs to an image of this size, or the network
            sees little of the image.
        OtherCameraWarning: the image is of another camera than the network's and is warped to it.

    Raises:
        UserError: the image is missing, truncated or of another kind; the intrinsics are not a
            camera matrix, the rotation none, or the angles too large; the config has no canonical
            camera for a tilt or a distorting lens; the number of samples is no multiple of the
            rounds; the runtime is not installed, or cannot take the model.
    """
    if mc_samples is not None:
        check_samples(model, mc_samples)
    images = image if isinstance(image, list) else [image]
    cameras = _cameras(intrinsics, len(images), distortion)
    level = _level_rotation(rotation, pitch, roll)
    inputs = []
    for each, camera in zip(images, cameras):  # no comprehension: warnings name the caller's line
        inputs.append(_network_input(model.cfg, each, camera, level, channels))
    classes = read_class_set(model.cfg)
    found = []
    predicted = _predict(model, inputs, seed, mc_samples, runtime)
    for boxes, camera, loaded in zip(predicted, cameras, inputs):
        shown = _with_points_in_image(boxes, camera, loaded["img_metas"].data)
        found.append(Detections(**vars(shown), classes=classes, camera=camera))
    return found if isinstance(image, list) else found[0]


def _predict(
    model: BaseModule,
    inputs: Sequence[dict[str, Any]],
    seed: int,
    mc_samples: int | None,
    runtime: str,
) -> list[Boxes3D]:
    """Detections of each input, on the CPU; inputs of the same size are one batch."""
    others: dict[str, Any] = {}
    if runtime != "torch":
        from .deploy.runtime import runtime_network

        others["network"] = runtime_network(model, runtime)
    device = next(model.parameters()).device
    by_size: dict[tuple[int, ...], list[int]] = {}
    for index, loaded in enumerate(inputs):
        by_size.setdefault(tuple(loaded["img"].data.shape), []).append(index)
    found: dict[int, Boxes3D] = {}
    for batch in by_size.values():
        data = collate([inputs[index] for index in batch], samples_per_gpu=len(batch))
        moved = to_device(data, device)
        generators = [torch.Generator(device).manual_seed(seed) for _ in batch]
        detected = model.detect(moved["img"], moved["img_metas"], generators, mc_samples, **others)
        found |= {index: boxes.to("cpu") for index, boxes in zip(batch, detected, strict=True)}
    return [found[index] for index in range(len(inputs))]


def _cameras(
    intrinsics: Camera | Sequence[Intrinsics], count: int, distortion: Sequence[float] | None
) -> list[Intrinsics]:
    """Intrinsics of each image.

    Raises:
        UserError: a list of `Intrinsics` of another length.
    """
    given = intrinsics if isinstance(intrinsics, (list, tuple)) else ()
    if any(isinstance(each, Intrinsics) for each in given):
        if len(given) != count:
            raise UserError(f"{len(given)} Intrinsics for {count} images; give one for each")
        cameras = [Intrinsics.of(each) for each in given]
    else:
        cameras = [Intrinsics.of(intrinsics)] * count
    if distortion is None:
        return cameras
    return [replace(camera, distortion=tuple(distortion)) for camera in cameras]


def _with_points_in_image(found: Boxes3D, camera: Intrinsics, img_meta: dict[str, Any]) -> Boxes3D:
    """Detections whose points, if they have any, are in pixels of the image in place of the
    network's input.

    Args:
        img_meta: meta of the image after the test pipeline.
    """
    if found.points is None:
        return found
    network = img_meta["camera"].matrix.double().numpy()
    level = np.asarray(img_meta.get("level_rotation", np.eye(3)))
    back = torch.from_numpy(camera.matrix @ level.T @ np.linalg.inv(network))
    ray = torch.nn.functional.pad(found.points.x2d.double(), (0, 1), value=1.0) @ back.T
    x2d = (ray[..., :2] / ray[..., 2:]).to(found.points.x2d)
    w2d = found.points.w2d * float(network[0, 0] / camera[0, 0])
    return replace(found, points=replace(found.points, x2d=x2d, w2d=w2d))


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


def _level_rotation(rotation: np.ndarray | None, pitch: float, roll: float) -> np.ndarray:
    """Rotation (3, 3) from the frame of a camera to its level frame; arguments as of `detect`."""
    if rotation is None:
        if not (abs(pitch) <= MAX_PITCH and abs(roll) <= MAX_ROLL):
            raise UserError(
                f"pitch {pitch:g} and roll {roll:g} must be within {MAX_PITCH} and {MAX_ROLL} "
                "degrees"
            )
        return rotation_of_tilt(pitch, roll).numpy()
    matrix = np.asarray(rotation, dtype=np.float64)
    if pitch or roll or matrix.shape != (3, 3):
        raise UserError("give the tilt as a 3x3 rotation, or as pitch and roll, not both")
    is_rotation = np.allclose(matrix @ matrix.T, np.eye(3), atol=ROUNDED)
    if not is_rotation or np.linalg.det(matrix) < 0:
        raise UserError(f"{matrix.tolist()} is no rotation from the camera to a level frame")
    # The level frame keeps the heading of the camera, whatever the heading of the frame given.
    return rotation_of_down(torch.from_numpy(matrix[1].copy())).numpy()


def _network_input(
    config: Config, image: OneImage, camera: Intrinsics, level: np.ndarray, channels: str
) -> dict[str, Any]:
    from mmdet3d.datasets.pipelines import Compose

    import epropnp_det.detection  # noqa: F401  registers the pipeline's steps

    info = _image_record(config.data.test.pipeline, camera, level)
    results: dict[str, Any] = dict(img_info=info, img_prefix=None)
    if isinstance(image, (str, Path)):
        results["img_info"] = dict(info, filename=str(image))
    else:
        results["img"] = to_bgr(image, channels)
    loaded = Compose(config.data.test.pipeline)(results)
    _warn_of_camera(loaded["img_metas"].data, camera)
    return loaded


def _image_record(
    pipeline: Sequence[dict[str, Any]], camera: Intrinsics, level: np.ndarray
) -> dict[str, Any]:
    """Record of an image as in an annotation file.

    Raises:
        UserError: a tilt or a distorting lens, and no step of the pipeline that takes them.
    """
    is_tilted = not np.array_equal(level, np.eye(3))
    is_distorting = not Lens(camera.matrix, camera.distortion or ()).is_pinhole
    is_canonical = canonical_step(pipeline) is not None
    if (is_tilted or is_distorting) and not is_canonical:
        raise UserError(
            "a tilted camera or a lens with distortion needs a canonical camera: make "
            "data.test.pipeline by make_test_pipeline(..., canonical=NUSCENES_CAMERA)"
        )
    record: dict[str, Any] = dict(cam_intrinsic=camera.matrix.tolist())
    if is_canonical:  # `level_by` would need the pose of the camera
        record["level_rotation"] = level.tolist()
    if is_distorting:
        record["distortion"] = camera.distortion
    return record


def _warn_of_camera(img_meta: dict[str, Any], camera: Intrinsics) -> None:
    """Warns of intrinsics that do not suit an image, and of what the network does not see of it.

    Args:
        img_meta: meta of the image after the test pipeline.
    """
    height, width = img_meta["ori_shape"][:2]
    for fault in camera_faults(camera, (width, height)):
        warnings.warn(fault, CameraWarning, stacklevel=4)
    is_warped = "level_rotation" in img_meta
    matrix = img_meta["camera"].matrix.double().numpy()
    seen = seen_share(
        Lens(camera.matrix, camera.distortion or ()),
        (width, height),
        matrix @ img_meta["level_rotation"] if is_warped else matrix,
        img_meta["img_shape"][1::-1],
    )
    message = f"the network sees {seen:.0%} of the {width}x{height} image"
    if seen < MIN_SEEN_SHARE:
        remedy = "set the crop or the canonical camera of data.test.pipeline for this camera"
        warnings.warn(f"{message}; {remedy}", CameraWarning, stacklevel=4)
    elif is_warped:
        message += ", which is warped to the canonical camera of the config"
        warnings.warn(message, OtherCameraWarning, stacklevel=4)
