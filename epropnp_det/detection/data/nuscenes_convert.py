"""From the tables of nuScenes to annotation files (docs/reference/data.md)."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from nuscenes import NuScenes
from nuscenes.eval.detection.utils import category_to_detection_name
from nuscenes.utils.data_classes import Box
from nuscenes.utils.splits import create_splits_scenes
from tqdm import tqdm

from epropnp_det import __version__
from epropnp_det.engine.worker_processes import results_of
from epropnp_det.errors import UserError

from . import annotation_file, lidar_files, part_files
from .annotation_completion import FULLY_VISIBLE
from .annotation_schema import check_inside_root
from .frames import RigidTransform, size_to_object_axes, velocity_to_camera, yaw_from_rotation
from .keyframe_database import KeyframeDatabase
from .nuscenes_classes import ATTRIBUTES, CLASSES, NO_ATTRIBUTE
from .projection import areas, box_in_image, corners_in_camera, project, truncation

CAMERAS = (
    "CAM_FRONT",
    "CAM_FRONT_RIGHT",
    "CAM_FRONT_LEFT",
    "CAM_BACK",
    "CAM_BACK_LEFT",
    "CAM_BACK_RIGHT",
)
# Version -> split as it is named in the file -> split as the devkit names it.
SPLITS = {
    "v1.0-mini": {"train": "mini_train", "val": "mini_val"},
    "v1.0-trainval": {"train": "train", "val": "val"},
    "v1.0-test": {"test": "test"},
}
_SAMPLES_PER_PART = 20
TABLES = (
    "category",
    "attribute",
    "visibility",
    "instance",
    "sensor",
    "calibrated_sensor",
    "ego_pose",
    "log",
    "scene",
    "sample",
    "sample_data",
    "sample_annotation",
    "map",
)


@dataclass(frozen=True)
class GlobalAnnotation:
    """One annotated box in the global frame, with what does not depend on the camera."""

    box: Box
    velocity: np.ndarray  # (2,) m/s, NaN if unknown
    class_name: str
    attribute: int
    visibility: int
    num_lidar_pts: int
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
    by reason, boxes of the tables that no image shows as an annotation.
    """

    images: list[dict]
    annotations: list[dict]
    left_out: Counter[str] = field(default_factory=Counter)


def write_annotation_files(
    data_root: str | Path,
    version: str,
    out: str | Path | None = None,
    lidar: bool = False,
    processes: int = 1,
) -> list[Path]:
    """Writes one annotation file for every split of `version` that has scenes here, and returns
    their paths. An interrupted run resumes; the bytes do not depend on the number of processes.

    Args:
        data_root: folder with `samples/`, `maps/` and the folder of tables named `version`.
        version: one of `SPLITS`.
        out: folder for the files; the data root if None.
        lidar: also write the LiDAR points of the images (`object_points`) that are not there yet.
        processes: how many convert samples.

    Raises:
        UserError: wrong data root, missing version folder, table or map, a sweep that cannot be
            read, or a folder that cannot be written.
    """
    nusc = open_database(data_root, version)
    folder = Path(out or data_root)
    written = []
    for split, devkit_split in SPLITS[version].items():
        samples = samples_of_split(nusc, devkit_split)
        if not samples:
            print(f"{version} has no scene of {devkit_split} here: no file for it")
            continue
        path = folder / annotation_file.file_name(split, version)
        # Points serve training alone: a split without annotations needs none.
        points = lidar and any(sample["anns"] for sample in samples)
        _write_split(nusc, samples, devkit_split, path, points, processes)
        written.append(path)
    if not written:
        raise UserError(
            f"{data_root}/{version} has no scene that a split of the devkit names; nothing was "
            "written"
        )
    return written


