"""A picture as another camera would take it, drawn once: crop, resize and flip change where it is
drawn, and `ImageView.render` resamples the pixels.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from shapely import geometry
from shapely.geometry.base import BaseGeometry

# From our pixels, whose centres are at half numbers, to OpenCV's with centres at whole numbers.
_TO_OPENCV = np.array([[1.0, 0.0, -0.5], [0.0, 1.0, -0.5], [0.0, 0.0, 1.0]])
# Rays of the border that meet the view at a steeper angle than 87 degrees are cut off.
_MIN_DEPTH = 0.05


@dataclass(frozen=True)
class ImageView:
    """What a turned camera with another focal length sees of a picture.

    Args:
        pixels: (H, W, C) the picture.
        matrix: (3, 3) camera matrix of the picture, px.
        target: (3, 3) pixels of the view ~ target X, for points X in the picture's camera frame.
        size: width and height of the view, px.
        fill: value of the parts that the picture does not cover, one per channel.
    """

    pixels: np.ndarray
    matrix: np.ndarray
    target: np.ndarray
    size: tuple[int, int]
    fill: tuple[float, ...]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels, as of an array."""
        return self.size[1], self.size[0], self.pixels.shape[2]

    @property
    def homography(self) -> np.ndarray:
        """(3, 3) from pixels of the picture to pixels of the view."""
        return self.target @ np.linalg.inv(self.matrix)

    def crop(self, x0: int, y0: int, x1: int, y1: int) -> ImageView:
        """The part between the pixels (x0, y0) and (x1, y1)."""
        return self._moved((1.0, 1.0), (-x0, -y0), (x1 - x0, y1 - y0))

    def scale(self, size: tuple[int, int]) -> ImageView:
        """The same view in `size` = (width, height) px."""
        factors = (size[0] / self.size[0], size[1] / self.size[1])
        return self._moved(factors, (0.0, 0.0), size)

    def flip(self) -> ImageView:
        """The mirror image."""
        return self._moved((-1.0, 1.0), (self.size[0], 0.0), self.size)

    def covered(self) -> BaseGeometry:
        """The region of the view, in px, that the picture covers."""
        height, width = self.pixels.shape[:2]
        corners = np.array([[0, 0, 1], [width, 0, 1], [width, height, 1], [0, height, 1]])
        outline = _in_front(corners @ self.homography.T)
        if len(outline) < 3:
            return geometry.Polygon()
        picture = geometry.Polygon(outline[:, :2] / outline[:, 2:])
        return picture.intersection(geometry.box(0, 0, *self.size))

    def render(self) -> np.ndarray:
        """The view (height, width, C), each pixel the mean of the picture under it."""
        # Bilinear interpolation skips pixels of the picture where the view is smaller than half of
        # it. So the view is drawn larger by a whole factor, and blocks of its pixels are averaged.
        factor = max(1, round(1 / self._magnification()))
        large = self.scale((self.size[0] * factor, self.size[1] * factor))
        drawn = cv2.warpPerspective(
            self.pixels,
            _TO_OPENCV @ large.homography @ np.linalg.inv(_TO_OPENCV),
            large.size,
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=self.fill,
        )
        if factor == 1:
            return drawn
        return cv2.resize(drawn, self.size, interpolation=cv2.INTER_AREA)

    def _magnification(self) -> float:
        """Pixels of the view per pixel of the picture, along a side, at the centre of the view."""
        center = np.array([self.size[0] / 2, self.size[1] / 2, 1.0])
        inverse = np.linalg.inv(self.homography)
        depth = (inverse @ center)[2]
        return float(np.sqrt(abs(depth**3 / np.linalg.det(inverse))))

    def _moved(
        self, scale: tuple[float, float], offset: tuple[float, float], size: tuple[int, int]
    ) -> ImageView:
        move = np.array([[scale[0], 0.0, offset[0]], [0.0, scale[1], offset[1]], [0.0, 0.0, 1.0]])
        return replace(self, target=move @ self.target, size=size)


def _in_front(polygon: np.ndarray) -> np.ndarray:
    """The part of a polygon of homogeneous pixels (n, 3) with depths above `_MIN_DEPTH`."""
    depth = polygon[:, 2]
    following = np.roll(polygon, -1, axis=0)
    kept = []
    for start, end in zip(polygon, following):
        if start[2] >= _MIN_DEPTH:
            kept.append(start)
        if (start[2] < _MIN_DEPTH) != (end[2] < _MIN_DEPTH):
            kept.append(start + (_MIN_DEPTH - start[2]) / (end[2] - start[2]) * (end - start))
    return polygon if (depth >= _MIN_DEPTH).all() else np.array(kept).reshape(-1, 3)
