"""Intrinsics of images from annotation files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from epropnp_det.errors import UserError

from .cameras import NamedCamera, choose_camera
from .content import read_json
from .value import Intrinsics


def intrinsics_of_image(annotation_file: str | Path, image: str | Path) -> Intrinsics:
    """Intrinsics of an image, from an annotation file in the `mono3d.coco.json` form.

    The entry counts whose path agrees with the image's in most parts, from the file name upwards.

    Raises:
        UserError: the file is no annotation file, has no image of this name, or has several with
            different matrices that agree equally well.
    """
    entries = _entries(annotation_file)
    return camera_of_annotated_image(entries, image, str(annotation_file))


def camera_of_annotated_image(
    entries: Mapping[str, Sequence[NamedCamera]], image: str | Path, where: str
) -> Intrinsics:
    """As `intrinsics_of_image`, with the entries of `annotated_cameras`."""
    name = Path(image).name
    if name not in entries:
        raise UserError(f"{where} has no image named {name}")
    return choose_camera(entries[name], image, where)


def intrinsics_by_file_name(annotation_file: str | Path) -> dict[str, np.ndarray]:
    """(3, 3) camera matrices by image file name (without folders), from an annotation file in the
    `mono3d.coco.json` form. Of equal names the last one counts;
    `intrinsics_of_image` distinguishes folders.

    Raises:
        UserError: the file is no annotation file.
    """
    entries = _entries(annotation_file)
    return {name: cameras[-1].intrinsics.matrix for name, cameras in entries.items()}


def _entries(annotation_file: str | Path) -> dict[str, list[NamedCamera]]:
    try:
        content = read_json(annotation_file)
    except UserError as error:
        raise UserError(f"{annotation_file} is no annotation file: {error}") from error
    return annotated_cameras(content, str(annotation_file))


def annotated_cameras(content: Any, where: str) -> dict[str, list[NamedCamera]]:
    """The camera of each image of an annotation file, grouped by file name without folders.

    Raises:
        UserError: the content is no annotation file, or an image has no camera.
    """
    images = content.get("images") if isinstance(content, dict) else None
    if not isinstance(images, list):
        raise UserError(
            f"{where} is no annotation file with images[].file_name and images[].cam_intrinsic"
        )
    cameras: dict[str, list[NamedCamera]] = {}
    for index, image in enumerate(images):
        camera = _camera_of_entry(image, f"{where}: images[{index}]")
        cameras.setdefault(Path(camera.name).name, []).append(camera)
    return cameras


def _camera_of_entry(image: Any, where: str) -> NamedCamera:
    """The camera of one image of the file."""
    if (
        not isinstance(image, dict)
        or not isinstance(image.get("file_name"), str)
        or "cam_intrinsic" not in image
    ):
        raise UserError(
            f"{where} has no file_name and cam_intrinsic, so this is no annotation file"
        )
    size = (image["width"], image["height"]) if {"width", "height"} <= image.keys() else None
    try:
        camera = Intrinsics(image["cam_intrinsic"], size, image.get("distortion"))
        return NamedCamera(image["file_name"], camera)
    except UserError as error:
        raise UserError(f"{where} ({image['file_name'][:80]}): {error}") from error
