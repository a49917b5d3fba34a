"""A pinhole camera as a value: cropping, scaling, flipping and rotating return another camera."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from ._records import Record, at_least_float32, full_precision


@dataclass(frozen=True)
class Camera(Record):
    """Projects points of the camera frame (x right, y down, z forward, metres) to pixels.

    Pixel (row i, column j) has its centre at (j + 0.5, i + 0.5), so an image spans [0, W] x [0, H].
    Augmentation lives
    here: pixels and limits move together, and whatever looks at an augmented image uses the
        augmented camera.

    Args:
        matrix: (..., 3, 3), any invertible matrix M with pixel ~ M X: intrinsics K, or K R for a
            tilted camera.
        clip_min: (..., 2) x, y [px]; projections are clamped to [clip_min, clip_max].
        clip_max: (..., 2) x, y [px].
        z_min: depth z [m] below which the division by z is one by z_min, so that nothing explodes
            near the camera.
        corner: (..., 2) x, y [px], where pixel (0, 0) of the original image is now; None says that
            it is still there. It matters for points nearer than z_min alone, which the clamped
            division draws towards that pixel.

    Raises:
        ValueError: a matrix that is not 3x3, or limits that are not pairs.

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
    z_min: float = 0.1
    corner: Tensor | None = None

    def __post_init__(self) -> None:
        if self.matrix.shape[-2:] != (3, 3):
            raise ValueError(
                f"camera matrix must be (..., 3, 3), not {tuple(self.matrix.shape)}; give intrinsics as a 3x3 matrix"
            )
        if self.clip_min.shape[-1:] != (2,) or self.clip_max.shape[-1:] != (2,):
            raise ValueError("camera limits clip_min and clip_max must be (..., 2): x, y in pixels")
        pixels = {"clip_min": self.clip_min, "clip_max": self.clip_max, "corner": self.image_origin}
        batch = torch.broadcast_shapes(
            self.matrix.shape[:-2], *(pixel.shape[:-1] for pixel in pixels.values())
        )
        object.__setattr__(self, "matrix", at_least_float32(self.matrix).expand(*batch, 3, 3))
        for name, pixel in pixels.items():
            object.__setattr__(self, name, pixel.to(self.matrix.dtype).expand(*batch, 2))

    @property
    def anchor(self) -> Tensor:
        """The corner of the original image (..., 2) [px], given or not."""
        return torch.zeros_like(self.clip_min) if self.corner is None else self.corner

    @classmethod
    def for_image(cls, matrix: Any, size: Any, border: float = 200.0, z_min: float = 0.1) -> Camera:
        """Camera of an image of `size` = (width, height) [px]; projections are clamped to the image
        grown by `border` [px].

        `matrix` (..., 3, 3) and `size` (..., 2) may be tensors, arrays or nested sequences.
        """
        matrix = at_least_float32(torch.as_tensor(matrix))
        size = torch.as_tensor(size, dtype=matrix.dtype, device=matrix.device)
        return cls(matrix, torch.full_like(size, -border), size + border, z_min)

    @classmethod
    def stack(cls, cameras: Sequence[Camera]) -> Camera:
        """One camera with a new leading batch dim; all must share `z_min`."""
        if len({camera.z_min for camera in cameras}) != 1:
            raise ValueError(
                "Camera.stack needs at least one camera, and the same z_min for all of them"
            )
        names = ("matrix", "clip_min", "clip_max", "corner")
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
        pixels = {
            name: getattr(self, name).expand(*shape, 2)
            for name in ("clip_min", "clip_max", "corner")
        }
        return self.replace_unchecked(matrix=self.matrix.expand(*shape, 3, 3), **pixels)

    def each_point(self) -> Camera:
        """The same camera with a trailing batch dim (..., 1), which broadcasts over the points of
        (..., N, 3).
        """
        low, high, corner = (
            pixel.unsqueeze(-2) for pixel in (self.clip_min, self.clip_max, self.image_origin)
        )
        return Camera(self.matrix.unsqueeze(-3), low, high, self.z_min, corner)

    def crop(self, x0: float | Tensor, y0: float | Tensor) -> Camera:
        """Camera of the image whose pixel (0, 0) was (x0, y0); numbers, or tensors (...) for a crop
        of each camera's own.
        """
        return self._affine((1.0, 1.0), (-x0, -y0))

    def scale(self, sx: float, sy: float) -> Camera:
        """Camera of the image resized by factors sx, sy."""
        return self._affine((sx, sy), (0.0, 0.0))

    def flip(self, width: float | Tensor) -> Camera:
        """Camera of the mirrored image, `width` pixels wide, in the mirrored world: pixel x ->
        width - x, point x -> -x.
        """
        flipped = self._affine((-1.0, 1.0), (width, 0.0))
        mirror = flipped.matrix.new_tensor((-1.0, 1.0, 1.0))
        return replace(flipped, matrix=flipped.matrix * mirror)

    @full_precision
    def rotate(self, rotation: Tensor) -> Camera:
        """Camera for points of another frame, X_camera = rotation X; `rotation` (..., 3, 3) folds
        into the matrix, M R.
        """
        return replace(self, matrix=self.matrix @ rotation.to(self.matrix))

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
        direction = (inverse @ torch.cat((pixel, torch.ones_like(pixel[..., :1])), -1)[..., None])[
            ..., 0
        ]
        return direction / direction[..., 2:]

    def project(self, xyz: Tensor) -> Tensor:
        """Pixels (..., 2) of points (..., 3) [m].

        The batch dims of camera and points broadcast: for points (B, N, 3) of cameras (B,), use
            `camera.each_point()`.
        Points nearer than `z_min`, or behind, are projected at `z_min`; the result is clamped to
        the limits.
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
        """What `project_with_jacobian` does, from products M X with the points along the last dim,
        where loops are fastest.

        Args:
            image: (..., 3, N).
            zero_clipped: zero rows of the Jacobian where the pixel is clamped.

        Returns:
            Pixels (..., 2, N) and transposed Jacobians d pixel / d xyz (..., 3, 2, N).
        """
        depth, anchor = image[..., 2:, :], self.image_origin[..., None]
        clamped = depth.clamp(min=self.z_min)
        nearness = clamped.reciprocal()
        # The anchor's term is exactly zero wherever depth is not clamped.
        free = image[..., :2, :] * nearness + anchor * ((clamped - depth) * nearness)
        pixel = torch.clamp(free, self.clip_min[..., None], self.clip_max[..., None])
        # d pixel / d X = (M[:2] - pixel (x) M[2]) / z; where the division does not follow z, the
        # anchor takes the pixel's place.
        pivot = torch.where(depth > self.z_min, free, anchor)[..., None, :, :]
        factor = nearness * (pixel == free) if zero_clipped else nearness
        slope = self.matrix[..., :2, :].mT[..., None] - pivot * self.matrix[..., 2, :, None, None]
        return pixel, slope * factor[..., None, :, :]

    def _affine(
        self, scale: tuple[float, float], offset: tuple[float | Tensor, float | Tensor]
    ) -> Camera:
        """Camera after pixel -> scale * pixel + offset, axis by axis; a negative scale swaps the
        limits.
        """
        *rows, last = self.matrix.unbind(-2)
        rows = [
            factor * row + _column(shift) * last for row, factor, shift in zip(rows, scale, offset)
        ]

        def moved(pixel: Tensor) -> Tensor:
            return torch.stack(
                [
                    factor * value + shift
                    for value, factor, shift in zip(pixel.unbind(-1), scale, offset)
                ],
                dim=-1,
            )

        ends = moved(self.clip_min), moved(self.clip_max)
        return Camera(
            torch.stack((*rows, last), dim=-2),
            torch.minimum(*ends),
            torch.maximum(*ends),
            self.z_min,
            moved(self.image_origin),
        )


def _column(value: float | Tensor) -> float | Tensor:
    return value[..., None] if isinstance(value, Tensor) else value
