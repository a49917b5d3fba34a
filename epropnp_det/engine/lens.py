"""Pinhole lenses and lenses with distortion, in OpenCV's models."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

# From our pixels, whose centres are at half numbers, to OpenCV's with centres at whole numbers.
TO_OPENCV = np.array([[1.0, 0.0, -0.5], [0.0, 1.0, -0.5], [0.0, 0.0, 1.0]])
FISHEYE = 4
_SAME_PIXEL = 0.1  # px
# Angles from the optical axis at which the fisheye model is inverted, rad.
_ANGLES = np.linspace(0.0, np.pi, 2000)


@dataclass(frozen=True)
class Lens:
    """How a picture shows directions.

    Args:
        matrix: (3, 3) camera matrix, px.
        distortion: coefficients of the lens: 5 for OpenCV's k1, k2, p1, p2, k3, 4 for the k1 to k4
            of OpenCV's fisheye model, none for a pinhole.

    Raises:
        ValueError: another number of coefficients.
    """

    matrix: np.ndarray
    distortion: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if len(self.distortion) not in (0, FISHEYE, 5):
            raise ValueError(
                f"a lens has 5 coefficients of distortion, or 4 of a fisheye, not "
                f"{len(self.distortion)}"
            )

    @property
    def is_pinhole(self) -> bool:
        """Whether straight lines stay straight; coefficients that are all 0 change nothing in
        OpenCV's model of 5.
        """
        return len(self.distortion) != FISHEYE and not any(self.distortion)

    def project(self, rays: np.ndarray) -> np.ndarray:
        """Pixels (n, 2) of rays (n, 3) in front of the camera."""
        zero = np.zeros(3)
        points = np.asarray(rays, dtype=np.float64)[:, None]
        coefficients = np.array(self.distortion)
        if len(self.distortion) == FISHEYE:
            pixels = cv2.fisheye.projectPoints(points, zero, zero, self.matrix, coefficients)[0]
        else:
            pixels = cv2.projectPoints(points, zero, zero, self.matrix, coefficients)[0]
        return pixels[:, 0]

    def rays(self, pixels: np.ndarray) -> np.ndarray:
        """Rays (n, 3) of pixels (n, 2), up to their lengths; those of a fisheye may point
        backwards. NaN where the lens shows no direction.
        """
        ones = np.ones_like(pixels[:, :1])
        plane = np.concatenate([pixels, ones], axis=1) @ np.linalg.inv(self.matrix).T
        if self.is_pinhole:
            return plane
        if len(self.distortion) == FISHEYE:
            return self._fisheye_rays(plane[:, :2])
        # Forty iterations reach the rounding of a pixel where the lens can be inverted at all.
        stop = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 40, 1e-12)
        undistorted = cv2.undistortPointsIter(
            np.ascontiguousarray(pixels[:, None]),
            self.matrix,
            np.array(self.distortion),
            np.eye(3),
            np.eye(3),
            stop,
        )
        rays = np.concatenate([undistorted[:, 0], ones], axis=1)
        missed = np.linalg.norm(self.project(rays) - pixels, axis=1)
        return np.where((missed < _SAME_PIXEL)[:, None], rays, np.nan)

    def maps(self, target: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """x and y (height, width) of `cv2.remap` that draw the picture for another camera.

        Args:
            target: (3, 3) pixels of the drawn picture ~ target X, for points X in the frame of this
                camera.
            size: width and height of the drawn picture, px.
        """
        settings = (np.eye(3), TO_OPENCV @ target, size, cv2.CV_32FC1)
        matrix = TO_OPENCV @ self.matrix
        coefficients = np.array(self.distortion)
        if len(self.distortion) == FISHEYE:
            return cv2.fisheye.initUndistortRectifyMap(matrix, coefficients, *settings)
        return cv2.initUndistortRectifyMap(matrix, coefficients, *settings)

    def _fisheye_rays(self, plane: np.ndarray) -> np.ndarray:
        """Rays (n, 3) of points (n, 2) on the plane at distance 1."""
        radius = np.linalg.norm(plane, axis=1)
        squared = _ANGLES**2
        powers = np.stack([squared, squared**2, squared**3, squared**4])
        distorted = _ANGLES * (1 + np.array(self.distortion) @ powers)
        # Beyond its first maximum the model folds back and shows no further direction.
        rising = np.flatnonzero(np.diff(distorted) <= 0)
        last = rising[0] + 1 if len(rising) else len(_ANGLES)
        angle = np.interp(radius, distorted[:last], _ANGLES[:last], right=np.nan)
        direction = plane / np.maximum(radius, np.finfo(float).tiny)[:, None]
        return np.concatenate([np.sin(angle)[:, None] * direction, np.cos(angle)[:, None]], axis=1)
