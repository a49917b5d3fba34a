"""Queries and feature maps in, everything about the objects but their pose out."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .coders import SinePositionalEncoding
from .correspondence import DeformableSampler, DenseFeatures, PointBranch
from .object_branches import ObjectBranches
from .structures import ObjectPredictions, Queries


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
        normalized_weights: the weights of an object's points sum to one, times its scale. Without, they are exponentials: for the
            experiment that shows why.
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
        class_wise_size: bool = True,
        shrunk_mask: bool = False,
        cell_maps: bool = False,
        *,
        norm_cfg: dict,
    ):
        super().__init__()
        self.stride, self.normalized_weights = stride, normalized_weights
        self.encoding = SinePositionalEncoding(embed_dims // 2)
        self.dense = DenseFeatures(in_channels, level_channels, levels, dense_channels, embed_dims, self.encoding, norm_cfg)
        self.class_embedding = nn.Parameter(torch.zeros(classes, embed_dims)) if class_embedding else None
        self.embedding_scale = nn.Parameter(torch.tensor(0.1))
        self.query = nn.Linear(embed_dims, embed_dims)
        self.sampler = DeformableSampler(embed_dims, heads, points, stride, ffn_channels, dropout, shrunk_mask, cell_maps)
        self.points = PointBranch(embed_dims // heads, heads, point_ffn_channels, dropout)
        self.branches = ObjectBranches(embed_dims, classes, attributes, class_wise_size)

    def dense_maps(self, feats: list[Tensor], extent: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values (B, E, H, W) from the pyramid and the (B, 2) width and height of the unpadded images, px."""
        return self.dense(feats, valid_cells(extent, feats[0].shape[-2:], self.stride))

    def embed(self, queries: Queries) -> Tensor:
        """(M, E) embedding of the queries, class included."""
        if self.class_embedding is None:
            return queries.embedding
        return queries.embedding + self.class_embedding[queries.label]

    def attention_query(self, queries: Queries, extent: Tensor) -> Tensor:
        """(M, E) what the queries look for in the keys; (B, 2) width and height of the unpadded images, px."""
        position = self.encoding(queries.reference, extent[queries.image])
        return self.query(self.embedding_scale * self.embed(queries) + position)

    def forward(self, queries: Queries, maps: tuple[Tensor, Tensor], extent: Tensor) -> ObjectPredictions:
        """Predicts M objects.

        Args:
            queries: M queries.
            maps: what `dense_maps` returned.
            extent: (B, 2) width and height of the unpadded images, px.
        """
        embedding, query = self.embed(queries), self.attention_query(queries, extent)
        sampled = self.sampler(queries, embedding, query, *maps, extent)
        noc, logits = self.points(sampled)
        objects = self.branches(sampled.object, queries.label)
        # Softmax over all points of the object: a weight is relative, the scale alone says how certain the whole is.
        share = logits.softmax(1) if self.normalized_weights else logits.exp() / logits.shape[1]
        w2d = share * sampled.inside[..., None] * objects["w2d_scale"][:, None]
        return ObjectPredictions(noc=noc, x2d=sampled.location, w2d=w2d, **objects)


def valid_cells(extent: Tensor, size: tuple[int, int], stride: int) -> Tensor:
    """(B, 2) width and height of the unpadded images, px -> (B, H, W) bool: cells whose top left pixel lies in the image."""
    y, x = (torch.arange(n, device=extent.device) * stride for n in size)
    return (x < extent[:, :1, None]) & (y[:, None] < extent[:, 1:, None])
