"""Small symmetric systems that may be singular: nothing here raises, reads a value on the host, or
spreads a NaN.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ._constants import DAMPING, MAX_DIAGONAL, MIN_DIAGONAL


def identity(like: Tensor) -> Tensor:
    """I (D, D) of the size, dtype and device of matrices (..., D, D)."""
    return torch.eye(like.shape[-1], dtype=like.dtype, device=like.device)


def unit_scale(matrix: Tensor) -> Tensor:
    """s (..., D) such that s_i s_j matrix_ij has a unit diagonal: metres and radians factorise
    better on a common footing.
    """
    return (
        matrix.diagonal(dim1=-2, dim2=-1)
        .nan_to_num(nan=1.0)
        .clamp(MIN_DIAGONAL, MAX_DIAGONAL)
        .rsqrt()
    )


def scaled(matrix: Tensor, scale: Tensor) -> Tensor:
    """s_i s_j matrix_ij (..., D, D) for scales s (..., D)."""
    return matrix * scale[..., :, None] * scale[..., None, :]


def safe_cholesky(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Lower factor (..., D, D), and (...) True where the matrix has none (the factor is then the
    identity).
    """
    eye = identity(matrix)
    # What LAPACK makes of a NaN depends on the backend, so such matrices are kept away from it.
    finite = matrix.isfinite().all(-1).all(-1)
    factor, info = torch.linalg.cholesky_ex(torch.where(finite[..., None, None], matrix, eye))
    broken = ~finite | (info != 0)
    return torch.where(broken[..., None, None], eye, factor), broken


def damped_inverse(matrix: Tensor, damping: float = DAMPING) -> tuple[Tensor, Tensor]:
    """(matrix + damping I)^-1 (..., D, D), and (...) True where it does not exist (the result is
    then the identity).
    """
    damped = matrix + damping * identity(matrix)
    scale = unit_scale(damped)
    factor, broken = safe_cholesky(scaled(damped, scale))
    # Not torch.cholesky_inverse: on a GPU that is a launch for every matrix.
    root = torch.linalg.solve_triangular(factor, identity(factor), upper=False)
    inverse = scaled(root.mT @ root, scale)
    return torch.where(broken[..., None, None], identity(matrix), inverse), broken


def solve(matrix: Tensor, vector: Tensor) -> Tensor:
    """matrix^-1 vector (..., D) of symmetric positive definite matrices; zero, without gradient,
    where that does not exist.

    Differentiable once in both: the factor is a constant, and one step of iterative refinement
        carries the gradient.
    """
    scale = unit_scale(matrix.detach())
    matrix = scaled(matrix, scale)
    vector = vector * scale
    factor, broken = safe_cholesky(matrix.detach())
    broken = broken | ~vector.detach().isfinite().all(-1)
    # Replaced before they are used: a `where` afterwards would multiply NaN derivatives by zero.
    matrix = torch.where(broken[..., None, None], identity(matrix), matrix)
    column = vector.masked_fill(broken[..., None], 0)[..., None]
    first = torch.cholesky_solve(column.detach(), factor)
    # A^-1 (b - A x) is a rounding error here, and its derivative with A^-1 and x held is that of
    # A^-1 b.
    refined = first + torch.cholesky_solve(column - matrix @ first, factor)
    return (refined[..., 0] * scale).masked_fill(broken[..., None], 0)
