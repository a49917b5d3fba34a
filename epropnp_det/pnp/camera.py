"""A pinhole camera as a value: cropping, scaling, flipping and rotating return another camera."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ._records import InputRecord, at_least_float32, full_precision, real_tensors
from .ops import torch_impl


@dataclass(frozen=True, init=False)
class Camera(InputRecord):
    """Projects points of the camera frame (x right, y down, z forward, metres) to pixels.

    Pixel (row i, column j) has its centre at (j + 0.5, i + 0.5), so an image spans [0, W] x [0, H].
    Augmentation lives here: pixels and limits move together, and the augmented image goes with the
    augmented camera.

    Args:
        matrix: (..., 3, 3), any invertible matrix M with pixel ~ M X: intrinsics K, or K R for a
            tilted camera.
        clip_min: (..., 2) x, y [px]; projections are clamped to [clip_min, clip_max].
        clip_max: (..., 2) x, y [px].
        z_min: depth z [m] below which the division by z is one by z_min, so that nothing explodes
            near the camera.
        image_origin: (..., 2) x, y [px], where pixel (0, 0) of the original image is now; None: it
            is still there. It matters for points nearer than z_min alone, which the clamped
            division draws towards that pixel.
        corner: the former name of `image_origin`, with a DeprecationWarning.

    Raises:
        ValueError: a matrix that is not 3x3, limits that are not pairs, batch dims that do not
            broadcast, or tensors on several devices.

    Example:
        >>> camera = Camera.for_image([[1000.0, 0, 800], [0, 1000, 450], [0, 0, 1]], (1600, 900))
        >>> camera.project(torch.tensor([[1.0, 0.5, 10.0]]))
        tensor([[900., 500.]])
        >>> camera.scale(0.5, 0.5).project(torch.tensor([[1.0, 0.5, 10.0]]))
        tensor([[450., 250.]])
    """

    matrix: Tensor
    clip_min: Tensor
    clip_max: Tensor
    z_min: float
    image_origin: Tensor

    def __init__(
        self,
        matrix: Any,
        clip_min: Any,
        clip_max: Any,
        z_min: float = 0.1,
        image_origin: Any | None = None,
        *,
        corner: Any | None = None,
    ) -> None:
        if corner is not None:
            _warn_of_corner()
            image_origin = corner
        matrix = real_tensors(matrix=matrix)["matrix"]
        given = real_tensors(matrix=matrix, clip_min=clip_min, clip_max=clip_max)
        pixels = {name: given[name].to(matrix.dtype) for name in ("clip_min", "clip_max")}
        if image_origin is None:
            pixels["image_origin"] = torch.zeros_like(pixels["clip_min"])
        else:
            found = real_tensors(matrix=matrix, image_origin=image_origin)["image_origin"]
            pixels["image_origin"] = found.to(matrix.dtype)
        if matrix.shape[-2:] != (3, 3):
            raise ValueError(
                f"camera matrix must be (..., 3, 3), not {tuple(matrix.shape)}; give "
                "intrinsics as a 3x3 matrix"
            )
        if any(pixel.shape[-1:] != (2,) for pixel in pixels.values()):
            raise ValueError("camera limits clip_min and clip_max must be (..., 2): x, y in pixels")
        shapes = [matrix.shape[:-2], *(pixel.shape[:-1] for pixel in pixels.values())]
        try:
            batch = torch.broadcast_shapes(*shapes)
        except RuntimeError as error:
            raise ValueError(
                "batch dims of the camera's matrix and limits do not broadcast: "
                f"{[tuple(shape) for shape in shapes]}"
            ) from error
        expanded = {name: pixel.expand(*batch, 2) for name, pixel in pixels.items()}
        self._set(matrix=matrix.expand(*batch, 3, 3), z_min=float(z_min), **expanded)

    @property
    def corner(self) -> Tensor:
        """The former name of `image_origin`."""
        _warn_of_corner()
        return self.image_origin

    @classmethod
    def for_image(cls, matrix: Any, size: Any, border: float = 200.0, z_min: float = 0.1) -> Camera:
        """Camera of an image of `size` = (width, height) [px]; projections are clamped to the image
        grown by `border` [px].

        `matrix` (..., 3, 3) and `size` (..., 2) may be tensors, arrays or nested sequences.
        """
        matrix = real_tensors(matrix=matrix)["matrix"]
        size = torch.as_tensor(size, dtype=matrix.dtype, device=matrix.device)
        return cls(matrix, torch.full_like(size, -border), size + border, z_min)

    @classmethod
    def stack(cls, cameras: Sequence[Camera]) -> Camera:
        """One camera with a new leading batch dim; all must share `z_min`."""
        if len({camera.z_min for camera in cameras}) != 1:
            raise ValueError(
                "Camera.stack needs at least one camera, and the same z_min for all of them"
            )
        names = ("matrix", "clip_min", "clip_max", "image_origin")
        stacked = {
            name: torch.stack([getattr(camera, name) for camera in cameras]) for name in names
        }
        return cls(**stacked, z_min=cameras[0].z_min)

    @property
    def shape(self) -> torch.Size:
        """The batch dims `...`."""
        return self.matrix.shape[:-2]

    @property
    def device(self) -> torch.device:
        return self.matrix.device

    def expand(self, *shape: int) -> Camera:
        """The same camera with its batch dims expanded to `shape`, without copying."""
        return self.replace_unchecked(
            matrix=self.matrix.expand(*shape, 3, 3),
            clip_min=self.clip_min.expand(*shape, 2),
            clip_max=self.clip_max.expand(*shape, 2),
            image_origin=self.image_origin.expand(*shape, 2),
        )

    def each_point(self) -> Camera:
        """The same camera with a trailing batch dim (..., 1), which broadcasts over the points of
        (..., N, 3).
        """
        return self.replace_unchecked(
            matrix=self.matrix.unsqueeze(-3),
            clip_min=self.clip_min.unsqueeze(-2),
            clip_max=self.clip_max.unsqueeze(-2),
            image_origin=self.image_origin.unsqueeze(-2),
        )

    def crop(self, x0: float | Tensor, y0: float | Tensor) -> Camera:
        """Camera of the image whose pixel (0, 0) was (x0, y0); numbers, or tensors (...) for a crop
        of each camera's own.
        """
        return self._affine((1.0, 1.0), (-x0, -y0))

    def scale(self, sx: float | Tensor, sy: float | Tensor) -> Camera:
        """Camera of the image resized by factors sx, sy; numbers, or tensors (...) for factors of
        each camera's own.
        """
        return self._affine((sx, sy), (0.0, 0.0))

    def flip(self, width: float | Tensor) -> Camera:
        """Camera of the mirrored image in the mirrored world: pixel x -> width - x, point x -> -x.

        `width` [px] is a number, or a tensor (...) for images of each camera's own.
        """
        flipped = self._affine((-1.0, 1.0), (width, 0.0))
        # Not a tensor of (-1, 1, 1): making one copies it to a GPU, which waits.
        columns = flipped.matrix.split((1, 2), dim=-1)
        return flipped.replace_unchecked(matrix=torch.cat((-columns[0], columns[1]), dim=-1))

    @full_precision
    def rotate(self, rotation: Tensor) -> Camera:
        """Camera for points of another frame, X_camera = rotation X; `rotation` (..., 3, 3) folds
        into the matrix, M R.
        """
        return self.replace_unchecked(matrix=self.matrix @ rotation.to(self.matrix))

    def depth(self, xyz: Tensor) -> Tensor:
        """Depth (...) [m] of points (..., 3) along the optical axis, not clamped."""
        return (self.matrix[..., 2, :] * xyz).sum(-1)

    @full_precision
    def ray(self, pixel: Tensor) -> Tensor:
        """Points (..., 3) [m] with z = 1 that project to pixels (..., 2); batch dims broadcast as
        in `project`.
        """
        pixel = at_least_float32(pixel)
        inverse = torch.linalg.inv(self.matrix).to(pixel.dtype)
        homogeneous = torch.cat((pixel, torch.ones_like(pixel[..., :1])), -1)
        direction = (inverse @ homogeneous[..., None])[..., 0]
        return direction / direction[..., 2:]

    def project(self, xyz: Tensor) -> Tensor:
        """Pixels (..., 2) of points (..., 3) [m].

        The batch dims of camera and points broadcast: for points (B, N, 3) of cameras (B,), use
        `camera.each_point()`. Points nearer than `z_min`, or behind, are projected at `z_min`;
        the result is clamped to the limits.
        """
        return self.project_with_jacobian(xyz)[0]

    @full_precision
    def project_with_jacobian(
        self, xyz: Tensor, zero_clipped: bool = True
    ) -> tuple[Tensor, Tensor]:
        """Pixels (..., 2) and d pixel / d xyz (..., 2, 3) of points (..., 3).

        The derivative is that of `project`: constant depth where depth is clamped, zero rows where
        the pixel is clamped. With `zero_clipped=False` the rows stay as if the pixel were free.
        """
        xyz = at_least_float32(xyz)
        camera = self.to(xyz.dtype)
        pixel, jacobian = camera.project_image(camera.matrix @ xyz[..., None], zero_clipped)
        return pixel[..., 0], jacobian[..., 0].mT

    def project_image(self, image: Tensor, zero_clipped: bool = True) -> tuple[Tensor, Tensor]:
        """`project_with_jacobian` from products M X (..., 3, N), with the points along the last
        dim: pixels (..., 2, N) and transposed Jacobians d pixel / d X (..., 3, 2, N).
        """
        limits = (self.clip_min, self.clip_max, self.image_origin)
        return torch_impl.project_image(self.matrix, *limits, self.z_min, image, zero_clipped)

    def _affine(
        self,
        scale: tuple[float | Tensor, float | Tensor],
        offset: tuple[float | Tensor, float | Tensor],
    ) -> Camera:
        """Camera after pixel -> scale * pixel + offset, axis by axis, numbers or tensors (...); a
        negative scale swaps the limits.
        """
        scale = (_like(scale[0], self.matrix), _like(scale[1], self.matrix))
        offset = (_like(offset[0], self.matrix), _like(offset[1], self.matrix))
        *rows, last = self.matrix.unbind(-2)
        moved_rows = [
            _column(factor) * row + _column(shift) * last
            for row, factor, shift in zip(rows, scale, offset)
        ]

        def moved(pixel: Tensor) -> Tensor:
            axes = zip(pixel.unbind(-1), scale, offset)
            values = [factor * value + shift for value, factor, shift in axes]
            return torch.stack(torch.broadcast_tensors(*values), dim=-1)

        matrix = torch.stack(torch.broadcast_tensors(*moved_rows, last), dim=-2)
        first = moved(self.clip_min)
        second = moved(self.clip_max)
        shape = matrix.shape[:-2]
        pixels = {
            "clip_min": torch.minimum(first, second),
            "clip_max": torch.maximum(first, second),
            "image_origin": moved(self.image_origin),
        }
        # Numbers of each camera's own may have more batch dims than the camera has.
        expanded = {name: pixel.expand(*shape, 2) for name, pixel in pixels.items()}
        return self.replace_unchecked(matrix=matrix, **expanded)


def _like(value: float | Tensor, matrix: Tensor) -> float | Tensor:
    return value.to(matrix) if isinstance(value, Tensor) else value


def _column(value: float | Tensor) -> float | Tensor:
    return value[..., None] if isinstance(value, Tensor) else value


def _warn_of_corner() -> None:
    warnings.warn("Camera.corner is now Camera.image_origin", DeprecationWarning, stacklevel=3)
