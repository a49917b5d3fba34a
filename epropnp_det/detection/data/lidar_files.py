"""What the LiDAR saw in each image, made once from the sweeps and kept in one small file an image
(docs/reference/data.md).

NumPy arrays alone: nothing in a file is run when it is read. Frames and pixels:
    docs/reference/conventions.md.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from nuscenes import NuScenes
from tqdm import tqdm

from epropnp_det.engine.atomic_files import replacing
from epropnp_det.engine.confined_names import check_one_name, file_under
from epropnp_det.engine.output_files import writing
from epropnp_det.engine.outside_files import read_bytes
from epropnp_det.engine.worker_processes import results_of
from epropnp_det.errors import UserError

from .frames import BOX_AXES_IN_OBJECT_AXES, RigidTransform, rotation_from_yaw
from .projection import project

FOLDER = "object_points"
REMEDY = "write it with tools/create_data.py nuscenes DATAROOT --lidar"
MIN_DEPTH = 1.0  # metres; what is nearer to a camera is the vehicle that carries it
_FLOATS_PER_POINT = 5  # x, y, z, intensity, ring


@dataclass(frozen=True)
class StoredPoints:
    """LiDAR points of an image of the file's size; n of them, counted twice where boxes overlap,
    lie on the k objects.
    """

    x2d: np.ndarray  # (m, 2) float32, px
    depth: np.ndarray  # (m,) float32, z in the camera frame, m
    point: np.ndarray  # (n,) int32, index of the point
    owner: np.ndarray  # (n,) int32, index of the object
    # (n, 3) float32, object coordinates, m: R_y(yaw) x3d + (x, y, z) is the point in the camera
    # frame
    x3d: np.ndarray
    instance: np.ndarray  # (k,) text, instance token of each object


def point_file(folder: str | Path, image_id: str | int) -> Path:
    """The file of an image's points.

    Raises:
        UserError: the id cannot be the name of a file.
    """
    return Path(folder, f"{check_one_name(str(image_id))}.npz")


def write_point_files(nusc: NuScenes, data: dict, folder: Path, workers: int) -> int:
    """Writes the files of all images of an annotation file that are not there yet, so that an
    interrupted run resumes.

    Args:
        nusc: database with the sweeps.
        data: content of the annotation file.
        folder: to write to.
        workers: processes.

    Returns:
        How many files were written.

    Raises:
        UserError: a sweep is missing or truncated, or the folder cannot be written.
    """
    annotations: dict[str, list[dict]] = {image["id"]: [] for image in data["images"]}
    for annotation in data["annotations"]:
        annotations[annotation["image_id"]].append(annotation)
    samples: dict[str, list[dict]] = {}
    for image in data["images"]:
        samples.setdefault(image["token"], []).append(image)

    def write(sample: str) -> int:
        boxes = [box for image in samples[sample] for box in annotations[image["id"]]]
        return write_points_of_sample(nusc, sample, samples[sample], boxes, folder)

    numbers = results_of(write, list(samples), workers)
    progress = tqdm(numbers, total=len(samples), desc="LiDAR points", unit="sweep", disable=None)
    return sum(progress)


def write_points_of_sample(
    nusc: NuScenes,
    sample: str,
    images: Sequence[dict],
    annotations: Sequence[dict],
    folder: Path,
    aside: Path | None = None,
) -> int:
    """Writes the files of a sample's images that are not there yet, and returns their number.

    Args:
        nusc: database with the sweep.
        sample: token.
        images: image records of the sample.
        annotations: annotation records of these images.
        folder: to write to.
        aside: folder for temporary files; `folder` if None.

    Raises:
        UserError: the sweep is missing or truncated, or the folder cannot be written.
    """
    missing = [image for image in images if not point_file(folder, image["id"]).exists()]
    if not missing:
        return 0
    file, to_global = _lidar(nusc, sample)
    points = to_global(read_sweep(file))
    for image in missing:
        boxes = [box for box in annotations if box["image_id"] == image["id"]]
        stored = points_of_image(points, image, boxes)
        write_points(stored, point_file(folder, image["id"]), aside)
    return len(missing)


def points_of_image(points: np.ndarray, image: dict, annotations: Sequence[dict]) -> StoredPoints:
    """Those of the points (.., 3) in the global frame that lie in an image, and on its annotated
    boxes.

    A point is on a box if it is inside. Boxes are upright in the camera, as the pose with its yaw
    alone has them.
    """
    seen = RigidTransform.camera_to_global(image).inverse()(points)
    seen = seen[seen[:, 2] >= MIN_DEPTH]
    x2d = project(seen, np.array(image["cam_intrinsic"]))
    inside = ((x2d >= 0) & (x2d < (image["width"], image["height"]))).all(axis=1)
    seen = seen[inside]
    x2d = x2d[inside]
    boxes = np.array(
        [annotation["bbox_cam3d"] for annotation in annotations], dtype=np.float64
    ).reshape(-1, 7)
    x3d = object_coordinates(seen, boxes)
    owner, point = (np.abs(x3d) <= boxes[:, None, 3:6] / 2).all(axis=2).nonzero()
    return StoredPoints(
        x2d.astype(np.float32),
        seen[:, 2].astype(np.float32),
        point.astype(np.int32),
        owner.astype(np.int32),
        x3d[owner, point].astype(np.float32),
        np.array([annotation["instance_token"] for annotation in annotations], dtype=str),
    )


def object_coordinates(points: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """(k, m, 3) coordinates of points (m, 3) along the axes of boxes (k, 7): x, y, z (gravity
    centre), l, h, w, yaw; camera frame, m.
    """
    to_camera = rotation_from_yaw(boxes[:, 6]) @ BOX_AXES_IN_OBJECT_AXES.T
    return (points - boxes[:, None, :3]) @ to_camera


def write_points(stored: StoredPoints, path: Path, aside: Path | None = None) -> None:
    """Writes a file; whoever reads meanwhile finds all of it or nothing. `aside` is the folder of
    the temporary file; that of `path` if None.

    Raises:
        UserError: the file cannot be written.
    """
    with writing(path), replacing(path, "wb", aside) as file:
        np.savez(file, **vars(stored))


def read_points(path: str | Path) -> StoredPoints:
    """Reads a file; arrays only, nothing in it is run.

    Raises:
        UserError: missing, truncated, or of another form.
    """
    if not Path(path).exists():
        raise UserError(f"LiDAR points {path} are missing; {REMEDY}")
    content = read_bytes(path, "LiDAR points", REMEDY)
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            stored = StoredPoints(
                **{field.name: arrays[field.name] for field in fields(StoredPoints)}
            )
    except Exception as error:  # numpy and zipfile raise a dozen types here
        raise UserError(
            f"LiDAR points {path} are truncated or of another form; delete the file and {REMEDY}"
        ) from error
    if not _is_sound(stored):
        raise UserError(f"LiDAR points {path} do not belong together; delete the file and {REMEDY}")
    return stored


def read_sweep(path: Path) -> np.ndarray:
    """Points (m, 3) of a sweep, in the frame of the LiDAR.

    Raises:
        UserError: missing, or truncated.
    """
    remedy = "unpack its archive or leave --lidar out"
    content = read_bytes(path, "LiDAR sweep", remedy)
    if len(content) % (4 * _FLOATS_PER_POINT):
        raise UserError(f"LiDAR sweep {path} is truncated ({len(content)} bytes); copy it again")
    values = np.frombuffer(content, dtype=np.float32)
    return values.reshape(-1, _FLOATS_PER_POINT)[:, :3].astype(np.float64)


def _is_sound(stored: StoredPoints) -> bool:
    points = len(stored.x2d)
    owned = len(stored.owner)
    shapes = stored.x2d.shape, stored.depth.shape, stored.point.shape, stored.x3d.shape
    indices = ((stored.point >= 0) & (stored.point < points)).all() and (
        (stored.owner >= 0) & (stored.owner < len(stored.instance))
    ).all()
    return shapes == ((points, 2), (points,), (owned,), (owned, 3)) and bool(indices)


def _lidar(nusc: NuScenes, sample: str) -> tuple[Path, RigidTransform]:
    """File of a sample's sweep and the pose of the LiDAR when it fired."""
    sensors = nusc.get("sample", sample)["data"]
    if "LIDAR_TOP" not in sensors:
        raise UserError(f"sample {sample} has no sweep of LIDAR_TOP; leave --lidar out")
    record = nusc.get("sample_data", sensors["LIDAR_TOP"])
    sensor = nusc.get("calibrated_sensor", record["calibrated_sensor_token"])
    ego = nusc.get("ego_pose", record["ego_pose_token"])
    from_ego, from_sensor = (
        RigidTransform.from_quaternion(step["rotation"], step["translation"])
        for step in (ego, sensor)
    )
    return file_under(nusc.dataroot, record["filename"]), from_ego @ from_sensor
