"""From KITTI's object detection data to an annotation file (docs/reference/data.md)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from epropnp_det.engine.confined_names import file_under
from epropnp_det.engine.file_checks import summarize
from epropnp_det.engine.images import image_size
from epropnp_det.engine.intrinsics.kitti import projection_matrices
from epropnp_det.engine.outside_files import read_text
from epropnp_det.engine.record_checks import shown
from epropnp_det.errors import UserError

from . import annotation_file
from .annotation_completion import FULLY_VISIBLE, LEVEL_CAMERA, complete
from .annotation_schema import FORMS
from .kitti_classes import KITTI_CLASSES

FILE_NAME = "kitti_mono3d.json"
CAMERA_HEIGHT = 1.65  # m above the ground
MAX_CALIBRATION_BYTES = 2**20
_IMAGE_TYPES = (".png", ".jpg")
_FIELDS = (
    "truncated",
    "occluded",
    "alpha",
    *("left", "top", "right", "bottom"),
    *("height", "width", "length"),
    *("x", "y", "z"),
    "rotation_y",
    "score",
)
_REMEDY = (
    "a line has the type and 14 numbers of KITTI's object detection, or 15 with a score; correct it"
)
# KITTI: fully visible, partly occluded, largely occluded, unknown; the devkit of nuScenes: tokens
# of 80-100 %, 60-80 %, 0-40 %, and 4 where it is not annotated.
_VISIBILITY = {"0": FULLY_VISIBLE, "1": 3, "2": 1, "3": FULLY_VISIBLE, "-1": FULLY_VISIBLE}


@dataclass(frozen=True)
class KittiObject:
    """A line of a label file.

    Args:
        line: its index in the file, from 0.
        kind: KITTI's type, such as "Van".
        visibility: nuScenes token.
        box: (7,) x, y, z of the middle of the bottom, l, h, w, yaw, in the rectified frame of
            camera 0; m, rad.
    """

    line: int
    kind: str
    visibility: int
    box: np.ndarray


def write_kitti_file(
    root: str | Path,
    out: str | Path | None = None,
    classes: Mapping[str, str] = KITTI_CLASSES,
    frames: Sequence[str] | None = None,
    split: str = "training",
) -> Path:
    """Writes the annotation file of the images of camera 2, and prints what it has and what was
    left out.

    Args:
        root: folder with `training/image_2`, `training/calib` and `training/label_2`.
        out: the file, or a folder for `kitti_mono3d.json`; None means `root`.
        classes: our class by KITTI's type; types that are left out have no box.
        frames: names of the images without the ending, such as "000123"; None takes all.
        split: the folder under `root`.

    Raises:
        UserError: a folder, image, calibration or label is missing or broken, or there is no box.
    """
    root = Path(root)
    names = _image_names(root, split, frames)
    images = []
    annotations = []
    left_out: Counter[str] = Counter()
    for name in tqdm(names, desc="KITTI", unit="image", disable=None):
        record, shift = _read_image(root, split, name)
        images.append(record)
        labels = root / split / "label_2" / f"{record['id']}.txt"
        for each in read_labels(labels):
            reason = _reason_to_leave_out(each, classes)
            if reason is None:
                annotation = _annotation(each, record, shift, classes)
                where = f"label file {labels}, line {each.line + 1}"
                FORMS["annotations"].require(annotation, where, _REMEDY)
                annotations.append(annotation)
            else:
                left_out[reason] += 1
    data = _checked(images, annotations, classes, root / split)
    path = _output(root, out)
    annotation_file.write_json(data, path)
    print(f"{path}: {len(images)} images, {len(data['annotations'])} boxes")
    if left_out:
        print(f"left out: {', '.join(f'{kind} {n}' for kind, n in sorted(left_out.items()))}")
    return path


def read_labels(path: Path) -> list[KittiObject]:
    """The objects of a label file, `DontCare` included.

    Raises:
        UserError: the file is missing, or a line has not 15 fields (16 with a score), or another
            field than a number after the type.
    """
    lines = read_text(path, "label file", _REMEDY).split("\n")
    if len(lines) > annotation_file.MAX_BOXES_PER_IMAGE:
        raise UserError(
            f"label file {path} has {len(lines)} lines; an image has at most "
            f"{annotation_file.MAX_BOXES_PER_IMAGE} boxes"
        )
    return [_parse(line, index, path) for index, line in enumerate(lines) if line.strip()]


def _parse(line: str, index: int, path: Path) -> KittiObject:
    kind, *fields = line.split()
    where = f"label file {path}, line {index + 1}"
    if not kind.isprintable() or len(fields) not in (14, 15):
        raise UserError(f"{where} has {len(fields) + 1} fields; {_REMEDY}")
    numbers = [_number(field, f"{where}, {name}") for name, field in zip(_FIELDS, fields)]
    height, width, length, x, y, z, yaw = numbers[7:14]
    occlusion = f"{numbers[1]:g}"
    if occlusion not in _VISIBILITY:
        raise UserError(f"{where}: occlusion {occlusion} is not among 0, 1, 2, 3")
    box = np.array([x, y, z, length, height, width, yaw])
    return KittiObject(index, kind, _VISIBILITY[occlusion], box)


def _number(text: str, where: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise UserError(f"{where}: {text!r:.40} is no finite number; {_REMEDY}")
    return number


def _image_names(root: Path, split: str, frames: Sequence[str] | None) -> list[str]:
    """File names of the images, in order."""
    for folder in ("image_2", "calib", "label_2"):
        if not (root / split / folder).is_dir():
            raise UserError(
                f"{root} has no folder {split}/{folder}; give the folder with KITTI's {split}/, "
                "which has image_2/, calib/ and label_2/"
            )
    paths = (root / split / "image_2").iterdir()
    found = {path.stem: path.name for path in paths if path.suffix.lower() in _IMAGE_TYPES}
    missing = [frame for frame in frames or () if frame not in found]
    if missing:
        raise UserError(
            f"{root / split / 'image_2'} has no image {shown(missing[0])} "
            f"({len(missing)} of {len(frames or ())} are missing)"
        )
    if not found:
        raise UserError(f"{root / split / 'image_2'} has no image (.png or .jpg)")
    return [found[stem] for stem in frames or sorted(found)]


def _read_image(root: Path, split: str, name: str) -> tuple[dict, np.ndarray]:
    """The record of an image, and (3,) what leads from the rectified frame of camera 0 to that of
    camera 2, m.
    """
    path = Path(split, "image_2", name)
    stem = path.stem
    matrix = _projection(root / split / "calib" / f"{stem}.txt")
    width, height = image_size(file_under(root, path.as_posix()))
    record = dict(
        id=stem,
        token=stem,
        file_name=path.as_posix(),
        width=width,
        height=height,
        cam_intrinsic=matrix[:, :3].tolist(),
        cam2ego_rotation=list(LEVEL_CAMERA),
        cam2ego_translation=[0.0, 0.0, CAMERA_HEIGHT],
    )
    return record, np.linalg.solve(matrix[:, :3], matrix[:, 3])


def _projection(path: Path) -> np.ndarray:
    """P2 (3, 4) of a calibration file."""
    text = read_text(path, "calibration", "copy it there again", MAX_CALIBRATION_BYTES)
    matrices = projection_matrices(text, f"calibration {path}")
    if "2" not in matrices:
        raise UserError(f"calibration {path} has no line P2")
    return matrices["2"]


def _reason_to_leave_out(each: KittiObject, classes: Mapping[str, str]) -> str | None:
    if each.kind not in classes:
        return each.kind
    return f"{each.kind} behind the camera" if each.box[2] <= 0 else None


def _annotation(
    each: KittiObject, image: Mapping, shift: np.ndarray, classes: Mapping[str, str]
) -> dict:
    box = each.box.copy()
    box[1] -= box[4] / 2  # from the middle of the bottom to that of the box
    box[:3] += shift
    return dict(
        image_id=image["id"],
        file_name=image["file_name"],
        category_name=classes[each.kind],
        bbox_cam3d=box.tolist(),
        visibility=each.visibility,
        instance_token=f"{image['id']}_{each.line}_{each.kind}",
    )


def _checked(
    images: list[dict], annotations: list[dict], classes: Mapping[str, str], folder: Path
) -> dict:
    """The content of the annotation file with every key, after the checks of a reader."""
    if not annotations:
        raise UserError(
            f"no box of {folder / 'label_2'} is of the types {', '.join(classes)}; nothing was "
            "written"
        )
    categories = [dict(id=i, name=name) for i, name in enumerate(dict.fromkeys(classes.values()))]
    info = dict(schema=annotation_file.SCHEMA, version="kitti", split=folder.name)
    data = dict(info=info, images=images, annotations=annotations, categories=categories)
    mistakes = summarize(annotation_file.find_record_faults(data))
    if mistakes:
        raise UserError(f"labels in {folder / 'label_2'}: {'; '.join(mistakes)}")
    return complete(data)


def _output(root: Path, out: str | Path | None) -> Path:
    path = Path(root if out is None else out)
    return path if path.suffix == ".json" else path / FILE_NAME
