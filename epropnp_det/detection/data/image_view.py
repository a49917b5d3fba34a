"""A picture as another camera would take it, drawn once: crop, resize and flip change where it is
drawn, and `ImageView.render` resamples the pixels.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from shapely import geometry
from shapely.geometry.base import BaseGeometry

from epropnp_det.engine.lens import TO_OPENCV, Lens

# Rays of the border that meet the view at a steeper angle than 87 degrees are cut off.
_MIN_DEPTH = 0.05
# Points along each side of a picture whose sides a lens bends.
_BORDER_POINTS = 33
# Points along each side of the grid that the seen share of a picture is counted on.
_GRID = 64


@dataclass(frozen=True)
class ImageView:
    """What a turned camera with another focal length sees of a picture.

    Args:
        pixels: (H, W, C) the picture.
        lens: the lens of the picture.
        target: (3, 3) pixels of the view ~ target X, for points X in the picture's camera frame.
        size: width and height of the view, px.
        fill: value of the parts that the picture does not cover, one per channel.
    """

    pixels: np.ndarray
    lens: Lens
    target: np.ndarray
    size: tuple[int, int]
    fill: tuple[float, ...]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels, as of an array."""
        return self.size[1], self.size[0], self.pixels.shape[2]

    @property
    def homography(self) -> np.ndarray:
        """(3, 3) from pixels of the picture, without distortion, to pixels of the view."""
        return self.target @ np.linalg.inv(self.lens.matrix)

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
        points = 2 if self.lens.is_pinhole else _BORDER_POINTS
        share = np.linspace(0, 1, points)[:-1]
        one = np.ones_like(share)
        across = np.concatenate([share, one, 1 - share, 0 * one])
        down = np.concatenate([0 * one, share, one, 1 - share])
        rays = self.lens.rays(np.stack([width * across, height * down], axis=1))
        outline = _in_front(rays[np.isfinite(rays).all(axis=1)] @ self.target.T)
        if len(outline) < 3:
            return geometry.Polygon()
        picture = geometry.Polygon(outline[:, :2] / outline[:, 2:])
        # A bent border may cross itself far outside the view.
        valid = picture if picture.is_valid else picture.buffer(0)
        return valid.intersection(geometry.box(0, 0, *self.size))

    def render(self) -> np.ndarray:
        """The view (height, width, C), each pixel the mean of the picture under it."""
        # Bilinear interpolation skips pixels of the picture where the view is smaller than half of
        # it. So the view is drawn larger by a whole factor, and blocks of its pixels are averaged.
        factor = max(1, round(1 / self._magnification()))
        large = self.scale((self.size[0] * factor, self.size[1] * factor))
        drawn = large._resampled() if self.lens.is_pinhole else large._undistorted()
        if factor == 1:
            return drawn
        return cv2.resize(drawn, self.size, interpolation=cv2.INTER_AREA)

    def _resampled(self) -> np.ndarray:
        return cv2.warpPerspective(
            self.pixels,
            TO_OPENCV @ self.homography @ np.linalg.inv(TO_OPENCV),
            self.size,
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=self.fill,
        )

    def _undistorted(self) -> np.ndarray:
        drawn = cv2.remap(
            self.pixels,
            *self.lens.maps(self.target, self.size),
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=self.fill,
        )
        # Outside the picture a polynomial may lead back into it.
        mask = np.zeros(drawn.shape[:2], np.uint8)
        for part in _polygons(self.covered()):
            cv2.fillPoly(mask, [np.round(np.array(part.exterior.coords)).astype(np.int32)], (1,))
        drawn[mask == 0] = self.fill
        return drawn

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


def undistorted(pixels: np.ndarray, lens: Lens) -> np.ndarray:
    """The picture (H, W, C) that a pinhole with the same camera matrix would take; black where the
    lens shows nothing.
    """
    if lens.is_pinhole:
        return pixels
    size = (pixels.shape[1], pixels.shape[0])
    return ImageView(pixels, lens, lens.matrix, size, (0.0,) * pixels.shape[2]).render()


def seen_share(
    lens: Lens, size: tuple[int, int], target: np.ndarray, view_size: tuple[int, int]
) -> float:
    """Share of a picture of this size (width, height) that a view shows.

    Args:
        lens: the lens of the picture.
        target, view_size: of the view, as in `ImageView`.
    """
    side = np.linspace(0, 1, 2 * _GRID + 1)[1::2]
    x, y = np.meshgrid(size[0] * side, size[1] * side)
    rays = lens.rays(np.stack([x.ravel(), y.ravel()], axis=1)) @ target.T
    pixels = rays[:, :2] / rays[:, 2:]
    return float(((rays[:, 2:] > 0) & (pixels >= 0) & (pixels <= view_size)).all(axis=1).mean())


def _polygons(region: BaseGeometry) -> list[geometry.Polygon]:
    parts = getattr(region, "geoms", [region])
    return [part for part in parts if isinstance(part, geometry.Polygon) and not part.is_empty]


def _in_front(polygon: np.ndarray) -> np.ndarray:
    """The part (m, 3) of a polygon of homogeneous pixels (n, 3) with depths of `_MIN_DEPTH`."""
    kept = []
    for start, end in zip(polygon, np.roll(polygon, -1, axis=0)):
        if start[2] >= _MIN_DEPTH:
            kept.append(start)
        if (start[2] < _MIN_DEPTH) != (end[2] < _MIN_DEPTH):
            kept.append(start + (_MIN_DEPTH - start[2]) / (end[2] - start[2]) * (end - start))
    return np.array(kept).reshape(-1, 3)
