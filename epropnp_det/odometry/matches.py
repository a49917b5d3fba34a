"""Corners with LiDAR depth, and their optical flow from a keyframe on.

The map of a frame is the 3D points of the last keyframe, in the camera frame of that keyframe.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from epropnp_det.object_pose.rigid_pose import project

# Small, because a large window covers ground of many depths, each with a flow of its own: 21 px
# find motions too short.
WINDOW = (9, 9)
LEVELS = 4
# Corners are chosen in an image of half the size, which takes a seventh of the time. Two are at
# least this far apart, in its pixels.
SPACING = 9
# The flow back from the new image ends this near to where it began [px].
ROUND_TRIP = 0.7
# Share of the points of a keyframe below which the next frame becomes a keyframe.
KEPT = 0.5
# Side of the window around a corner, in pixels of half the size, and the ratio of depths in it from
# which on it shows an edge: such a corner moves with both surfaces. It spans neighbouring beams of
# the LiDAR.
EDGE_WINDOW = 15
EDGE_RATIO = 1.25


@dataclass(frozen=True)
class Frame:
    """What the odometry gets of an instant, and the true pose.

    Args:
        image: (H, W) uint8, grey.
        points: (M, 3) [m], LiDAR points inside the image, in the camera frame.
        pose: (4, 4), the true pose, camera frame to scene frame.
        time: seconds since the start of the scene.
    """

    image: np.ndarray
    points: np.ndarray
    pose: np.ndarray
    time: float


@dataclass(frozen=True)
class Matches:
    """Points of the keyframe and where they are in a frame.

    Args:
        x3d: (N, 3) [m], in the camera frame of the keyframe.
        x2d: (N, 2) [px], in this frame.
        keyframe: index of the keyframe.
        seconds: processor time of finding them.
    """

    x3d: np.ndarray
    x2d: np.ndarray
    keyframe: int
    seconds: float


def follow(frames: Sequence[Frame], matrix: np.ndarray, number: int) -> list[Matches]:
    """The matches of every frame but the first. They depend on the images alone, so every solver
    gets the same.
    """
    matches = []
    keyframe = 0
    x3d, x2d = corners(frames[0], matrix, number)
    for index in range(1, len(frames)):
        begin = time.process_time()
        if len(x3d) < KEPT * number and keyframe < index - 1:
            keyframe = index - 1
            x3d, x2d = corners(frames[keyframe], matrix, number)
        x2d, found = flow(frames[index - 1].image, frames[index].image, x2d)
        x3d = x3d[found]
        x2d = x2d[found]
        seconds = time.process_time() - begin
        matches.append(Matches(x3d, x2d.astype(float), keyframe, seconds))
    return matches


def corners(frame: Frame, matrix: np.ndarray, number: int) -> tuple[np.ndarray, np.ndarray]:
    """LiDAR points (N, 3) at the strongest corners of the image (Shi and Tomasi) that lie on one
    surface, and their pixels (N, 2), float32.
    """
    pixel = project(frame.points, matrix)
    half = cv2.pyrDown(frame.image)
    strength = cv2.cornerMinEigenVal(half, 5)
    column, row = (pixel / 2).astype(int).T
    order = np.argsort(-strength[row, column], kind="stable")
    one_surface = on_one_surface(frame.points[:, 2], row, column, half.shape)
    order = order[one_surface[order]]
    free = np.ones(half.shape, np.uint8)
    chosen: list[int] = []
    for index in order:
        if len(chosen) == number:
            break
        if free[row[index], column[index]]:
            chosen.append(int(index))
            cv2.circle(free, (int(column[index]), int(row[index])), SPACING, (0,), -1)
    return frame.points[chosen].astype(float), pixel[chosen].astype(np.float32)


def on_one_surface(
    depth: np.ndarray, row: np.ndarray, column: np.ndarray, shape: tuple[int, ...]
) -> np.ndarray:
    """(M,) bool: the LiDAR points around each LiDAR point have about its depth.

    Args:
        depth: (M,) [m], in the camera frame.
        row, column: (M,) pixels of the points in the image of half the size.
        shape: (H, W) of that image.
    """
    depth = depth.astype(np.float32)
    window = np.ones((EDGE_WINDOW, EDGE_WINDOW), np.uint8)
    nearness = np.zeros(shape, np.float32)
    distance = nearness.copy()
    nearness[row, column] = 1 / depth
    distance[row, column] = depth
    nearest = 1 / cv2.dilate(nearness, window)[row, column]
    farthest = cv2.dilate(distance, window)[row, column]
    return (nearest * EDGE_RATIO > depth) & (farthest < depth * EDGE_RATIO)


def flow(before: np.ndarray, after: np.ndarray, x2d: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where points (N, 2) are in the next image, by pyramidal Lucas-Kanade, and which (N,) were
    found there and back.
    """
    # OpenCV has pixel centres at integers.
    start = x2d - 0.5
    end, forward = _lucas_kanade(before, after, start)
    back, backward = _lucas_kanade(after, before, end)
    near = np.linalg.norm(back - start, axis=1) < ROUND_TRIP
    size = before.shape[::-1]
    inside = ((end > 0) & (end < size)).all(axis=1)
    return end + 0.5, forward & backward & near & inside


def _lucas_kanade(
    before: np.ndarray, after: np.ndarray, start: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Where points (N, 2) are in the next image, and which (N,) were found; OpenCV's pixels."""
    end, found, _ = cv2.calcOpticalFlowPyrLK(
        before, after, start, np.empty_like(start), winSize=WINDOW, maxLevel=LEVELS
    )
    return end, found[:, 0] > 0


def with_outliers(
    matches: Sequence[Matches], share: float, size: tuple[int, int], seed: int
) -> list[Matches]:
    """The same matches, of which a share is anywhere in the image."""
    rng = np.random.default_rng(seed)
    spoilt = []
    for one in matches:
        wrong = rng.random(len(one.x2d)) < share
        anywhere = rng.random(one.x2d.shape) * size
        spoilt.append(replace(one, x2d=np.where(wrong[:, None], anywhere, one.x2d)))
    return spoilt
