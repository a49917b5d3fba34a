"""LiDAR returns in the image of a camera: supervision of the dense features during training.
Datasets and models share it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self, TypeVar

import numpy as np
import torch
from torch import Tensor

from epropnp_det.pnp._records import Record

AnyRecord = TypeVar("AnyRecord", bound=Record)


@dataclass(frozen=True)
class ObjectPoints(Record):
    """Returns from annotated objects."""

    owner: Tensor  # (n,) index of the object
    x3d: Tensor  # (n, 3) object coordinates, m
    x2d: Tensor  # (n, 2) px


@dataclass(frozen=True)
class ImagePoints(Record):
    """Returns from anything in the image."""

    image: Tensor  # (m,) index of the image in the batch
    x2d: Tensor  # (m, 2) px
    depth: Tensor  # (m,) z in the camera frame, m


@dataclass(frozen=True)
class LidarPoints:
    """Returns in one image, or in a batch of them. Crop, resize and flip move the pixels as they
    move the camera.
    """

    objects: ObjectPoints
    image: ImagePoints

    @classmethod
    def cat(cls, parts: Sequence[LidarPoints], objects: Sequence[int]) -> Self:
        """Joins images to a batch.

        Args:
            parts: one per image.
            objects: how many objects each image has; owners are counted through the batch.
        """
        first = [sum(objects[:i]) for i in range(len(parts))]
        owned = [
            replace(part.objects, owner=part.objects.owner + start)
            for part, start in zip(parts, first)
        ]
        seen = [
            replace(part.image, image=torch.full_like(part.image.image, i))
            for i, part in enumerate(parts)
        ]
        return cls(_joined(owned), _joined(seen))

    def crop(self, x0: float, y0: float) -> Self:
        """Points of the image whose pixel (0, 0) was (x0, y0)."""
        return self._moved((1.0, 1.0), (-x0, -y0))

    def scale(self, sx: float, sy: float) -> Self:
        """Points of the resized image."""
        return self._moved((sx, sy), (0.0, 0.0))

    def flip(self, width: float) -> Self:
        """Points of the mirrored image in the mirrored world: pixel x -> width - x, object z ->
        -z.
        """
        moved = self._moved((-1.0, 1.0), (width, 0.0))
        mirror = moved.objects.x3d.new_tensor((1.0, 1.0, -1.0))
        return replace(moved, objects=replace(moved.objects, x3d=moved.objects.x3d * mirror))

    def warp(self, homography: np.ndarray, rays: np.ndarray) -> Self:
        """Points of the image that a homography (3, 3) makes; depths are those in another frame.

        Args:
            homography: from pixels as they are to the new ones.
            rays: (3, 3) from pixels as they are to rays in the frame of the new depths, which have
                z = 1 in the frame of the old ones.
        """
        pixels = _homogeneous(self.image.x2d)
        stretch = (pixels @ torch.from_numpy(rays).mT)[:, 2].to(self.image.depth)
        image = replace(
            self.image,
            x2d=_mapped(self.image.x2d, homography),
            depth=self.image.depth * stretch,
        )
        objects = replace(self.objects, x2d=_mapped(self.objects.x2d, homography))
        return replace(self, objects=objects, image=image)

    def inside(self, width: float, height: float) -> Self:
        """Only the points that lie in the image."""

        def keep(part):
            return part[
                ((part.x2d >= 0) & (part.x2d < part.x2d.new_tensor((width, height)))).all(-1)
            ]

        return replace(self, objects=keep(self.objects), image=keep(self.image))

    def of_objects(self, keep: Tensor) -> Self:
        """Points of the objects for which `keep` (objects,) is True, owners renumbered; points of
        the image stay.
        """
        number = keep.cumsum(0) - 1
        mine = self.objects[keep[self.objects.owner]]
        return replace(self, objects=replace(mine, owner=number[mine.owner]))

    def to(self, *args, **kwargs) -> Self:
        """`Tensor.to` on every field."""
        return replace(
            self, objects=self.objects.to(*args, **kwargs), image=self.image.to(*args, **kwargs)
        )

    def _moved(self, scale: tuple[float, float], offset: tuple[float, float]) -> Self:
        def move(part):
            return replace(
                part, x2d=part.x2d * part.x2d.new_tensor(scale) + part.x2d.new_tensor(offset)
            )

        return replace(self, objects=move(self.objects), image=move(self.image))


def _homogeneous(pixel: Tensor) -> Tensor:
    """(n, 2) -> (n, 3) float64."""
    return torch.cat((pixel, torch.ones_like(pixel[:, :1])), 1).double()


def _mapped(pixel: Tensor, homography: np.ndarray) -> Tensor:
    """Pixels (n, 2) after a homography (3, 3)."""
    moved = _homogeneous(pixel) @ torch.from_numpy(homography).mT
    return (moved[:, :2] / moved[:, 2:]).to(pixel)


def _joined(records: Sequence[AnyRecord]) -> AnyRecord:
    return replace(
        records[0],
        **{
            name: torch.cat([getattr(r, name) for r in records])
            for name in records[0].__dataclass_fields__
        },
    )
