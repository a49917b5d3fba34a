"""Kernels for the cost of Eq. (11) at many poses, and its derivatives in points and threshold, Eq.
(7).

A tile is a block of samples times a block of points of one object. Sums are taken over one of the
two once, at the end, and
nobody adds to what another program writes: the same inputs give the same bits.
"""

from __future__ import annotations

import triton
import triton.language as tl

from .geometry import loaded, projected, projection, robust, see


@triton.jit
def seen(camera, columns, point, delta, HUBER: tl.constexpr, Z_MIN: tl.constexpr):
    """For a tile: image point, 1/z, free and clamped pixel, unweighted error, and the results of
    `robust`.
    """
    image = projected(columns, point)
    nearness, free, pixel = see(camera, image, Z_MIN)
    error = pixel[0] - point[3], pixel[1] - point[4]
    u, v = error[0] * point[5], error[1] * point[6]
    return image, nearness, free, pixel, error, robust(u * u + v * v, delta, HUBER)


@triton.jit
def load_points(x3d, x2d, w2d, first, live):
    """X, pixel and weight, seven numbers of each point; points that do not exist have no weight."""
    x, y, z = (
        tl.load(x3d + 3 * first, live, 0.0),
        tl.load(x3d + 3 * first + 1, live, 0.0),
        tl.load(x3d + 3 * first + 2, live, 0.0),
    )
    u, v = tl.load(x2d + 2 * first, live, 0.0), tl.load(x2d + 2 * first + 1, live, 0.0)
    return (
        x,
        y,
        z,
        u,
        v,
        tl.load(w2d + 2 * first, live, 0.0),
        tl.load(w2d + 2 * first + 1, live, 0.0),
    )


@triton.jit(do_not_specialize=["objects", "points", "samples"])
def cost_kernel(
    x3d, x2d, w2d, delta, camera, pose, cost, objects, points, samples,
    DIM: tl.constexpr, HUBER: tl.constexpr, Z_MIN: tl.constexpr, SAMPLES: tl.constexpr, POINTS: tl.constexpr,
):  # fmt: skip
    """Costs (S, B). A program: a block of samples of one object."""
    index = tl.program_id(0).to(tl.int64)
    sample = tl.program_id(1) * SAMPLES + tl.arange(0, SAMPLES)[:, None]
    row, view, threshold = (
        sample * objects + index,
        loaded(camera + 15 * index, True, 15),
        tl.load(delta + index),
    )
    columns = projection(view, loaded(pose + DIM * row, sample < samples, DIM), DIM)
    total = tl.zeros((SAMPLES, POINTS), cost.dtype.element_ty)
    for begin in range(0, points, POINTS):
        lane = begin + tl.arange(0, POINTS)[None, :]
        point = load_points(x3d, x2d, w2d, index * points + lane, lane < points)
        total += seen(view, columns, point, threshold, HUBER, Z_MIN)[5][0]
    tl.store(cost + row, tl.sum(total, 1, keep_dims=True), sample < samples)


@triton.jit(do_not_specialize=["objects", "points", "samples"])
def gradient_kernel(
    x3d, x2d, w2d, delta, camera, pose, weight, by_x3d, by_x2d, by_w2d, by_delta, objects, points, samples,
    DIM: tl.constexpr, HUBER: tl.constexpr, Z_MIN: tl.constexpr, SAMPLES: tl.constexpr, POINTS: tl.constexpr,
):  # fmt: skip
    """Derivatives of the costs' sum with weights (S, B). A program: a block of points of one
    object, all samples.

    Those in delta are left as a sum of each program, (B, blocks of points).
    """
    index = tl.program_id(0).to(tl.int64)
    view, threshold = loaded(camera + 15 * index, True, 15), tl.load(delta + index)
    lane = tl.program_id(1) * POINTS + tl.arange(0, POINTS)[None, :]
    live, at = lane < points, index * points + lane
    point = load_points(x3d, x2d, w2d, at, live)
    zero = tl.zeros((SAMPLES, POINTS), delta.dtype.element_ty)
    x, y, z, u, v, wu, wv, excess = zero, zero, zero, zero, zero, zero, zero, zero
    for begin in range(0, samples, SAMPLES):
        sample = begin + tl.arange(0, SAMPLES)[:, None]
        row = sample * objects + index
        share = tl.load(weight + row, sample < samples, 0.0)
        # Samples of no weight are left out, whatever their pose: zero times NaN would be NaN.
        columns = projection(
            view, loaded(pose + DIM * row, (sample < samples) & (share != 0), DIM), DIM
        )
        image, nearness, free, pixel, error, rho = seen(
            view, columns, point, threshold, HUBER, Z_MIN
        )
        pulled = share * rho[1] * error[0], share * rho[1] * error[1]
        by_u = tl.where(pixel[0] == free[0], pulled[0] * point[5] * point[5] * nearness, 0.0)
        by_v = tl.where(pixel[1] == free[1], pulled[1] * point[6] * point[6] * nearness, 0.0)
        # At the clamped depth the derivative in z is that of the shift towards the image origin.
        follows = image[2] >= tl.full((), Z_MIN, zero.dtype)
        by_depth = -(
            tl.where(follows, free[0], view[13]) * by_u
            + tl.where(follows, free[1], view[14]) * by_v
        )
        x += columns[0][0] * by_u + columns[0][1] * by_v + columns[0][2] * by_depth
        y += columns[1][0] * by_u + columns[1][1] * by_v + columns[1][2] * by_depth
        z += columns[2][0] * by_u + columns[2][1] * by_v + columns[2][2] * by_depth
        u, v = u - pulled[0], v - pulled[1]
        wu, wv = wu + pulled[0] * error[0], wv + pulled[1] * error[1]
        excess += share * rho[2]
    tl.store(by_x3d + 3 * at, tl.sum(x, 0, keep_dims=True), live)
    tl.store(by_x3d + 3 * at + 1, tl.sum(y, 0, keep_dims=True), live)
    tl.store(by_x3d + 3 * at + 2, tl.sum(z, 0, keep_dims=True), live)
    tl.store(by_x2d + 2 * at, point[5] * point[5] * tl.sum(u, 0, keep_dims=True), live)
    tl.store(by_x2d + 2 * at + 1, point[6] * point[6] * tl.sum(v, 0, keep_dims=True), live)
    tl.store(by_w2d + 2 * at, point[5] * tl.sum(wu, 0, keep_dims=True), live)
    tl.store(by_w2d + 2 * at + 1, point[6] * tl.sum(wv, 0, keep_dims=True), live)
    tl.store(by_delta + index * tl.num_programs(1) + tl.program_id(1), tl.sum(excess))
