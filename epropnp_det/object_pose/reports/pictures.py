"""Pictures of predicted poses: outlines and axes on the image, and each object close up with its
maps and the distribution of its orientation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from epropnp_det.drawing.layout import side_by_side, stacked
from epropnp_det.drawing.maps import draw_coordinates, draw_weights
from epropnp_det.drawing.orientation_map import draw_orientation_density
from epropnp_det.drawing.palette import bgr, class_rgb
from epropnp_det.drawing.silhouette import draw_axes, draw_outline
from epropnp_det.posterior.density import radius_containing_mass, resample

from ..data.coordinate_maps import object_maps, pixel_centers
from ..data.crops import CropWindow, crop_image
from ..data.detection_file import Detection
from ..data.ray_scenes import RayScenes
from ..data.scene_layout import StandingObject
from ..inference import PoseEvidence
from ..rigid_pose import RigidPose
from ..structures import ObjectPoses

_PANEL = 260  # px
_WIDTH = 6 * _PANEL
_SHOWN_SAMPLES = 40
_AXIS = 0.6  # length of an axis, in diameters
_SHARE = 0.68  # of the weight within "±"
_COLUMNS = ("patch and sampled axes", "coordinates", "weights of x", "weights of y")


@dataclass(frozen=True)
class View:
    """A picture and its camera.

    Args:
        image: (H, W, 3) uint8 BGR.
        matrix: (3, 3) [px], pixel centres at half integers.
    """

    image: np.ndarray
    matrix: np.ndarray

    def resized(self, width: int) -> View:
        """The same picture in another size."""
        scale = width / self.image.shape[1]
        size = (width, round(self.image.shape[0] * scale))
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        return View(
            cv2.resize(self.image, size, interpolation=how),
            np.diag([scale, scale, 1.0]) @ self.matrix,
        )

    def cropped(self, window: CropWindow, size: int) -> View:
        """A square of the picture, `size` px wide."""
        scale = size / window.side
        shift = -scale * window.origin
        cut = np.array([[scale, 0, shift[0]], [0, scale, shift[1]], [0, 0, 1]])
        return View(crop_image(self.image, window, size), cut @ self.matrix)


@dataclass(frozen=True)
class Samples:
    """Posterior of one object.

    Args:
        pose: (S, 7) x, y, z [m], qw, qx, qy, qz.
        weight: (S,), summing to one.
    """

    pose: np.ndarray
    weight: np.ndarray


def draw_poses(
    view: View,
    scenes: RayScenes,
    detections: Sequence[Detection],
    evidence: PoseEvidence | None,
) -> np.ndarray:
    """The image with the outlines and axes of all objects, and a row of panels for each.

    Args:
        scenes: models of all objects.
        detections: (B,) boxes.
        evidence: (B,) their poses, on the CPU; None for no objects.
    """
    large = draw_outlines(view.resized(_WIDTH), scenes, detections, evidence)
    if evidence is None:
        return large
    rows = [
        draw_row(view, scenes, detection, evidence[index], index)
        for index, detection in enumerate(detections)
    ]
    return stacked(large, *rows)


def draw_outlines(
    view: View,
    scenes: RayScenes,
    detections: Sequence[Detection],
    evidence: PoseEvidence | None,
) -> np.ndarray:
    """The image (H, W, 3) with the outlines and axes of all objects; arguments as of
    `draw_poses`.
    """
    if evidence is None:
        return view.image
    for index, detection in enumerate(detections):
        view = draw_object(view, scenes, detection.object_id, evidence.poses[index], index)
    return view.image


def draw_object(
    view: View, scenes: RayScenes, object_id: int, pose: ObjectPoses, number: int
) -> View:
    """The view with the outline and the axes of an object; the view itself for one without a pose.

    Args:
        pose: that of one object, without batch dims.
        number: place of the object, for its colour.
    """
    if not pose.valid:
        return view
    placed = StandingObject(object_id, RigidPose.from_vector(pose.pose.numpy()))
    pixels = pixel_centers(view.image.shape[1], view.image.shape[0])
    (maps,) = object_maps(scenes, [placed], view.matrix, pixels)
    outlined = draw_outline(view.image, maps.mask, bgr(class_rgb(number)))
    return with_axes(View(outlined, view.matrix), scenes, object_id, placed.pose[None])


def draw_row(
    view: View, scenes: RayScenes, detection: Detection, evidence: PoseEvidence, number: int
) -> np.ndarray:
    """The panels of one object, (_PANEL + strips, 6 _PANEL, 3).

    Args:
        evidence: that of one object, without batch dims.
    """
    geometry = evidence.geometry
    pose = evidence.poses
    window = CropWindow(geometry.origin.numpy().astype(float), float(geometry.side))
    patch = view.cropped(window, _PANEL)
    samples = samples_of(pose)
    if samples is not None:
        chosen = RigidPose.from_vector(samples.pose[resample(samples.weight, _SHOWN_SAMPLES)])
        patch = with_axes(patch, scenes, detection.object_id, chosen, opacity=0.35)
    close = draw_object(patch, scenes, detection.object_id, pose, number)
    weight = evidence.weight.numpy().astype(float)
    panels = side_by_side(
        close.image,
        draw_coordinates(evidence.noc.numpy(), weight.mean(axis=0), _PANEL),
        draw_weights(weight[0], _PANEL),
        draw_weights(weight[1], _PANEL),
        _orientation_panel(pose, samples),
    )
    return stacked(
        _strip(_title(detection, evidence, samples), number), panels, _strip_of_columns()
    )


def with_axes(
    view: View, scenes: RayScenes, object_id: int, poses: RigidPose, opacity: float = 1.0
) -> View:
    """The view with the axes of an object at its poses (n,)."""
    length = _AXIS * scenes.models[object_id].diameter
    places = (poses.rotation, poses.translation)
    return View(draw_axes(view.image, view.matrix, *places, length, opacity), view.matrix)


def samples_of(pose: ObjectPoses) -> Samples | None:
    """The posterior of one object; None for one without a pose or without samples."""
    if not pose.valid or pose.sample_pose is None or pose.sample_weight is None:
        return None
    weight = pose.sample_weight.numpy().astype(float)
    return Samples(pose.sample_pose.numpy().astype(float), weight) if weight.sum() > 0 else None


def _orientation_panel(pose: ObjectPoses, samples: Samples | None) -> np.ndarray:
    if samples is None:
        return np.full((_PANEL, 2 * _PANEL, 3), 255, np.uint8)
    rotation = RigidPose.from_vector(samples.pose).rotation
    best = RigidPose.from_vector(pose.pose.numpy()).rotation
    return draw_orientation_density(rotation, samples.weight, best, height=_PANEL)


def _title(detection: Detection, evidence: PoseEvidence, samples: Samples | None) -> str:
    """Object, position, the spread of its posterior, and the shares of its modes."""
    pose = evidence.poses
    name = f"object {detection.object_id}"
    if not pose.valid:
        return f"{name}: no pose; the correspondences determine none"
    x, y, z = pose.pose[:3].tolist()
    place = f"{name}: x {x:.3f}, y {y:.3f}, z {z:.3f} m"
    if samples is None:
        return place
    position, angle = spread(pose.pose.numpy().astype(float), samples)
    shares = evidence.modes.weight[evidence.modes.valid].tolist()
    modes = ", ".join(f"{100 * share:.0f} %" for share in shares)
    found = f"{place}, +- {1000 * position:.0f} mm; orientation +- {angle:.1f} degrees"
    return f"{found}; modes {modes}" if len(shares) > 1 else found


def spread(best: np.ndarray, samples: Samples) -> tuple[float, float]:
    """Distance [m] and angle [degrees] from the pose (7,) within which 68 % of the weight of the
    samples lie.
    """
    away = np.linalg.norm(samples.pose[:, :3] - best[:3], axis=1)
    cosine = np.clip(np.abs(samples.pose[:, 3:] @ best[3:]), 0, 1)
    angle = np.degrees(2 * np.arccos(cosine))
    position = radius_containing_mass(away[None], samples.weight, _SHARE)[0]
    return float(position), float(radius_containing_mass(angle[None], samples.weight, _SHARE)[0])


def _strip(text: str, number: int) -> np.ndarray:
    """A line of text in the object's colour."""
    strip = np.full((28, _WIDTH, 3), 255, np.uint8)
    return cv2.putText(
        strip, text, (8, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.55, bgr(class_rgb(number)), 1, cv2.LINE_AA
    )


def _strip_of_columns() -> np.ndarray:
    """The names of the panels."""
    strip = np.full((20, _WIDTH, 3), 255, np.uint8)
    for column, name in enumerate((*_COLUMNS, "directions of the axes: x red, y green, z blue")):
        place = (column * _PANEL + 8, 14)
        cv2.putText(strip, name, place, cv2.FONT_HERSHEY_SIMPLEX, 0.4, (90,) * 3, 1, cv2.LINE_AA)
    return strip
