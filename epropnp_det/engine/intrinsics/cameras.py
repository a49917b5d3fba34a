"""The cameras of one file, and the one of them that took an image."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from epropnp_det.errors import UserError

from .value import Intrinsics

_SHOWN_NAMES = 4


@dataclass(frozen=True)
class NamedCamera:
    """A camera of a file.

    Args:
        name: what the file calls it, or the path of an image of it.
        folders: names of the folders with its images, besides `name`.
    """

    name: str
    intrinsics: Intrinsics
    folders: tuple[str, ...] = ()


def choose_camera(
    cameras: Sequence[NamedCamera], image: str | Path | None, where: str
) -> Intrinsics:
    """The camera that took an image. Its name agrees with the image's path in most parts, or is
    the name of a folder in it. Where all cameras are equal, or there is one, no name is needed.

    Args:
        where: the file, for messages.

    Raises:
        UserError: no camera, or several different ones, agree with the path.
    """
    best = cameras
    if not _all_equal(cameras):
        if image is None:
            raise UserError(f"{where} has several cameras ({_names(cameras)}); give {where}:NAME")
        path = Path(image).absolute()
        counts = [_agreement(camera, path) for camera in cameras]
        if max(counts) == 0:
            raise UserError(
                f"{where} has no camera for {image}, but {_names(cameras)}; give {where}:NAME, or "
                "the image in a folder of that name"
            )
        best = [camera for camera, count in zip(cameras, counts) if count == max(counts)]
    if not _all_equal(best):
        raise UserError(
            f"{where} has several cameras for {image} ({_names(best)}); give the image with the "
            "folders that the file names"
        )
    return best[0].intrinsics


def camera_of_name(cameras: Sequence[NamedCamera], name: str, where: str) -> Intrinsics:
    """The camera of that name.

    Raises:
        UserError: no camera has it.
    """
    for camera in cameras:
        if camera.name == name:
            return camera.intrinsics
    raise UserError(f"{where} has no camera {name!r}, but {_names(cameras)}")


def _agreement(camera: NamedCamera, image: Path) -> int:
    """How many parts of the path agree with the camera's name."""
    shared = max(
        shared_parts(Path(camera.name), image),
        shared_parts(Path(camera.name), image.with_suffix("")),
    )
    return shared or int(not {camera.name, *camera.folders}.isdisjoint(image.parts))


def shared_parts(first: Path, second: Path) -> int:
    """How many parts two paths share, counted from the file name upwards."""
    pairs = zip(reversed(first.parts), reversed(second.parts))
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))


def _all_equal(cameras: Sequence[NamedCamera]) -> bool:
    return all(camera.intrinsics.equals(cameras[0].intrinsics) for camera in cameras)


def _names(cameras: Sequence[NamedCamera]) -> str:
    names = [camera.name for camera in cameras]
    more = len(names) - _SHOWN_NAMES
    return ", ".join(names[:_SHOWN_NAMES]) + (f" and {more} more" if more > 0 else "")
