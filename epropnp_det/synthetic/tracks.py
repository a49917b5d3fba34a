"""The objects of a scene, through time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .catalog import MARGIN, Kind
from .motion import Motion
from .shapes import Shape
from .vehicles import Size


@dataclass(frozen=True)
class Track:
    """One object. Size is length, width, height; `keyframes` are those in which it is there."""

    kind: Kind
    size: Size
    shape: Shape
    motion: Motion
    attribute: str
    keyframes: range

    def center(self, time: float) -> np.ndarray:
        """(3,) of its box, which stands MARGIN above the ground."""
        return np.array([*self.motion.position(time), MARGIN + self.size[2] / 2])

    def shape_at(self, time: float) -> Shape:
        x, y, z = self.center(time)
        return self.shape.placed(x, y, z, self.motion.heading(time))
