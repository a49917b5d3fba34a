"""Records one keyframe: six images and a sweep on disk, and visibility and LiDAR points of each
object.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from epropnp_det.engine.output_files import write_bytes, write_pixels

from .ground import Ground
from .labels import Seen, visibility_token, visible_share
from .lidar import sweep
from .photo import View, take
from .presets import Preset
from .rig import CAMERAS, LIDAR, Camera, Lidar
from .stage import set_stage
from .world import Scene, make_scene, paint_ground, random_numbers

JPEG_QUALITY = 90
# Microseconds between the first keyframes of two scenes, and the first of all: a summer's day of
# 2018, as in nuScenes.
SCENE_INTERVAL = 1_000_000_000
FIRST_TIME = 1_532_402_900_000_000
# Random part of the time at which a camera fires [microseconds].
JITTER = 400


@dataclass(frozen=True)
class Job:
    """Keyframe `keyframe` of a scene of a preset; files go below `root`."""

    root: Path
    preset: Preset
    seed: int
    scene: str
    keyframe: int


@functools.lru_cache(maxsize=16)
def scene_of(preset: Preset, seed: int, name: str) -> Scene:
    return make_scene(name, preset.keyframes, seed)


@functools.lru_cache(maxsize=1)
def _ground_of(preset: Preset, seed: int, name: str) -> Ground:
    return paint_ground(scene_of(preset, seed, name))


def keyframe_stamp(preset: Preset, scene: Scene, keyframe: int) -> int:
    """Microseconds; the LiDAR's and the sample's."""
    return (
        FIRST_TIME
        + preset.scenes.index(scene.name) * SCENE_INTERVAL
        + round(scene.time(keyframe) * 1e6)
    )


def camera_lead(scene: Scene, keyframe: int, camera: Camera) -> int:
    """Microseconds by which a camera fires before the keyframe's time."""
    return camera.lead + int(
        random_numbers(scene.seed, scene.name, keyframe, camera.channel, "jitter").integers(
            -JITTER, JITTER
        )
    )


def camera_view(scene: Scene, keyframe: int, camera: Camera) -> View:
    """The camera at the pose of the vehicle when it fires."""
    fired = scene.time(keyframe) - camera_lead(scene, keyframe, camera) * 1e-6
    return View(scene.ego.matrix(fired) @ camera.matrix, camera.intrinsic)


def file_name(scene: str, channel: str, stamp: int) -> str:
    """Relative to the database, as nuScenes names files: log, channel and time."""
    extension = "pcd.bin" if channel == LIDAR else "jpg"
    return f"samples/{channel}/{log_name(scene)}__{channel}__{stamp}.{extension}"


def log_name(scene: str) -> str:
    return f"synthetic-{scene.removeprefix('scene-')}"


def record(job: Job) -> dict[int, Seen]:
    """Writes the files of a keyframe; returns visibility and LiDAR points per track index."""
    scene = scene_of(job.preset, job.seed, job.scene)
    ground = _ground_of(job.preset, job.seed, job.scene)
    stage = set_stage(scene, job.keyframe)
    stamp = keyframe_stamp(job.preset, scene, job.keyframe)
    views = []
    owners = []
    for camera in CAMERAS:
        view = camera_view(scene, job.keyframe, camera)
        photo = take(
            view,
            stage,
            ground,
            scene.weather,
            random_numbers(job.seed, job.scene, job.keyframe, camera.channel),
        )
        fired = stamp - camera_lead(scene, job.keyframe, camera)
        picture = job.root / file_name(job.scene, camera.channel, fired)
        write_pixels(picture, np.ascontiguousarray(photo.image[..., ::-1]), JPEG_QUALITY)
        views.append(view)
        owners.append(photo.owner)
    lidar = Lidar()
    points = sweep(lidar, scene.ego.matrix(scene.time(job.keyframe)) @ lidar.matrix, stage)
    write_bytes(job.root / file_name(job.scene, LIDAR, stamp), points.points.tobytes())
    return {
        index: Seen(
            visibility_token(visible_share(index, shape, views, owners)),
            int((points.owner == index).sum()),
        )
        for index, shape in stage.shapes.items()
    }