def _write_split(
    nusc: NuScenes, samples: list[dict], split: str, path: Path, lidar: bool, processes: int
) -> None:
    info = dict(schema=annotation_file.SCHEMA, version=nusc.version, split=split)
    origin = dict(info, program=__version__, tables=_table_states(nusc), lidar=lidar)
    point_folder = path.parent / lidar_files.FOLDER if lidar else None
    parts = math.ceil(len(samples) / _SAMPLES_PER_PART)
    with part_files.parts_of(path, origin) as folder:
        finished = folder.finished(parts)
        jobs = [index for index in range(parts) if index not in finished]
        convert = partial(_convert_part, nusc, samples, folder, point_folder)
        done = min(len(finished) * _SAMPLES_PER_PART, len(samples))
        if done:
            print(f"{path}: resumed after {done} of {len(samples)} samples")
        files = 0
        with tqdm(
            total=len(samples), initial=done, desc=split, unit="sample", disable=None
        ) as progress:
            for result in results_of(convert, jobs, processes):
                files += result.point_files
                progress.update(result.samples)
        categories = [dict(id=index, name=name) for index, name in enumerate(CLASSES)]
        counts = folder.join(parts, info, categories)
    print(f"{path}: {counts.images} images, {counts.annotations} boxes")
    for reason, number in sorted(counts.left_out.items()):
        print(f"{path}: left out {number} boxes: {reason}")
    if point_folder is not None:
        print(f"{point_folder}: {files} files written, {counts.images - files} were there")


def _table_states(nusc: NuScenes) -> dict[str, list[int]]:
    """Size and time of change of each table: parts of other tables are not resumed."""
    states = {table: Path(nusc.table_root, f"{table}.json").stat() for table in TABLES}
    return {table: [state.st_size, state.st_mtime_ns] for table, state in states.items()}


@dataclass(frozen=True)
class _PartResult:
    samples: int
    point_files: int


def _convert_part(
    nusc: NuScenes,
    samples: list[dict],
    folder: part_files.PartFolder,
    point_folder: Path | None,
    index: int,
) -> _PartResult:
    """Converts the samples of one part, with their LiDAR points unless `point_folder` is None."""
    chosen = samples[index * _SAMPLES_PER_PART : (index + 1) * _SAMPLES_PER_PART]
    whole = SampleRecords([], [])
    point_files = 0
    for sample in chosen:
        records = convert_sample(nusc, sample)
        if point_folder is not None:
            point_files += lidar_files.write_points_of_sample(
                nusc,
                sample["token"],
                records.images,
                records.annotations,
                point_folder,
                folder.path,
            )
        whole.images.extend(records.images)
        whole.annotations.extend(records.annotations)
        whole.left_out.update(records.left_out)
    folder.write(index, whole.images, whole.annotations, whole.left_out)
    return _PartResult(len(chosen), point_files)


def check_database(root: Path, version: str) -> None:
    """Checks that the tables of a database are there.

    Raises:
        UserError: the folder, the version or a table is missing.
    """
    if not root.is_dir():
        raise UserError(
            f"data root {root} is not a folder; give the folder that holds samples/, maps/ and "
            f"{version}/"
        )
    if not (root / version).is_dir():
        found = sorted(path.parent.name for path in root.glob("v*/scene.json"))
        raise UserError(
            f"{root} has no folder {version} (found: {', '.join(found) or 'no version at all'}); "
            "check data root and --version"
        )
    for table in TABLES:
        if not (root / version / f"{table}.json").is_file():
            raise UserError(
                f"table {root / version / table}.json is missing; unpack the metadata archive of "
                f"{version} again"
            )


def open_database(data_root: str | Path, version: str) -> NuScenes:
    """The devkit's database, after checking what its own assertions would report without naming the
    remedy.

    Raises:
        UserError: the folder, the version, a table or a map image is missing, or a table is not
            JSON.
    """
    root = Path(data_root)
    check_database(root, version)
    try:
        return KeyframeDatabase(version=version, dataroot=str(root), verbose=False)
    except json.JSONDecodeError as error:
        raise UserError(
            f"a table in {root / version} is not JSON ({error}); unpack the metadata archive again"
        ) from error
    except AssertionError as error:  # the devkit's own check of the map images
        raise UserError(
            f"nuScenes database {root}: {error}; unpack the maps of {version} into {root}/maps"
        ) from error


