"""Kernels of the solvers: all steps of an object at a sample, from its start to where they end,
without leaving the registers.

`lm_steps` and `gauss_newton_steps` of solver.py say what is computed and why.
"""

from __future__ import annotations

import triton
import triton.language as tl

from .... import _constants
from .geometry import at_least, at_most, loaded
from .normal import normal_equations
from .symmetric import clamped_diagonal, damped, solved, times

RADIUS = tl.constexpr(_constants.RADIUS)
MAX_RADIUS = tl.constexpr(_constants.MAX_RADIUS)
MIN_RELATIVE_DECREASE = tl.constexpr(_constants.MIN_RELATIVE_DECREASE)
ROUNDING = tl.constexpr(_constants.ROUNDING)
DAMPING = tl.constexpr(_constants.DAMPING)


@triton.jit
def retracted(pose, step, DIM: tl.constexpr):
    """The pose reached along a tangent, see `PoseSpace.retract`."""
    shifted = pose[0] + step[0], pose[1] + step[1], pose[2] + step[2]
    if DIM == 4:
        turned = (pose[3] + step[3],)
    else:
        w, i, j, k = pose[3], pose[4], pose[5], pose[6]
        a, b, c = step[3], step[4], step[5]
        w, i, j, k = (
            w + i * a + j * b + k * c,
            i - w * a - k * b + j * c,
            j + k * a - w * b - i * c,
            k - j * a + i * b - w * c,
        )
        length = tl.sqrt(w * w + i * i + j * j + k * k)
        turned = w / length, i / length, j / length, k / length
    return shifted + turned


@triton.jit
def chosen(condition, yes, no, NUMBER: tl.constexpr):
    out = ()
    for i in tl.static_range(NUMBER):
        out = out + (tl.where(condition, yes[i], no[i]),)
    return out


@triton.jit
def split(normal, T: tl.constexpr):
    """Minus the gradient, and the Hessian, of the results of `normal_equations`."""
    downhill, hessian = (), ()
    for i in tl.static_range(T):
        downhill = downhill + (-normal[1 + i],)
    for i in tl.static_range(T * (T + 1) // 2):
        hessian = hessian + (normal[1 + T + i],)
    return downhill, hessian


@triton.jit
def lm_step(normal, radius, T: tl.constexpr):
    """The damped step, and the decrease of the cost that the quadratic model predicts."""
    downhill, hessian = split(normal, T)
    diagonal, damping = clamped_diagonal(hessian, T), ()
    for i in tl.static_range(T):
        damping = damping + (diagonal[i] / radius,)
    step = solved(damped(hessian, damping, T), downhill, T)
    bent, promised = times(hessian, step, T), normal[0] * 0
    for i in tl.static_range(T):
        promised += step[i] * (downhill[i] - 0.5 * bent[i])
    return step, promised


@triton.jit
def gauss_newton(
    x3d, x2d, w2d, delta, camera, pose, index, points, iterations,
    DIM: tl.constexpr, HUBER: tl.constexpr, Z_MIN: tl.constexpr, POINTS: tl.constexpr,
):  # fmt: skip
    T: tl.constexpr = 4 if DIM == 4 else 6
    for _ in range(iterations):
        normal = normal_equations(
            x3d, x2d, w2d, delta, camera, pose, index, points, DIM, HUBER, False, Z_MIN, POINTS
        )
        downhill, hessian = split(normal, T)
        damping = ()
        for _i in tl.static_range(T):
            damping = damping + (DAMPING,)
        pose = retracted(pose, solved(damped(hessian, damping, T), downhill, T), DIM)
    return pose


@triton.jit
def lm(
    x3d, x2d, w2d, delta, camera, best, index, points, iterations,
    DIM: tl.constexpr, HUBER: tl.constexpr, Z_MIN: tl.constexpr, EPS: tl.constexpr, POINTS: tl.constexpr,
):  # fmt: skip
    T: tl.constexpr = 4 if DIM == 4 else 6
    NUMBER: tl.constexpr = 15 if DIM == 4 else 28
    normal = normal_equations(
        x3d, x2d, w2d, delta, camera, best, index, points, DIM, HUBER, True, Z_MIN, POINTS
    )
    radius, shrink = tl.full((), RADIUS, delta.dtype), tl.full((), 2.0, delta.dtype)
    for _ in range(iterations):
        step, promised = lm_step(normal, radius, T)
        candidate = retracted(best, step, DIM)
        there = normal_equations(
            x3d, x2d, w2d, delta, camera, candidate, index, points, DIM, HUBER, True, Z_MIN, POINTS
        )
        noise = ROUNDING * EPS * normal[0]
        ratio = (normal[0] - there[0] + noise) / (promised + noise)
        # NaN compares false: a candidate that is not finite is not accepted.
        accepted = ratio > MIN_RELATIVE_DECREASE
        best, normal = (
            chosen(accepted, candidate, best, DIM),
            chosen(accepted, there, normal, NUMBER),
        )
        bend = 2 * ratio - 1
        wider = at_most(radius / at_least(1 - bend * bend * bend, 1 / 3), MAX_RADIUS)
        radius = tl.where(accepted, wider, radius / shrink)
        shrink = tl.where(accepted, 2.0, 2 * shrink)
    return best


@triton.jit(do_not_specialize=["objects", "points", "iterations"])
def solve_kernel(
    x3d, x2d, w2d, delta, camera, pose, out, objects, points, iterations,
    DIM: tl.constexpr, HUBER: tl.constexpr, LM: tl.constexpr, Z_MIN: tl.constexpr, EPS: tl.constexpr, POINTS: tl.constexpr,
):  # fmt: skip
    """Poses (S, B, D) where the steps end. A program: an object at a sample."""
    row = tl.program_id(0).to(tl.int64)
    index = row % objects
    view, threshold = loaded(camera + 15 * index, True, 15), tl.load(delta + index)
    best = loaded(pose + DIM * row, True, DIM)
    if LM:
        best = lm(
            x3d,
            x2d,
            w2d,
            threshold,
            view,
            best,
            index,
            points,
            iterations,
            DIM,
            HUBER,
            Z_MIN,
            EPS,
            POINTS,
        )
    else:
        best = gauss_newton(
            x3d,
            x2d,
            w2d,
            threshold,
            view,
            best,
            index,
            points,
            iterations,
            DIM,
            HUBER,
            Z_MIN,
            POINTS,
        )
    for i in tl.static_range(DIM):
        tl.store(out + DIM * row + i, best[i])
