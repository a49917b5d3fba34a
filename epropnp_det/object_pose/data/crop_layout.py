"""Random scenes around one object, for training patches: it stands somewhere in the image, with up
to a few others around it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from ..rigid_pose import RigidPose
from .bop_dataset import BopCamera
from .object_models import ObjectModel
from .rendering import Scene, Surroundings
from .scene_layout import (
    SPACING,
    StandingObject,
    camera_rotation,
    draw_lighting,
    draw_material,
    draw_rotation,
    standing,
)

# Share of the others that stand on the camera's side, where they occlude.
_BEFORE = 0.5
_BEFORE_ANGLE = math.radians(50)
# Farthest place of another object, in sums of the two radii.
_FARTHEST = 1.6
_TRIES = 10
# m; nothing comes nearer to the camera, and the ground stays so far below it.
_NEAREST = 0.05


@dataclass(frozen=True)
class CropLayout:
    """What the scenes of training patches look like.

    Args:
        distance: smallest and largest depth of the object, in its diameters.
        depth: smallest and largest depth of the object [m], in place of `distance`.
        elevation: lowest and highest angle above the ground from which the object is seen
            [degrees].
        roll: standard deviation of the camera's turn about the line of sight [degrees].
        full_rotation: objects in any orientation above the ground, instead of upright on it.
        others: fewest and most other objects.
        border: px of the image's border that the object's centre keeps free.
    """

    distance: tuple[float, float] = (2.5, 5.0)
    depth: tuple[float, float] | None = None
    elevation: tuple[float, float] = (5.0, 85.0)
    roll: float = 8.0
    full_rotation: bool = False
    others: tuple[int, int] = (0, 3)
    border: float = 20.0


def draw_crop_scene(
    models: Mapping[int, ObjectModel],
    object_id: int,
    camera: BopCamera,
    layout: CropLayout,
    tiles: tuple[np.ndarray, np.ndarray],
    rng: np.random.Generator,
) -> Scene:
    """A random scene whose first object is `object_id`; the others are drawn from all models.

    Args:
        tiles: textures of ground and background, see `Surroundings`.
    """
    model = models[object_id]
    center = _draw_center(model, camera, layout, rng)
    to_camera = _draw_view(center, layout, rng)
    rotation = draw_rotation(layout.full_rotation, rng)
    height, radius = standing(model, rotation)
    # The ground's frame has its origin below the object.
    ground = RigidPose(to_camera, center - height * to_camera[:, 2])
    placed = [_placed(ground, object_id, rotation, (0.0, 0.0), height)]
    placed += _draw_others(models, ground, radius, layout, rng)
    up = to_camera[:, 2]
    below = max(-float(ground.translation @ up), _NEAREST)
    return Scene(
        placed,
        [draw_material(rng) for _ in placed],
        draw_lighting(to_camera, rng),
        Surroundings(up, below, *tiles, rng.uniform(0.2, 0.8)),
        camera.matrix,
    )


def _draw_center(
    model: ObjectModel, camera: BopCamera, layout: CropLayout, rng: np.random.Generator
) -> np.ndarray:
    """Place (3,) of the object's origin in the camera's frame [m]."""
    depth = layout.depth or np.multiply(layout.distance, model.diameter)
    pixel = rng.uniform(layout.border, np.subtract(camera.size, layout.border))
    return rng.uniform(*depth) * (np.linalg.inv(camera.matrix) @ (*pixel, 1.0))


def _draw_view(center: np.ndarray, layout: CropLayout, rng: np.random.Generator) -> np.ndarray:
    """Rotation (3, 3) from the ground's frame to the camera's.

    The elevation is that of the line of sight, wherever in the image the object is.
    """
    elevation = math.radians(rng.uniform(*layout.elevation))
    level = camera_rotation(elevation, 0.0, math.radians(rng.normal(0, layout.roll)))
    turn, _ = Rotation.align_vectors(center[None], np.array([[0.0, 0.0, 1.0]]))
    return turn.as_matrix() @ level


def _draw_others(
    models: Mapping[int, ObjectModel],
    ground: RigidPose,
    radius: float,
    layout: CropLayout,
    rng: np.random.Generator,
) -> list[StandingObject]:
    """Other objects around the one in the origin of the ground's frame, of a radius [m]; fewer
    where no place is left.
    """
    taken = [(np.zeros(2), radius)]
    others = []
    for object_id in rng.choice(
        sorted(models), rng.integers(layout.others[0], layout.others[1] + 1)
    ):
        rotation = draw_rotation(layout.full_rotation, rng)
        height, own = standing(models[object_id], rotation)
        for _ in range(_TRIES):
            place = _draw_place(radius + own, rng)
            each = _placed(ground, int(object_id), rotation, place, height)
            apart = all(
                np.linalg.norm(place - spot) > SPACING * (own + reach) for spot, reach in taken
            )
            if apart and each.pose.translation[2] - models[object_id].diameter > _NEAREST:
                others.append(each)
                taken.append((place, own))
                break
    return others


def _draw_place(reach: float, rng: np.random.Generator) -> np.ndarray:
    """Place (2,) on the ground [m]. The camera is on the side of positive x."""
    before = rng.random() < _BEFORE
    widest = _BEFORE_ANGLE if before else math.pi
    angle = rng.uniform(-widest, widest)
    return rng.uniform(SPACING, _FARTHEST) * reach * np.array([math.cos(angle), math.sin(angle)])


def _placed(
    ground: RigidPose,
    object_id: int,
    rotation: np.ndarray,
    place: Sequence[float] | np.ndarray,
    height: float,
) -> StandingObject:
    return StandingObject(
        object_id, ground.compose(RigidPose(rotation, np.array([*place, height])))
    )
