"""Places the objects of a scene: each habit applies where there is room."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import shapely

from epropnp_det.detection.data.nuscenes_classes import CLASSES, DETECTION_RANGE

from .habits import HABITS, MARGIN, STANDING, Habit, Site
from .motion import Motion, footprints
from .tracks import Track
from .vehicles import Size

ATTEMPTS = 40
# Metres kept free around what stands or drives.
ELBOW_ROOM = 0.25
# Seconds between checks that nothing passes through anything, also between keyframes.
STEP = 0.25
# What is kept free around the vehicle with the sensors, from its rear axle: metres ahead, behind
# and to either side.
EGO_ROOM = (13.0, 5.0, 1.7)
COUPLING = 0.5  # metres between what tows and what is towed
# No more than this many objects are within this distance [m] of the vehicle at a time.
CROWD = 40
CROWD_RANGE = 55.0
GLIMPSES = 3  # tracks of a scene that are there in a single keyframe


class _Room:
    """The ground taken so far, at all times."""

    def __init__(self, ego: Motion, times: np.ndarray, obstacles: list[np.ndarray]):
        """`obstacles`: polygons (n, 2) that are occupied all the time."""
        self._times = times
        self._obstacles = shapely.multipolygons(
            [shapely.polygons(corners) for corners in obstacles]
        )
        shapely.prepare(self._obstacles)
        self._ego = np.array([ego.position(t) for t in times])
        self._crowd = np.zeros(len(times), int)
        ahead, behind, aside = EGO_ROOM
        around = footprints(ego, (ahead + behind, 2 * aside, 0.0), times, 0.0)
        headings = np.array([ego.heading(t) for t in times])
        around = (
            around
            + (ahead - behind)
            / 2
            * np.stack([np.cos(headings), np.sin(headings)], axis=-1)[:, None]
        )
        self._polygons = [shapely.polygons(around)]
        self._centers = [around.mean(axis=1)]
        self._radii = [ahead]

    def take(self, *bodies: tuple[Motion, Size]) -> bool:
        """Takes the ground under all the bodies if none of it is taken and no crowd arises, or
        nothing.
        """
        drawn = [self._outline(motion, size) for motion, size in bodies]
        near = sum(
            np.linalg.norm(centers - self._ego, axis=1) < CROWD_RANGE for _, centers, _ in drawn
        )
        if (self._crowd + near > CROWD).any() or not all(self._free(*body) for body in drawn):
            return False
        self._crowd = self._crowd + near
        for polygons, centers, radius in drawn:
            self._polygons.append(polygons)
            self._centers.append(centers)
            self._radii.append(radius)
        return True

    def _outline(self, motion: Motion, size: Size) -> tuple[np.ndarray, np.ndarray, float]:
        corners = footprints(motion, size, self._times, ELBOW_ROOM)
        return (
            shapely.polygons(corners),
            corners.mean(axis=1),
            math.hypot(*size[:2]) / 2 + 2 * ELBOW_ROOM,
        )

    def _free(self, polygons: np.ndarray, centers: np.ndarray, radius: float) -> bool:
        if shapely.intersects(self._obstacles, polygons).any():
            return False
        for taken, places, reach in zip(self._polygons, self._centers, self._radii):
            near = np.linalg.norm(places - centers, axis=1) < reach + radius
            if near.any() and shapely.intersects(taken[near], polygons[near]).any():
                return False
        return True


def populate(
    site: Site, ego: Motion, obstacles: list[np.ndarray], keyframes: int, rng: np.random.Generator
) -> tuple[Track, ...]:
    """All tracks of a scene. No two overlap at any time, and none is in the way of the vehicle."""
    room = _Room(ego, np.arange(0, site.duration + STEP, STEP), obstacles)
    tracks: list[Track] = []
    for habit in HABITS:
        for _ in range(_count(habit, site, rng)):
            tracks += _settle(habit, site, room, range(keyframes), rng)
    for name in CLASSES:
        tracks += _at_least_one(name, tracks, site, ego, room, range(keyframes), rng)
    return tuple(_with_glimpses(tracks, keyframes, rng))


def _at_least_one(
    name: str,
    tracks: list[Track],
    site: Site,
    ego: Motion,
    room: _Room,
    keyframes: range,
    rng: np.random.Generator,
) -> list[Track]:
    """Tracks to add, so that the class comes into its detection range at some time."""
    habits = [habit for habit in HABITS if habit.kind.class_name == name]
    times = np.linspace(0, site.duration, len(keyframes))
    added: list[Track] = []
    for habit in itertools.islice(itertools.cycle(habits), ATTEMPTS):
        if any(
            _comes_near(track, ego, times)
            for track in tracks + added
            if track.kind.class_name == name
        ):
            break
        added += _settle(habit, site, room, keyframes, rng)
    return added


def _comes_near(track: Track, ego: Motion, times: np.ndarray) -> bool:
    reach = DETECTION_RANGE[track.kind.class_name]
    return any(math.dist(track.motion.position(t), ego.position(t)) < reach for t in times)


def _count(habit: Habit, site: Site, rng: np.random.Generator) -> int:
    expected = habit.density * (site.length + 2 * MARGIN) / 100
    return int(expected + rng.random())


def _settle(
    habit: Habit, site: Site, room: _Room, keyframes: range, rng: np.random.Generator
) -> Iterator[Track]:
    """The tracks of one habit's object (two if it tows something), none if there is no room for
    it.
    """
    kinds = [habit.kind] if habit.towing is None else [habit.kind, habit.towing]
    sizes = [kind.draw_size(rng) for kind in kinds]
    for _ in range(ATTEMPTS):
        motions = list(_train(habit.place(site, rng), sizes))
        if room.take(*zip(motions, sizes)):
            for kind, size, motion in zip(kinds, sizes, motions):
                yield Track(
                    kind,
                    size,
                    kind.mesh(size, rng, habit.lamps),
                    motion,
                    habit.attribute,
                    keyframes,
                )
            return


def _train(motion: Motion, sizes: list[Size]) -> Iterator[Motion]:
    """The motion itself, and those of what follows on the same way, bumper to bumper."""
    distance = 0.0
    for index, size in enumerate(sizes):
        if index:
            distance += (sizes[index - 1][0] + size[0]) / 2 + COUPLING
        yield motion.at(-distance / motion.speed) if distance else motion


def _with_glimpses(tracks: list[Track], keyframes: int, rng: np.random.Generator) -> list[Track]:
    """Some standing pedestrians exist in one keyframe only."""
    standing = [index for index, track in enumerate(tracks) if track.attribute == STANDING]
    for index in rng.permutation(standing)[:GLIMPSES]:
        only = int(rng.integers(keyframes))
        tracks[index] = replace(tracks[index], keyframes=range(only, only + 1))
    return tracks
