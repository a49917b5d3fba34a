"""The objects of a scene with the numbers of their tracks, from the boxes of all its images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from pathlib import Path
from typing import Any

import numpy as np

from epropnp_det.errors import UserError

from ..boxes import Boxes3D
from ..data.annotation_completion import complete
from ..data.annotation_file import read_annotations
from ..data.class_set import ClassSet
from ..data.frames import RigidTransform
from ..data.nuscenes_dataset import MIN_VISIBILITY
from ..tracking import MOVING_CAMERA, GroundDetections, TrackerSettings, Tracks, update
from .camera_fusion import FusionSettings, GlobalBoxes3D, fuse, in_range, to_global_frame, usable
from .identity_metrics import IdentityScores, TrackedObjects, identity_scores

KEYFRAME_SECONDS = 0.5
# [s] between two samples; closer ones have numbers in their names that count something else.
MIN_INTERVAL = 1e-3
# Keys of an image record that a file of single images lacks.
_OF_SCENES = {"token", "ego2global_rotation", "ego2global_translation"}
# Of the numbers in `box_records`.
FRAME = (
    "global: x east, y north, z up; centre of gravity [m]; size = width, length, height [m]; "
    "yaw about z [rad]; velocity [m/s]"
)


@dataclass(frozen=True)
class Sample:
    """Image records of one instant, at least one, and its time [s]."""

    images: Sequence[dict[str, Any]]
    time: float

    @property
    def ego(self) -> RigidTransform:
        """From the vehicle to the global frame, at the time of the first image."""
        return RigidTransform.ego_to_global(self.images[0])


@dataclass(frozen=True)
class Scene:
    """The samples of a scene in the order of time, at least one.

    Args:
        samples: with records of the annotation file, complete.
        annotations: records of each image by its id; None where the true tracks are not known.
    """

    samples: Sequence[Sample]
    annotations: Mapping[Any, Sequence[dict[str, Any]]] | None

    @property
    def interval(self) -> float:
        """Mean time between two samples [s]; that of nuScenes' keyframes where there is none."""
        whole = self.samples[-1].time - self.samples[0].time
        return whole / max(len(self.samples) - 1, 1) or KEYFRAME_SECONDS


@dataclass(frozen=True)
class TrackedBoxes:
    """Boxes of a sample, each object once, and the numbers (n,) of their tracks."""

    boxes: GlobalBoxes3D
    identity: np.ndarray


def read_scene(file: Path, root: Path, log: str, tick: float = 1e-6) -> Scene:
    """The scene whose images have `log` in their file names.

    Args:
        file: annotation file of a nuScenes database.
        root: folder of its images.
        log: part of the file names.
        tick: seconds that the numbers at the end of the file names count; nuScenes' are
            microseconds.

    Raises:
        UserError: the file has mistakes, no such image, images without sample, ego pose or time, or
            samples that are hardly apart in time.
    """
    given = read_annotations(file)
    for image in given["images"]:
        if log in image["file_name"] and not image.keys() >= _OF_SCENES:
            raise UserError(f"{image['file_name']} has no 'token' or no ego pose")
    content = complete(given, root)
    by_token: dict[Any, list[dict[str, Any]]] = {}
    for image in content["images"]:
        if log in image["file_name"]:
            by_token.setdefault(image["token"], []).append(image)
    if not by_token:
        raise UserError(f"no image's file name contains {log!r}; see --log")
    samples = [Sample(images, tick * _number(images[0])) for images in by_token.values()]
    _check_times(samples)
    is_tracked = all("instance_token" in each for each in given["annotations"])
    return Scene(
        sorted(samples, key=lambda sample: sample.time),
        _by_image(content["annotations"]) if given["annotations"] and is_tracked else None,
    )


def _number(image: dict[str, Any]) -> int:
    """The one at the end of a file name, the time in nuScenes."""
    text = Path(image["file_name"]).stem.rpartition("__")[2]
    if not text.isdecimal():
        raise UserError(f"{image['file_name']} does not end in a time, as nuScenes' files do")
    return int(text)


def _check_times(samples: Sequence[Sample]) -> None:
    times = np.sort([sample.time for sample in samples])
    apart = np.diff(times).min(initial=np.inf)
    if apart < MIN_INTERVAL:
        raise UserError(
            f"two samples are {apart:.3g} s apart; give the seconds that the numbers at the end of "
            "the file names count as --tick, e.g. 0.1 for frames at 10 Hz"
        )


def _by_image(annotations: Sequence[dict[str, Any]]) -> dict[Any, list[dict[str, Any]]]:
    by_image: dict[Any, list[dict[str, Any]]] = {}
    for annotation in annotations:
        by_image.setdefault(annotation["image_id"], []).append(annotation)
    return by_image


