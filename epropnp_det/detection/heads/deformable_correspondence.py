"""Deformable correspondences: from an object query to weighted 2D-3D points (Section 4.2 of the
paper).

Three steps, each a module: `DenseFeatures` builds the key and value maps, `DeformableSampler`
attends to a few locations around the reference point of a query, and `PointBranch` turns the
sampled features into normalised object coordinates and weight logits.
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from mmcv.cnn import ConvModule
from torch import Tensor, nn

from ..structures.queries import Queries, SampledFeatures


class DenseFeatures(nn.Module):
    """Fuses the finest pyramid levels into one map of keys and one of values.

    Args:
        in_channels: channels of a pyramid level.
        level_channels: outputs of the 3x3 convolutions that all levels share.
        levels: number of pyramid levels fused, finest first.
        channels: channels of the fused map.
        embed_dims: E, of keys and values.
    """

    def __init__(
        self,
        in_channels: int,
        level_channels: tuple[int, ...],
        levels: int,
        channels: int,
        embed_dims: int,
        norm_cfg: dict,
    ):
        super().__init__()
        widths = (in_channels, *level_channels)
        self.level_convs = nn.Sequential(
            *(ConvModule(a, b, 3, padding=1, bias=False) for a, b in pairwise(widths))
        )
        self.levels = levels
        self.fuse = ConvModule(levels * widths[-1], channels, 1, norm_cfg=norm_cfg)
        self.key = nn.Conv2d(channels + embed_dims, embed_dims, 1)
        self.value = nn.Conv2d(channels, embed_dims, 1)

    def forward(self, feats: list[Tensor], position: Tensor) -> tuple[Tensor, Tensor]:
        """Builds the maps.

        Args:
            feats: (B, C, H, W) of each level, finest first.
            position: (B, E, H0, W0) encoding of the positions at the size of the finest level, for
                the keys.

        Returns:
            Keys and values, (B, E, H0, W0).
        """
        size = feats[0].shape[-2:]
        maps = [
            F.interpolate(self.level_convs(x), size, mode="bilinear", align_corners=False)
            for x in feats[: self.levels]
        ]
        fused = self.fuse(torch.cat(maps, 1))
        return self.key(torch.cat((fused, position), 1)), self.value(fused)


class DeformableSampler(nn.Module):
    """Multi-head deformable attention of one query to points around its reference point.

    Args:
        embed_dims: E.
        heads: number of heads.
        points: number of points per head.
        stride: px between the cells of the key and value maps.
        ffn_channels: hidden width of the feed-forward layer.
        dropout: in the feed-forward layer.
        legacy: "v2" or "v1" reproduces the image mask of the released models, None is ours. The
            released v2 models count the first cell inside the left and top border as outside, see
            `inside_image`. The released v1 models read pixel and mask from maps of cells: a
            location outside the padded input becomes the centre of the border cell, and the mask is
            that of `inside_cells`.

    Raises:
        ValueError: another `legacy`.
    """

    def __init__(
        self,
        embed_dims: int,
        heads: int,
        points: int,
        stride: int,
        ffn_channels: int,
        dropout: float = 0.1,
        legacy: str | None = None,
    ):
        super().__init__()
        if legacy not in (None, "v1", "v2"):
            raise ValueError(f"objects: legacy must be 'v1', 'v2' or None, not {legacy!r}")
        self.heads = heads
        self.points = points
        self.stride = stride
        self.legacy = legacy
        # An exported network, whose images have equally many queries, reads its maps another way.
        self.look_up = sample_heads
        self.sampling_offsets = nn.Linear(embed_dims, heads * points * 2)
        self.out_proj = nn.Linear(embed_dims, embed_dims)
        self.norm_attention = nn.LayerNorm(embed_dims)
        self.norm_ffn = nn.LayerNorm(embed_dims)
        self.ffn = feed_forward(embed_dims, ffn_channels, dropout)
        self.init_weights()

    def init_weights(self):
        """Offsets start as one ray per head with growing distance, as in Deformable DETR; the unit
        is the stride of the query's level.
        """
        angle = torch.arange(self.heads) * (2 * torch.pi / self.heads)
        ray = torch.stack((angle.cos(), angle.sin()), -1)
        ray = ray / ray.abs().amax(-1, keepdim=True)
        distance = torch.arange(1, self.points + 1) * (4.0 / self.points)
        nn.init.zeros_(self.sampling_offsets.weight)
        self.sampling_offsets.bias.data.copy_((ray[:, None] * distance[:, None]).flatten())
        nn.init.xavier_uniform_(self.out_proj.weight)
        nn.init.zeros_(self.out_proj.bias)

    def forward(
        self,
        queries: Queries,
        embedding: Tensor,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        image_size: Tensor,
    ) -> SampledFeatures:
        """Samples and attends.

        Args:
            queries: M queries.
            embedding: (M, E) embedding of the query, class included.
            query: (M, E) attention query.
            key, value: (B, E, H, W).
            image_size: (B, 2) width and height of the unpadded images, px.

        Returns:
            P = heads x points locations, head-major, with their features.
        """
        offset = (
            self.sampling_offsets(embedding).unflatten(1, (self.heads, self.points, 2))
            * queries.stride[:, None, None, None]
        )
        location = queries.reference[:, None, None] + offset
        keys = self.look_up(key, location, queries.image, self.stride)
        values = self.look_up(value, location, queries.image, self.stride)
        inside = self._inside(location, image_size[queries.image][:, None, None])
        per_head = query.unflatten(1, (self.heads, -1))
        logits = (keys * per_head[:, :, None]).sum(-1) / per_head.shape[-1] ** 0.5
        # Not renormalised: an object half outside the image is attended to half as much.
        attention = logits.softmax(-1) * inside
        attended = (attention[..., None] * values).sum(2).flatten(1)
        feature = self.norm_attention(self.out_proj(attended) + embedding)
        feature = self.norm_ffn(feature + self.ffn(feature))
        if self.legacy == "v1":
            location = clamp_to_cells(location, (key.shape[-1], key.shape[-2]), self.stride)
        return SampledFeatures(
            location.flatten(1, 2), values.flatten(1, 2), inside.flatten(1), per_head, feature
        )

    def _inside(self, location: Tensor, image_size: Tensor) -> Tensor:
        if self.legacy == "v1":
            return inside_cells(location, image_size, self.stride)
        return inside_image(location, image_size, self.stride, shrunk=self.legacy == "v2")


class PointBranch(nn.Module):
    """Normalised object coordinates and weight logits of the sampled points, by self-attention over
    all points of an object.

    Args:
        width: channels of a point's feature, E / heads.
        heads: number of heads; each has its own output layer.
        ffn_channels: hidden width of the transformer layer.
        dropout: in its feed-forward layer.
    """

    def __init__(self, width: int, heads: int, ffn_channels: int, dropout: float = 0.1):
        super().__init__()
        self.heads = heads
        self.query_scale = nn.Parameter(torch.tensor(0.1))
        self.position = nn.Linear(2, width)
        self.attention = SelfAttention(width)
        self.norm_attention = nn.LayerNorm(width)
        self.norm_ffn = nn.LayerNorm(width)
        self.ffn = feed_forward(width, ffn_channels, dropout)
        self.out_weight = nn.Parameter(torch.empty(heads, 5, width))
        self.out_bias = nn.Parameter(torch.zeros(heads, 5))
        nn.init.normal_(self.out_weight, std=0.01)

    def forward(self, sampled: SampledFeatures) -> tuple[Tensor, Tensor]:
        """Sampled features of M queries -> (M, P, 3) NOC and (M, P, 2) weight logits."""
        query = sampled.query.repeat_interleave(sampled.value.shape[1] // self.heads, 1)
        feature = sampled.value + self.query_scale * query
        feature = self.norm_attention(
            feature + self.attention(feature, self.position(standardise(sampled.location)))
        )
        feature = self.norm_ffn(feature + self.ffn(feature))
        per_head = feature.unflatten(1, (self.heads, -1))
        out = torch.einsum("mhpc,hoc->mhpo", per_head, self.out_weight) + self.out_bias[:, None]
        return out.flatten(1, 2).split((3, 2), -1)


class SelfAttention(nn.Module):
    """Single-head self-attention with positions added to queries and keys. It accepts an empty
    batch; mmcv's does not.

    Args:
        width: channels of a token.
    """

    def __init__(self, width: int):
        super().__init__()
        self.in_proj = nn.Linear(width, 3 * width)
        self.out_proj = nn.Linear(width, width)
        nn.init.xavier_uniform_(self.in_proj.weight)
        nn.init.zeros_(self.in_proj.bias)
        nn.init.zeros_(self.out_proj.bias)

    def forward(self, x: Tensor, position: Tensor) -> Tensor:
        """(..., P, width) tokens and their positional encodings -> (..., P, width)."""
        inputs = (x + position, x + position, x)
        weights = self.in_proj.weight.chunk(3)
        biases = self.in_proj.bias.chunk(3)
        q, k, v = (F.linear(t, w, b) for t, w, b in zip(inputs, weights, biases))
        attention = (q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5).softmax(-1)
        return self.out_proj(attention @ v)


def feed_forward(width: int, hidden: int, dropout: float) -> nn.Sequential:
    """Two linear layers, ReLU between, dropout after each; the residual is the caller's."""
    return nn.Sequential(
        nn.Linear(width, hidden),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Linear(hidden, width),
        nn.Dropout(dropout),
    )


