"""What runs on the GPU for one point at one pose: poses as matrices, projection and the robust
kernel.

A name in capitals is known when a kernel is compiled. `DIM` is the length of a pose, 4 or 7.
Tuples hold the numbers of a vector or the rows of a matrix; each may be a number or a block, as the
pose is.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def at_least(value, bound):
    """The bound as it is, not rounded to float32 first; NaN stays NaN."""
    return tl.maximum(value, tl.full((), bound, value.dtype), propagate_nan=tl.PropagateNan.ALL)


@triton.jit
def at_most(value, bound):
    return tl.minimum(value, tl.full((), bound, value.dtype), propagate_nan=tl.PropagateNan.ALL)


@triton.jit
def loaded(pointer, live, NUMBER: tl.constexpr):
    """So many numbers in a row, where alive. Elsewhere they are ones, which make a pose."""
    values = ()
    for i in tl.static_range(NUMBER):
        values = values + (tl.load(pointer + i, live, 1.0),)
    return values


@triton.jit
def rotation(pose, DIM: tl.constexpr):
    """R of `YawPose` or `SE3Pose`."""
    if DIM == 4:
        cos, sin = tl.cos(pose[3]), tl.sin(pose[3])
        rows = (cos, 0.0, sin, 0.0, 1.0, 0.0, -sin, 0.0, cos)
    else:
        length = tl.sqrt(
            pose[3] * pose[3] + pose[4] * pose[4] + pose[5] * pose[5] + pose[6] * pose[6]
        )
        w, i, j, k = pose[3] / length, pose[4] / length, pose[5] / length, pose[6] / length
        first = 1 - 2 * (j * j + k * k), 2 * (i * j - w * k), 2 * (i * k + w * j)
        second = 2 * (i * j + w * k), 1 - 2 * (i * i + k * k), 2 * (j * k - w * i)
        rows = first + second + (2 * (i * k - w * j), 2 * (j * k + w * i), 1 - 2 * (i * i + j * j))
    return rows


@triton.jit
def product(matrix, vector):
    """3x3 matrix times vector."""
    return (
        matrix[0] * vector[0] + matrix[1] * vector[1] + matrix[2] * vector[2],
        matrix[3] * vector[0] + matrix[4] * vector[1] + matrix[5] * vector[2],
        matrix[6] * vector[0] + matrix[7] * vector[1] + matrix[8] * vector[2],
    )


@triton.jit
def projection(camera, pose, DIM: tl.constexpr):
    """M [R | t] as four columns: in this form alone does a pose enter the cost, so 4DoF and 6DoF
    share it.
    """
    turn = rotation(pose, DIM)
    x = product(camera, (turn[0], turn[3], turn[6]))
    y = product(camera, (turn[1], turn[4], turn[7]))
    z = product(camera, (turn[2], turn[5], turn[8]))
    return x, y, z, product(camera, pose)


@triton.jit
def projected(columns, point):
    """M (R X + t), rows behind points."""
    return (
        columns[0][0] * point[0]
        + columns[1][0] * point[1]
        + columns[2][0] * point[2]
        + columns[3][0],
        columns[0][1] * point[0]
        + columns[1][1] * point[1]
        + columns[2][1] * point[2]
        + columns[3][1],
        columns[0][2] * point[0]
        + columns[1][2] * point[1]
        + columns[2][2] * point[2]
        + columns[3][2],
    )


@triton.jit
def see(camera, image, Z_MIN: tl.constexpr):
    """1/z, and the pixel before and after it is clamped to the limits, as `Camera.project_image`
    has them.
    """
    depth = at_least(image[2], Z_MIN)
    nearness, missing = 1 / depth, depth - image[2]
    # Points nearer than z_min are drawn towards pixel (0, 0) of the original image.
    free = (
        (image[0] + camera[13] * missing) * nearness,
        (image[1] + camera[14] * missing) * nearness,
    )
    pixel = (
        at_most(at_least(free[0], camera[9]), camera[11]),
        at_most(at_least(free[1], camera[10]), camera[12]),
    )
    return nearness, free, pixel


@triton.jit
def robust(squared, delta, HUBER: tl.constexpr):
    """rho / 2 and rho' of Eq. (12) at squared lengths, and the derivative of rho / 2 in delta."""
    if HUBER:
        outside = squared > delta * delta
        length = tl.sqrt(squared)
        rho = tl.where(outside, delta * (length - 0.5 * delta), 0.5 * squared)
        # Without the length there would be a 0 / 0 inside.
        slope = tl.where(outside, delta / tl.where(outside, length, delta), 1.0)
        excess = tl.where(outside, length - delta, 0.0)
    else:
        rho, slope, excess = 0.5 * squared, squared * 0 + 1, squared * 0
    return rho, slope, excess
