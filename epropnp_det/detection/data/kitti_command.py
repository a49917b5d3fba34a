"""The arguments of `tools/create_data.py kitti`."""

from __future__ import annotations

from pathlib import Path

from epropnp_det.engine.outside_files import read_text
from epropnp_det.errors import UserError

from .kitti_classes import KITTI_CLASSES, KITTI_TYPES
from .kitti_convert import write_kitti_file


def convert(root: str, out: str | None, classes: list[str] | None, frames: str | None) -> None:
    """Writes the annotation file of KITTI's training images.

    Args:
        root, out: see `write_kitti_file`.
        classes: pairs TYPE=CLASS; None means the default classes.
        frames: text file with the names of the images to take, one per line; None takes all.

    Raises:
        UserError: see `write_kitti_file`; a pair without "=" or with an unknown type, a list of
            images that cannot be read or is empty.
    """
    mapping = KITTI_CLASSES if classes is None else dict(map(_class_of_type, classes))
    write_kitti_file(root, out, mapping, None if frames is None else _read_names(Path(frames)))


def _class_of_type(pair: str) -> tuple[str, str]:
    kind, _, name = pair.partition("=")
    if not name or kind not in KITTI_TYPES:
        raise UserError(
            f"--classes takes TYPE=CLASS, not {pair!r}; types are {', '.join(KITTI_TYPES)}"
        )
    return kind, name


def _read_names(path: Path) -> list[str]:
    names = read_text(path, "--frames", "name a text file with one image name per line").split()
    if not names:
        raise UserError(f"--frames {path} names no image")
    return names
