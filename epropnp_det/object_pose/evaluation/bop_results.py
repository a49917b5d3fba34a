"""The result file of the BOP challenge: one estimated pose a line, in CSV.

`scene_id,im_id,obj_id,score,R,t,time`: R is nine numbers row by row and t three, with blanks in
between, in mm; the time in seconds is that of the whole image, -1 where it is unknown.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from epropnp_det.engine.output_files import write_text
from epropnp_det.engine.outside_files import read_text
from epropnp_det.errors import UserError

from ..rigid_pose import RigidPose

# How many numbers each column has.
_COUNTS = dict(scene_id=1, im_id=1, obj_id=1, score=1, R=9, t=3, time=1)
HEADER = tuple(_COUNTS)
UNKNOWN_TIME = -1.0
MAX_NUMBER = 1e9
_METRES = 1e-3
_ORTHONORMAL = 1e-2
_REMEDY = f"write a line as {','.join(HEADER)}, with blanks between the numbers of R and t (mm)"


@dataclass(frozen=True)
class BopResult:
    """One estimated pose of an object in an image.

    Args:
        score: higher is more confident.
        pose: from the model's frame to the camera's [m].
        time: seconds for the whole image, or `UNKNOWN_TIME`.
    """

    scene_id: int
    image_id: int
    object_id: int
    score: float
    pose: RigidPose
    time: float = UNKNOWN_TIME


def write_results(results: Iterable[BopResult], path: str | Path) -> None:
    """Writes the file with its header; numbers keep every digit.

    Raises:
        UserError: two results of one image have different times, or the file cannot be written.
    """
    results = list(results)
    _check_times(results, path)
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(HEADER)
    writer.writerows(_row(result) for result in results)
    write_text(Path(path), stream.getvalue())


def read_results(path: str | Path) -> list[BopResult]:
    """Reads a result file, with or without a header.

    Raises:
        UserError: the file is missing, a line has another form (naming its number), or two results
            of one image have different times.
    """
    text = read_text(path, "result file", "name a CSV file")
    try:
        rows = list(csv.reader(text.splitlines()))
    except csv.Error as error:
        raise UserError(f"result file {path} is not CSV ({error}); {_REMEDY}") from error
    first = 1 if rows and tuple(each.strip() for each in rows[0]) == HEADER else 0
    numbered = enumerate(rows[first:], start=first + 1)
    results = [_parse(row, f"{path}, line {number}") for number, row in numbered if row]
    _check_times(results, path)
    return results


def _row(result: BopResult) -> tuple[object, ...]:
    rotation = " ".join(repr(float(value)) for value in result.pose.rotation.ravel())
    translation = " ".join(repr(float(value)) for value in result.pose.translation / _METRES)
    ids = (result.scene_id, result.image_id, result.object_id)
    return (*ids, repr(float(result.score)), rotation, translation, repr(float(result.time)))


def _parse(row: Sequence[str], where: str) -> BopResult:
    if len(row) != len(HEADER):
        raise UserError(f"{where}: {len(row)} columns instead of {len(HEADER)}; {_REMEDY}")
    values = [
        _numbers(text, count, f"{where}, {name}")
        for text, (name, count) in zip(row, _COUNTS.items())
    ]
    scene, image, object_id, score, time = (
        value.item() for value, count in zip(values, _COUNTS.values()) if count == 1
    )
    for name, number in zip(HEADER, (scene, image, object_id)):
        if number < 0 or number != int(number):
            raise UserError(f"{where}, {name}: {number:g} is no whole number from 0; {_REMEDY}")
    rotation = values[4].reshape(3, 3)
    translation = values[5]
    if np.abs(rotation @ rotation.T - np.eye(3)).max() > _ORTHONORMAL:
        raise UserError(f"{where}: R is no rotation; {_REMEDY}")
    pose = RigidPose(rotation, translation * _METRES)
    return BopResult(int(scene), int(image), int(object_id), score, pose, time)


def _numbers(text: str, count: int, where: str) -> np.ndarray:
    """(count,) numbers of a column."""
    try:
        numbers = np.array(text.split(), dtype=np.float64)
    except ValueError:
        numbers = np.empty(0)
    if numbers.shape != (count,) or not (np.abs(numbers) <= MAX_NUMBER).all():
        raise UserError(f"{where}: {text!r:.60} is no {count} finite numbers; {_REMEDY}")
    return numbers


def _check_times(results: Sequence[BopResult], path: str | Path) -> None:
    times: dict[tuple[int, int], float] = {}
    for result in results:
        image = (result.scene_id, result.image_id)
        if times.setdefault(image, result.time) != result.time:
            raise UserError(
                f"{path}: image {image[1]} of scene {image[0]} has the times {times[image]:g} and "
                f"{result.time:g}; every line of an image gives the time of the whole image"
            )
