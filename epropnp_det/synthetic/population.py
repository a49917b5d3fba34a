"""Peopling a scene: habits are followed where there is room."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import shapely

from .habits import HABITS, MARGIN, STANDING, Habit, Site
from .motion import Motion
from .tracks import Track, footprints
from .vehicles import Size

ATTEMPTS = 40
# Metres kept free around what stands or drives.
ELBOW_ROOM = 0.25
# Between the keyframes too nothing may pass through anything.
STEP = 0.25
EGO_SIZE: Size = (4.1, 1.8, 1.6)
EGO_CENTER = 1.3  # metres from the ego frame's origin, the middle of the rear axle
COUPLING = 0.5  # metres between what tows and what is towed
GLIMPSES = 3  # tracks of a scene that are there in a single keyframe


class _Room:
    """The ground taken so far, at all times."""

    def __init__(self, ego: Motion, times: np.ndarray):
        self._times = times
        ahead = [ego.position(t) + EGO_CENTER * np.array([math.cos(ego.heading(t)), math.sin(ego.heading(t))]) for t in times]
        body = footprints(replace(ego, x=0.0, y=0.0, speed=0.0), EGO_SIZE, times, 0.8)
        self._polygons = [shapely.polygons(body + np.array(ahead)[:, None])]
        self._centers, self._radii = [np.array(ahead)], [EGO_SIZE[0]]

    def take(self, *bodies: tuple[Motion, Size]) -> bool:
        """Takes the ground under all the bodies if none of it is taken, or nothing."""
        drawn = [self._outline(motion, size) for motion, size in bodies]
        if not all(self._free(*body) for body in drawn):
            return False
        for polygons, centers, radius in drawn:
            self._polygons.append(polygons)
            self._centers.append(centers)
            self._radii.append(radius)
        return True

    def _outline(self, motion: Motion, size: Size) -> tuple[np.ndarray, np.ndarray, float]:
        corners = footprints(motion, size, self._times, ELBOW_ROOM)
        return shapely.polygons(corners), corners.mean(axis=1), math.hypot(*size[:2]) / 2 + 2 * ELBOW_ROOM

    def _free(self, polygons: np.ndarray, centers: np.ndarray, radius: float) -> bool:
        for taken, places, reach in zip(self._polygons, self._centers, self._radii):
            near = np.linalg.norm(places - centers, axis=1) < reach + radius
            if near.any() and shapely.intersects(taken[near], polygons[near]).any():
                return False
        return True


def populate(site: Site, ego: Motion, keyframes: int, rng: np.random.Generator) -> tuple[Track, ...]:
    """All tracks of a scene. At no time does one stand in another, or in the vehicle's way."""
    room = _Room(ego, np.arange(0, site.duration + STEP, STEP))
    tracks: list[Track] = []
    for habit in HABITS:
        for _ in range(_count(habit, site, rng)):
            tracks += _settled(habit, site, room, range(keyframes), rng)
    return tuple(_with_glimpses(tracks, keyframes, rng))


def _count(habit: Habit, site: Site, rng: np.random.Generator) -> int:
    expected = habit.density * (site.length + 2 * MARGIN) / 100
    return int(expected + rng.random())


def _settled(habit: Habit, site: Site, room: _Room, keyframes: range, rng: np.random.Generator) -> Iterator[Track]:
    """The tracks of one habit's object (two if it tows something), none if there is no room for it."""
    kinds = [habit.kind] if habit.towing is None else [habit.kind, habit.towing]
    sizes = [kind.draw_size(rng) for kind in kinds]
    for _ in range(ATTEMPTS):
        motions = list(_train(habit.place(site, rng), sizes))
        if room.take(*zip(motions, sizes)):
            for kind, size, motion in zip(kinds, sizes, motions):
                yield Track(kind, size, kind.mesh(size, rng, habit.lamps), motion, habit.attribute, keyframes)
            return


def _train(motion: Motion, sizes: list[Size]) -> Iterator[Motion]:
    """The motion itself, and those of what follows on the same way, bumper to bumper."""
    distance = 0.0
    for index, size in enumerate(sizes):
        if index:
            distance += (sizes[index - 1][0] + size[0]) / 2 + COUPLING
        yield motion.at(-distance / motion.speed) if distance else motion


def _with_glimpses(tracks: list[Track], keyframes: int, rng: np.random.Generator) -> list[Track]:
    """Some of those who stand about are there in one keyframe only."""
    standing = [index for index, track in enumerate(tracks) if track.attribute == STANDING]
    for index in rng.permutation(standing)[:GLIMPSES]:
        only = int(rng.integers(keyframes))
        tracks[index] = replace(tracks[index], keyframes=range(only, only + 1))
    return tracks
