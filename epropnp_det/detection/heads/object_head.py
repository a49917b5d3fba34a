"""Queries and feature maps in, everything about the objects but their pose out."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..image_geometry import ImageGeometry
from ..structures.predictions import ObjectPredictions
from ..structures.queries import Queries
from .coders import SinePositionalEncoding
from .deformable_correspondence import DeformableSampler, DenseFeatures, PointBranch
from .object_branches import ObjectBranches

# The shortest wave of the encoding of x / z and y / z: in pixels half the focal length. An image of
# nuScenes is 2.5 of them wide.
RAY_PERIOD = 0.5


class ObjectHead(nn.Module):
    """Deformable correspondences and object branches.

    Args:
        classes, attributes: how many.
        in_channels: channels of a pyramid level.
        embed_dims: E; heads: attention heads; points: points a head.
        stride: of the dense maps, px; levels: pyramid levels fused into them.
        level_channels, dense_channels: see `DenseFeatures`.
        ffn_channels, point_ffn_channels, dropout: of the two feed-forward layers.
        class_embedding: add an embedding of the class to the query's.
        normalized_weights: the weights of an object's points sum to one, times its scale. Without,
            they are exponentials: for the experiment that shows why.
        ray_encoding: say where things are, and how they move, by the rays of sight instead of the
            image's borders and the camera's axes; a window cut out of an image does not show where
            in the image it was.
        class_wise_size, shrunk_mask, cell_maps: see `ObjectBranches`, `DeformableSampler`.
        norm_cfg: of the fused map.
    """

    def __init__(
        self,
        classes: int,
        attributes: int,
        in_channels: int = 256,
        embed_dims: int = 256,
        heads: int = 8,
        points: int = 16,
        stride: int = 8,
        levels: int = 3,
        level_channels=(256, 128, 128),
        dense_channels: int = 256,
        ffn_channels: int = 1024,
        point_ffn_channels: int = 256,
        dropout: float = 0.1,
        class_embedding: bool = True,
        normalized_weights: bool = True,
        ray_encoding: bool = False,
        class_wise_size: bool = True,
        shrunk_mask: bool = False,
        cell_maps: bool = False,
        *,
        norm_cfg: dict,
    ):
        super().__init__()
        self.stride, self.normalized_weights, self.ray_encoding = (
            stride,
            normalized_weights,
            ray_encoding,
        )
        self.encoding = SinePositionalEncoding(embed_dims // 2)
        self.dense = DenseFeatures(
            in_channels, level_channels, levels, dense_channels, embed_dims, norm_cfg
        )
        self.class_embedding = (
            nn.Parameter(torch.zeros(classes, embed_dims)) if class_embedding else None
        )
        self.embedding_scale = nn.Parameter(torch.tensor(0.1))
        self.query = nn.Linear(embed_dims, embed_dims)
        self.sampler = DeformableSampler(
            embed_dims, heads, points, stride, ffn_channels, dropout, shrunk_mask, cell_maps
        )
        self.points = PointBranch(embed_dims // heads, heads, point_ffn_channels, dropout)
        self.branches = ObjectBranches(embed_dims, classes, attributes, class_wise_size)

    def dense_maps(self, feats: list[Tensor], view: ImageGeometry) -> tuple[Tensor, Tensor]:
        """Keys and values (B, E, H, W) from the pyramid."""
        return self.dense(feats, self._encoded_cells(feats[0].shape[-2:], view))

    def embed(self, queries: Queries) -> Tensor:
        """(M, E) embedding of the queries, class included."""
        if self.class_embedding is None:
            return queries.embedding
        return queries.embedding + self.class_embedding[queries.label]

    def attention_query(self, queries: Queries, view: ImageGeometry) -> Tensor:
        """(M, E) what the queries look for in the keys."""
        return self.query(
            self.embedding_scale * self.embed(queries) + self._encoded_references(queries, view)
        )

    def forward(
        self, queries: Queries, maps: tuple[Tensor, Tensor], view: ImageGeometry
    ) -> ObjectPredictions:
        """Predicts M objects.

        Args:
            queries: M queries.
            maps: what `dense_maps` returned.
        """
        embedding, query = self.embed(queries), self.attention_query(queries, view)
        sampled = self.sampler(queries, embedding, query, *maps, view.image_size)
        noc, logits = self.points(sampled)
        objects = self.branches(sampled.object, queries.label)
        # Softmax over all points of the object: a weight is relative, the scale alone says how
        # certain the whole is.
        share = logits.softmax(1) if self.normalized_weights else logits.exp() / logits.shape[1]
        w2d = share * sampled.inside[..., None] * objects["w2d_scale"][:, None]
        if self.ray_encoding:
            objects = objects | dict(
                velocity=from_ray(
                    objects["velocity"], view.camera[queries.image].ray(queries.reference)
                )
            )
        return ObjectPredictions(noc=noc, x2d=sampled.location, w2d=w2d, **objects)

    def _encoded_references(self, queries: Queries, view: ImageGeometry) -> Tensor:
        """(M, E)."""
        if self.ray_encoding:
            return self._encoded_rays(view.camera[queries.image].ray(queries.reference))
        return self.encoding(queries.reference, view.image_size[queries.image])

    def _encoded_cells(self, size: tuple[int, int], view: ImageGeometry) -> Tensor:
        """(B, E, H, W)."""
        if not self.ray_encoding:
            return self.encoding.of_map(valid_cells(view.image_size, size, self.stride))
        y, x = ((torch.arange(n, device=view.image_size.device) + 0.5) * self.stride for n in size)
        cells = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1).to(view.image_size.dtype)
        return self._encoded_rays(view.camera.each_point().each_point().ray(cells)).permute(
            0, 3, 1, 2
        )

    def _encoded_rays(self, ray: Tensor) -> Tensor:
        """(..., 3) -> (..., E)."""
        return self.encoding(ray[..., :2], ray.new_full((2,), RAY_PERIOD))


def from_ray(velocity: Tensor, ray: Tensor) -> Tensor:
    """Velocities (..., 2), m/s, to the right of and along the rays of sight (..., 3), seen from
    above -> vx, vz (..., 2).
    """
    x, z = F.normalize(ray[..., ::2], dim=-1).unbind(-1)
    right, along = velocity.unbind(-1)
    return torch.stack((right * z + along * x, along * z - right * x), -1)


def valid_cells(image_size: Tensor, size: tuple[int, int], stride: int) -> Tensor:
    """(B, 2) width and height of the unpadded images, px -> (B, H, W) bool: cells whose top left
    pixel lies in the image.
    """
    y, x = (torch.arange(n, device=image_size.device) * stride for n in size)
    return (x < image_size[:, :1, None]) & (y[:, None] < image_size[:, 1:, None])
