"""The tables of the database, in the form that the devkit reads. Global frame: each scene has its
own plot of one map.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from pyquaternion import Quaternion

from epropnp_det.detection.data.nuscenes_classes import ATTRIBUTES

from . import ground
from .catalog import KINDS
from .labels import Seen
from .motion import UP
from .presets import Preset
from .recording import camera_lead, file_name, keyframe_stamp, log_name
from .rig import CAMERAS, IMAGE_SIZE, LIDAR, Lidar
from .tracks import Track
from .world import Scene

LOCATION = "boston-seaport"
VERSION = "v1.0-mini"
MAP_CELL = 0.1  # metres per pixel: the devkit's own
PLOT = 256.0  # metres of map, both ways, for a scene
PLOTS_PER_ROW = 4

Row = dict
Tables = dict[str, list[Row]]
# Visibility and LiDAR points of the tracks of a scene: one mapping from track to Seen per keyframe.
Sightings = list[Mapping[int, Seen]]

VISIBILITY = {1: "v0-40", 2: "v40-60", 3: "v60-80", 4: "v80-100"}


def token(*names: object) -> str:
    """32 hexadecimal digits, the same for the same names."""
    return hashlib.md5(repr(names).encode(), usedforsecurity=False).hexdigest()


MAP_FILE = f"maps/{token('map')}.png"


def make_tables(preset: Preset, scenes: list[Scene], sightings: Mapping[str, Sightings]) -> Tables:
    tables = _fixed_tables(scenes)
    for scene in scenes:
        _SceneWriter(tables, preset, scene, plot_offset(scenes.index(scene), scene)).write(
            sightings[scene.name]
        )
    return tables


def plot_offset(index: int, scene: Scene) -> np.ndarray:
    """(3,) from a scene's frame to the global one."""
    low, _ = ground.extent(scene.road, scene.length)
    return np.array([*(_plot_corner(index) - low), 0.0])


