"""What happens between correspondences and detections, written once more as plain loops over
numbers.
"""

from __future__ import annotations

import math

import numpy as np
from shapely.geometry import Polygon, box

from epropnp_det.pnp import Camera


def project(
    camera: Camera, point: np.ndarray, zero_clipped: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """Pixel (2,) of a point (3,) and its derivative (2, 3); nothing nearer than z_min, nothing
    beyond the limits.
    """
    matrix, anchor = camera.matrix.numpy(), camera.image_origin.numpy()
    x, y, depth = matrix @ point
    z = max(depth, camera.z_min)
    free = np.array([x, y]) / z + anchor * (z - depth) / z
    pixel = np.minimum(np.maximum(free, camera.clip_min.numpy()), camera.clip_max.numpy())
    pivot = free if depth > camera.z_min else anchor
    slope = (matrix[:2] - np.outer(pivot, matrix[2])) / z
    return pixel, slope * (pixel == free)[:, None] if zero_clipped else slope


def adaptive_delta(x2d: np.ndarray, w2d: np.ndarray) -> float:
    """Huber threshold of an object: half the mean weight times the standard deviation of its image
    points.
    """
    return 0.5 * w2d.mean() * math.sqrt(x2d.var(axis=0, ddof=1).sum())


def linearize(
    camera: Camera, x3d, x2d, w2d, delta: float, pose: np.ndarray, zero_clipped: bool
) -> tuple[float, np.ndarray, np.ndarray]:
    """Huber cost, gradient (4,) and Gauss-Newton Hessian (4, 4), a point at a time."""
    c, s = math.cos(pose[3]), math.sin(pose[3])
    rotation, turned = (
        np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]]),
        np.array([[-s, 0, c], [0, 0, 0], [-c, 0, -s]]),
    )
    cost, gradient, hessian = 0.0, np.zeros(4), np.zeros((4, 4))
    for point, pixel, weight in zip(x3d, x2d, w2d):
        seen, slope = project(camera, rotation @ point + pose[:3], zero_clipped)
        error = weight * (seen - pixel)
        length = math.hypot(*error)
        cost += 0.5 * length**2 if length <= delta else delta * (length - 0.5 * delta)
        factor = 1.0 if length <= delta else math.sqrt(delta / length)
        rows = factor * weight[:, None] * slope @ np.column_stack([np.eye(3), turned @ point])
        gradient += rows.T @ (factor * error)
        hessian += rows.T @ rows
    return cost, gradient, hessian


def solve(
    camera: Camera, x3d, x2d, w2d, start: np.ndarray, iterations: int, solver: str
) -> np.ndarray:
    """Pose (4,) after so many steps, around the mean object point: Levenberg-Marquardt as in Ceres,
    or plain Gauss-Newton.
    """
    mean, delta = x3d.mean(axis=0), adaptive_delta(x2d, w2d)
    pose = moved(start, mean)
    steps = _levenberg_marquardt if solver == "lm" else _gauss_newton
    pose = steps(
        lambda at: linearize(camera, x3d - mean, x2d, w2d, delta, at, solver == "lm"),
        pose,
        iterations,
    )
    return moved(pose, -mean)


def moved(pose: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """The pose whose object origin is `offset` further along the object's axes."""
    c, s = math.cos(pose[3]), math.sin(pose[3])
    x, y, z = offset
    return np.array([pose[0] + c * x + s * z, pose[1] + y, pose[2] - s * x + c * z, pose[3]])


def _gauss_newton(at, pose: np.ndarray, iterations: int) -> np.ndarray:
    for _ in range(iterations):
        _, gradient, hessian = at(pose)
        pose = pose - np.linalg.solve(hessian + 1e-5 * np.eye(4), gradient)
    return pose


def _levenberg_marquardt(at, pose: np.ndarray, iterations: int) -> np.ndarray:
    radius, shrink = 30.0, 2.0
    cost, gradient, hessian = at(pose)
    for _ in range(iterations):
        damping = np.diag(np.clip(np.diag(hessian), 1e-6, 1e32) / radius)
        step = np.linalg.solve(hessian + damping, -gradient)
        there = at(pose + step)
        promised = -(step @ gradient + 0.5 * step @ hessian @ step)
        ratio = (cost - there[0]) / promised
        if ratio > 1e-3:
            pose, (cost, gradient, hessian) = pose + step, there
            radius, shrink = radius / max(1 / 3, 1 - (2 * ratio - 1) ** 3), 2.0
        else:
            radius, shrink = radius / shrink, 2 * shrink
    return pose


def rectangle(
    camera: Camera, pose: np.ndarray, size: np.ndarray, image_size: np.ndarray
) -> Polygon:
    """What the image shows of the smallest rectangle around a projected box."""
    pixels = [np.clip(project(camera, corner)[0], 0, image_size) for corner in _corners(pose, size)]
    return box(*np.min(pixels, axis=0), *np.max(pixels, axis=0))


def footprint(pose: np.ndarray, size: np.ndarray) -> Polygon:
    """The box seen from above."""
    return Polygon([(corner[0], corner[2]) for corner in _corners(pose, size)]).convex_hull


def _corners(pose: np.ndarray, size: np.ndarray) -> list[np.ndarray]:
    signs = [(x, y, z) for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)]
    return [moved(pose, np.array(sign) * size)[:3] for sign in signs]


def suppress(
    shapes: list[Polygon], scores: list[float], labels: list[int], threshold: float
) -> list[int]:
    """Indices kept, best first: no two of a class overlap by more than the threshold."""
    kept: list[int] = []
    for index in sorted(range(len(scores)), key=lambda i: -scores[i]):
        rivals = [other for other in kept if labels[other] == labels[index]]
        if all(overlap(shapes[index], shapes[other]) <= threshold for other in rivals):
            kept.append(index)
    return kept


def overlap(one: Polygon, other: Polygon) -> float:
    """Intersection over union; nothing over nothing is none."""
    union = one.union(other).area
    return one.intersection(other).area / union if union else 0.0
