"""One HTML file with pictures of detections and their pose distributions; the pictures are inside
the file.
"""

from __future__ import annotations

import base64
import functools
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from .palette import class_rgb

_JPEG_QUALITY = 85


@dataclass(frozen=True)
class Number:
    """A result, as text, and what it means in a few words."""

    name: str
    value: str
    meaning: str


@dataclass(frozen=True)
class ObjectPanel:
    """An object close up. Pictures are (H, W, 3) uint8 BGR."""

    title: str
    text: str
    crop: np.ndarray
    density: np.ndarray  # of its heading


@dataclass(frozen=True)
class ImagePanel:
    """An image with its boxes, the scene from above, and the best objects of it."""

    title: str
    picture: np.ndarray
    birdseye: np.ndarray
    objects: tuple[ObjectPanel, ...]


@dataclass(frozen=True)
class Page:
    """The content of the page; the legend has `class_names` in the order of the labels."""

    title: str
    lead: str
    images: tuple[ImagePanel, ...]
    class_names: tuple[str, ...]
    numbers: tuple[Number, ...] = ()
    commands: tuple[str, ...] = ()

    @property
    def legend(self) -> list[tuple[str, str]]:
        """Class names and their colours."""
        return [
            (name.replace("_", " "), "rgb({}, {}, {})".format(*class_rgb(label)))
            for label, name in enumerate(self.class_names)
        ]


def write_page(path: Path, page: Page) -> None:
    """Writes a page; nothing else is needed to look at it."""
    path.write_text(_environment().get_template("page.html").render(page=page), encoding="utf-8")


@functools.cache
def _environment() -> Environment:
    loader = PackageLoader("epropnp_det", "drawing")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined)
    environment.filters |= dict(jpeg=_jpeg, png=_png)
    return environment


def _jpeg(picture: np.ndarray) -> str:
    return _data(
        "jpeg", cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])[1]
    )


def _png(picture: np.ndarray) -> str:
    return _data("png", cv2.imencode(".png", picture)[1])


def _data(kind: str, encoded: np.ndarray) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(encoded.tobytes()).decode()}"
