"""The records of the annotation file for one sample of a nuScenes database."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from nuscenes import NuScenes
from nuscenes.eval.detection.utils import category_to_detection_name
from nuscenes.utils.data_classes import Box

from epropnp_det.engine.confined_names import file_under
from epropnp_det.engine.images import image_size
from epropnp_det.engine.record_checks import shown_name
from epropnp_det.errors import UserError

from .annotation_completion import FULLY_VISIBLE
from .annotation_file import find_record_faults
from .annotation_schema import MAX_DISTANCE, MAX_SPEED, MIN_DEPTH
from .frames import RigidTransform, size_to_object_axes, velocity_to_camera, yaw_from_rotation
from .nuscenes_classes import ATTRIBUTES, CLASSES, NO_ATTRIBUTE
from .nuscenes_tables import CAMERA_MODALITY
from .projection import areas, box_in_image, corners_in_camera, project, truncation

# Those of nuScenes in the order of mmdet3d's files; other cameras follow in the order of their
# names.
CAMERAS = (
    "CAM_FRONT",
    "CAM_FRONT_RIGHT",
    "CAM_FRONT_LEFT",
    "CAM_BACK",
    "CAM_BACK_LEFT",
    "CAM_BACK_RIGHT",
)
LIDAR = "LIDAR_TOP"
_VISIBILITY_TOKENS = ("1", "2", "3", "4")
_VISIBILITY_LEVELS = ("v0-40", "v40-60", "v60-80", "v80-100")


@dataclass(frozen=True)
class GlobalAnnotation:
    """One annotated box in the global frame, with what does not depend on the camera."""

    box: Box
    velocity: np.ndarray  # (2,) m/s, NaN if unknown
    class_name: str
    attribute: int | None  # None if unknown
    visibility: int
    num_lidar_pts: int | None  # None if unknown
    instance_token: str


@dataclass(frozen=True)
class CameraView:
    """One image, with the pose that its own camera had when it fired."""

    image: dict
    to_global: RigidTransform
    intrinsic: np.ndarray


@dataclass(frozen=True)
class SampleRecords:
    """Records of a sample for the annotation file; annotations have no `id` yet. `left_out` counts,
    by reason, what of the tables is not in them.
    """

    images: list[dict]
    annotations: list[dict]
    left_out: Counter[str] = field(default_factory=Counter)


def class_of_category(name: str) -> str | None:
    """The class of the detection task: of a category of nuScenes, or of the same name."""
    return name if name in CLASSES else category_to_detection_name(name)


def convert_sample(nusc: NuScenes, sample: dict) -> SampleRecords:
    """The records of a sample: its camera images, six in nuScenes.

    Raises:
        UserError: a record breaks a rule of the annotation file, or an image whose size the tables
            do not have cannot be read.
    """
    left_out: Counter[str] = Counter()
    boxes = list(_annotations(nusc, sample, left_out))
    views = list(_views(nusc, sample, left_out))
    records = (
        _annotation_record(annotation, view, left_out) for view in views for annotation in boxes
    )
    images = [view.image for view in views]
    annotations = [record for record in records if record is not None]
    for fault in find_record_faults(dict(images=images, annotations=annotations)):
        raise UserError(
            f"sample {shown_name(sample['token'])}: {fault.rule}: {fault.where}: {fault.found}"
        )
    return SampleRecords(images, annotations, left_out)


def _annotations(
    nusc: NuScenes, sample: dict, left_out: Counter[str]
) -> Iterator[GlobalAnnotation]:
    for token in sample["anns"]:
        record = nusc.get("sample_annotation", token)
        class_name = class_of_category(record["category_name"])
        if class_name is None:
            left_out[f"boxes of category {record['category_name']}, which is no class"] += 1
            continue
        yield GlobalAnnotation(
            box=nusc.get_box(token),
            velocity=_velocity(nusc, token, left_out),
            class_name=class_name,
            attribute=_attribute(nusc, record, left_out),
            visibility=_visibility(nusc, record, left_out),
            num_lidar_pts=_lidar_points(record),
            instance_token=record["instance_token"],
        )


def _velocity(nusc: NuScenes, token: str, left_out: Counter[str]) -> np.ndarray:
    """(2,) m/s; NaN if unknown, or faster than anything on a road."""
    with np.errstate(divide="ignore", invalid="ignore"):  # two boxes of one moment
        velocity = nusc.box_velocity(token)[:2]
    if np.linalg.norm(velocity) > MAX_SPEED:
        left_out[f"velocities above {MAX_SPEED:g} m/s"] += 1
        return np.full(2, np.nan)
    return velocity


def _attribute(nusc: NuScenes, record: dict, left_out: Counter[str]) -> int | None:
    """Index of the first attribute; None if the table has no attributes, or others."""
    if "attribute_tokens" not in record:
        left_out["attributes of boxes without attribute_tokens"] += 1
        return None
    if not record["attribute_tokens"]:
        return NO_ATTRIBUTE
    name = nusc.get("attribute", record["attribute_tokens"][0])["name"]
    if name not in ATTRIBUTES:
        left_out[f"attributes {name}, which nuScenes does not have"] += 1
        return None
    return ATTRIBUTES.index(name)


def _lidar_points(record: dict) -> int | None:
    """Number of points in the box; None if unknown, which is -1 in the tables of Lyft."""
    number = record.get("num_lidar_pts")
    return None if number == -1 else number


def _visibility(nusc: NuScenes, record: dict, left_out: Counter[str]) -> int:
    """1 to 4; boxes without a known level count as visible."""
    token = str(record.get("visibility_token") or "")
    if token in _VISIBILITY_TOKENS:
        return _VISIBILITY_TOKENS.index(token) + 1
    levels = {each["token"]: each.get("level") for each in nusc.visibility}
    level = levels.get(token, token)
    if level in _VISIBILITY_LEVELS:
        return _VISIBILITY_LEVELS.index(level) + 1
    left_out["visibilities of boxes without a level of nuScenes, which count as visible"] += 1
    return FULLY_VISIBLE


def _views(nusc: NuScenes, sample: dict, left_out: Counter[str]) -> Iterator[CameraView]:
    data = {channel: nusc.get("sample_data", token) for channel, token in sample["data"].items()}
    cameras = [name for name in data if data[name]["sensor_modality"] == CAMERA_MODALITY]
    for channel in CAMERAS:
        if channel not in cameras:
            left_out[f"images of {channel}, which the sample does not have"] += 1
    if not cameras:
        return
    cameras.sort(key=lambda name: (CAMERAS.index(name) if name in CAMERAS else len(CAMERAS), name))
    # The official evaluation measures class ranges from where the vehicle was when the LiDAR fired.
    origin = data.get(LIDAR, data[cameras[0]])
    range_origin = nusc.get("ego_pose", origin["ego_pose_token"])["translation"]
    for channel in cameras:
        record = data[channel]
        sensor = nusc.get("calibrated_sensor", record["calibrated_sensor_token"])
        ego = nusc.get("ego_pose", record["ego_pose_token"])
        width, height = _size(nusc, record)
        image = dict(
            file_name=record["filename"],
            id=record["token"],
            token=sample["token"],
            cam2ego_rotation=sensor["rotation"],
            cam2ego_translation=sensor["translation"],
            ego2global_rotation=ego["rotation"],
            ego2global_translation=ego["translation"],
            range_origin=range_origin,
            cam_intrinsic=sensor["camera_intrinsic"],
            width=width,
            height=height,
        )
        yield CameraView(
            image, RigidTransform.camera_to_global(image), np.array(sensor["camera_intrinsic"])
        )


def _size(nusc: NuScenes, record: dict) -> tuple[int, int]:
    """Width and height of an image, read from the file where the table does not have them."""
    if record.get("width") and record.get("height"):
        return record["width"], record["height"]
    return image_size(file_under(nusc.dataroot, record["filename"]))


def _annotation_record(
    annotation: GlobalAnnotation, view: CameraView, left_out: Counter[str]
) -> dict | None:
    """The record of a box in an image; None if its centre is behind the camera or the image shows
    nothing of it.
    """
    to_camera = view.to_global.inverse()
    center = to_camera(annotation.box.center)
    if center[2] < MIN_DEPTH:
        return None
    if np.abs(center).max() > MAX_DISTANCE:
        left_out[f"boxes more than {MAX_DISTANCE:g} m away"] += 1
        return None
    rotation = to_camera.rotation @ annotation.box.rotation_matrix
    corners = corners_in_camera(center, annotation.box.wlh, rotation)
    width = view.image["width"]
    height = view.image["height"]
    rectangle = box_in_image(corners, view.intrinsic, width, height)
    if rectangle is None:
        return None
    known = bool(np.isfinite(annotation.velocity).all())
    velocity = velocity_to_camera(annotation.velocity, view.to_global) if known else np.zeros(2)
    attribute = NO_ATTRIBUTE if annotation.attribute is None else annotation.attribute
    record = dict(
        file_name=view.image["file_name"],
        image_id=view.image["id"],
        area=float(areas(rectangle)),
        category_name=annotation.class_name,
        category_id=CLASSES.index(annotation.class_name),
        bbox=[*rectangle[:2].tolist(), *(rectangle[2:] - rectangle[:2]).tolist()],
        iscrowd=0,
        bbox_cam3d=[
            *center.tolist(),
            *size_to_object_axes(annotation.box.wlh).tolist(),
            float(yaw_from_rotation(rotation)),
        ],
        velo_cam3d=velocity.tolist(),
        velocity_known=known,
        center2d=[*project(center, view.intrinsic).tolist(), float(center[2])],
        attribute_name="None" if attribute == NO_ATTRIBUTE else ATTRIBUTES[attribute],
        attribute_id=attribute,
        visibility=annotation.visibility,
        truncation=truncation(corners, view.intrinsic, width, height),
        num_lidar_pts=annotation.num_lidar_pts,
        instance_token=annotation.instance_token,
        segmentation=[],
        attribute_known=False if annotation.attribute is None else None,
    )
    return {key: value for key, value in record.items() if value is not None}
