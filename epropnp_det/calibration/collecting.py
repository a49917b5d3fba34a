"""Predictions that are made once and kept in files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tqdm import tqdm

from epropnp_det.engine.output_files import make_folder, write_bytes
from epropnp_det.errors import UserError

from .objects import CalibrationObjects

IMAGES_AT_ONCE = 24

Predict = Callable[[Sequence[int]], Iterator[CalibrationObjects]]


def collect(predict: Predict, number: int, folder: Path) -> CalibrationObjects:
    """The objects of `number` images. Every `IMAGES_AT_ONCE` images are written to a file of the
    folder; images that are there are not predicted again.

    Raises:
        UserError: no object was found, or a file is broken.
    """
    make_folder(folder)
    paths = []
    with tqdm(total=number, desc=folder.name, unit="image", disable=None) as progress:
        for first in range(0, number, IMAGES_AT_ONCE):
            indices = range(first, min(first + IMAGES_AT_ONCE, number))
            path = folder / f"images_{first:06d}_{indices[-1]:06d}.npz"
            paths += _predicted(predict, indices, path)
            progress.update(len(indices))
    parts = [CalibrationObjects.load(path) for path in paths]
    if not parts:
        raise UserError(f"{folder}: none of {number} images has a matched object; is it trained?")
    return CalibrationObjects.cat(parts)


def _predicted(predict: Predict, indices: Sequence[int], path: Path) -> list[Path]:
    """The file of these images, or none where they have no object."""
    empty = path.with_suffix(".empty")
    if not path.exists() and not empty.exists():
        found = [part for part in predict(indices) if len(part)]
        if found:
            CalibrationObjects.cat(found).save(path)
        else:
            write_bytes(empty, b"")
    return [path] if path.exists() else []
