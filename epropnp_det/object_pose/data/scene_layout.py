"""Random scenes: objects upright on a ground or turned at will, a camera above, lamps, materials.

Everything follows from one generator, so a scene depends on its seed alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from ..rigid_pose import RigidPose, project
from .object_models import ObjectModel
from .rendering import Lighting, Material, Scene, Sensor, Surroundings, draw_texture

_TRIES = 60
# Objects stand no nearer to each other than this share of the sum of their radii.
SPACING = 0.75
# px of the image's border that object centres keep free.
_BORDER = 30


@dataclass(frozen=True)
class LayoutSettings:
    """What scenes look like.

    Args:
        image_size: width and height [px].
        camera_matrix: (3, 3) [px], pixel centres at half integers.
        objects: fewest and most objects.
        distance: smallest and largest depth of an object, in its diameters.
        elevation: lowest and highest angle of the camera above the ground [degrees].
        full_rotation: objects in any orientation above the ground, instead of upright on it.
    """

    image_size: tuple[int, int]
    camera_matrix: np.ndarray
    objects: tuple[int, int] = (6, 8)
    distance: tuple[float, float] = (2.5, 5.0)
    elevation: tuple[float, float] = (15.0, 75.0)
    full_rotation: bool = False


@dataclass(frozen=True)
class StandingObject:
    """An object of a scene, its pose in the camera's frame [m]."""

    object_id: int
    pose: RigidPose


def draw_scene(
    models: Mapping[int, ObjectModel], settings: LayoutSettings, rng: np.random.Generator
) -> Scene:
    """A random scene; it holds fewer objects where no place is left."""
    camera = _draw_camera(models, settings, rng)
    wanted = rng.integers(settings.objects[0], settings.objects[1] + 1)
    placed: list[StandingObject] = []
    ground: list[tuple[np.ndarray, float]] = []
    for object_id in _draw_ids(sorted(models), int(wanted), rng):
        model = models[object_id]
        for _ in range(_TRIES):
            pose, place, radius = _draw_pose(models, model, settings, rng)
            each = StandingObject(object_id, camera.compose(pose))
            apart = all(
                np.linalg.norm(place - other) > SPACING * (radius + reach)
                for other, reach in ground
            )
            if apart and _in_view(each, model, settings):
                placed.append(each)
                ground.append((place, radius))
                break
    return Scene(
        placed,
        [draw_material(rng) for _ in placed],
        draw_lighting(camera.rotation, rng),
        _draw_surroundings(camera, rng),
        settings.camera_matrix,
    )


def draw_sensor(rng: np.random.Generator) -> Sensor:
    """Random faults of a camera."""
    return Sensor(
        blur=rng.uniform(0.4, 0.9),
        noise=rng.uniform(0.004, 0.02),
        exposure=rng.uniform(0.7, 1.25),
        quality=int(rng.integers(75, 97)),
    )


def _draw_camera(
    models: Mapping[int, ObjectModel], settings: LayoutSettings, rng: np.random.Generator
) -> RigidPose:
    """From the ground's frame (z upwards) to the camera's, whose axis passes near the origin."""
    diameter = float(np.median([model.diameter for model in models.values()]))
    low, high = settings.distance
    distance = diameter * rng.uniform(low + 0.3 * (high - low), low + 0.7 * (high - low))
    elevation = math.radians(rng.uniform(*settings.elevation))
    azimuth = rng.uniform(0, 2 * math.pi)
    roll = math.radians(rng.normal(0, 8))
    rotation = camera_rotation(elevation, azimuth, roll)
    aim = np.array([*rng.normal(0, 0.1 * diameter, 2), 0.25 * diameter])
    return RigidPose(rotation, -rotation @ (aim - distance * rotation[2]))


