"""Detections in the pictures that other cameras take of the scenes of a dataset.

Each image of a dataset is drawn as a camera of another size, focal length or tilt takes it. The
detections in it are compared with the ground truth, and with the detections of the same objects in
the original image.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from epropnp_det.engine.confined_names import file_under
from epropnp_det.engine.images import read_image
from epropnp_det.engine.lens import Lens
from epropnp_det.errors import CameraWarning, OtherCameraWarning, UserError

from ..boxes import Boxes3D
from ..data.canonical_camera import canonical_step
from ..data.image_view import ImageView
from ..data.projection import corners_of_yaw_box, truncation_by_region
from ..detector import EProPnPDet
from ..inference import detect
from ..level_frame import rotation_of_tilt
from .pose_distributions import match_detections

# Quantile of the squared distance of a normal distribution of two dimensions.
QUANTILE_95 = -2 * np.log(0.05)
ORIGINAL = "original"


@dataclass(frozen=True)
class OtherCamera:
    """A camera at the place of that of an image, with the same heading.

    Args:
        name: the name of the row in the table.
        size: width and height, px: the image is scaled until it fills them, and what lies outside
            is cut off evenly. None keeps the size of the image.
        focal: factor of the focal length in a picture of the same size.
        pitch, roll: tilt, degrees, as in `rotation_of_tilt`.
    """

    name: str
    size: tuple[int, int] | None = None
    focal: float = 1.0
    pitch: float = 0.0
    roll: float = 0.0

    @property
    def rotation(self) -> np.ndarray:
        """(3, 3) from the frame of this camera to its level frame, which is the camera frame of the
        image.
        """
        return rotation_of_tilt(self.pitch, self.roll).numpy()

    def matrix(self, matrix: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """(3, 3) camera matrix of the picture of an image with this matrix and size."""
        width, height = size if self.size is None else self.size
        scale = max(width / size[0], height / size[1])
        focal = scale * self.focal
        x = scale * (matrix[0, 2] - size[0] / 2) + width / 2
        y = scale * (matrix[1, 2] - size[1] / 2) + height / 2
        return np.array([[focal * matrix[0, 0], 0, x], [0, focal * matrix[1, 1], y], [0, 0, 1]])

    def view(self, pixels: np.ndarray, matrix: np.ndarray) -> ImageView:
        """The picture of an image (H, W, 3) with a camera matrix (3, 3); what the image does not
        cover is grey.
        """
        size = (pixels.shape[1], pixels.shape[0])
        target = self.matrix(matrix, size) @ self.rotation.T
        return ImageView(pixels, Lens(matrix), target, self.size or size, (114.0,) * 3)


CAMERAS = (
    OtherCamera(ORIGINAL),
    OtherCamera("800x450", (800, 450)),
    OtherCamera("640x480", (640, 480)),
    OtherCamera("1280x720", (1280, 720)),
    OtherCamera("1920x1080", (1920, 1080)),
    OtherCamera("portrait 720x1280", (720, 1280)),
    OtherCamera("focal length x0.7", focal=0.7),
    OtherCamera("focal length x1.4", focal=1.4),
    OtherCamera("pitch -10", pitch=-10.0),
    OtherCamera("pitch -5", pitch=-5.0),
    OtherCamera("pitch 5", pitch=5.0),
    OtherCamera("pitch 10", pitch=10.0),
    OtherCamera("roll 5", roll=5.0),
)


@dataclass(frozen=True)
class CameraSettings:
    """Which objects count.

    Args:
        score_threshold: detections with a lower score are left out.
        found_distance: largest distance on the ground, m, of a detection of the class of an object
            that is found.
        min_iou: least intersection over union of the projected boxes of a detection and the object
            whose depth it has.
        max_truncation: largest share of the projected rectangle of an object outside the picture.
        max_depth: largest depth of an object, m.
    """

    score_threshold: float = 0.2
    found_distance: float = 2.0
    min_iou: float = 0.5
    max_truncation: float = 0.8
    max_depth: float = 50.0


@dataclass(frozen=True)
class SeenObject:
    """An object of the ground truth in the picture of a camera."""

    index: int  # in the ground truth of the image
    found: bool
    depth: float  # m, of the ground truth
    # x, z, m, and their covariance, 2x2 row by row, m^2, of the detection that overlaps it.
    detection: tuple[float, ...] | None


def without_canonical_camera(model: nn.Module) -> nn.Module:
    """The same model, whose test pipeline crops pictures in place of warping them.

    Raises:
        UserError: another model than EProPnPDet, or a test pipeline without a canonical camera.
    """
    if not isinstance(model, EProPnPDet):
        raise UserError(f"a {type(model).__name__} has no covariances; use a config of EProPnPDet")
    plain = copy.copy(model)
    plain.cfg = copy.deepcopy(model.cfg)
    plain.cfg.data.test.pipeline = _cropping(model.cfg.data.test.pipeline)
    return plain


def _cropping(pipeline: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    warp = canonical_step(pipeline)
    if warp is None:
        raise UserError(
            "data.test.pipeline has no WarpToCanonicalCamera; make it by "
            "make_test_pipeline(..., canonical=NUSCENES_CAMERA)"
        )
    crop = dict(type="CropImage", box=warp["crop"])
    kept = [crop if step is warp else step for step in pipeline if step["type"] != "RenderView"]
    return [step for step in kept if step is not crop or warp["crop"] is not None]


def see_image(
    models: dict[str, nn.Module], dataset: Any, index: int, settings: CameraSettings
) -> dict[str, dict[str, list[SeenObject]]]:
    """Objects of an image of a dataset, by the name of the model and of the camera of `CAMERAS`.

    Args:
        models: by name; they detect with the seed `index`.
    """
    info = dataset.data_infos[index]
    pixels = read_image(file_under(dataset.img_prefix, info["filename"]))
    matrix = np.array(info["cam_intrinsic"])
    size = (pixels.shape[1], pixels.shape[0])
    truth = dataset.get_visible_boxes(index)
    near = torch.nonzero(truth.pose[:, 2] < settings.max_depth)[:, 0]
    seen: dict[str, dict[str, list[SeenObject]]] = {name: {} for name in models}
    for camera in CAMERAS:
        view = camera.view(pixels, matrix)
        picture = pixels if camera.name == ORIGINAL else view.render()
        kept = near[_truncation(truth[near], view) <= settings.max_truncation]
        for name, model in models.items():
            found = _detect(model, picture, camera.matrix(matrix, size), camera, index)
            found = found[found.require("score") >= settings.score_threshold]
            overlap = match_detections(found, truth[kept], matrix, size, settings.min_iou)
            objects = _compare(found, truth[kept], overlap.tolist(), settings.found_distance)
            seen[name][camera.name] = [
                replace(each, index=int(kept[each.index])) for each in objects
            ]
    return seen


def _detect(
    model: Any, picture: np.ndarray, matrix: np.ndarray, camera: OtherCamera, seed: int
) -> Boxes3D:
    """Detections in the camera frame of the image. A model without a canonical camera detects in
    the picture as if it were level, and its boxes are rotated afterwards.
    """
    is_canonical = canonical_step(model.cfg.data.test.pipeline) is not None
    pitch = camera.pitch if is_canonical else 0.0
    roll = camera.roll if is_canonical else 0.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CameraWarning)
        warnings.simplefilter("ignore", OtherCameraWarning)
        found = detect(model, picture, matrix, seed, pitch=pitch, roll=roll)
    rotation = torch.from_numpy(camera.rotation).float().expand(len(found), 3, 3)
    return replace(found, level_rotation=rotation).in_level_frame()


def _truncation(truth: Boxes3D, view: ImageView) -> Tensor:
    """Share (n,) of the projected rectangles of boxes that a view does not show."""
    rows = torch.cat((truth.pose[:, :3], truth.size, truth.pose[:, 3:]), 1).double().numpy()
    covered = view.covered()
    shares = [truncation_by_region(corners_of_yaw_box(row), view.target, covered) for row in rows]
    return torch.tensor(shares, dtype=torch.float64)


def _compare(
    found: Boxes3D, truth: Boxes3D, overlap: list[int], found_distance: float
) -> list[SeenObject]:
    """The objects of the ground truth, counted from 0.

    Args:
        overlap: for each detection the object that it overlaps most in the image, -1 for none.
    """
    apart = torch.cdist(truth.pose[:, :3:2], found.pose[:, :3:2])
    is_near = (apart < found_distance) & (truth.label[:, None] == found.label)
    ground = found.require("covariance")[:, :3:2, :3:2].flatten(1)
    objects = []
    for index, depth in enumerate(truth.pose[:, 2].tolist()):
        best = overlap.index(index) if index in overlap else None
        detection = None
        if best is not None:
            detection = (*found.pose[best, :3:2].tolist(), *ground[best].tolist())
        objects.append(SeenObject(index, bool(is_near[index].any()), depth, detection))
    return objects


def camera_table(
    images: Sequence[dict[str, dict[str, list[SeenObject]]]],
) -> list[dict[str, Any]]:
    """A row for each model and camera from the results of `see_image`.

    Each row has the number of objects; the share found, and that of the same objects in the
    original image; of the objects with a detection that overlaps them, here and in the original,
    the share inside the ellipse of 95 % that the detection in the original has on the ground;
    the median relative error of depth, and the median relative change of depth against the
    detection in the original.
    """
    names = list(images[0]) if images else []
    return [
        dict(model=name, camera=camera.name, **_row([image[name] for image in images], camera.name))
        for name in names
        for camera in CAMERAS
    ]


def _row(images: Sequence[dict[str, list[SeenObject]]], camera: str) -> dict[str, Any]:
    originals = [{each.index: each for each in image[ORIGINAL]} for image in images]
    seen = [
        (each, original.get(each.index))
        for image, original in zip(images, originals)
        for each in image[camera]
    ]
    detected = [(each.detection, each.depth) for each, _ in seen if each.detection is not None]
    both = [
        (each.detection, first.detection)
        for each, first in seen
        if each.detection is not None and first is not None and first.detection is not None
    ]
    return dict(
        objects=len(seen),
        found=_mean([each.found for each, _ in seen]),
        found_in_original=_mean([first is not None and first.found for _, first in seen]),
        compared=len(both),
        inside_95=_mean([_is_inside(here, original) for here, original in both]),
        depth_error=_median([here[1] / depth - 1 for here, depth in detected]),
        depth_change=_median([here[1] / original[1] - 1 for here, original in both]),
    )


def _is_inside(here: tuple[float, ...], original: tuple[float, ...]) -> bool:
    """Whether a position lies in the 95 % ellipse of the detection in the original image."""
    offset = np.subtract(here[:2], original[:2])
    covariance = np.reshape(original[2:], (2, 2))
    return bool(offset @ np.linalg.solve(covariance, offset) < QUANTILE_95)


def _median(values: Sequence[float]) -> float | None:
    return float(np.median(values)) if values else None


def _mean(values: Sequence[bool]) -> float | None:
    return float(np.mean(values)) if values else None


def as_markdown(rows: Sequence[dict[str, Any]]) -> str:
    """The rows of `camera_table` as a table."""
    head = (
        "| model | camera | objects | found | the same in the original | inside 95 % | "
        "median depth error | median depth change |\n|---|---|---|---|---|---|---|---|\n"
    )
    return head + "".join(
        f"| {row['model']} | {row['camera']} | {row['objects']} | {_shown(row['found'], '.2f')} | "
        f"{_shown(row['found_in_original'], '.2f')} | {_shown(row['inside_95'], '.2f')} | "
        f"{_shown(row['depth_error'], '+.1%')} | {_shown(row['depth_change'], '+.1%')} |\n"
        for row in rows
    )


def _shown(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)


def to_json(seen: dict[str, dict[str, list[SeenObject]]]) -> dict[str, Any]:
    """The result of `see_image` as plain values."""
    return {
        name: {camera: [asdict(each) for each in objects] for camera, objects in cameras.items()}
        for name, cameras in seen.items()
    }


def from_json(content: dict[str, Any]) -> dict[str, dict[str, list[SeenObject]]]:
    """The inverse of `to_json`."""
    return {
        name: {
            camera: [SeenObject(**each) for each in objects] for camera, objects in cameras.items()
        }
        for name, cameras in content.items()
    }