def sample_heads(feature: Tensor, location: Tensor, image: Tensor, stride: int) -> Tensor:
    """Bilinear look-up of each head's channels at its own locations, border cells repeated outside.

    Args:
        feature: (B, heads x C, H, W).
        location: (M, heads, points, 2), px.
        image: (M,) index of the image.
        stride: px between the cells of the map.

    Returns:
        (M, heads, points, C).
    """
    heads = location.shape[1]
    size = location.new_tensor(feature.shape[:-3:-1])
    grid = location / (stride * size) * 2 - 1
    maps = feature.unflatten(1, (heads, -1))
    out = location.new_zeros(*location.shape[:3], maps.shape[2])
    # One look-up per image: every query reads one image only, so gathering whole maps per query
    # would copy them M times.
    for index in range(len(feature)):
        mine = (image == index).nonzero()[:, 0]
        found = F.grid_sample(
            maps[index],
            grid[mine].transpose(0, 1),
            mode="bilinear",
            padding_mode="border",
            align_corners=False,
        )
        out = out.index_copy(0, mine, found.permute(2, 0, 3, 1).to(out.dtype))
    return out


def inside_image(location: Tensor, image_size: Tensor, stride: int, shrunk: bool) -> Tensor:
    """How far inside the image a location is: 1 inside, 0 outside, linear over the border cell.

    Args:
        location: (..., 2), px.
        image_size: (..., 2) width and height of the unpadded image, px.
        stride: px between the cells of the dense maps.
        shrunk: the released v2 models' ramp at the left and top border, one cell further inside
            than the mirrored ramp at the right and bottom border.

    Returns:
        (...,) in [0, 1].
    """
    half = stride / 2
    high = ((image_size + half - location) / stride).clamp(0, 1)
    low = ((location + (-half if shrunk else half)) / stride).clamp(0, 1)
    return torch.minimum(low, high).prod(-1)


