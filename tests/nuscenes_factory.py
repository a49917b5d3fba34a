"""A tiny nuScenes database in the official layout: two scenes of the mini splits, two keyframes
each, six cameras.

Everything follows from the numbers below, so two runs write the same bytes. The images are plain
colours. What the scenes
hold on purpose: all ten classes in range; objects that two cameras see; one beyond its class range;
    one that no LiDAR point
hits (visibility 1); one seen in a single keyframe (unknown velocity); tilted cameras; a vehicle
that moves between the moments its sensors fire.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from pyquaternion import Quaternion

VERSION = "v1.0-mini"
IMAGE_SIZE = (1600, 900)
KEYFRAME_SECONDS = 0.5


@dataclass(frozen=True)
class Scene:
    """Where the vehicle drives, from its position at the first keyframe; global frame, metres,
    radians, m/s.
    """

    name: str
    position: tuple[float, float]
    heading: float
    speed: float
    start: int  # microseconds


@dataclass(frozen=True)
class Mount:
    """A camera on the vehicle: heading against the vehicle's, its small tilt, focal length [px],
    and how long before the LiDAR it fires.
    """

    channel: str
    heading: float
    tilt: float
    focal: float
    position: tuple[float, float, float]
    lead: int  # microseconds


@dataclass(frozen=True)
class Thing:
    """An object, from the vehicle's place at the first keyframe: x forward, y left; size as width,
    length, height.
    """

    category: str
    place: tuple[float, float]
    yaw: float
    wlh: tuple[float, float, float]
    speed: float = 0.0
    attribute: str = ""
    visibility: int = 4
    lidar_points: int = 20
    keyframes: tuple[int, ...] = (0, 1)


SCENES = (  # one of mini_train, one of mini_val
    Scene("scene-0061", (411.3, 1180.9), 2.2, 8.0, 1532402927647951),
    Scene("scene-0103", (600.1, 1647.5), -0.7, 5.0, 1533151603547590),
)

MOUNTS = (
    Mount("CAM_FRONT", 0.0, 0.006, 1266.4, (1.70, 0.02, 1.51), 35000),
    Mount("CAM_FRONT_RIGHT", -math.radians(55), -0.004, 1260.8, (1.55, -0.49, 1.50), 27000),
    Mount("CAM_FRONT_LEFT", math.radians(55), 0.008, 1272.6, (1.52, 0.49, 1.51), 43000),
    Mount("CAM_BACK", math.radians(180), -0.010, 809.2, (0.03, 0.00, 1.58), 10000),
    Mount("CAM_BACK_LEFT", math.radians(110), 0.003, 1256.7, (1.04, 0.48, 1.59), 500),
    Mount("CAM_BACK_RIGHT", -math.radians(110), 0.005, 1259.5, (1.01, -0.48, 1.56), 20000),
)

THINGS = (
    Thing("vehicle.car", (16.0, 0.5), 0.05, (1.9, 4.6, 1.7), 9.0, "vehicle.moving"),
    Thing(
        "vehicle.car", (20.0, 10.4), 1.6, (1.9, 4.3, 1.6), 0.0, "vehicle.parked"
    ),  # two cameras see it
    Thing(
        "vehicle.car", (60.0, 4.0), 3.1, (1.8, 4.5, 1.6), 0.0, "vehicle.stopped"
    ),  # beyond its class range
    Thing(
        "vehicle.car",
        (33.0, 2.0),
        0.1,
        (1.8, 4.4, 1.5),
        0.0,
        "vehicle.parked",
        visibility=1,
        lidar_points=0,
    ),
    Thing("vehicle.truck", (26.0, -9.0), -2.9, (2.5, 7.1, 2.9), 6.0, "vehicle.moving"),
    Thing("vehicle.trailer", (-24.0, 9.0), 0.3, (2.9, 12.0, 3.9), 0.0, "vehicle.parked"),
    Thing(
        "vehicle.bus.rigid", (31.0, 16.5), 2.8, (2.9, 11.1, 3.4), 5.0, "vehicle.moving"
    ),  # two cameras see it
    Thing("vehicle.construction", (1.0, 21.0), -1.2, (2.8, 6.6, 3.2), 0.0, "vehicle.stopped"),
    Thing("vehicle.bicycle", (-12.0, 3.0), 0.4, (0.6, 1.7, 1.3), 4.0, "cycle.with_rider"),
    Thing("vehicle.motorcycle", (-15.0, -5.0), -0.6, (0.8, 2.1, 1.5), 0.0, "cycle.without_rider"),
    Thing("human.pedestrian.adult", (11.0, 3.6), 2.0, (0.7, 0.7, 1.8), 1.4, "pedestrian.moving"),
    Thing(
        "human.pedestrian.child",
        (9.0, -3.0),
        -1.0,
        (0.5, 0.5, 1.2),
        0.0,
        "pedestrian.standing",
        visibility=2,
    ),
    Thing(
        "human.pedestrian.adult",
        (13.0, -6.0),
        0.9,
        (0.7, 0.7, 1.7),
        0.0,
        "pedestrian.standing",
        keyframes=(1,),
    ),
    Thing("movable_object.trafficcone", (12.0, -1.2), 0.0, (0.4, 0.4, 1.1)),
    Thing("movable_object.barrier", (17.0, 6.0), 1.5, (2.5, 0.5, 1.0)),
    Thing(
        "movable_object.debris", (14.0, -2.0), 0.0, (0.5, 0.5, 0.3)
    ),  # not a class of the detection task
)

ATTRIBUTES = (
    "cycle.with_rider",
    "cycle.without_rider",
    "pedestrian.moving",
    "pedestrian.standing",
    "pedestrian.sitting_lying_down",
    "vehicle.moving",
    "vehicle.parked",
    "vehicle.stopped",
)


def write_database(root: Path) -> Path:
    """Writes tables, map and images under `root` and returns it."""
    tables = _fixed_tables()
    for scene in SCENES:
        _add_scene(tables, scene)
    folder = root / VERSION
    folder.mkdir(parents=True)
    for name, rows in tables.items():
        (folder / f"{name}.json").write_text(json.dumps(rows, indent=0))
    (root / "maps").mkdir()
    cv2.imwrite(str(root / "maps" / "blank.png"), np.zeros((10, 10), np.uint8))
    for index, row in enumerate(tables["sample_data"]):
        _write_file(root / row["filename"], colour=(40 + 5 * (index % 30), 90, 160))
    return root


def token(*parts: object) -> str:
    """The token of a record, made from what it is."""
    return hashlib.md5("/".join(map(str, parts)).encode()).hexdigest()


def _fixed_tables() -> dict[str, list[dict]]:
    channels = [mount.channel for mount in MOUNTS]
    categories = sorted({thing.category for thing in THINGS})
    logs = [
        dict(
            token=token("log", scene.name),
            logfile=scene.name,
            vehicle="",
            date_captured="",
            location="",
        )
        for scene in SCENES
    ]
    map_row = dict(
        token=token("map"),
        log_tokens=[log["token"] for log in logs],
        category="semantic_prior",
        filename="maps/blank.png",
    )
    return dict(
        attribute=[
            dict(token=token("attribute", name), name=name, description="") for name in ATTRIBUTES
        ],
        category=[
            dict(token=token("category", name), name=name, description="", index=i)
            for i, name in enumerate(categories)
        ],
        visibility=[
            dict(token=str(level), level=f"level {level}", description="") for level in (1, 2, 3, 4)
        ],
        sensor=[
            dict(token=token("sensor", "LIDAR_TOP"), channel="LIDAR_TOP", modality="lidar"),
            *(
                dict(token=token("sensor", name), channel=name, modality="camera")
                for name in channels
            ),
        ],
        calibrated_sensor=[_lidar_calibration(), *map(_calibration, MOUNTS)],
        log=logs,
        map=[map_row],
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


def _lidar_calibration() -> dict:
    return dict(
        token=token("calibration", "LIDAR_TOP"),
        sensor_token=token("sensor", "LIDAR_TOP"),
        translation=[0.94, 0.0, 1.84],
        rotation=Quaternion(axis=(0, 0, 1), angle=-math.pi / 2).elements.tolist(),
        camera_intrinsic=[],
    )


def _calibration(mount: Mount) -> dict:
    cos, sin = math.cos(mount.heading), math.sin(mount.heading)
    upright = np.array(
        [[sin, 0.0, cos], [-cos, 0.0, sin], [0.0, -1.0, 0.0]]
    )  # columns: right, down, forward
    rotation = (
        Quaternion(matrix=upright)
        * Quaternion(axis=(1, 0, 0), angle=mount.tilt)
        * Quaternion(axis=(0, 0, 1), angle=-mount.tilt)
    )
    width, height = IMAGE_SIZE
    return dict(
        token=token("calibration", mount.channel),
        sensor_token=token("sensor", mount.channel),
        translation=list(mount.position),
        rotation=rotation.elements.tolist(),
        camera_intrinsic=[
            [mount.focal, 0.0, width / 2 + 16.3],
            [0.0, mount.focal, height / 2 + 41.5],
            [0.0, 0.0, 1.0],
        ],
    )


def _add_scene(tables: dict[str, list[dict]], scene: Scene) -> None:
    samples = [token("sample", scene.name, frame) for frame in (0, 1)]
    tables["scene"].append(
        dict(
            token=token("scene", scene.name),
            name=scene.name,
            description="made by a test",
            log_token=token("log", scene.name),
            nbr_samples=2,
            first_sample_token=samples[0],
            last_sample_token=samples[1],
        )
    )
    for frame, sample in enumerate(samples):
        time = scene.start + round(frame * KEYFRAME_SECONDS * 1e6)
        neighbours = dict(prev=samples[0] if frame else "", next="" if frame else samples[1])
        tables["sample"].append(
            dict(token=sample, timestamp=time, scene_token=token("scene", scene.name), **neighbours)
        )
        _add_sensor(tables, scene, sample, "LIDAR_TOP", time, "pcd.bin")
        for mount in MOUNTS:
            _add_sensor(tables, scene, sample, mount.channel, time - mount.lead, "jpg")
    for index, thing in enumerate(THINGS):
        _add_thing(tables, scene, samples, index, thing)


def _add_sensor(
    tables: dict[str, list[dict]],
    scene: Scene,
    sample: str,
    channel: str,
    time: int,
    extension: str,
) -> None:
    """One file and the pose of the vehicle when it was taken: the vehicle drives on between two
    sensors.
    """
    name = token("data", sample, channel)
    travelled = scene.speed * (time - scene.start) * 1e-6
    x, y = np.array(scene.position) + travelled * np.array(
        [math.cos(scene.heading), math.sin(scene.heading)]
    )
    rotation = Quaternion(axis=(0, 0, 1), angle=scene.heading) * Quaternion(
        axis=(0, 1, 0), angle=0.004
    )
    tables["ego_pose"].append(
        dict(
            token=name, timestamp=time, rotation=rotation.elements.tolist(), translation=[x, y, 0.0]
        )
    )
    width, height = IMAGE_SIZE if extension == "jpg" else (0, 0)
    tables["sample_data"].append(
        dict(
            token=name,
            sample_token=sample,
            ego_pose_token=name,
            calibrated_sensor_token=token("calibration", channel),
            timestamp=time,
            fileformat=extension.split(".")[0],
            is_key_frame=True,
            width=width,
            height=height,
            filename=f"samples/{channel}/{scene.name}__{channel}__{time}.{extension}",
            prev="",
            next="",
        )
    )


def _add_thing(
    tables: dict[str, list[dict]], scene: Scene, samples: list[str], index: int, thing: Thing
) -> None:
    instance = token("instance", scene.name, index)
    tokens = [token("annotation", instance, frame) for frame in thing.keyframes]
    tables["instance"].append(
        dict(
            token=instance,
            category_token=token("category", thing.category),
            nbr_annotations=len(tokens),
            first_annotation_token=tokens[0],
            last_annotation_token=tokens[-1],
        )
    )
    yaw = scene.heading + thing.yaw
    for number, frame in enumerate(thing.keyframes):
        tables["sample_annotation"].append(
            dict(
                token=tokens[number],
                sample_token=samples[frame],
                instance_token=instance,
                visibility_token=str(thing.visibility),
                attribute_tokens=[token("attribute", thing.attribute)] if thing.attribute else [],
                translation=_position(scene, thing, yaw, frame * KEYFRAME_SECONDS),
                size=list(thing.wlh),
                rotation=Quaternion(axis=(0, 0, 1), angle=yaw).elements.tolist(),
                prev=tokens[number - 1] if number else "",
                next=tokens[number + 1] if number + 1 < len(tokens) else "",
                num_lidar_pts=thing.lidar_points,
                num_radar_pts=0,
            )
        )


def _position(scene: Scene, thing: Thing, yaw: float, seconds: float) -> list[float]:
    cos, sin = math.cos(scene.heading), math.sin(scene.heading)
    x, y = np.array([[cos, -sin], [sin, cos]]) @ thing.place + thing.speed * seconds * np.array(
        [math.cos(yaw), math.sin(yaw)]
    )
    return [scene.position[0] + x, scene.position[1] + y, thing.wlh[2] / 2]


def _write_file(path: Path, colour: tuple[int, int, int]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".jpg":
        cv2.imwrite(str(path), np.full((*IMAGE_SIZE[::-1], 3), colour, np.uint8))
    else:
        np.zeros(5, np.float32).tofile(path)
