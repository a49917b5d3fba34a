"""From queries and feature maps to everything about the objects except their pose."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from epropnp_det.errors import RenamedWarning

from ..data.class_set import ClassSet
from ..image_geometry import ImageGeometry
from ..structures.predictions import ObjectPredictions
from ..structures.queries import Queries
from .coders import SinePositionalEncoding
from .deformable_correspondence import DeformableSampler, DenseFeatures, PointBranch
from .object_branches import ObjectBranches

# The shortest wave of the encoding of x / z and y / z: in pixels half the focal length. An image of
# nuScenes is 2.5 of them wide.
RAY_PERIOD = 0.5

# Keys of earlier configs, and what they are called now.
RENAMED_SETTINGS = {
    "by_rays": ("ray_encoding", True),
    "cell_maps": ("legacy", "v1"),
    "shrunk_mask": ("legacy", "v2"),
}


@dataclass(frozen=True)
class ObjectSettings:
    """Settings of `ObjectHead`.

    Args:
        norm_cfg: normalisation of the fused map.
        embed_dims: E.
        heads: attention heads.
        points: points per head.
        stride: px between the cells of the dense maps.
        levels: pyramid levels fused into the dense maps.
        level_channels, dense_channels: see `DenseFeatures`.
        ffn_channels, point_ffn_channels: hidden widths of the two feed-forward layers.
        dropout: in both.
        class_embedding: add an embedding of the class to that of the query.
        normalized_weights: the weights of the points of an object sum to one, times its scale.
            Without, they are exponentials: for the ablation.
        ray_encoding: encode positions and velocities relative to the viewing rays instead of the
            borders of the image and the axes of the camera. Required for training on crops, which
            do not show where in the image they were.
        class_wise_size: see `ObjectBranches`.
        legacy: see `DeformableSampler`.
    """

    norm_cfg: dict
    embed_dims: int = 256
    heads: int = 8
    points: int = 16
    stride: int = 8
    levels: int = 3
    level_channels: tuple[int, ...] = (256, 128, 128)
    dense_channels: int = 256
    ffn_channels: int = 1024
    point_ffn_channels: int = 256
    dropout: float = 0.1
    class_embedding: bool = True
    normalized_weights: bool = True
    ray_encoding: bool = False
    class_wise_size: bool = True
    legacy: str | None = None

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> ObjectSettings:
        """Settings from a config; keys of earlier configs are translated with one warning.

        Raises:
            TypeError: an unknown key, or no `norm_cfg`.
            ValueError: two keys of earlier configs that exclude each other.
        """
        renamed = [name for name in config if name in RENAMED_SETTINGS]
        settings = {name: value for name, value in config.items() if name not in renamed}
        for name in renamed:
            current, value = RENAMED_SETTINGS[name]
            if config[name] and settings.get(current) not in (None, value):
                raise ValueError(f"objects: {name} excludes {current}={settings[current]!r}")
            if config[name]:
                settings[current] = value
        if renamed:
            advice = ", ".join(
                f"{name}=True is now {RENAMED_SETTINGS[name][0]}={RENAMED_SETTINGS[name][1]!r}"
                for name in renamed
            )
            warnings.warn(f"objects: {advice}", RenamedWarning, stacklevel=2)
        known = {field.name for field in fields(cls)}
        for name in settings.keys() - known:
            raise TypeError(f"objects: unknown setting {name!r}; use one of {sorted(known)}")
        return cls(**settings)


class ObjectHead(nn.Module):
    """Deformable correspondences and object branches.

    Args:
        classes: names, size priors and attributes.
        in_channels: channels of a pyramid level.
        settings: widths, points and encodings.
    """

    def __init__(self, classes: ClassSet, in_channels: int, settings: ObjectSettings):
        super().__init__()
        width = settings.embed_dims
        self.settings = settings
        self.encoding = SinePositionalEncoding(width // 2)
        self.dense = DenseFeatures(
            in_channels,
            settings.level_channels,
            settings.levels,
            settings.dense_channels,
            width,
            settings.norm_cfg,
        )
        self.class_embedding = None
        if settings.class_embedding:
            self.class_embedding = nn.Parameter(torch.zeros(len(classes.class_names), width))
        self.embedding_scale = nn.Parameter(torch.tensor(0.1))
        self.query = nn.Linear(width, width)
        self.sampler = DeformableSampler(
            width,
            settings.heads,
            settings.points,
            settings.stride,
            settings.ffn_channels,
            settings.dropout,
            settings.legacy,
        )
        self.points = PointBranch(
            width // settings.heads,
            settings.heads,
            settings.point_ffn_channels,
            settings.dropout,
        )
        self.branches = ObjectBranches(width, classes, settings.class_wise_size)

    def dense_maps(self, feats: list[Tensor], geometry: ImageGeometry) -> tuple[Tensor, Tensor]:
        """Keys and values (B, E, H, W) from the pyramid."""
        return self.dense(feats, self._encoded_cells(feats[0].shape[-2:], geometry))

    def embed(self, queries: Queries) -> Tensor:
        """(M, E) embedding of the queries, class included."""
        if self.class_embedding is None:
            return queries.embedding
        return queries.embedding + self.class_embedding[queries.label]

    def attention_query(self, queries: Queries, geometry: ImageGeometry) -> Tensor:
        """(M, E) attention queries, compared with the keys.

        Args:
            queries: M queries.
            geometry: the images of the batch.
        """
        if self.settings.ray_encoding:
            position = self._encoded_rays(self._rays(queries, geometry))
        else:
            position = self.encoding(queries.reference, geometry.image_size[queries.image])
        return self.query(self.embedding_scale * self.embed(queries) + position)

    def forward(
        self, queries: Queries, maps: tuple[Tensor, Tensor], geometry: ImageGeometry
    ) -> ObjectPredictions:
        """Predicts M objects.

        Args:
            queries: M queries.
            maps: keys and values of `dense_maps`.
            geometry: the images of the batch.
        """
        embedding = self.embed(queries)
        query = self.attention_query(queries, geometry)
        sampled = self.sampler(queries, embedding, query, *maps, geometry.image_size)
        noc, logits = self.points(sampled)
        objects = self.branches(sampled.object, queries.label)
        # Softmax over all points of the object: a weight is relative, the scale alone is the
        # certainty of the whole.
        if self.settings.normalized_weights:
            share = logits.softmax(1)
        else:
            share = logits.exp() / logits.shape[1]
        if self.settings.ray_encoding:
            velocity = from_ray(objects["velocity"], self._rays(queries, geometry))
            objects = objects | dict(velocity=velocity)
        return ObjectPredictions(
            noc=noc, x2d=sampled.location, w2d_share=share * sampled.inside[..., None], **objects
        )

    def _rays(self, queries: Queries, geometry: ImageGeometry) -> Tensor:
        """(M, 3) viewing rays of the reference points, z = 1."""
        return geometry.camera[queries.image].ray(queries.reference)

    def _encoded_cells(self, size: Sequence[int], geometry: ImageGeometry) -> Tensor:
        """(B, E, H, W) encoded positions of the cells of the dense maps."""
        stride = self.settings.stride
        image_size = geometry.image_size
        if not self.settings.ray_encoding:
            return self.encoding.of_map(valid_cells(image_size, size, stride))
        y, x = ((torch.arange(n, device=image_size.device) + 0.5) * stride for n in size)
        cells = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1).to(image_size.dtype)
        rays = geometry.camera.each_point().each_point().ray(cells)
        return self._encoded_rays(rays).permute(0, 3, 1, 2)

    def _encoded_rays(self, ray: Tensor) -> Tensor:
        """(..., 3) -> (..., E)."""
        return self.encoding(ray[..., :2], ray.new_full((2,), RAY_PERIOD))


def from_ray(velocity: Tensor, ray: Tensor) -> Tensor:
    """Velocities (..., 2), m/s, to the right of and along the viewing rays (..., 3), in bird's-eye
    view -> vx, vz (..., 2).
    """
    x, z = F.normalize(ray[..., ::2], dim=-1).unbind(-1)
    right, along = velocity.unbind(-1)
    return torch.stack((right * z + along * x, along * z - right * x), -1)


def valid_cells(image_size: Tensor, size: Sequence[int], stride: int) -> Tensor:
    """(B, 2) width and height of the unpadded images, px -> (B, H, W) bool: cells whose top left
    pixel lies in the image.
    """
    y, x = (torch.arange(n, device=image_size.device) * stride for n in size)
    return (x < image_size[:, :1, None]) & (y[:, None] < image_size[:, 1:, None])
