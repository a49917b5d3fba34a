"""Pictures of the tracked boxes of a scene: all cameras, and the vehicle's surroundings from
above.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from epropnp_det.drawing.birdseye import plane_ellipse
from epropnp_det.drawing.boxes import draw_boxes
from epropnp_det.drawing.palette import bgr, class_rgb
from epropnp_det.drawing.wireframe import FOOTPRINT
from epropnp_det.engine.confined_names import file_under
from epropnp_det.engine.images import read_image

from ..data.frames import RigidTransform
from ..evaluation.scene_tracks import Sample, Scene, TrackedBoxes

# Cameras that fit into one row of the picture.
_IN_A_ROW = 3
# Metres around the vehicle that the view from above shows on each side.
_REACH = 45.0
_RINGS = (20, 40)  # m
# Boxes with a corner nearer than this to the camera's plane are not drawn [m].
_NEAREST = 0.5


def draw_scene(
    scene: Scene,
    tracked: Sequence[TrackedBoxes],
    class_names: Sequence[str],
    root: Path,
    width: int,
) -> list[np.ndarray]:
    """A picture (H, W, 3) uint8 BGR of each sample: two rows of cameras, or the only one.

    Cameras ahead are in the upper row and those behind in the lower one, from left to right; an
    image's camera has the name of its folder.

    Args:
        scene: the samples.
        tracked: boxes of each sample.
        class_names: names of the labels.
        root: folder of the images.
        width: width of each camera's picture [px].

    Raises:
        UserError: an image is missing or truncated.
    """
    ways: dict[int, list[np.ndarray]] = {}
    frames = []
    layout = _layout({k: image for each in scene.samples for k, image in _cameras(each).items()})
    pairs = tqdm(list(zip(scene.samples, tracked)), desc="drawing", unit="sample", disable=None)
    for sample, one in pairs:
        for number, center in zip(one.identity.tolist(), one.boxes.center):
            ways.setdefault(number, []).append(center[:2])
        cameras = _cameras(sample)
        images = [[None if name is None else cameras.get(name) for name in row] for row in layout]
        rows = [
            [_camera_picture(root, image, one, class_names, width) for image in row]
            for row in images
        ]
        pictures = np.concatenate([np.concatenate(row, axis=1) for row in rows])
        frames.append(np.concatenate((pictures, _from_above(sample, one, ways, len(pictures))), 1))
    return frames


def _cameras(sample: Sample) -> dict[str, dict[str, Any]]:
    """The images of a sample by their cameras."""
    return {Path(image["file_name"]).parent.name: image for image in sample.images}


def _layout(cameras: Mapping[str, dict[str, Any]]) -> list[list[str | None]]:
    """Rows of cameras by their headings; None for an empty place.

    Args:
        cameras: an image of each.
    """
    if len(cameras) == 1:
        return [list(cameras)]

    def azimuth(name: str) -> float:
        """Of the optical axis, from ahead to the left [rad], within half a turn."""
        x, y, _ = RigidTransform.camera_to_ego(cameras[name]).rotation[:, 2]
        return float(np.arctan2(y, x))

    from_ahead = sorted(cameras, key=lambda name: abs(azimuth(name)))
    columns = max(math.ceil(len(cameras) / 2), min(len(cameras), _IN_A_ROW))
    ahead = sorted(from_ahead[:columns], key=azimuth, reverse=True)
    behind = sorted(from_ahead[columns:], key=lambda name: azimuth(name) % (2 * math.pi))
    return [[*ahead], [*behind, *[None] * (columns - len(behind))]]


def _camera_picture(
    root: Path,
    image: dict[str, Any] | None,
    tracked: TrackedBoxes,
    class_names: Sequence[str],
    width: int,
) -> np.ndarray:
    """The image of a camera with the boxes in it, (9/16 width, width, 3); grey without a camera."""
    size = (width, round(width * 9 / 16))
    if image is None:
        return np.full((size[1], size[0], 3), 128, np.uint8)
    pixels = read_image(file_under(root, image["file_name"]))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    scale = np.array([[size[0] / image["width"]], [size[1] / image["height"]], [1.0]])
    corners = RigidTransform.camera_to_global(image).inverse()(tracked.boxes.corners())
    ahead = corners[:, :, 2].min(axis=1) > _NEAREST
    label = tracked.boxes.label[ahead]
    captions = [
        f"{class_names[index]} {number}" for index, number in zip(label, tracked.identity[ahead])
    ]
    matrix = scale * np.array(image["cam_intrinsic"])
    return draw_boxes(small, matrix, corners[ahead], label, captions=captions)


def _from_above(
    sample: Sample, tracked: TrackedBoxes, ways: Mapping[int, Sequence[np.ndarray]], side: int
) -> np.ndarray:
    """The surroundings of the vehicle, which faces up, (side, side, 3): footprints, two standard
    deviations of their positions, and where each track has been.
    """
    # Ego x ahead is up in the picture, ego y to the left is left.
    axes = -side / (2 * _REACH) * sample.ego.rotation[:2, [1, 0]]

    def pixel(points: np.ndarray) -> np.ndarray:
        return (points - sample.ego.translation[:2]) @ axes + side / 2

    picture = np.full((side, side, 3), 255, np.uint8)
    for reach in _RINGS:
        radius = round(side * reach / (2 * _REACH))
        cv2.circle(picture, (side // 2, side // 2), radius, (225, 225, 225))
    footprints = pixel(tracked.boxes.corners()[:, list(FOOTPRINT), :2])
    covariances = axes.T @ tracked.boxes.covariance[:, :2, :2] @ axes
    for index, number in enumerate(tracked.identity.tolist()):
        color = bgr(class_rgb(tracked.boxes.label[index]))
        way = pixel(np.array(ways[number]))
        cv2.polylines(picture, [np.round(way).astype(int)], False, color, 1, cv2.LINE_AA)
        outline = np.round(footprints[index]).astype(int)
        cv2.polylines(picture, [outline], True, color, 2, cv2.LINE_AA)
        _draw_ellipse(picture, way[-1], covariances[index], color)
        place = np.round(way[-1] + 4).astype(int).tolist()
        font = cv2.FONT_HERSHEY_SIMPLEX
        cv2.putText(picture, str(number), place, font, 0.35, color, 1, cv2.LINE_AA)
    nose = np.array([[0, -6], [-4, 5], [4, 5]]) + side // 2
    cv2.fillPoly(picture, [nose], (0, 0, 0))
    return picture


def _draw_ellipse(
    picture: np.ndarray, center: np.ndarray, covariance: np.ndarray, color: tuple[int, int, int]
) -> None:
    """Two standard deviations of a covariance (2, 2) [px^2], where it is known."""
    if not np.isfinite(covariance).all():
        return
    along, across, angle = plane_ellipse(covariance, 2.0)
    cv2.ellipse(picture, (tuple(center.tolist()), (along, across), angle), color, 1, cv2.LINE_AA)
