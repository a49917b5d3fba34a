"""Kernel for cost, gradient J^T F and Gauss-Newton Hessian J^T J of the rescaled residuals at a
pose.
"""

from __future__ import annotations

import triton
import triton.language as tl

from .cost import load_points
from .geometry import loaded, product, robust, rotation, see


@triton.jit
def chain(arm, by_x, by_y, by_z, DIM: tl.constexpr):
    """Derivatives with respect to points in the camera frame as those in the tangent, see
    `PoseSpace.pull_back_jacobian`; `arm` is R X.
    """
    if DIM == 4:
        tangent = by_x, by_y, by_z, by_x * arm[2] - by_z * arm[0]
    else:
        turn = (
            arm[1] * by_z - arm[2] * by_y,
            arm[2] * by_x - arm[0] * by_z,
            arm[0] * by_y - arm[1] * by_x,
        )
        tangent = by_x, by_y, by_z, -2 * turn[0], -2 * turn[1], -2 * turn[2]
    return tangent


@triton.jit
def jacobian_row(camera, pivot, factor, ROW: tl.constexpr):
    """factor (M[row] - pivot M[2]): derivatives of a coordinate of the pixel in X, Y and Z of the
    camera frame.
    """
    x = (camera[3 * ROW] - pivot * camera[6]) * factor
    y = (camera[3 * ROW + 1] - pivot * camera[7]) * factor
    return x, y, (camera[3 * ROW + 2] - pivot * camera[8]) * factor


@triton.jit
def terms(
    camera,
    turn,
    shift,
    point,
    delta,
    DIM: tl.constexpr,
    HUBER: tl.constexpr,
    ZERO_CLIPPED: tl.constexpr,
    Z_MIN: tl.constexpr,
):
    """What points add to the cost, to J^T F and to the lower triangle of J^T J (by rows), one
    behind the other.
    """
    T: tl.constexpr = 4 if DIM == 4 else 6
    arm = product(turn, point)
    image = product(camera, (arm[0] + shift[0], arm[1] + shift[1], arm[2] + shift[2]))
    nearness, free, pixel = see(camera, image, Z_MIN)
    error = (pixel[0] - point[3]) * point[5], (pixel[1] - point[4]) * point[6]
    rho, slope, _ = robust(error[0] * error[0] + error[1] * error[1], delta, HUBER)
    # At the clamped depth the derivative in z is that of the shift towards the image origin.
    follows = image[2] > tl.full((), Z_MIN, rho.dtype)
    pivot = tl.where(follows, free[0], camera[13]), tl.where(follows, free[1], camera[14])
    factor = nearness * point[5], nearness * point[6]
    if ZERO_CLIPPED:
        factor = (
            factor[0] * (pixel[0] == free[0]).to(rho.dtype),
            factor[1] * (pixel[1] == free[1]).to(rho.dtype),
        )
    by_u, by_v = (
        jacobian_row(camera, pivot[0], factor[0], 0),
        jacobian_row(camera, pivot[1], factor[1], 1),
    )
    row_u, row_v = (
        chain(arm, by_u[0], by_u[1], by_u[2], DIM),
        chain(arm, by_v[0], by_v[1], by_v[2], DIM),
    )
    out = (rho,)
    for i in tl.static_range(T):
        out = out + (slope * (row_u[i] * error[0] + row_v[i] * error[1]),)
    for i in tl.static_range(T):
        for j in tl.static_range(i + 1):
            out = out + (slope * (row_u[i] * row_u[j] + row_v[i] * row_v[j]),)
    return out


@triton.jit
def normal_equations(
    x3d, x2d, w2d, delta, camera, pose, index, points,
    DIM: tl.constexpr, HUBER: tl.constexpr, ZERO_CLIPPED: tl.constexpr, Z_MIN: tl.constexpr, POINTS: tl.constexpr,
):  # fmt: skip
    """`terms` summed over the points of an object."""
    NUMBER: tl.constexpr = 15 if DIM == 4 else 28
    turn, total = rotation(pose, DIM), ()
    for _ in tl.static_range(NUMBER):
        total = total + (tl.zeros((POINTS,), delta.dtype),)
    for begin in range(0, points, POINTS):
        lane = begin + tl.arange(0, POINTS)
        point = load_points(x3d, x2d, w2d, index * points + lane, lane < points)
        more, sums = terms(camera, turn, pose, point, delta, DIM, HUBER, ZERO_CLIPPED, Z_MIN), ()
        for i in tl.static_range(NUMBER):
            sums = sums + (total[i] + more[i],)
        total = sums
    out = ()
    for i in tl.static_range(NUMBER):
        out = out + (tl.sum(total[i]),)
    return out


@triton.jit(do_not_specialize=["objects", "points"])
def linearize_kernel(
    x3d, x2d, w2d, delta, camera, pose, cost, gradient, hessian, objects, points,
    DIM: tl.constexpr, HUBER: tl.constexpr, ZERO_CLIPPED: tl.constexpr, Z_MIN: tl.constexpr, POINTS: tl.constexpr,
):  # fmt: skip
    """Costs (S, B), gradients (S, B, T) and Hessians (S, B, T, T). A program: an object at a
    sample.
    """
    T: tl.constexpr = 4 if DIM == 4 else 6
    row = tl.program_id(0).to(tl.int64)
    index = row % objects
    view, at = loaded(camera + 15 * index, True, 15), loaded(pose + DIM * row, True, DIM)
    normal = normal_equations(
        x3d,
        x2d,
        w2d,
        tl.load(delta + index),
        view,
        at,
        index,
        points,
        DIM,
        HUBER,
        ZERO_CLIPPED,
        Z_MIN,
        POINTS,
    )
    tl.store(cost + row, normal[0])
    for i in tl.static_range(T):
        tl.store(gradient + T * row + i, normal[1 + i])
        for j in tl.static_range(i + 1):
            entry = normal[1 + T + i * (i + 1) // 2 + j]
            tl.store(hessian + T * T * row + T * i + j, entry)
            tl.store(hessian + T * T * row + T * j + i, entry)
