"""Training targets of the dense head and of the object queries."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from epropnp_det.losses.over_processes import shared_count
from epropnp_det.pnp import Camera, YawPose

from ..structures.ground_truth import GroundTruth
from ..structures.tensor_record import TensorRecord


@dataclass(frozen=True)
class AssignmentSettings:
    """Settings of the matching of dense points to boxes, as in FCOS.

    Args:
        ranges: for each level, the least and greatest distance (px) from a point to the farthest
            side of its box.
        radius: reach of centre sampling, in strides.
        sharpness: slope of the centreness target,
            exp(-sharpness * distance / (1.414 * radius * stride)).
    """

    ranges: tuple[tuple[float, float], ...] = (
        (-1, 48),
        (48, 96),
        (96, 192),
        (192, 384),
        (384, 1e8),
    )
    radius: float = 1.5
    sharpness: float = 2.5


@dataclass(frozen=True)
class Assignment(TensorRecord):
    """The box that each dense point is matched to."""

    gt_index: Tensor  # (Q,) index of the box, -1 for background
    centerness: Tensor  # (Q,) target, 0 for background


def assign(
    grid: Tensor, stride: Tensor, level: Tensor, gt: GroundTruth, settings: AssignmentSettings
) -> Assignment:
    """Matches the points of one image to its boxes: near the centre, of fitting size, and the
    nearest centre wins.

    Args:
        grid: (Q, 2) px.
        stride: (Q,) px.
        level: (Q,) index of the pyramid level.
        gt: n boxes.
    """
    if len(gt) == 0:
        return Assignment(torch.full_like(level, -1), torch.zeros_like(stride))
    reach = settings.radius * stride
    delta = grid[:, None] - gt.center2d
    sides = torch.cat((grid[:, None] - gt.box2d[:, :2], gt.box2d[:, 2:] - grid[:, None]), -1)
    farthest = sides.amax(-1)
    low, high = grid.new_tensor(settings.ranges)[level].unbind(-1)
    near = delta.abs().amax(-1) < reach[:, None]
    fits = near & (farthest >= low[:, None]) & (farthest <= high[:, None])
    distance, nearest = delta.norm(dim=-1).masked_fill(~fits, torch.inf).min(1)
    foreground = distance.isfinite()
    centerness = torch.exp(-settings.sharpness * distance / (1.414 * reach))
    return Assignment(torch.where(foreground, nearest, -1), torch.where(foreground, centerness, 0))


@dataclass(frozen=True)
class QuerySample:
    """Dense points that become object queries in training; a box may be sampled through several
    points, a point several times.
    """

    point: Tensor  # (M,) index of the dense point
    weight: Tensor  # (M,) importance weight, mean 1: equal for all boxes, greatest at their centres
    uniform_weight: Tensor  # (M,) mean 1: equal for all boxes and for all points of a box


def sample_queries(
    assignment: Assignment, count: int, generator: torch.Generator | None = None
) -> QuerySample:
    """Samples half of the queries without replacement, uniformly over the foreground, and the rest
    with replacement, by centreness.

    Args:
        assignment: all points of a batch, box indices unique in the batch.
        count: number of queries M; without any foreground there are none.
    """
    foreground = (assignment.gt_index >= 0).nonzero()[:, 0]
    if len(foreground) == 0:
        empty = assignment.centerness.new_zeros(0)
        return QuerySample(foreground, empty, empty)
    order = torch.randperm(len(foreground), generator=generator, device=foreground.device)
    uniform = order[: count // 2]
    centerness = assignment.centerness[foreground]
    central = torch.multinomial(
        centerness, count - len(uniform), replacement=True, generator=generator
    )
    return importance_weights(assignment, foreground[torch.cat((uniform, central))], len(uniform))


def importance_weights(assignment: Assignment, point: Tensor, uniform: int) -> QuerySample:
    """Weights of sampled points.

    The raw weight of a point is its centreness over its expected number of samples; weights are
    then scaled so that every sampled box has the same sum.

    Args:
        point: (M,) sampled points, the first `uniform` of them uniformly.
    """
    foreground = assignment.gt_index >= 0
    centerness = assignment.centerness[point]
    expected = (
        uniform / foreground.sum()
        + (len(point) - uniform) * centerness / assignment.centerness[foreground].sum()
    )
    box = assignment.gt_index[point]
    return QuerySample(
        point, _balance(centerness / expected, box), _balance(torch.ones_like(centerness), box)
    )


def shared_weights(sample: QuerySample, box: Tensor) -> QuerySample:
    """A sample whose weights are equal for the boxes of all processes. Their mean is 1 over all
    processes together; in each it follows its number of boxes.

    Args:
        sample: M queries.
        box: (M,) index of the box of each.
    """
    boxes = sample.weight.new_tensor(float(len(box.unique())))
    share = boxes / shared_count(boxes)
    return replace(
        sample, weight=sample.weight * share, uniform_weight=sample.uniform_weight * share
    )


def _balance(weight: Tensor, group: Tensor) -> Tensor:
    """Scales weights so that each group present has the same sum and the mean is 1."""
    total = weight.new_zeros(int(group.max()) + 1).index_add(0, group, weight)
    return weight / total[group] * (len(weight) / (total > 0).sum())


def volume_center(
    pose: Tensor, size: Tensor, camera: Camera, image_size: tuple[int, int], step: int = 4
) -> Tensor:
    """Projected centre of the visible volume of boxes: the centroid of the pixels of the image,
    weighted by the length of the box along their rays.

    Args:
        pose, size: (n, 4), (n, 3) boxes.
        camera: unbatched.
        image_size: width and height of the image, px.
        step: px between the rays.

    Returns:
        (n, 2) px, NaN where no ray meets the box.
    """
    u, v = (
        torch.arange(step / 2, n, step, device=pose.device, dtype=pose.dtype) for n in image_size
    )
    pixels = torch.stack(torch.meshgrid(u, v, indexing="xy"), -1).flatten(0, 1)
    rays = camera.each_point().ray(pixels)  # z = 1: distances along a ray are depths
    rotation = YawPose.rotation(pose)
    origin = -(pose[:, None, :3] @ rotation)
    direction = rays @ rotation
    direction = torch.where(direction.abs() < 1e-6, 1e-6, direction)
    half = size[:, None] / 2
    first = (-half - origin) / direction
    second = (half - origin) / direction
    near = torch.minimum(first, second).amax(-1).clamp(min=camera.z_min)
    far = torch.maximum(first, second).amin(-1)
    depth = (far - near).clamp(min=0)
    return depth @ pixels / depth.sum(-1, keepdim=True)
