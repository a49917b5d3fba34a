"""A scene: road, scenery, tracks, the drive of the vehicle and the weather.

It is a pure function of the seed and the scene's name.
"""

from __future__ import annotations

import hashlib
import itertools
import math
from dataclasses import dataclass

import numpy as np

from . import ground, scenery, weather
from .ground import Ground
from .habits import MARGIN, WORKS_LENGTH, Site
from .motion import EgoMotion
from .population import populate
from .road import Road
from .scenery import Scenery
from .tracks import Track
from .weather import Weather

KEYFRAME_SECONDS = 0.5
# Objects beyond this distance from the vehicle [m] are neither drawn nor annotated, so that every
# object in an image has its box.
ANNOTATED_RANGE = 65.0


@dataclass(frozen=True)
class Scene:
    """A scene without its images. Scene frame: metres, z up, the middle line of the road starts at
    the origin.
    """

    name: str
    keyframes: int
    road: Road
    ego: EgoMotion
    scenery: Scenery
    tracks: tuple[Track, ...]
    weather: Weather
    seed: int

    def time(self, keyframe: int) -> float:
        return keyframe * KEYFRAME_SECONDS

    @property
    def length(self) -> float:
        """Metres of road that the vehicle drives."""
        return self.ego.motion.speed * self.time(self.keyframes - 1)

    def present(self, keyframe: int) -> list[int]:
        """Indices of the tracks of a keyframe that are near enough."""
        here = self.ego.motion.position(self.time(keyframe))
        time = self.time(keyframe)
        return [
            index
            for index, track in enumerate(self.tracks)
            if keyframe in track.keyframes
            and math.dist(track.motion.position(time), here) <= ANNOTATED_RANGE
        ]


def random_numbers(seed: int, *names: object) -> np.random.Generator:
    """A separate generator for every purpose, so that nothing depends on the order of work."""
    digest = hashlib.sha256(repr((seed, *names)).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "little"))


def make_scene(name: str, keyframes: int, seed: int) -> Scene:
    rng = random_numbers(seed, name, "scene")
    speed = rng.uniform(5.0, 9.0)
    duration = KEYFRAME_SECONDS * (keyframes - 1)
    length = speed * duration
    road = Road(
        yaw=rng.uniform(-math.pi, math.pi),
        curvature=float(rng.choice([0.0, 1 / 250, -1 / 250, 1 / 140, -1 / 140])),
        lanes=int(rng.integers(1, 3)),
        crossing=rng.uniform(0.3, 0.9) * length + 12.0,
    )
    drive = road.drive(0.0, road.lane_center(0), speed)
    tilt = rng.uniform(0.001, 0.004, 2)
    phase = rng.uniform(0, 2 * math.pi, 2)
    ego = EgoMotion(drive, (tilt[0], tilt[1]), (phase[0], phase[1]))
    setting = scenery.lay_out(road, (-MARGIN - 10, length + MARGIN + 10), rng)
    site = Site(road, setting.lots, _roadworks(road, length, rng), speed, duration)
    tracks = populate(site, drive, list(setting.footprints), keyframes, rng)
    return Scene(name, keyframes, road, ego, setting, tracks, weather.draw(rng), seed)


def _roadworks(
    road: Road, length: float, rng: np.random.Generator
) -> tuple[tuple[float, float], ...]:
    """In each third of the drive, on either side, clear of the junction."""
    works = []
    bounds = np.linspace(-30.0, length + 30.0, 4)
    for low, high in itertools.pairwise(bounds):
        s = rng.uniform(low, high)
        if abs(s + WORKS_LENGTH / 2 - road.crossing) < WORKS_LENGTH:
            s = road.crossing + math.copysign(WORKS_LENGTH, s - road.crossing)
        works.append((s, float(rng.choice([-1.0, 1.0]))))
    return tuple(works)


def paint_ground(scene: Scene) -> Ground:
    lots = [scene.road.outline(lot.s, lot.d) for lot in scene.scenery.lots]
    return ground.paint(
        scene.road, scene.length, lots, random_numbers(scene.seed, scene.name, "ground")
    )
