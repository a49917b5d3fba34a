"""Flip augmentation at test: an image and its mirror image give two sets of correspondences, and
one PnP problem over both.

The network looks at both. What it says about the mirrored image is brought back to the image's own
pixels and world, so that nothing after the correspondences knows about it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace

import torch
from torch import Tensor

from ..structures.dense import DenseOutputs, DensePoints
from ..structures.predictions import ObjectPredictions


def mirror_images(img: Tensor, image_size: Tensor) -> Tensor:
    """Images (B, C, H, W), each mirrored within its own width; what is padded at the right stays
    there.

    Args:
        image_size: (B, 2) width and height of the unpadded images, px.
    """
    column = torch.arange(img.shape[-1], device=img.device)
    source = image_size[:, :1].round().long() - 1 - column
    source = torch.where(source >= 0, source, column)
    return _columns(img, source)


def realign(outputs: DenseOutputs, width: Tensor, strides: Sequence[int]) -> DenseOutputs:
    """Dense outputs of mirrored images, put where their points lie in the images themselves;
    reference points stay mirrored pixels.

    Between two columns, where the width is no multiple of the stride, values are interpolated.

    Args:
        width: (B,) of the unpadded images, px.
    """

    def moved(maps: list[Tensor]) -> list[Tensor]:
        return [_mirror_columns(m, width / stride) for m, stride in zip(maps, strides)]

    maps = {field.name: getattr(outputs, field.name) for field in fields(outputs)}
    return DenseOutputs(
        **{name: None if value is None else moved(value) for name, value in maps.items()}
    )


def pool(points: DensePoints, mirrored: DensePoints) -> DensePoints:
    """The points with class scores and centreness that are the mean of both; everything else is
    their own.
    """
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
    noc, velocity = predictions.noc, predictions.velocity
    return replace(
        predictions,
        x2d=torch.stack((width[:, None] - x, y), -1),
        noc=noc * noc.new_tensor((1.0, 1.0, -1.0)),
        velocity=velocity * velocity.new_tensor((-1.0, 1.0)),
    )


def merge(one: ObjectPredictions, other: ObjectPredictions) -> ObjectPredictions:
    """Two predictions of the same M objects as one, of the points of both.

    The weights are such that the cost is the mean of the two costs, not their sum: two looks at the
        same pixels know no more than one of
    where the object is, and the posterior should not pretend it.
    """

    def both(name: str) -> Tensor:
        return torch.cat((getattr(one, name), getattr(other, name)), 1)

    def mean(name: str) -> Tensor:
        return (getattr(one, name) + getattr(other, name)) / 2

    return ObjectPredictions(
        noc=both("noc"),
        x2d=both("x2d"),
        w2d=both("w2d") * 0.5**0.5,
        w2d_scale=mean("w2d_scale"),
        size_code=mean("size_code"),
        size=(one.size * other.size).sqrt(),  # what the mean of the codes stands for
        score=mean_probability(one.score, other.score),
        velocity=mean("velocity"),
        attribute=torch.logaddexp(one.attribute.log_softmax(-1), other.attribute.log_softmax(-1)),
    )


def mean_probability(one: Tensor, other: Tensor) -> Tensor:
    """Logit of the mean of the probabilities that two logits stand for."""
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
