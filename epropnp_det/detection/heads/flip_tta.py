"""Flip augmentation at test: an image and its mirror image give two sets of correspondences, and
one PnP problem over both.

The predictions of the mirrored image are brought back to the pixels and the world of the image, so
that everything after the correspondences is the same as without augmentation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from ..structures.dense import DenseOutputs, DensePoints
from ..structures.predictions import ObjectPredictions


def mirror_images(img: Tensor, image_size: Tensor) -> Tensor:
    """Images (B, C, H, W), each mirrored within its own width; the padding at the right stays
    there.

    Args:
        image_size: (B, 2) width and height of the unpadded images, px.
    """
    column = torch.arange(img.shape[-1], device=img.device)
    source = image_size[:, :1].round().long() - 1 - column
    source = torch.where(source >= 0, source, column)
    return _columns(img, source)


def realign(outputs: DenseOutputs, width: Tensor, strides: Sequence[int]) -> DenseOutputs:
    """Dense outputs of mirrored images, moved to where their points lie in the images themselves.

    Reference points stay mirrored pixels. Where the width is no multiple of the stride, values are
    interpolated between two columns.

    Args:
        width: (B,) of the unpadded images, px.
    """

    def aligned(maps: list[Tensor]) -> list[Tensor]:
        return [_mirror_columns(m, width / stride) for m, stride in zip(maps, strides)]

    return DenseOutputs(
        cls_score=aligned(outputs.cls_score),
        centerness=aligned(outputs.centerness),
        offset=aligned(outputs.offset),
        embedding=aligned(outputs.embedding),
        bbox=None if outputs.bbox is None else aligned(outputs.bbox),
    )


def pool(points: DensePoints, mirrored: DensePoints) -> DensePoints:
    """The first points with the mean class probabilities and centreness of both."""
    return replace(
        points,
        cls_score=mean_probability(points.cls_score, mirrored.cls_score),
        centerness=mean_probability(points.centerness, mirrored.centerness),
    )


def unmirror(predictions: ObjectPredictions, width: Tensor) -> ObjectPredictions:
    """Predictions of M objects in mirrored images, as pixels and velocities of the images
    themselves.

    Args:
        width: (M,) of the unpadded image of each object, px.
    """
    x, y = predictions.x2d.unbind(-1)
    return replace(
        predictions,
        x2d=torch.stack((width[:, None] - x, y), -1),
        noc=predictions.noc * x.new_tensor((1.0, 1.0, -1.0)),
        velocity=predictions.velocity * x.new_tensor((-1.0, 1.0)),
    )


def merge(one: ObjectPredictions, other: ObjectPredictions) -> ObjectPredictions:
    """Two predictions of the same M objects as one, of the points of both.

    A second view of the same pixels adds no information, so the costs are averaged, not summed:
    each weight is multiplied by the root of 1/2. Every point keeps the weight scale of its own
    view, inside its share; the merged scale is 1.
    """

    def both(name: str) -> Tensor:
        return torch.cat((getattr(one, name), getattr(other, name)), 1)

    def mean(name: str) -> Tensor:
        return (getattr(one, name) + getattr(other, name)) / 2

    weights = [seen.w2d_share * seen.w2d_scale[:, None] for seen in (one, other)]
    return ObjectPredictions(
        noc=both("noc"),
        x2d=both("x2d"),
        w2d_share=torch.cat(weights, 1) * 0.5**0.5,
        w2d_scale=torch.ones_like(one.w2d_scale),
        size_code=mean("size_code"),
        size=(one.size * other.size).sqrt(),  # the size that the mean of the codes encodes
        score=mean_probability(one.score, other.score),
        velocity=mean("velocity"),
        attribute=torch.logaddexp(one.attribute.log_softmax(-1), other.attribute.log_softmax(-1)),
    )


def mean_probability(one: Tensor, other: Tensor) -> Tensor:
    """Logit of the mean of two probabilities, given by their logits."""
    return ((one.sigmoid() + other.sigmoid()) / 2).logit(eps=torch.finfo(one.dtype).tiny)


def _mirror_columns(m: Tensor, cells: Tensor) -> Tensor:
    """Maps (B, C, H, W) of mirrored images with the columns in the order of the images; `cells`
    (B,) is the images' width.
    """
    last = m.shape[-1] - 1
    position = (cells[:, None] - 1 - torch.arange(last + 1, device=m.device)).clamp(0, last)
    low = position.floor().long()
    share = (position - low)[:, None, None].to(m.dtype)
    return torch.lerp(_columns(m, low), _columns(m, (low + 1).clamp(max=last)), share)


def _columns(m: Tensor, index: Tensor) -> Tensor:
    """(B, C, H, W) and (B, W) -> (B, C, H, W) with column index[b, x] of map b at x."""
    return m.gather(3, index[:, None, None].expand_as(m))
