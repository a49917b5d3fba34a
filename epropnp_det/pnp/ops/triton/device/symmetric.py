"""Small symmetric systems in registers: a matrix (T, T) is the tuple of its lower triangle, by
rows.

Row i begins at i (i + 1) / 2, and its last entry, on the diagonal, is at i (i + 3) / 2.
"""

from __future__ import annotations

import triton
import triton.language as tl

from .... import _constants
from .geometry import at_least, at_most

MIN_DIAGONAL = tl.constexpr(_constants.MIN_DIAGONAL)
MAX_DIAGONAL = tl.constexpr(_constants.MAX_DIAGONAL)


@triton.jit
def times(matrix, vector, T: tl.constexpr):
    out = ()
    for i in tl.static_range(T):
        total = matrix[i * (i + 1) // 2] * vector[0]
        for j in tl.static_range(1, T):
            total += matrix[i * (i + 1) // 2 + j if i >= j else j * (j + 1) // 2 + i] * vector[j]
        out = out + (total,)
    return out


@triton.jit
def clamped_diagonal(matrix, T: tl.constexpr):
    out = ()
    for i in tl.static_range(T):
        out = out + (at_most(at_least(matrix[i * (i + 3) // 2], MIN_DIAGONAL), MAX_DIAGONAL),)
    return out


@triton.jit
def damped(matrix, diagonal, T: tl.constexpr):
    """The matrix with numbers added to its diagonal."""
    out = ()
    for i in tl.static_range(T):
        for j in tl.static_range(i):
            out = out + (matrix[i * (i + 1) // 2 + j],)
        out = out + (matrix[i * (i + 3) // 2] + diagonal[i],)
    return out


@triton.jit
def factorised(matrix, T: tl.constexpr):
    """Lower Cholesky factor, and whether there is one."""
    factor, exists = (), matrix[0] == matrix[0]
    for i in tl.static_range(T):
        for j in tl.static_range(i + 1):
            total = matrix[i * (i + 1) // 2 + j]
            for k in tl.static_range(j):
                total -= factor[i * (i + 1) // 2 + k] * factor[j * (j + 1) // 2 + k]
            if i == j:
                exists = exists & (total > 0)
                factor = factor + (tl.sqrt(tl.where(total > 0, total, 1.0)),)
            else:
                factor = factor + (total / factor[j * (j + 3) // 2],)
    return factor, exists


@triton.jit
def substituted(factor, vector, T: tl.constexpr):
    """(L L^T)^-1 vector."""
    half = ()
    for i in tl.static_range(T):
        total = vector[i]
        for k in tl.static_range(i):
            total -= factor[i * (i + 1) // 2 + k] * half[k]
        half = half + (total / factor[i * (i + 3) // 2],)
    out = ()  # the last first, so what is known grows towards the front
    for i in tl.static_range(T - 1, -1, -1):
        total = half[i]
        for k in tl.static_range(i + 1, T):
            total -= factor[k * (k + 1) // 2 + i] * out[k - i - 1]
        out = (total / factor[i * (i + 3) // 2],) + out
    return out


@triton.jit
def solved(matrix, vector, T: tl.constexpr):
    """matrix^-1 vector as `_linalg.solve` has it: of unit diagonal first, refined once; zero where
    that does not exist.
    """
    diagonal, scale, scaled, right = clamped_diagonal(matrix, T), (), (), ()
    wild = matrix[0] - matrix[0]
    for i in tl.static_range(T):
        scale = scale + (1 / tl.sqrt(diagonal[i]),)
        right = right + (vector[i] * scale[i],)
        wild += vector[i] - vector[i]
        for j in tl.static_range(i + 1):
            scaled = scaled + (matrix[i * (i + 1) // 2 + j] * scale[i] * scale[j],)
            wild += matrix[i * (i + 1) // 2 + j] - matrix[i * (i + 1) // 2 + j]
    factor, exists = factorised(scaled, T)
    first = substituted(factor, right, T)
    rest, back = (), times(scaled, first, T)
    for i in tl.static_range(T):
        rest = rest + (right[i] - back[i],)
    refined, out = substituted(factor, rest, T), ()
    # What is not finite, less itself, is not zero.
    exists = exists & (wild == 0)
    for i in tl.static_range(T):
        out = out + (tl.where(exists, (first[i] + refined[i]) * scale[i], 0.0),)
    return out
