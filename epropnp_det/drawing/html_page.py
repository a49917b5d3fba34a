"""The report: one HTML file about detections and ground truth of many images.

Boxes, points and distributions are in the file as numbers, and its script draws them. Nothing else
is needed to open it. Texts enter the page as data, so no class name runs as a script.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

import cv2
import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from epropnp_det.posterior.density import resample, yaw_density

_WIDTHS = (1600, 1280, 960, 640)  # px, tried in this order
_QUALITIES = (85, 70, 50)  # of WebP
_SAMPLES = 96  # drawn per object
_ANGLES = np.linspace(-np.pi, np.pi, 73)


@dataclass(frozen=True)
class Number:
    """A result, as text, and what it means in a few words."""

    name: str
    value: str
    meaning: str


@dataclass(frozen=True)
class Points:
    """Correspondences of an object.

    Args:
        x2d: (P, 2) px of the image.
        coordinates: (P, 3) object coordinates divided by the size, in [-0.5, 0.5].
        weight: (P, 2) 1/px.
    """

    x2d: np.ndarray
    coordinates: np.ndarray
    weight: np.ndarray


@dataclass(frozen=True)
class ShownBox:
    """A true or predicted box.

    Args:
        label: index into the class names.
        corners: (8, 3) m, camera frame, see `wireframe`.
        pose: (4,) x, y, z [m], yaw [rad], level frame.
        size: (3,) length, height, width, m.
    """

    label: int
    corners: np.ndarray
    pose: np.ndarray
    size: np.ndarray


@dataclass(frozen=True)
class ShownDetection(ShownBox):
    """A predicted box.

    Args:
        score: in [0, 1].
        match: index of its true box in the image; None for a false alarm.
        errors: by the keys of `ERRORS`; empty for a false alarm, NaN where there is none.
        sample_pose: (S, 4) samples of the pose, level frame; None where there is no distribution.
        sample_weight: (S,).
        points: None where they are not known.
    """

    score: float
    match: int | None = None
    errors: Mapping[str, float] = field(default_factory=dict)
    sample_pose: np.ndarray | None = None
    sample_weight: np.ndarray | None = None
    points: Points | None = None


# Errors of a detection, and their units.
ERRORS = dict(position="m", depth="m", heading="°", size="")


@dataclass(frozen=True)
class ShownImage:
    """An image with its boxes.

    Args:
        title: one line.
        picture: a WebP file, see `encode_picture`.
        width, height: of the original image, px.
        matrix: (3, 3) camera matrix of the original image, px.
    """

    title: str
    picture: bytes
    width: int
    height: int
    matrix: np.ndarray
    detections: tuple[ShownDetection, ...]
    truth: tuple[ShownBox, ...]


@dataclass(frozen=True)
class ClassResult:
    """Results of a class over all images.

    Args:
        name: the class.
        numbers: columns of the table, NaN where a number is not defined.
        recall, precision, score: (k,) each, of the k best detections.
    """

    name: str
    numbers: Mapping[str, float]
    recall: np.ndarray
    precision: np.ndarray
    score: np.ndarray


@dataclass(frozen=True)
class Coverage:
    """How often true values lie in predicted regions.

    Args:
        title: what the plot is about.
        objects: number of true values.
        nominal: (k,) probabilities of the regions.
        shares: (k,) of each quantity by its name.
    """

    title: str
    objects: int
    nominal: np.ndarray
    shares: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Page:
    """The content of the report. `score` is where its slider starts, `least_score` its lower
    end.
    """

    title: str
    lead: str
    class_names: tuple[str, ...]
    images: tuple[ShownImage, ...]
    score: float = 0.2
    least_score: float = 0.0
    numbers: tuple[Number, ...] = ()
    classes: tuple[ClassResult, ...] = ()
    coverage: tuple[Coverage, ...] = ()
    commands: tuple[str, ...] = ()


def page_text(page: Page) -> str:
    """The report as HTML."""
    files = resources.files("epropnp_det.drawing")
    script = (files / "page.js").read_text(encoding="utf-8")
    style = (files / "page.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        _environment()
        .get_template("page.html")
        .render(title=page.title, script=script, digest=digest, style=style, data=page_data(page))
    )


def encode_picture(pixels: np.ndarray, max_bytes: float) -> bytes:
    """An image (H, W, 3) uint8 BGR as a WebP file: the largest and best of at most `max_bytes`,
    else the smallest.
    """
    data = b""
    for width in _WIDTHS:
        scale = min(1.0, width / pixels.shape[1])
        small = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        for quality in _QUALITIES:
            data = cv2.imencode(".webp", small, [cv2.IMWRITE_WEBP_QUALITY, quality])[1].tobytes()
            if len(data) <= max_bytes:
                return data
    return data


def page_data(page: Page) -> dict[str, Any]:
    """The content as JSON values: the keys that page.js reads."""
    return dict(
        title=page.title,
        lead=page.lead,
        names=list(page.class_names),
        score=page.score,
        leastScore=page.least_score,
        units=ERRORS,
        numbers=[vars(number) for number in page.numbers],
        classes=[_class_data(each) for each in page.classes],
        coverage=[_coverage_data(each) for each in page.coverage],
        commands=list(page.commands),
        images=[_image_data(image) for image in page.images],
    )


def _class_data(result: ClassResult) -> dict[str, Any]:
    return dict(
        name=result.name,
        numbers={name: _finite(value) for name, value in result.numbers.items()},
        recall=_rounded(result.recall, 4),
        precision=_rounded(result.precision, 4),
        score=_rounded(result.score, 4),
    )


def _coverage_data(coverage: Coverage) -> dict[str, Any]:
    return dict(
        title=coverage.title,
        objects=coverage.objects,
        nominal=_rounded(coverage.nominal, 4),
        shares={name: _rounded(share, 4) for name, share in coverage.shares.items()},
    )


def _image_data(image: ShownImage) -> dict[str, Any]:
    return dict(
        title=image.title,
        picture=base64.b64encode(image.picture).decode(),
        width=image.width,
        height=image.height,
        matrix=image.matrix.tolist(),
        detections=[_detection_data(each) for each in image.detections],
        truth=[_box_data(each) for each in image.truth],
    )


def _box_data(box: ShownBox) -> dict[str, Any]:
    return dict(
        label=box.label,
        corners=_rounded(box.corners, 3),
        pose=_rounded(box.pose, 4),
        size=_rounded(box.size, 3),
    )


def _detection_data(found: ShownDetection) -> dict[str, Any]:
    errors = {name: _finite(value) for name, value in found.errors.items()}
    data = dict(_box_data(found), score=round(found.score, 4), match=found.match, errors=errors)
    if found.sample_pose is not None and found.sample_weight is not None:
        drawn = found.sample_pose[resample(found.sample_weight, _SAMPLES)]
        data["samples"] = [_packed(drawn[:, column], np.uint16) for column in (0, 2)]
        density = yaw_density(found.sample_pose[:, 3], found.sample_weight, _ANGLES)
        data["heading"] = _packed(density / density.max(), np.uint8)
    if found.points is not None:
        data["points"] = dict(
            x2d=_packed(found.points.x2d, np.uint16),
            coordinates=_packed(found.points.coordinates, np.uint8),
            weight=_packed(found.points.weight, np.uint8),
        )
    return data


def _packed(values: np.ndarray, kind: type[np.unsignedinteger]) -> dict[str, Any]:
    """An array as unsigned integers in base64: value = low + step * integer."""
    low = float(values.min())
    step = (float(values.max()) - low) / np.iinfo(kind).max or 1.0
    integers = np.round((values - low) / step).astype(kind)
    little_endian = integers.astype(integers.dtype.newbyteorder("<"))
    text = base64.b64encode(little_endian.tobytes()).decode()
    return dict(low=low, step=step, bits=8 * integers.itemsize, data=text)


def _rounded(values: np.ndarray, decimals: int) -> list[Any]:
    return np.round(np.asarray(values, dtype=np.float64), decimals).tolist()


def _finite(value: float) -> float | None:
    """JSON has no NaN."""
    return round(float(value), 4) if math.isfinite(value) else None


@functools.cache
def _environment() -> Environment:
    loader = PackageLoader("epropnp_det", "drawing")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined)
    environment.policies["json.dumps_kwargs"] = dict(sort_keys=False, allow_nan=False)
    return environment
