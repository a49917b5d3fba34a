"""Visual odometry on points with LiDAR depth: corners, their optical flow, and a pose-only step.

The map of a frame is the 3D points of the last keyframe, in the camera frame of that keyframe. A
pose is that of the keyframe in the current camera; world poses are products of such poses.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from _drive import Frame
from torch import Tensor

from epropnp_det.object_pose.rigid_pose import RigidPose, project
from epropnp_det.pnp import (
    Camera,
    Correspondences,
    EProPnP6DoF,
    PnPProblem,
    PoseEstimate,
    PosePrior,
    SE3Pose,
)

# --- corners and their flow ---

WINDOW = (21, 21)
LEVELS = 4
# Two corners are at least this far apart [px].
SPACING = 18
# The flow back from the new image ends this near to where it began [px].
ROUND_TRIP = 0.7
# Share of the points of a keyframe below which the next frame becomes a keyframe.
KEPT = 0.4
# Side of the window around a corner [px], and the ratio of depths in it from which on it shows an
# edge: such a corner moves with both surfaces. It spans neighbouring beams of the LiDAR.
EDGE_WINDOW = 31
EDGE_RATIO = 1.25


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
    strength = cv2.cornerMinEigenVal(frame.image, 7)
    column, row = pixel.astype(int).T
    order = np.argsort(-strength[row, column], kind="stable")
    order = order[on_one_surface(frame, row, column)[order]]
    free = np.ones(frame.image.shape, np.uint8)
    chosen: list[int] = []
    for index in order:
        if len(chosen) == number:
            break
        if free[row[index], column[index]]:
            chosen.append(int(index))
            cv2.circle(free, (int(column[index]), int(row[index])), SPACING, 0, -1)
    return frame.points[chosen].astype(float), pixel[chosen].astype(np.float32)


def on_one_surface(frame: Frame, row: np.ndarray, column: np.ndarray) -> np.ndarray:
    """(M,) bool: the LiDAR points around each LiDAR point have about its depth."""
    depth = frame.points[:, 2].astype(np.float32)
    window = np.ones((EDGE_WINDOW, EDGE_WINDOW), np.uint8)
    nearness = np.zeros(frame.image.shape, np.float32)
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
    settings = dict(winSize=WINDOW, maxLevel=LEVELS)
    end, forward, _ = cv2.calcOpticalFlowPyrLK(before, after, start, None, **settings)
    back, backward, _ = cv2.calcOpticalFlowPyrLK(after, before, end, None, **settings)
    near = np.linalg.norm(back - start, axis=1) < ROUND_TRIP
    size = before.shape[::-1]
    inside = ((end > 0) & (end < size)).all(axis=1)
    return end + 0.5, (forward[:, 0] > 0) & (backward[:, 0] > 0) & near & inside


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


# --- the pose-only step ---


@dataclass(frozen=True)
class Step:
    """The pose of a frame.

    Args:
        pose: (7,), from the camera frame of its keyframe to that of the frame.
        covariance: (6, 6) of the camera's translation [m] and rotation vector [rad], in the axes of
            the keyframe's camera; NaN where the solver has none.
        seconds: processor time of the solver.
        keyframe: index of the keyframe.
        found: whether there is a solution; the pose is the predicted one otherwise.
    """

    pose: Tensor
    covariance: Tensor
    seconds: float
    keyframe: int
    found: bool


# From matches and the predicted pose (7,) to the pose of a frame.
Solver = Callable[[Matches, Tensor], Step]


@dataclass(frozen=True)
class Noise:
    """What the layer takes as known.

    Args:
        speed: standard deviations of the speed [m/s] and of the turn rate [rad/s] before any frame.
        acceleration: those of their changes [m/s^2], [rad/s^2].
        pixel: standard deviation of the first image points [px]; residuals say what it is later.
        temperature: T of p(y|X)^(1/T), which makes up for errors that neighbouring points share.
        rate: frames per second.
    """

    speed: tuple[float, float] = (20.0, 1.0)
    acceleration: tuple[float, float] = (2.0, 0.5)
    pixel: float = 0.5
    temperature: float = 4.0
    rate: float = 10.0

    def of_motion(self, is_first: bool) -> Tensor:
        """(6, 6) covariance of translation [m] and rotation [rad] that a frame adds."""
        change = torch.tensor(self.acceleration).double() / self.rate**2
        whole = torch.tensor(self.speed).double() / self.rate
        deviation = whole if is_first else change
        return torch.diag(deviation.square().repeat_interleave(3))


class LayerTracker:
    """Robust PnP from the predicted pose, with the last posterior as the prior."""

    def __init__(self, camera: Camera, noise: Noise, use_prior: bool = True):
        self.camera = camera
        self.noise = noise
        self.use_prior = use_prior
        self.pixel = noise.pixel
        self.layer = EProPnP6DoF(init=None, lm_iterations=10)
        self.keyframe = -1
        self.is_first = True

    def __call__(self, matches: Matches, predicted: Tensor) -> Step:
        begin = time.process_time()
        if matches.keyframe != self.keyframe:
            # The keyframe is known exactly in its own frame.
            self.keyframe = matches.keyframe
            self.last = SE3Pose.identity(predicted)
            self.covariance = torch.zeros(6, 6, dtype=torch.float64)
        problem = self._problem(matches)
        estimate = self._solve(problem, predicted)
        found = bool(estimate.valid)
        self.last = estimate.pose if found else predicted
        if found:
            self.covariance = estimate.covariance_of("rotation_vector")
        self.pixel = 0.5 * self.pixel + 0.5 * self._deviation(problem.points)
        in_keyframe = estimate.inverse().covariance_of("rotation_vector")
        seconds = time.process_time() - begin
        return Step(self.last, in_keyframe, seconds, matches.keyframe, found)

    def _problem(self, matches: Matches) -> PnPProblem:
        weight = np.full_like(matches.x2d, 1 / self.pixel)
        points = Correspondences(
            torch.from_numpy(matches.x3d), torch.from_numpy(matches.x2d), torch.from_numpy(weight)
        )
        problem = PnPProblem(points, self.camera, DELTA, "cauchy")
        return problem.tempered(torch.tensor(self.noise.temperature))

    def _solve(self, problem: PnPProblem, predicted: Tensor) -> PoseEstimate:
        prior = self._prior(predicted) if self.use_prior else None
        # Far from the solution the Cauchy kernel is flat, the Huber kernel never is.
        near = self.layer.solve(replace(problem, robust="huber"), predicted)
        start = near.pose if near.valid else predicted
        return self.layer.solve(replace(problem, prior=prior), start)

    def _deviation(self, points: Correspondences) -> float:
        """Standard deviation [px] of the image points, from their errors at the last pose."""
        image = self.camera.project(SE3Pose.transform(self.last, points.x3d))
        return float((image - points.x2d).abs().flatten().quantile(0.25)) / QUARTILE

    def _prior(self, predicted: Tensor) -> PosePrior:
        """The last posterior, moved to the predicted pose, with what the motion model leaves
        open.

        The prediction has the last pose twice and the one before once, so its variance is
        2^2 + 1^2 times theirs.
        """
        motion = SE3Pose.rotation(predicted) @ SE3Pose.rotation(self.last).mT
        turn = torch.block_diag(motion, motion)
        motion_noise = self.noise.of_motion(self.is_first)
        self.is_first = False
        spread = 5 * turn @ self.covariance @ turn.mT + motion_noise
        return PosePrior.from_covariance(predicted, spread, "rotation_vector")


# Threshold of the Cauchy kernel in standard deviations: 95 % efficient for Gaussian noise.
DELTA = torch.tensor(2.385, dtype=torch.float64)
# Lower quartile of |error| in standard deviations of a Gaussian. Outliers hardly move it.
QUARTILE = 0.3186


class RansacTracker:
    """cv2.solvePnPRansac from the predicted pose, refined on its inliers."""

    def __init__(self, matrix: np.ndarray, threshold: float = 4.0, iterations: int = 100):
        self.matrix = matrix
        self.threshold = threshold
        self.iterations = iterations

    def __call__(self, matches: Matches, predicted: Tensor) -> Step:
        begin = time.process_time()
        pose = self._pose(matches, predicted)
        unknown = torch.full((6, 6), torch.nan, dtype=torch.float64)
        seconds = time.process_time() - begin
        found = pose is not None
        return Step(pose if found else predicted, unknown, seconds, matches.keyframe, found)

    def _pose(self, matches: Matches, predicted: Tensor) -> Tensor | None:
        turn = cv2.Rodrigues(SE3Pose.rotation(predicted).numpy())[0]
        shift = predicted[:3, None].numpy().copy()
        found, turn, shift, inliers = cv2.solvePnPRansac(
            matches.x3d,
            matches.x2d,
            self.matrix,
            None,
            turn,
            shift,
            useExtrinsicGuess=True,
            iterationsCount=self.iterations,
            reprojectionError=self.threshold,
            flags=cv2.SOLVEPNP_ITERATIVE,
        )
        if not found or inliers is None:
            return None
        kept = inliers[:, 0]
        turn, shift = cv2.solvePnPRefineLM(
            matches.x3d[kept], matches.x2d[kept], self.matrix, None, turn, shift
        )
        return pose_of(cv2.Rodrigues(turn)[0], shift[:, 0])


def pose_of(rotation: np.ndarray, translation: np.ndarray) -> Tensor:
    """Pose (7,) of a rotation matrix (3, 3) and a translation (3,)."""
    return torch.from_numpy(RigidPose(rotation, translation).to_vector())


# --- the trajectory ---


@dataclass(frozen=True)
class Trajectory:
    """Poses of the camera in its first frame.

    Args:
        poses: (T, 4, 4), camera to the first camera frame.
        covariance: (T, 6, 6) of translation [m] and rotation vector [rad] in its axes, of drift
            since the first frame.
        steps: what the solver found, for every frame but the first.
    """

    poses: np.ndarray
    covariance: np.ndarray
    steps: list[Step]


def run(matches: Sequence[Matches], solver: Solver) -> Trajectory:
    """The solver on every frame, each predicted at constant velocity."""
    poses = [np.eye(4)]
    covariance = [np.zeros((6, 6))]
    steps = []
    motion = np.eye(4)
    for one in matches:
        last = np.linalg.inv(poses[-1]) @ poses[one.keyframe]
        predicted = motion @ last
        step = solver(one, pose_of(predicted[:3, :3], predicted[:3, 3]))
        steps.append(step)
        current = np.eye(4)
        current[:3] = SE3Pose.matrix(step.pose).numpy()
        motion = current @ np.linalg.inv(last)
        back = np.linalg.inv(current)
        poses.append(poses[one.keyframe] @ back)
        covariance.append(composed(poses, covariance, one.keyframe, back, step))
    return Trajectory(np.stack(poses), np.stack(covariance), steps)


def composed(
    poses: Sequence[np.ndarray],
    covariance: Sequence[np.ndarray],
    keyframe: int,
    back: np.ndarray,
    step: Step,
) -> np.ndarray:
    """Covariance (6, 6) of a pose in the first frame, from that of its keyframe and its own, which
    are taken as independent.
    """
    rotation = poses[keyframe][:3, :3]
    arm = rotation @ back[:3, 3]
    carried = np.eye(6)
    # A turn of the keyframe moves the camera by turn x arm.
    carried[:3, 3:] = np.cross(np.eye(3), arm).T
    turned = np.kron(np.eye(2), rotation)
    own = turned @ step.covariance.numpy() @ turned.T
    return carried @ covariance[keyframe] @ carried.T + own
