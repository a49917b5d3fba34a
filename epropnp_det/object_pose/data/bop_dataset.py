"""Reader of BOP's standard layout ("BOP-scenewise").

Files are in mm, with pixel centres at integers; what this reader returns is in metres, with pixel
centres at half integers: it adds 0.5 to the principal point, and nothing else does. Boxes in files
are the first row and column of a mask and the distance to its last ones; here a box spans the whole
pixels, so it is one pixel larger.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from epropnp_det.engine import images as image_files
from epropnp_det.errors import UserError

from ..rigid_pose import RigidPose
from .bop_forms import (
    CAMERA,
    CAMERA_OF_DATASET,
    OBJECT,
    OBJECT_INFO,
    TARGET,
    by_number,
    is_number,
    read_bop_json,
)
from .object_models import METRES

HALF_PIXEL = 0.5
CAMERA_FILE = "camera.json"
CAMERAS_FILE = "scene_camera.json"
TARGETS_FILE = "test_targets_bop19.json"
# Visible share of an object that makes it a target.
LEAST_VISIBLE = 0.1
IMAGE_FOLDERS = ("rgb", "gray")
VISIBLE_MASKS = "mask_visib"
MAX_OBJECTS_PER_IMAGE = 9_999
_IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff")
_REMEDY = "write it as BOP's standard layout has it (bop_datasets_format.md of the BOP toolkit)"


@dataclass(frozen=True)
class BopInstance:
    """A ground truth object of an image.

    Args:
        index: its place in the image's list, by which its masks are named.
        object_id: BOP's number of the object.
        pose: from the model's frame to the camera's [m].
        box: (4,) x, y, w, h [px] around the whole silhouette, also beyond the image and behind
            other objects; None where `scene_gt_info.json` is missing.
        visible_box: (4,) x, y, w, h [px] around the visible part, or None.
        visibility: visible share of the silhouette, or None.
    """

    index: int
    object_id: int
    pose: RigidPose
    box: np.ndarray | None
    visible_box: np.ndarray | None
    visibility: float | None


@dataclass(frozen=True)
class BopImage:
    """An image, its camera, and the objects that it shows.

    Args:
        folder: folder of the scene.
        path: path of the image file.
        camera_matrix: (3, 3) [px], pixel centres at half integers.
        instances: ground truth; empty where a split has none.
    """

    folder: Path
    scene_id: int
    image_id: int
    path: Path
    camera_matrix: np.ndarray
    instances: tuple[BopInstance, ...]

    @cached_property
    def size(self) -> tuple[int, int]:
        """Width and height [px], from the head of the image file.

        Raises:
            UserError: the file is missing or no image.
        """
        return image_files.image_size(self.path)

    @property
    def has_masks(self) -> bool:
        """Whether the scene has masks of the visible parts; some data sets come without."""
        return (self.folder / VISIBLE_MASKS).is_dir()

    def mask_path(self, index: int, visible: bool = False) -> Path:
        """File of the mask of instance `index`: the whole silhouette, or its visible part."""
        kind = VISIBLE_MASKS if visible else "mask"
        return self.folder / kind / f"{self.image_id:06d}_{index:06d}.png"


@dataclass(frozen=True)
class BopCamera:
    """The camera of a data set.

    Args:
        matrix: (3, 3) [px], pixel centres at half integers.
        size: width and height of its images [px].
    """

    matrix: np.ndarray
    size: tuple[int, int]


@dataclass(frozen=True)
class BopTarget:
    """An object that is to be found `count` times in an image."""

    scene_id: int
    image_id: int
    object_id: int
    count: int


@dataclass(frozen=True)
class TargetTruth:
    """The instances of one object that are to be found in one image.

    Args:
        count: how many of them are wanted (`inst_count`).
        poses: poses of these instances, leading dim G [m].
        camera_matrix: (3, 3) [px].
        image_width: [px].
    """

    scene_id: int
    image_id: int
    object_id: int
    count: int
    poses: RigidPose
    camera_matrix: np.ndarray
    image_width: int


def read_split(root: str | Path, split: str) -> list[BopImage]:
    """All images of a split ("test", "train_pbr", ...), ordered by scene and image.

    Raises:
        UserError: the split or one of its files is missing or has another form; the line names
            file, entry and remedy.
    """
    folder = Path(root) / split
    if not folder.is_dir():
        known = sorted(each.name for each in split_folders(root))
        raise UserError(
            f"{folder} is missing; the splits of {root} are {', '.join(known) or 'none'}"
        )
    scenes = sorted(each for each in folder.iterdir() if is_number(each.name))
    if not scenes:
        raise UserError(f"{folder} holds no scene; its folders are named 000000, 000001, ...")
    return [image for scene in scenes for image in read_scene(scene)]


def split_folders(root: str | Path) -> list[Path]:
    """The folders of a data set that hold scenes."""
    folders = [each for each in sorted(Path(root).glob("*")) if each.is_dir()]
    return [each for each in folders if next(each.glob("*/scene_camera.json"), None)]


def read_scene(folder: Path) -> list[BopImage]:
    """All images of a scene's folder.

    Raises:
        UserError: a file is missing or has another form.
    """
    camera_file = folder / CAMERAS_FILE
    cameras = _read_scene_file(camera_file)
    truth_file = folder / "scene_gt.json"
    truth = _read_scene_file(truth_file) if truth_file.is_file() else {}
    info_file = folder / "scene_gt_info.json"
    info = _read_scene_file(info_file) if info_file.is_file() else {}
    for image_id in truth:
        if image_id not in cameras:
            raise UserError(
                f"{truth_file}: image {image_id} is not in scene_camera.json; {_REMEDY}"
            )
    names = _image_files(folder)
    images = []
    for image_id in sorted(cameras):
        matrix = _camera_matrix(cameras[image_id], f"{camera_file}: image {image_id}")
        path = names.get(image_id, folder / "rgb" / f"{image_id:06d}.png")
        instances = _instances(folder, image_id, truth.get(image_id, []), info.get(image_id))
        images.append(BopImage(folder, int(folder.name), image_id, path, matrix, tuple(instances)))
    return images


def read_camera(root: str | Path) -> BopCamera:
    """The camera of `camera.json`.

    Raises:
        UserError: the file is missing or has another form.
    """
    path = Path(root) / CAMERA_FILE
    content = read_bop_json(path, _REMEDY)
    CAMERA_OF_DATASET.require(content, str(path), _REMEDY)
    names = ("fx", "fy", "cx", "cy", "width", "height")
    fx, fy, cx, cy, width, height = (content[name] for name in names)
    matrix = np.array([[fx, 0, cx + HALF_PIXEL], [0, fy, cy + HALF_PIXEL], [0, 0, 1]])
    return BopCamera(matrix, (int(width), int(height)))


def read_matrix(path: str | Path, image_id: int) -> np.ndarray:
    """Camera matrix (3, 3) of an image in a file like `scene_camera.json`.

    Raises:
        UserError: the file is missing, has another form, or has no such image.
    """
    cameras = _read_scene_file(Path(path))
    if image_id not in cameras:
        raise UserError(f"{path} has no image {image_id}; add it or give other intrinsics")
    return _camera_matrix(cameras[image_id], f"{path}: image {image_id}")


def read_targets(path: str | Path) -> list[BopTarget]:
    """The targets of a file like `test_targets_bop19.json`.

    Raises:
        UserError: the file is missing or has another form.
    """
    keys = ("scene_id", "im_id", "obj_id", "inst_count")
    targets = []
    for index, entry in enumerate(read_list(path)):
        TARGET.require(entry, f"{path}: entry {index}", _REMEDY)
        targets.append(BopTarget(*(entry[key] for key in keys)))
    return targets


def target_truths(
    targets: Sequence[BopTarget], images: Sequence[BopImage], source: str | Path = TARGETS_FILE
) -> list[TargetTruth]:
    """What evaluation needs of the targets: poses, camera and size of the image.

    Of more instances than a target counts, the most visible ones are wanted, as in the challenge.

    Raises:
        UserError: a target without its image, or with more instances than the image shows.
    """
    by_key = {(image.scene_id, image.image_id): image for image in images}
    truths = []
    for target in targets:
        image = find_target_image(target, by_key, source)
        wanted = wanted_instances(target, image, source)
        poses = RigidPose.stack([each.pose for each in wanted])
        ids = (target.scene_id, target.image_id, target.object_id)
        truths.append(TargetTruth(*ids, target.count, poses, image.camera_matrix, image.size[0]))
    return truths


def find_target_image(
    target: BopTarget,
    by_key: Mapping[tuple[int, int], BopImage],
    source: str | Path = TARGETS_FILE,
) -> BopImage:
    """The image of a target; `by_key` has all images by scene and number.

    Raises:
        UserError: the split has no such image.
    """
    image = by_key.get((target.scene_id, target.image_id))
    if image is None:
        raise UserError(
            f"{source}: object {target.object_id}: image {target.image_id} of scene "
            f"{target.scene_id} is not in the split; copy it there or drop the target"
        )
    return image


def wanted_instances(
    target: BopTarget, image: BopImage, source: str | Path = TARGETS_FILE
) -> list[BopInstance]:
    """The instances that a target counts: the most visible ones, as in the challenge.

    Raises:
        UserError: the image shows fewer.
    """
    shown = [each for each in image.instances if each.object_id == target.object_id]
    if len(shown) < target.count:
        raise UserError(
            f"{source}: object {target.object_id}: image {target.image_id} of scene "
            f"{target.scene_id} shows {len(shown)} of {target.count}; correct 'inst_count' or "
            "scene_gt.json"
        )
    shown = sorted(shown, key=lambda each: -1 if each.visibility is None else -each.visibility)
    return shown[: target.count]


def targets_of_images(
    images: Sequence[BopImage], least_visible: float = LEAST_VISIBLE
) -> list[BopTarget]:
    """Targets for a split without a file of them: every object of which enough is visible."""
    targets = []
    for image in images:
        seen = Counter(
            each.object_id
            for each in image.instances
            if each.visibility is None or each.visibility >= least_visible
        )
        ids = (image.scene_id, image.image_id)
        targets += [BopTarget(*ids, object_id, seen[object_id]) for object_id in sorted(seen)]
    return targets


def read_image(image: BopImage) -> np.ndarray:
    """The image (H, W, 3) as uint8 RGB; grey images have three equal channels.

    Raises:
        UserError: the file is missing, truncated or no image.
    """
    return cv2.cvtColor(image_files.read_image(image.path), cv2.COLOR_BGR2RGB)


def read_mask(image: BopImage, index: int, visible: bool = False) -> np.ndarray:
    """The mask (H, W) bool of instance `index`.

    Raises:
        UserError: the file is missing, no image, or of another size than the image.
    """
    path = image.mask_path(index, visible)
    try:
        mask = image_files.read_grey_image(path)
    except UserError as error:
        raise UserError(
            f"mask {path} cannot be read; write it with create_synthetic_bop.py: {error}"
        ) from error
    if mask.shape[::-1] != image.size:
        raise UserError(
            f"mask {path} is {mask.shape[1]}x{mask.shape[0]} and its image "
            f"{image.size[0]}x{image.size[1]}; write masks of the image's size"
        )
    return mask > 0


def read_list(path: str | Path) -> list[Any]:
    """The list of a JSON file.

    Raises:
        UserError: the file is missing, no JSON, or another thing than a list.
    """
    content = read_bop_json(Path(path), _REMEDY)
    if not isinstance(content, list):
        raise UserError(f"{path} is no list; {_REMEDY}")
    return content


def _read_scene_file(path: Path) -> dict[int, Any]:
    """A file that maps image numbers to entries."""
    return by_number(read_bop_json(path, _REMEDY), str(path), _REMEDY)


def _camera_matrix(entry: Any, where: str) -> np.ndarray:
    CAMERA.require(entry, where, _REMEDY)
    matrix = np.array(entry["cam_K"], dtype=np.float64).reshape(3, 3)
    matrix[:2, 2] += HALF_PIXEL
    return matrix


def _image_files(folder: Path) -> dict[int, Path]:
    """Image files of a scene by their number; colour before grey."""
    files: dict[int, Path] = {}
    for name in IMAGE_FOLDERS:
        for path in sorted((folder / name).glob("*")):
            if path.suffix.lower() in _IMAGE_SUFFIXES and is_number(path.stem):
                files.setdefault(int(path.stem), path)
    return files


def _instances(folder: Path, image_id: int, entries: Any, infos: Any) -> Iterator[BopInstance]:
    where = f"{folder / 'scene_gt.json'}: image {image_id}"
    if not isinstance(entries, list):
        raise UserError(f"{where} is no list of objects; {_REMEDY}")
    if len(entries) > MAX_OBJECTS_PER_IMAGE:
        raise UserError(
            f"{where} has {len(entries)} objects; at most {MAX_OBJECTS_PER_IMAGE} are read"
        )
    if infos is not None and (not isinstance(infos, list) or len(infos) != len(entries)):
        raise UserError(
            f"{folder / 'scene_gt_info.json'}: image {image_id} has not one entry for each of the "
            f"{len(entries)} objects of scene_gt.json; {_REMEDY}"
        )
    for index, entry in enumerate(entries):
        place = f"{where}, object {index}"
        OBJECT.require(entry, place, _REMEDY)
        rotation = np.array(entry["cam_R_m2c"], dtype=np.float64).reshape(3, 3)
        pose = RigidPose(rotation, np.array(entry["cam_t_m2c"], dtype=np.float64) * METRES)
        info = {} if infos is None else infos[index]
        info_place = f"{folder / 'scene_gt_info.json'}: image {image_id}, object {index}"
        OBJECT_INFO.require(info, info_place, _REMEDY)
        yield BopInstance(
            index,
            entry["obj_id"],
            pose,
            _box(info.get("bbox_obj")),
            _box(info.get("bbox_visib")),
            info.get("visib_fract"),
        )


def _box(values: Sequence[float] | None) -> np.ndarray | None:
    """A box that spans whole pixels; None where there is none: BOP writes -1 for an empty mask."""
    if values is None or values[2] < 0 or values[3] < 0:
        return None
    return np.array(values, dtype=np.float64) + np.array([0, 0, 1, 1])
