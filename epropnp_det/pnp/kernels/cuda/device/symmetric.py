"""Small symmetric systems in registers: a matrix (T, T) is the tuple of its lower triangle, by rows."""

from __future__ import annotations

import triton
import triton.language as tl

from .... import linalg
from .geometry import at_least, at_most

MIN_DIAGONAL, MAX_DIAGONAL = tl.constexpr(linalg.MIN_DIAGONAL), tl.constexpr(linalg.MAX_DIAGONAL)


@triton.jit
def at(matrix, ROW: tl.constexpr, COLUMN: tl.constexpr):
    return matrix[ROW * (ROW + 1) // 2 + COLUMN] if ROW >= COLUMN else matrix[COLUMN * (COLUMN + 1) // 2 + ROW]


@triton.jit
def times(matrix, vector, T: tl.constexpr):
    out = ()
    for i in tl.static_range(T):
        total = at(matrix, i, 0) * vector[0]
        for j in tl.static_range(1, T):
            total += at(matrix, i, j) * vector[j]
        out = out + (total,)
    return out


@triton.jit
def clamped_diagonal(matrix, T: tl.constexpr):
    out = ()
    for i in tl.static_range(T):
        out = out + (at_most(at_least(at(matrix, i, i), MIN_DIAGONAL), MAX_DIAGONAL),)
    return out


@triton.jit
def damped(matrix, diagonal, T: tl.constexpr):
    """The matrix with numbers added to its diagonal."""
    out = ()
    for i in tl.static_range(T):
        for j in tl.static_range(i):
            out = out + (at(matrix, i, j),)
        out = out + (at(matrix, i, i) + diagonal[i],)
    return out


@triton.jit
def factorised(matrix, T: tl.constexpr):
    """Lower Cholesky factor, and whether there is one."""
    factor, sound = (), matrix[0] == matrix[0]
    for i in tl.static_range(T):
        for j in tl.static_range(i + 1):
            total = at(matrix, i, j)
            for k in tl.static_range(j):
                total -= at(factor, i, k) * at(factor, j, k)
            if i == j:
                sound = sound & (total > 0)
                factor = factor + (tl.sqrt(tl.where(total > 0, total, 1.0)),)
            else:
                factor = factor + (total / at(factor, j, j),)
    return factor, sound


@triton.jit
def substituted(factor, vector, T: tl.constexpr):
    """(L L^T)^-1 vector."""
    half = ()
    for i in tl.static_range(T):
        total = vector[i]
        for k in tl.static_range(i):
            total -= at(factor, i, k) * half[k]
        half = half + (total / at(factor, i, i),)
    # The last first: what is known grows towards the front.
    out = ()
    for back in tl.static_range(T):
        total = half[T - 1 - back]
        for k in tl.static_range(back):
            total -= at(factor, T - 1 - k, T - 1 - back) * out[back - 1 - k]
        out = (total / at(factor, T - 1 - back, T - 1 - back),) + out
    return out


@triton.jit
def solved(matrix, vector, T: tl.constexpr):
    """matrix^-1 vector as `linalg.solve` has it: of unit diagonal first, refined once; zero where that does not exist."""
    diagonal, scale, scaled, right = clamped_diagonal(matrix, T), (), (), ()
    wild = matrix[0] - matrix[0]
    for i in tl.static_range(T):
        scale = scale + (1 / tl.sqrt(diagonal[i]),)
        right = right + (vector[i] * scale[i],)
        wild += vector[i] - vector[i]
        for j in tl.static_range(i + 1):
            scaled = scaled + (at(matrix, i, j) * scale[i] * scale[j],)
            wild += at(matrix, i, j) - at(matrix, i, j)
    factor, sound = factorised(scaled, T)
    first = substituted(factor, right, T)
    rest, back = (), times(scaled, first, T)
    for i in tl.static_range(T):
        rest = rest + (right[i] - back[i],)
    refined, out = substituted(factor, rest, T), ()
    # What is not finite, less itself, is not zero.
    sound = sound & (wild == 0)
    for i in tl.static_range(T):
        out = out + (tl.where(sound, (first[i] + refined[i]) * scale[i], 0.0),)
    return out