def camera_rotation(elevation: float, azimuth: float, roll: float) -> np.ndarray:
    """Rotation (3, 3) from the ground's frame (z upwards) to that of a camera.

    The camera's axis passes through the origin, which sees the camera under `elevation` and
    `azimuth`; `roll` turns the camera about its axis [rad].
    """
    back = np.array(
        [
            math.cos(elevation) * math.cos(azimuth),
            math.cos(elevation) * math.sin(azimuth),
            math.sin(elevation),
        ]
    )
    right = np.cross(-back, (0, 0, 1))
    right /= np.linalg.norm(right)
    level = np.stack([right, np.cross(-back, right), -back])
    return Rotation.from_euler("z", roll).as_matrix() @ level


def _draw_ids(known: list[int], count: int, rng: np.random.Generator) -> list[int]:
    """Every object as often as the others, in random order; what is left over is drawn."""
    rounds = [rng.permutation(known) for _ in range(-(-count // len(known)))]
    return [int(each) for each in np.concatenate(rounds)[:count]]


def _draw_pose(
    models: Mapping[int, ObjectModel],
    model: ObjectModel,
    settings: LayoutSettings,
    rng: np.random.Generator,
) -> tuple[RigidPose, np.ndarray, float]:
    """Pose in the ground's frame, the place (2,) on the ground, and the radius around it [m]."""
    rotation = draw_rotation(settings.full_rotation, rng)
    reach = 1.4 * max(each.diameter for each in models.values())
    place = rng.uniform(-reach, reach, 2)
    height, radius = standing(model, rotation)
    return RigidPose(rotation, np.array([*place, height])), place, radius


def draw_rotation(full: bool, rng: np.random.Generator) -> np.ndarray:
    """Rotation (3, 3) of a model on the ground: upright, or any with `full`."""
    upright = Rotation.from_euler("z", rng.uniform(0, 2 * math.pi)).as_matrix()
    return Rotation.random(random_state=rng).as_matrix() if full else upright


def standing(model: ObjectModel, rotation: np.ndarray) -> tuple[float, float]:
    """Height of the origin of a turned model that touches the ground, and the largest horizontal
    distance of a vertex from it [m].
    """
    turned = model.vertices @ rotation.T
    radius = float(np.linalg.norm(turned[:, :2], axis=1).max())
    return -float(turned[:, 2].min()), radius


def _in_view(each: StandingObject, model: ObjectModel, settings: LayoutSettings) -> bool:
    place = each.pose.translation
    low, high = settings.distance
    if not low <= place[2] / model.diameter <= high:
        return False
    pixel = project(place[None], settings.camera_matrix)[0]
    return bool(
        (pixel > _BORDER).all() and (pixel < np.subtract(settings.image_size, _BORDER)).all()
    )


def draw_material(rng: np.random.Generator) -> Material:
    """A random tint and a random highlight."""
    tint = rng.uniform(0.75, 1.15) * rng.uniform(0.9, 1.1, 3)
    return Material(tint, rng.uniform(0, 0.35), rng.uniform(5, 60))


def draw_lighting(camera: np.ndarray, rng: np.random.Generator) -> Lighting:
    """Three random lamps above the ground; `camera` (3, 3) turns its frame to the camera's."""
    elevation = np.radians([rng.uniform(25, 80), rng.uniform(10, 80), rng.uniform(10, 80)])
    azimuth = rng.uniform(0, 2 * math.pi, 3)
    directions = np.stack(
        [
            np.cos(elevation) * np.cos(azimuth),
            np.cos(elevation) * np.sin(azimuth),
            np.sin(elevation),
        ],
        axis=-1,
    )
    strength = np.array([rng.uniform(0.5, 1.0), *rng.uniform(0.02, 0.3, 2)])
    colors = strength[:, None] * rng.uniform(0.88, 1.12, (3, 3))
    return Lighting(directions @ camera.T, colors, np.full(3, rng.uniform(0.12, 0.4)))


def _draw_surroundings(camera: RigidPose, rng: np.random.Generator) -> Surroundings:
    up = camera.rotation[:, 2]
    height = -float(camera.translation @ up)
    return Surroundings(up, height, draw_texture(rng), draw_texture(rng), rng.uniform(0.2, 0.8))
