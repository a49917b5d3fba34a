"""All triangles of one keyframe, ready for casting rays. Objects hold still while the sensors of a
keyframe fire.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .raycast import GROUND, RayCaster
from .shapes import Shape, join
from .world import Scene

SCENERY = -1  # in place of a track's index
GAMMA = 2.2


@dataclass(frozen=True)
class Stage:
    """Linear colours (F, 3) and glow (F,) of the caster's triangles, and their owner (F,): the
    index of a track, or SCENERY.

    `shapes` are the tracks of the keyframe, by index, in the scene frame.
    """

    caster: RayCaster
    colors: np.ndarray
    glow: np.ndarray
    owner: np.ndarray
    shapes: dict[int, Shape]

    def owners(self, triangle: np.ndarray) -> np.ndarray:
        """Whose the triangles (N,) of `Hits` are; SCENERY for the ground and the sky."""
        return np.where(triangle > GROUND, self.owner[np.maximum(triangle, 0)], SCENERY)


def set_stage(scene: Scene, keyframe: int) -> Stage:
    return stage_at(scene, scene.time(keyframe), keyframe)


def stage_at(scene: Scene, time: float, keyframe: int) -> Stage:
    """The objects of a keyframe, each where it is at `time` [s]."""
    shapes = {index: scene.tracks[index].shape_at(time) for index in scene.present(keyframe)}
    everything = join(scene.scenery.shape, *shapes.values())
    counts = [
        len(scene.scenery.shape.triangles),
        *(len(shape.triangles) for shape in shapes.values()),
    ]
    owner = np.repeat(np.array([SCENERY, *shapes]), counts).astype(np.int32)
    colors = (everything.colors**GAMMA).astype(np.float32)
    return Stage(
        RayCaster(everything.triangles), colors, everything.glow.astype(np.float32), owner, shapes
    )
