"""Unit quaternions q = (w, i, j, k) as rotations, and the tangent space of the sphere they live
on.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ._records import full_precision

# Squarings of a matrix: powers of 4096 leave nothing but its largest eigenvector, unless two
# eigenvalues agree to a thousandth.
SQUARINGS = 12


def rotation_matrix(quaternion: Tensor) -> Tensor:
    """Rotation matrices (..., 3, 3) of quaternions (..., 4) of any length but zero; q and -q are
    the same rotation.
    """
    w, i, j, k = (quaternion / quaternion.norm(dim=-1, keepdim=True)).unbind(-1)
    rows = (
        *(1 - 2 * (j * j + k * k), 2 * (i * j - w * k), 2 * (i * k + w * j)),
        *(2 * (i * j + w * k), 1 - 2 * (i * i + k * k), 2 * (j * k - w * i)),
        *(2 * (i * k - w * j), 2 * (j * k + w * i), 1 - 2 * (i * i + j * j)),
    )
    return torch.stack(rows, dim=-1).unflatten(-1, (3, 3))


def basis(quaternion: Tensor) -> Tensor:
    """[q, T(q)] (..., 4, 4) of unit quaternions (..., 4): an orthogonal matrix whose columns are q
    and its tangent T(q).

    q + T(q) d is, to first order, q after a rotation by the rotation vector -2 d in the frame
    rotated into.
    """
    w, i, j, k = quaternion.unbind(-1)
    rows = (w, i, j, k, i, -w, -k, j, j, k, -w, -i, k, -j, i, -w)
    return torch.stack(rows, dim=-1).unflatten(-1, (4, 4))


def step(quaternion: Tensor, tangent: Tensor) -> Tensor:
    """normalize(q + T(q) d) (..., 4) of unit quaternions (..., 4) and tangents d (..., 3)."""
    moved = quaternion + (basis(quaternion)[..., 1:] @ tangent[..., None])[..., 0]
    return moved / moved.norm(dim=-1, keepdim=True)


def difference(origin: Tensor, quaternion: Tensor) -> Tensor:
    """The tangent d (..., 3) with step(origin, d) = quaternion or -quaternion; infinite for a half
    turn.
    """
    local = (quaternion[..., None, :] @ basis(origin))[..., 0, :]
    return local[..., 1:] / local[..., :1]


def difference_jacobian(origin: Tensor, quaternion: Tensor) -> Tensor:
    """Derivative (..., 3, 3) of `difference` in the tangent of the quaternion; not finite for a
    half turn.
    """
    frame = basis(quaternion / quaternion.norm(dim=-1, keepdim=True))
    local = basis(origin).mT @ frame
    cosine = local[..., :1, :1]
    return (local[..., 1:, 1:] - local[..., 1:, :1] / cosine * local[..., :1, 1:]) / cosine


def rotation_vector(origin: Tensor, quaternion: Tensor) -> Tensor:
    """The rotation vector (..., 3) [rad] in the frame rotated into, of at most half a turn, that
    turns the first rotation to the second.
    """
    local = (quaternion[..., None, :] @ basis(origin))[..., 0, :]
    cosine = local[..., :1]
    sine = local[..., 1:]
    squared = sine.square().sum(-1, keepdim=True)
    # The square root has no derivative at zero, where the factor is constant.
    turns = squared > 0
    length = torch.where(turns, squared, 1.0).sqrt()
    factor = torch.where(turns, torch.atan2(length, cosine.abs()) / length, 1.0)
    return -2 * factor * sine * torch.where(cosine < 0, -1.0, 1.0)


@full_precision
def mean(quaternion: Tensor, weight: Tensor) -> Tensor:
    """The unit quaternion (..., 4) of largest sum_s w_s <q, q_s>^2 for quaternions (S, ..., 4) and
    weights (S, ...).

    It is the first eigenvector of sum_s w_s q_s q_s^T (Markley et al. 2007), here without an
    eigensolver: that would make a GPU wait for the host. Its sign is that of the heaviest.
    """
    arm = quaternion * weight[..., None].sqrt()
    moment = torch.einsum("s...i,s...j->...ij", arm, arm)
    for _ in range(SQUARINGS):
        moment = moment / moment.diagonal(dim1=-2, dim2=-1).sum(-1)[..., None, None]
        moment = moment @ moment
    heaviest = weight.argmax(0)[None, ..., None].expand(1, *quaternion.shape[1:])
    axis = (moment @ quaternion.gather(0, heaviest)[0, ..., None])[..., 0]
    return axis / axis.norm(dim=-1, keepdim=True)
