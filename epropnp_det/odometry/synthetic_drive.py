"""A drive through the synthetic world, rendered at the rate of a camera: images of the front
camera, and the LiDAR points that it sees.
"""

from __future__ import annotations

import functools
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from epropnp_det.engine.atomic_files import replacing
from epropnp_det.engine.output_files import writing
from epropnp_det.object_pose.rigid_pose import project
from epropnp_det.synthetic.ground import Ground
from epropnp_det.synthetic.lidar import sweep
from epropnp_det.synthetic.motion import moved
from epropnp_det.synthetic.photo import View, take
from epropnp_det.synthetic.rig import CAMERAS, IMAGE_SIZE, Lidar
from epropnp_det.synthetic.stage import stage_at
from epropnp_det.synthetic.world import KEYFRAME_SECONDS, Scene, make_scene, paint_ground

from .matches import Frame

KEYFRAMES = 20
FRONT = CAMERAS[0]
# Depth [m] below which no LiDAR point counts: the near plane of a projection.
NEAREST = 1.0


def drive(folder: Path, scene: str, seed: int, frames: int, rate: float) -> list[Frame]:
    """Frames of a drive of a scene; those that lie in the folder are not rendered again."""
    world = _World(scene, seed)
    return [
        _frame(folder / f"{scene}_{seed}_{rate:g}_{index:04d}.npz", world, index / rate)
        for index in tqdm(range(frames), desc=f"rendering {scene}", unit="frame", disable=None)
    ]


class _World:
    """A scene whose parts are made when the first frame needs them."""

    def __init__(self, name: str, seed: int):
        self.seed = seed
        self.scene: Scene = make_scene(name, KEYFRAMES, seed)

    @functools.cached_property
    def ground(self) -> Ground:
        return paint_ground(self.scene)


def _frame(path: Path, world: _World, time: float) -> Frame:
    if not path.exists():
        _render(path, world, time)
    with np.load(path) as stored:
        image = cv2.imdecode(stored["image"], cv2.IMREAD_GRAYSCALE)
        return Frame(image, stored["points"], stored["pose"], time)


def _render(path: Path, world: _World, time: float) -> None:
    """Camera and LiDAR fire at the same time; objects come and go with the keyframes."""
    scene = world.scene
    keyframe = min(int(time / KEYFRAME_SECONDS), KEYFRAMES - 1)
    stage = stage_at(scene, time, keyframe)
    ego = scene.ego.matrix(time)
    view = View(ego @ FRONT.matrix, FRONT.intrinsic)
    rng = np.random.default_rng((world.seed, round(1e3 * time)))
    photo = take(view, stage, world.ground, scene.weather, rng)
    lidar = Lidar()
    seen = sweep(lidar, ego @ lidar.matrix, stage).points[:, :3].astype(float)
    points = moved(np.linalg.inv(FRONT.matrix) @ lidar.matrix, seen)
    points = points[points[:, 2] > NEAREST]
    pixel = project(points, FRONT.intrinsic)
    inside = ((pixel > 0) & (pixel < IMAGE_SIZE)).all(axis=1)
    grey = cv2.cvtColor(photo.image, cv2.COLOR_RGB2GRAY)
    image = cv2.imencode(".png", grey)[1]
    with writing(path), replacing(path, "wb") as file:
        np.savez(file, image=image, points=points[inside].astype(np.float32), pose=view.matrix)


def noisy(frame: Frame, deviation: float, seed: int) -> Frame:
    """The frame with noise in the range of its LiDAR points, seen from the camera."""
    distance = np.linalg.norm(frame.points, axis=1, keepdims=True)
    error = deviation * np.random.default_rng(seed).standard_normal(distance.shape)
    return replace(frame, points=frame.points * (1 + error / distance))