def samples_of_split(nusc: NuScenes, split: str) -> list[dict]:
    """Sample records whose scene belongs to the devkit's `split`, in the order of the table."""
    names = set(create_splits_scenes()[split])
    scenes = {scene["token"] for scene in nusc.scene if scene["name"] in names}
    return [sample for sample in nusc.sample if sample["scene_token"] in scenes]


def convert_sample(nusc: NuScenes, sample: dict) -> SampleRecords:
    """The records of a sample (six images)."""
    boxes = list(_annotations(nusc, sample))
    views = list(_views(nusc, sample))
    records = (_annotation_record(annotation, view) for view in views for annotation in boxes)
    return SampleRecords(
        [view.image for view in views], [record for record in records if record is not None]
    )


def _annotations(nusc: NuScenes, sample: dict) -> Iterator[GlobalAnnotation]:
    for token in sample["anns"]:
        record = nusc.get("sample_annotation", token)
        class_name = category_to_detection_name(record["category_name"])
        if class_name is None:
            continue
        yield GlobalAnnotation(
            box=nusc.get_box(token),
            velocity=nusc.box_velocity(token)[:2],
            class_name=class_name,
            attribute=_attribute(nusc, record),
            visibility=int(record["visibility_token"] or FULLY_VISIBLE),
            num_lidar_pts=record["num_lidar_pts"],
            instance_token=record["instance_token"],
        )


def _attribute(nusc: NuScenes, record: dict) -> int:
    tokens = record["attribute_tokens"]
    return ATTRIBUTES.index(nusc.get("attribute", tokens[0])["name"]) if tokens else NO_ATTRIBUTE


def _views(nusc: NuScenes, sample: dict) -> Iterator[CameraView]:
    # The official evaluation measures class ranges from where the vehicle was when the LiDAR fired.
    lidar = nusc.get("sample_data", sample["data"]["LIDAR_TOP"])
    range_origin = nusc.get("ego_pose", lidar["ego_pose_token"])["translation"]
    for channel in CAMERAS:
        data = nusc.get("sample_data", sample["data"][channel])
        check_inside_root(data["filename"])
        sensor = nusc.get("calibrated_sensor", data["calibrated_sensor_token"])
        ego = nusc.get("ego_pose", data["ego_pose_token"])
        image = dict(
            file_name=data["filename"],
            id=data["token"],
            token=sample["token"],
            cam2ego_rotation=sensor["rotation"],
            cam2ego_translation=sensor["translation"],
            ego2global_rotation=ego["rotation"],
            ego2global_translation=ego["translation"],
            range_origin=range_origin,
            cam_intrinsic=sensor["camera_intrinsic"],
            width=data["width"],
            height=data["height"],
        )
        yield CameraView(
            image, RigidTransform.camera_to_global(image), np.array(sensor["camera_intrinsic"])
        )


def _annotation_record(annotation: GlobalAnnotation, view: CameraView) -> dict | None:
    """The record of a box in an image; None if its centre is behind the camera or the image shows
    nothing of it.
    """
    to_camera = view.to_global.inverse()
    center = to_camera(annotation.box.center)
    if center[2] <= 0:
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
    return dict(
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
        attribute_name="None"
        if annotation.attribute == NO_ATTRIBUTE
        else ATTRIBUTES[annotation.attribute],
        attribute_id=annotation.attribute,
        visibility=annotation.visibility,
        truncation=truncation(corners, view.intrinsic, width, height),
        num_lidar_pts=annotation.num_lidar_pts,
        instance_token=annotation.instance_token,
        segmentation=[],
    )