def _plot_corner(index: int) -> np.ndarray:
    return PLOT * np.array([index % PLOTS_PER_ROW, index // PLOTS_PER_ROW])


def map_mask(scenes: list[Scene]) -> np.ndarray:
    """Roads and pavements (H, W), 255 where they are; the first row is the north end."""
    cells = round(PLOT / MAP_CELL)
    rows = -(-len(scenes) // PLOTS_PER_ROW)
    mask = np.zeros((rows * cells, min(len(scenes), PLOTS_PER_ROW) * cells), np.uint8)
    for index, scene in enumerate(scenes):
        plot = ground.drivable(scene.road, scene.length, MAP_CELL)[:cells, :cells]
        x, y = np.round(_plot_corner(index) / MAP_CELL).astype(int)
        mask[y : y + plot.shape[0], x : x + plot.shape[1]] = plot
    return mask[::-1]


def _fixed_tables(scenes: list[Scene]) -> Tables:
    lidar = Lidar()
    calibrated = [
        _calibration(LIDAR, lidar.translation, lidar.rotation, []),
        *(
            _calibration(
                camera.channel, camera.translation, camera.rotation, camera.intrinsic.tolist()
            )
            for camera in CAMERAS
        ),
    ]
    logs = [
        dict(
            token=token("log", s.name),
            logfile=log_name(s.name),
            vehicle="synthetic",
            date_captured="2018-07-24",
            location=LOCATION,
        )
        for s in scenes
    ]
    categories = dict.fromkeys(kind.category for kind in KINDS)
    return dict(
        category=[
            dict(token=token("category", name), name=name, description="", index=i)
            for i, name in enumerate(categories)
        ],
        attribute=[
            dict(token=token("attribute", name), name=name, description="")
            for name in ATTRIBUTES[:-1]
        ],
        visibility=[
            dict(token=str(number), level=level, description="")
            for number, level in VISIBILITY.items()
        ],
        sensor=[
            dict(
                token=token("sensor", channel),
                channel=channel,
                modality="lidar" if channel == LIDAR else "camera",
            )
            for channel in _CHANNELS
        ],
        calibrated_sensor=calibrated,
        log=logs,
        map=[
            dict(
                token=token("map"),
                log_tokens=[log["token"] for log in logs],
                category="semantic_prior",
                filename=MAP_FILE,
            )
        ],
        **{
            name: []
            for name in (
                "scene",
                "sample",
                "sample_data",
                "ego_pose",
                "instance",
                "sample_annotation",
            )
        },
    )


_CHANNELS = (LIDAR, *(camera.channel for camera in CAMERAS))


def _calibration(
    channel: str, translation: tuple[float, float, float], rotation: Quaternion, intrinsic: list
) -> Row:
    return dict(
        token=token("calibration", channel),
        sensor_token=token("sensor", channel),
        translation=list(translation),
        rotation=rotation.elements.tolist(),
        camera_intrinsic=intrinsic,
    )


def _chain(tokens: list[str], position: int) -> Row:
    """Links of a row to the ones before and after it."""
    return dict(
        prev=tokens[position - 1] if position else "",
        next=tokens[position + 1] if position + 1 < len(tokens) else "",
    )


@dataclass(frozen=True)
class _SceneWriter:
    """Adds the rows of one scene to `tables`; `offset` takes its frame to the global one."""

    tables: Tables
    preset: Preset
    scene: Scene
    offset: np.ndarray

    @property
    def _samples(self) -> list[str]:
        return [
            token("sample", self.scene.name, keyframe) for keyframe in range(self.scene.keyframes)
        ]

    def write(self, sightings: Sightings) -> None:
        name = self.scene.name
        samples = self._samples
        self.tables["scene"].append(
            dict(
                token=token("scene", name),
                log_token=token("log", name),
                name=name,
                description=self._description(),
                nbr_samples=len(samples),
                first_sample_token=samples[0],
                last_sample_token=samples[-1],
            )
        )
        for keyframe, sample in enumerate(samples):
            stamp = keyframe_stamp(self.preset, self.scene, keyframe)
            row = dict(token=sample, timestamp=stamp, scene_token=token("scene", name))
            self.tables["sample"].append(row | _chain(samples, keyframe))
        for channel, leads in self._leads().items():
            self._write_sensor(channel, leads)
        for index, track in enumerate(self.scene.tracks):
            self._write_track(
                index, track, {k: seen[index] for k, seen in enumerate(sightings) if index in seen}
            )

    def _description(self) -> str:
        road = self.scene.road
        shape = "straight road"
        if road.curvature != 0:
            direction = "left" if road.curvature > 0 else "right"
            shape = f"bend of {abs(1 / road.curvature):.0f} m to the {direction}"
        speed = 3.6 * self.scene.ego.motion.speed
        return f"Synthetic: {shape}, {2 * road.lanes} lanes, {speed:.0f} km/h, junction, road works"

    def _leads(self) -> dict[str, list[int]]:
        """Microseconds by which each sensor fires before each keyframe's time."""
        keyframes = range(self.scene.keyframes)
        return {LIDAR: [0 for _ in keyframes]} | {
            c.channel: [camera_lead(self.scene, k, c) for k in keyframes] for c in CAMERAS
        }

    def _write_sensor(self, channel: str, leads: list[int]) -> None:
        """One file, and one pose of the vehicle, per keyframe."""
        width, height = (0, 0) if channel == LIDAR else IMAGE_SIZE
        tokens = [token("data", sample, channel) for sample in self._samples]
        for keyframe, lead in enumerate(leads):
            stamp = keyframe_stamp(self.preset, self.scene, keyframe) - lead
            self.tables["ego_pose"].append(
                self._ego_pose(tokens[keyframe], stamp, self.scene.time(keyframe) - lead * 1e-6)
            )
            self.tables["sample_data"].append(
                dict(
                    token=tokens[keyframe],
                    sample_token=self._samples[keyframe],
                    ego_pose_token=tokens[keyframe],
                    calibrated_sensor_token=token("calibration", channel),
                    timestamp=stamp,
                    fileformat="pcd" if channel == LIDAR else "jpg",
                    is_key_frame=True,
                    height=height,
                    width=width,
                    filename=file_name(self.scene.name, channel, stamp),
                    **_chain(tokens, keyframe),
                )
            )

    def _ego_pose(self, name: str, stamp: int, time: float) -> Row:
        ego = self.scene.ego
        translation = (ego.translation(time) + self.offset).tolist()
        return dict(
            token=name,
            timestamp=stamp,
            rotation=ego.rotation(time).elements.tolist(),
            translation=translation,
        )

    def _write_track(self, index: int, track: Track, seen: dict[int, Seen]) -> None:
        if not seen:
            return
        instance = token("instance", self.scene.name, index)
        tokens = [token("annotation", instance, keyframe) for keyframe in seen]
        self.tables["instance"].append(
            dict(
                token=instance,
                category_token=token("category", track.kind.category),
                nbr_annotations=len(seen),
                first_annotation_token=tokens[0],
                last_annotation_token=tokens[-1],
            )
        )
        for position, keyframe in enumerate(seen):
            row = self._box(track, keyframe) | _chain(tokens, position)
            row |= dict(
                token=tokens[position],
                instance_token=instance,
                visibility_token=str(seen[keyframe].visibility),
            )
            self.tables["sample_annotation"].append(
                row | dict(num_lidar_pts=seen[keyframe].lidar_points, num_radar_pts=0)
            )

    def _box(self, track: Track, keyframe: int) -> Row:
        time = self.scene.time(keyframe)
        length, width, height = track.size
        return dict(
            sample_token=self._samples[keyframe],
            attribute_tokens=[token("attribute", track.attribute)] if track.attribute else [],
            translation=(track.center(time) + self.offset).tolist(),
            size=[width, length, height],
            rotation=Quaternion(axis=UP, angle=track.motion.heading(time)).elements.tolist(),
        )
