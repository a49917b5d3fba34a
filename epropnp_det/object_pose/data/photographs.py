"""Photographs behind the objects: a network that has seen real edges and colours around rendered
objects finds them in real images.
"""

from __future__ import annotations

import cv2
import numpy as np

from epropnp_det.engine.images import read_image
from epropnp_det.engine.sources import find_images

# Photographs are kept in memory with this longest side [px], at most so many of them.
_LONGEST_SIDE = 640
_MOST = 400
# Smallest and largest part of a photograph's side that a window takes.
_PART = (0.3, 1.0)


class Photographs:
    """Random windows of photographs. Each is read when it is first needed.

    Args:
        source: a folder of images, or a pattern such as "photographs/**/*.jpg". Of more than 400
            images, 400 in equal steps are used.

    Raises:
        UserError: there is no image.
    """

    def __init__(self, source: str):
        files = find_images([source])
        steps = np.linspace(0, len(files) - 1, min(len(files), _MOST)).astype(int)
        self.files = [files[step] for step in steps]
        self._read: dict[int, np.ndarray] = {}

    def window(self, size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
        """A part (height, width, 3) uint8 RGB of a photograph, perhaps mirrored.

        Args:
            size: width and height [px].
            rng: draws photograph, part and mirroring.

        Raises:
            ImageError: the photograph cannot be read.
        """
        picture = self._picture(int(rng.integers(len(self.files))))
        most = np.array(picture.shape[1::-1])
        shape = np.array(size) * (most / size).min() * rng.uniform(*_PART)
        left, top = rng.uniform(0, most - shape).astype(int)
        width, height = np.maximum(shape.astype(int), 1)
        window = cv2.resize(
            picture[top : top + height, left : left + width], size, interpolation=cv2.INTER_AREA
        )
        return window[:, ::-1] if rng.uniform() < 0.5 else window

    def _picture(self, key: int) -> np.ndarray:
        if key not in self._read:
            picture = read_image(self.files[key])
            scale = min(_LONGEST_SIDE / max(picture.shape), 1.0)
            size = np.maximum(np.round(scale * np.array(picture.shape[1::-1])), 1).astype(int)
            small = cv2.resize(picture, size.tolist(), interpolation=cv2.INTER_AREA)
            self._read[key] = cv2.cvtColor(small, cv2.COLOR_BGR2RGB)
        return self._read[key]