def inside_cells(location: Tensor, image_size: Tensor, stride: int) -> Tensor:
    """The released v1 models' `inside_image`: bilinear between cells, each worth its share inside
    the image, zero beyond the map.

    Args:
        location: (..., 2), px.
        image_size: (..., 2) width and height of the unpadded image, px.
        stride: px between the cells of the dense maps.

    Returns:
        (...,) in [0, 1].
    """
    position = location / stride - 0.5
    first = position.floor()
    low, high = (
        ((image_size / stride - cell).clamp(0, 1) * (cell >= 0)) for cell in (first, first + 1)
    )
    return torch.lerp(low, high, position - first).prod(-1)


def clamp_to_cells(location: Tensor, size: tuple[int, int], stride: int) -> Tensor:
    """(..., 2) px -> the same, held between the centres of the border cells of a map of `size` =
    width, height cells of `stride` px.
    """
    low = location.new_full((2,), stride / 2)
    return location.clamp(low, location.new_tensor(size) * stride - low)


def standardise(location: Tensor) -> Tensor:
    """(M, P, 2) -> zero mean and unit sample deviation over the points of an object; deviations
    below 1 px count as 1 px.
    """
    centred = location - location.mean(1, keepdim=True)
    variance = centred.square().sum(1, keepdim=True) / (location.shape[1] - 1)
    return centred / variance.clamp(min=1.0).sqrt()
