"""The camera that a network sees through: pictures of other cameras are warped to it.

`CanonicalCamera` describes the cameras that a network was trained for. `WarpToCanonicalCamera`
moves the picture, the camera and the ground truth to such a camera; `WarpToRandomCamera` varies the
camera in training. Both end in an `ImageView`: later crops, resizes and flips move it, and
`RenderView` draws it.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from mmdet3d.datasets.builder import PIPELINES
from shapely import affinity
from shapely.geometry.base import BaseGeometry

from epropnp_det.engine.lens import Lens
from epropnp_det.errors import UserError
from epropnp_det.pnp import Camera

from ..boxes import MMDET3D_BOXES, boxes_to_level, from_mmdet3d
from ..level_frame import rotation_of_down, rotation_of_tilt
from .frames import RigidTransform
from .image_view import ImageView
from .projection import box_in_region, corners_of_yaw_box, truncation_by_region
from .transforms import CropImage, with_view

Range = tuple[float, float]
# Mean of ImageNet, blue first: zero once it is normalised, as padding is.
MEAN_COLOR = (103.53, 116.28, 123.675)
# Focal lengths along x and y that differ by less count as equal pixels.
SQUARE_PIXEL = 0.01
ROUNDING = 1e-6  # px
# Frames of an annotation file whose z axis points up, by their name in `level_by`.
UP_FRAMES = {
    "ego": RigidTransform.camera_to_ego,
    "global": RigidTransform.camera_to_global,
}


@dataclass(frozen=True)
class CanonicalCamera:
    """The cameras that a network was trained for: a level view of one size, a range of focal
    lengths and a region of the principal point.

    Args:
        size: width and height of the view, px.
        focal: smallest and largest focal length, px of the view.
        kept_focal: further ranges of focal lengths that stay as they are, px of the view: those of
            cameras of which the network saw few.
        widest: largest width of the view, px: a picture with a wider field of view extends it
            evenly to the left and to the right. None for the width of `size`.
        principal_x, principal_y: smallest and largest coordinate of the principal point, px of the
            view. In a level view `principal_y` is the row of the horizon.

    Raises:
        ValueError: a range that is empty or not finite, or a size or focal length below 1 px.
    """

    size: tuple[int, int]
    focal: Range
    principal_x: Range
    principal_y: Range
    kept_focal: tuple[Range, ...] = ()
    widest: int | None = None

    def __post_init__(self) -> None:
        ranges = dict(focal=self.focal, principal_x=self.principal_x, principal_y=self.principal_y)
        kept = {f"kept_focal[{i}]": pair for i, pair in enumerate(self.kept_focal)}
        for name, (low, high) in (ranges | kept).items():
            if not (math.isfinite(low) and math.isfinite(high) and low <= high):
                raise ValueError(f"{name} must be (smallest, largest), not ({low}, {high})")
        if min(self.size) < 1 or self.focal[0] < 1:
            raise ValueError(f"size {self.size} and focal {self.focal} must be at least 1 px")
        if self.widest is not None and self.widest < self.size[0]:
            raise ValueError(f"widest {self.widest} must be at least the width {self.size[0]}")

    def intrinsics(self, matrix: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """Camera matrix (3, 3) of the view of a picture.

        The picture is scaled to the width of the view. Focal length and principal point then change
        no more than it takes to lie in their ranges, so a picture of one of the network's own
        cameras keeps its matrix to the bit.

        Args:
            matrix: (3, 3) camera matrix of the picture, px.
            size: width and height of the picture, px.
        """
        focal = matrix[0, 0] * (self.size[0] / size[0])
        if not any(low <= focal <= high for low, high in self.kept_focal):
            focal = np.clip(focal, *self.focal)
        scale = focal / matrix[0, 0]
        is_square = abs(matrix[1, 1] / matrix[0, 0] - 1) < SQUARE_PIXEL
        scale_y = scale if is_square else focal / matrix[1, 1]
        x = np.clip(scale * matrix[0, 2], *self.principal_x)
        y = np.clip(scale_y * matrix[1, 2], *self.principal_y)
        return np.array([[focal, 0.0, x], [0.0, scale_y * matrix[1, 1], y], [0.0, 0.0, 1.0]])


@PIPELINES.register_module()
class WarpToCanonicalCamera:
    """Moves picture, camera and ground truth to a canonical camera.

    A picture of one of the network's own cameras stays as it is and is cropped. Of all others
    `results["view"]` is what the canonical camera sees, cut to what the picture covers of it:
    `RenderView` draws it after all steps that move pixels. The ground truth and the camera are
    then in the level frame. Rectangles and truncation are those of the projected 3D boxes.

    A record `results["img_info"]` of the image may have `level_rotation` (3, 3), from the camera
    frame to the level frame, and `distortion`, the coefficients of a `Lens`. A camera without them
    is level, or its lens a pinhole.

    Args:
        camera: the fields of `CanonicalCamera`.
        crop: x0, y0, x1, y1 in px of the canonical view, the part that the network sees; None for
            all of it.
        fill: colour of what the picture does not cover, blue first. The mean of the normalisation
            becomes zero, as padding is.
        level_by: frame of the annotation file whose z axis points up, "ego" or "global", for images
            without `level_rotation`. None takes their cameras as level.

    Raises:
        ValueError: another `level_by`.
        UserError: the picture shows nothing of the canonical view.
    """

    def __init__(
        self,
        camera: dict[str, Any],
        crop: tuple[int, int, int, int] | None = None,
        fill: tuple[float, float, float] = MEAN_COLOR,
        level_by: str | None = None,
    ):
        if level_by not in (None, *UP_FRAMES):
            raise ValueError(f"level_by must be one of {', '.join(UP_FRAMES)}, not {level_by!r}")
        self.level_by = level_by
        self.camera = CanonicalCamera(**camera)
        width, height = self.camera.size
        self.crop = (0, 0, width, height) if crop is None else crop
        self.fill = fill

    def __call__(self, results: dict) -> dict:
        intrinsics = self._intrinsics(results)
        width, height = self.camera.size
        scale = intrinsics[0, 0] / float(results["camera"].matrix[0, 0])
        # Of a picture that is tilted and not wide, only corners would extend the view.
        is_wide = scale * results["img_shape"][1] > width + ROUNDING
        seen = self.camera.widest if is_wide and self.camera.widest is not None else width
        return self._warp(results, intrinsics, np.eye(3), (seen, height))

    def _intrinsics(self, results: dict) -> np.ndarray:
        height, width = results["img_shape"][:2]
        return self.camera.intrinsics(results["camera"].matrix.double().numpy(), (width, height))

    def _warp(
        self, results: dict, intrinsics: np.ndarray, tilt: np.ndarray, size: tuple[int, int]
    ) -> dict:
        """The results for a camera (3, 3) whose frame is `tilt` (3, 3) times the level frame, in
        the middle `size` of the canonical view.
        """
        info = results["img_info"]
        matrix = results["camera"].matrix.double().numpy()
        level = level_rotation(info, self.level_by)
        lens = Lens(matrix, tuple(info.get("distortion") or ()))
        target = intrinsics @ tilt @ level
        view = ImageView(results["img"], lens, target, self.camera.size, self.fill)
        part = self._middle(size)
        is_same = np.array_equal(target, matrix) and lens.is_pinhole
        if is_same and results["img_shape"][1::-1] == view.size:
            return CropImage(part)(results)
        shown = view.crop(*part).covered()
        x0, y0, x1, y1 = _whole_pixels(affinity.translate(shown, *part[:2]))
        if x1 <= x0 or y1 <= y0:
            raise UserError(
                f"the canonical view shows nothing of image {results['filename']}; check its "
                "intrinsics and its tilt"
            )
        view = view.crop(x0, y0, x1, y1)
        moved = with_view(results, view)
        moved.update(camera=self._camera(intrinsics @ tilt, (x0, x1), y0), level_rotation=level)
        if "lidar_points" in results:
            points = results["lidar_points"].warp(view.homography, level @ np.linalg.inv(matrix))
            moved["lidar_points"] = points.inside(*view.size)
        if "gt_bboxes_3d" in results:
            boxes = boxes_to_level(results["gt_bboxes_3d"], torch.from_numpy(level))
            cropped = np.array([[1.0, 0.0, -x0], [0.0, 1.0, -y0], [0.0, 0.0, 1.0]]) @ intrinsics
            rectangles, truncation = _rectangles(boxes, tilt, cropped, view.covered())
            moved.update(gt_bboxes_3d=boxes, gt_bboxes=rectangles, truncation=truncation)
        return moved

    def _middle(self, size: tuple[int, int]) -> tuple[int, int, int, int]:
        """The crop's part in the middle `size` (width, height) of the canonical view."""
        left = (self.camera.size[0] - size[0]) // 2
        top = (self.camera.size[1] - size[1]) // 2
        overhang = max(0, -left)
        x0, y0, x1, y1 = self.crop
        return (
            max(x0 - overhang, left),
            max(y0, top),
            min(x1 + overhang, left + size[0]),
            min(y1, top + size[1]),
        )

    def _camera(self, matrix: np.ndarray, columns: tuple[int, int], top: int) -> Camera:
        """The camera of the part of the canonical view between two columns, below the row `top`;
        matrix (3, 3) is that of the canonical view.
        """
        left = min(0, columns[0])
        size = (max(self.camera.size[0], columns[1]) - left, self.camera.size[1])
        shift = np.array([[1.0, 0.0, -left], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
        whole = Camera.for_image(torch.from_numpy(shift @ matrix).float(), size)
        return whole.crop(columns[0] - left, top)


@PIPELINES.register_module()
class WarpToRandomCamera(WarpToCanonicalCamera):
    """`WarpToCanonicalCamera` for training, followed by a random change of the camera.

    The network sees the picture of a camera with another focal length that is tilted and has
    another size. The ground truth stays in the level frame: the tilt is a part of the camera's
    matrix, M = K R.

    Args:
        camera, crop, fill, level_by: as of `WarpToCanonicalCamera`.
        focal_scale: smallest and largest factor of the focal length; its logarithm is uniform.
        pitch, roll: largest angles of the tilt, degrees; both are uniform.
        sizes: (width, height) in px of the canonical view; one of them is drawn, and the network
            sees this middle part of the view. Empty for the whole view.
        identity: probability that nothing is changed.
    """

    def __init__(
        self,
        camera: dict[str, Any],
        crop: tuple[int, int, int, int] | None = None,
        fill: tuple[float, float, float] = MEAN_COLOR,
        level_by: str | None = None,
        focal_scale: Range = (0.7, 1.4),
        pitch: float = 10.0,
        roll: float = 5.0,
        sizes: Sequence[tuple[int, int]] = (),
        identity: float = 0.2,
    ):
        super().__init__(camera, crop, fill, level_by)
        if not 0 < focal_scale[0] <= focal_scale[1]:
            raise ValueError(f"focal_scale must be (smallest, largest), not {focal_scale}")
        if not 0 <= identity <= 1:
            raise ValueError(f"identity must lie in [0, 1], not {identity}")
        self.focal_scale = focal_scale
        self.pitch = pitch
        self.roll = roll
        self.sizes = list(sizes) or [self.camera.size]
        self.identity = identity

    def __call__(self, results: dict) -> dict:
        if random.random() < self.identity:
            return super().__call__(results)
        scale = math.exp(random.uniform(*np.log(self.focal_scale)))
        pitch = random.uniform(-self.pitch, self.pitch)
        roll = random.uniform(-self.roll, self.roll)
        intrinsics = self._intrinsics(results) * np.array([[scale, 1, 1], [1, scale, 1], [1, 1, 1]])
        tilt = rotation_of_tilt(pitch, roll).numpy().T
        return self._warp(results, intrinsics, tilt, random.choice(self.sizes))


@PIPELINES.register_module()
class RenderView:
    """Draws the view of the earlier steps, if there is one, as `results["img"]`."""

    def __call__(self, results: dict) -> dict:
        if "view" not in results:
            return results
        kept = {key: value for key, value in results.items() if key != "view"}
        return dict(kept, img=results["view"].render())


def level_rotation(info: dict[str, Any], level_by: str | None) -> np.ndarray:
    """Rotation (3, 3) from the camera frame of an image to its level frame.

    Args:
        info: record of the annotation file; `level_rotation` there comes first.
        level_by: see `WarpToCanonicalCamera`.

    Raises:
        UserError: the camera points straight up or down.
    """
    if "level_rotation" in info:
        return np.array(info["level_rotation"], dtype=np.float64)
    if level_by is None:
        return np.eye(3)
    up = UP_FRAMES[level_by](info).rotation[2]
    try:
        return rotation_of_down(torch.from_numpy(-up)).numpy()
    except ValueError as error:
        raise UserError(f"image {info['file_name']}: {error}") from error


def level_rotation_of(info: dict[str, Any], pipeline: Sequence[Mapping[str, Any]]) -> np.ndarray:
    """`level_rotation` (3, 3) of an image, as the steps of a config's pipeline take it.

    Raises:
        UserError: the camera points straight up or down.
    """
    step = canonical_step(pipeline)
    return level_rotation(info, None if step is None else step.get("level_by"))


def canonical_step(pipeline: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The settings of `WarpToCanonicalCamera` in a config's pipeline; None where it has none."""
    kind = WarpToCanonicalCamera.__name__
    return next((step for step in pipeline if step["type"] == kind), None)


def _whole_pixels(region: BaseGeometry) -> tuple[int, int, int, int]:
    """x0, y0, x1, y1 of the pixels that lie between the bounds of a region; all 0 if it is
    empty.
    """
    if region.area == 0:
        return 0, 0, 0, 0
    low_x, low_y, high_x, high_y = region.bounds
    # The bounds of a picture that is only resized are whole numbers, up to rounding.
    return (
        math.ceil(low_x - ROUNDING),
        math.ceil(low_y - ROUNDING),
        math.floor(high_x + ROUNDING),
        math.floor(high_y + ROUNDING),
    )


def _rectangles(
    boxes: MMDET3D_BOXES, tilt: np.ndarray, intrinsics: np.ndarray, region: BaseGeometry
) -> tuple[np.ndarray, np.ndarray]:
    """Rectangles (n, 4) around what a region of the image shows of boxes in the level frame, zero
    where it shows nothing, and the truncation (n,).

    Args:
        boxes: n boxes of mmdet3d.
        tilt: (3, 3) rotation from the level frame to that of the camera.
        intrinsics: (3, 3) camera matrix, px.
    """
    pose, size, _ = (value.double().numpy() for value in from_mmdet3d(boxes))
    rows = np.concatenate([pose[:, :3], size, pose[:, 3:]], axis=1)
    corners = [corners_of_yaw_box(row) @ tilt.T for row in rows]
    shown = [box_in_region(each, intrinsics, region) for each in corners]
    cut = [truncation_by_region(each, intrinsics, region) for each in corners]
    rectangles = [np.zeros(4) if each is None else each for each in shown]
    return (
        np.array(rectangles, dtype=np.float32).reshape(-1, 4),
        np.array(cut, dtype=np.float32),
    )