def track_scene(
    scene: Scene,
    found: Sequence[Sequence[Boxes3D]],
    class_set: ClassSet,
    threshold: float,
    as_film: bool = False,
) -> list[TrackedBoxes]:
    """The boxes of each sample's cameras as one list, with the numbers of their tracks.

    Args:
        scene: the samples.
        found: detections of each image of each sample, with velocity, score and attribute, on the
            CPU, in the frame of its camera.
        class_set: classes of the labels.
        threshold: boxes with a lower score are left out.
        as_film: track as in a film, which has no ego poses: in the level frame of the camera.

    Raises:
        UserError: samples of several cameras with `as_film`.
    """
    if as_film and any(len(sample.images) > 1 for sample in scene.samples):
        raise UserError("a film has one camera; name it in --log, such as scene-0103__CAM_FRONT__")
    settings = MOVING_CAMERA if as_film else TrackerSettings()
    tracks = Tracks.none()
    tracked = []
    for sample, boxes in zip(scene.samples, found, strict=True):
        parts = [to_global_frame(one, image) for one, image in zip(boxes, sample.images)]
        every = GlobalBoxes3D.concatenate(parts)
        good = every[usable(every) & (every.score >= threshold)]
        fused = fuse(good, sample.ego.translation, class_set.ranges(), FusionSettings())
        detections = GroundDetections.of_global(fused)
        if as_film:
            detections = _seen_from(sample.images[0], detections)
        tracks, identity = update(tracks, detections, sample.time, settings)
        tracked.append(TrackedBoxes(fused, identity))
    return tracked


def _seen_from(image: dict[str, Any], detections: GroundDetections) -> GroundDetections:
    """Detections of the global frame in the level frame of a camera: x to its right, z ahead of it.
    Their velocities are not known there, as in `GroundDetections.of_camera`.
    """
    camera = RigidTransform.camera_to_global(image)
    ahead = camera.rotation[:2, 2] / np.linalg.norm(camera.rotation[:2, 2])
    axes = np.array([[ahead[1], -ahead[0]], ahead])
    return GroundDetections(
        (detections.position - camera.translation[:2]) @ axes.T,
        axes @ detections.covariance @ axes.T,
        np.full_like(detections.velocity, np.nan),
        detections.label,
    )


def box_records(
    scene: Scene, tracked: Sequence[TrackedBoxes], class_set: ClassSet
) -> list[dict[str, Any]]:
    """The boxes of each sample as plain values, in the units of `FRAME`."""
    result = []
    for sample, one in zip(scene.samples, tracked):
        boxes = one.boxes
        heading = boxes.rotation[:, :, 0]
        columns = dict(
            track=one.identity.tolist(),
            category=[class_set.class_names[label] for label in boxes.label],
            score=boxes.score.tolist(),
            center=boxes.center.tolist(),
            size=boxes.wlh.tolist(),
            yaw=np.arctan2(heading[:, 1], heading[:, 0]).tolist(),
            velocity=boxes.velocity.tolist(),
            covariance=boxes.covariance.tolist(),
        )
        rows = [dict(zip(columns, values)) for values in zip(*columns.values())]
        result.append(dict(token=sample.images[0]["token"], time=sample.time, boxes=rows))
    return result


def scene_identity(
    scene: Scene, tracked: Sequence[TrackedBoxes], class_set: ClassSet
) -> IdentityScores | None:
    """Scores against the annotated tracks that a camera sees at 40 % or more (`MIN_VISIBILITY`)
    within the range of their class; None where they are not known.
    """
    if scene.annotations is None:
        return None
    numbers: dict[Any, int] = {}
    truth = [
        _true_objects(sample, scene.annotations, numbers, class_set) for sample in scene.samples
    ]
    found = [
        TrackedObjects(one.boxes.center[:, :2], one.boxes.label, one.identity) for one in tracked
    ]
    return identity_scores(truth, found)


def _true_objects(
    sample: Sample,
    annotations: Mapping[Any, Sequence[dict[str, Any]]],
    numbers: dict[Any, int],
    class_set: ClassSet,
) -> TrackedObjects:
    """Annotated objects of a sample, each once; new tracks get the next of the `numbers`."""
    objects = {}
    for image in sample.images:
        to_global = RigidTransform.camera_to_global(image)
        for annotation in annotations.get(image["id"], []):
            name = annotation["category_name"]
            if annotation["visibility"] >= MIN_VISIBILITY and name in class_set.class_names:
                center = to_global(np.array(annotation["bbox_cam3d"][:3]))
                index = class_set.class_names.index(name)
                objects[annotation["instance_token"]] = (center[:2], index)
    place = np.array([each for each, _ in objects.values()]).reshape(-1, 2)
    label = np.array([each for _, each in objects.values()], int)
    near = in_range(place, label, sample.ego.translation[:2], class_set.ranges())
    track = [numbers.setdefault(token, len(numbers)) for token in compress(objects, near)]
    return TrackedObjects(place[near], label[near], np.array(track, int))
