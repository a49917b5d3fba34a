"""Warnings of the cameras of an annotation file: wrong matrices, and samples without a camera."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from epropnp_det.engine.intrinsics import Intrinsics
from epropnp_det.engine.intrinsics.doubts import doubts_by_rule
from epropnp_det.errors import CameraWarning

Record = dict[str, Any]


def warn_of_cameras(images: Sequence[Record], path: str | Path, *, whole_samples: bool) -> None:
    """Warns once of each kind of doubt about the cameras of an annotation file.

    Args:
        images: records with file_name, width, height, cam_intrinsic and token.
        path: the file, for messages.
        whole_samples: whether samples without one of the cameras are doubtful too: their detections
            are joined.

    Warns:
        CameraWarning: one line for each kind, with the first image and how many more there are.
    """
    for doubt in _doubts_of_matrices(images):
        warnings.warn(f"{path}: {doubt}", CameraWarning, stacklevel=2)
    missing = _missing_cameras(images) if whole_samples else None
    if missing is not None:
        warnings.warn(f"{path}: {missing}", CameraWarning, stacklevel=2)


def _doubts_of_matrices(images: Sequence[Record]) -> Iterator[str]:
    by_camera: dict[tuple, list[str]] = {}
    for image in images:
        numbers = tuple(map(tuple, image["cam_intrinsic"]))
        key = (numbers, (image["width"], image["height"]))
        by_camera.setdefault(key, []).append(image["file_name"])
    first: dict[str, tuple[str, str]] = {}
    count: Counter[str] = Counter()
    for (numbers, size), files in by_camera.items():
        for rule, doubt in doubts_by_rule(Intrinsics.of(numbers), size).items():
            first.setdefault(rule, (files[0], doubt))
            count[rule] += len(files)
    for rule, (file, doubt) in first.items():
        yield f"{file}: {doubt}{_and_more(count[rule] - 1)}"


def _missing_cameras(images: Sequence[Record]) -> str | None:
    """The first sample with fewer images than most have; None where all have as many."""
    folders: dict[str, list[str]] = {}
    for image in images:
        folders.setdefault(image["token"], []).append(Path(image["file_name"]).parent.name)
    usual = Counter(map(len, folders.values())).most_common(1)[0][0]
    short = [token for token, names in folders.items() if len(names) < usual]
    if not short:
        return None
    names = set().union(*folders.values()) - set(folders[short[0]])
    without = f", without {', '.join(sorted(names))}" if names else ""
    return (
        f"sample {short[0]} has {len(folders[short[0]])} of {usual} cameras{without}; add the "
        f"images, or its detections come from the others alone{_and_more(len(short) - 1)}"
    )


def _and_more(count: int) -> str:
    return f" (and {count} more)" if count else ""
