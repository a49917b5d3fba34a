"""The result file of the BOP challenge: one estimated pose a line, in CSV.

`scene_id,im_id,obj_id,score,R,t,time`: R is nine numbers row by row and t three, with blanks in
between, in mm; the time in seconds is that of the whole image, -1 where it is unknown.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from epropnp_det.errors import UserError

from ..rigid_pose import RigidPose

HEADER = ("scene_id", "im_id", "obj_id", "score", "R", "t", "time")
UNKNOWN_TIME = -1.0
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
    try:
        with open(path, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(HEADER)
            writer.writerows(_row(result) for result in results)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}; name another file") from error


def read_results(path: str | Path) -> list[BopResult]:
    """Reads a result file, with or without a header.

    Raises:
        UserError: the file is missing, a line has another form (naming its number), or two results
            of one image have different times.
    """
    try:
        with open(path, newline="", encoding="utf-8") as file:
            rows = list(csv.reader(file))
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"result file {path} cannot be read ({error}); name a CSV file") from error
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
    try:
        scene, image, object_id = (int(value) for value in row[:3])
        score = float(row[3])
        rotation = np.array(row[4].split(), dtype=np.float64).reshape(3, 3)
        translation = np.array(row[5].split(), dtype=np.float64).reshape(3)
        time = float(row[6])
    except ValueError as error:
        raise UserError(f"{where}: {error}; {_REMEDY}") from error
    numbers = [score, time, *rotation.ravel(), *translation]
    if not all(map(math.isfinite, numbers)):
        raise UserError(f"{where}: a number is not finite; {_REMEDY}")
    if np.abs(rotation @ rotation.T - np.eye(3)).max() > _ORTHONORMAL:
        raise UserError(f"{where}: R is no rotation; {_REMEDY}")
    pose = RigidPose(rotation, translation * _METRES)
    return BopResult(scene, image, object_id, score, pose, time)


def _check_times(results: Sequence[BopResult], path: str | Path) -> None:
    times: dict[tuple[int, int], float] = {}
    for result in results:
        image = (result.scene_id, result.image_id)
        if times.setdefault(image, result.time) != result.time:
            raise UserError(
                f"{path}: image {image[1]} of scene {image[0]} has the times {times[image]:g} and "
                f"{result.time:g}; every line of an image gives the time of the whole image"
            )
