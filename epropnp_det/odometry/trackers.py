"""The pose-only step: from the matches of a frame and the predicted pose to the pose of the frame.

A pose is that of the keyframe in the current camera; world poses are products of such poses.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from torch import Tensor

from epropnp_det.object_pose.rigid_pose import RigidPose
from epropnp_det.pnp import (
    Camera,
    Correspondences,
    EProPnP6DoF,
    PnPProblem,
    PoseEstimate,
    PosePrior,
    SE3Pose,
)

from .matches import Matches

# Threshold of the Cauchy kernel in standard deviations: 95 % efficient for Gaussian noise.
DELTA = torch.tensor(2.385, dtype=torch.float64)
# Lower quartile of |error| in standard deviations of a Gaussian. Outliers hardly move it.
QUARTILE = 0.3186
# Of a lens, for OpenCV.
NO_DISTORTION = np.zeros(4)


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
    temperature: float = 1.3
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
        self.start = EProPnP6DoF(init=None, lm_iterations=10)
        self.finish = EProPnP6DoF(init=None, lm_iterations=5)
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
        near = self.start.solve(replace(problem, robust="huber"), predicted)
        start = near.pose if near.valid else predicted
        return self.finish.solve(replace(problem, prior=prior), start)

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
        found = predicted if pose is None else pose
        return Step(found, unknown, seconds, matches.keyframe, pose is not None)

    def _pose(self, matches: Matches, predicted: Tensor) -> Tensor | None:
        turn = cv2.Rodrigues(SE3Pose.rotation(predicted).numpy())[0]
        shift = predicted[:3, None].numpy().copy()
        found, turn, shift, inliers = cv2.solvePnPRansac(
            matches.x3d,
            matches.x2d,
            self.matrix,
            NO_DISTORTION,
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
            matches.x3d[kept], matches.x2d[kept], self.matrix, NO_DISTORTION, turn, shift
        )
        return pose_of(cv2.Rodrigues(turn)[0], shift[:, 0])


def pose_of(rotation: np.ndarray, translation: np.ndarray) -> Tensor:
    """Pose (7,) of a rotation matrix (3, 3) and a translation (3,)."""
    return torch.from_numpy(RigidPose(rotation, translation).to_vector())
