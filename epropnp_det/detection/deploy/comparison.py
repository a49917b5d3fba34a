"""How far the boxes of two runtimes differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from ..boxes import Boxes3D

# Boxes of one object are within it; those of neighbours of one class seldom are.
_SAME_OBJECT = 1.0  # m


@dataclass(frozen=True)
class Differences:
    """Largest differences between the boxes of two runtimes for the same images."""

    boxes: int  # compared
    unmatched: int  # with no box of the other runtime within 1 m
    position: float  # m
    yaw: float  # degrees
    size: float  # m
    score: float

    def __str__(self) -> str:
        return (
            f"{self.boxes} boxes, {self.unmatched} without a partner; largest differences: "
            f"position {1e3 * self.position:.3g} mm, yaw {self.yaw:.2g} degrees, "
            f"size {1e3 * self.size:.2g} mm, score {self.score:.2g}"
        )


def differences(one: Boxes3D, other: Boxes3D) -> Differences:
    """Compares the boxes of an image; those of one class that are nearest are a pair."""
    distance = torch.cdist(one.pose[:, :3].double(), other.pose[:, :3].double())
    of_others = one.label[:, None] != other.label
    cost = distance.masked_fill(of_others, torch.inf).clamp(max=2 * _SAME_OBJECT)
    rows, columns = map(torch.from_numpy, linear_sum_assignment(cost.numpy()))
    paired = cost[rows, columns] <= _SAME_OBJECT
    first = one[rows[paired]]
    second = other[columns[paired]]
    turn = (first.pose[:, 3] - second.pose[:, 3]).double()
    return Differences(
        boxes=len(first),
        unmatched=len(one) + len(other) - 2 * len(first),
        position=_largest(distance[rows, columns][paired]),
        yaw=_largest(torch.atan2(turn.sin(), turn.cos()).abs().rad2deg()),
        size=_largest((first.size - second.size).abs()),
        score=_largest((first.require("score") - second.require("score")).abs()),
    )


def largest(found: Sequence[Differences]) -> Differences:
    """The differences of several images as those of one."""
    return Differences(
        boxes=sum(each.boxes for each in found),
        unmatched=sum(each.unmatched for each in found),
        position=max(each.position for each in found),
        yaw=max(each.yaw for each in found),
        size=max(each.size for each in found),
        score=max(each.score for each in found),
    )


def _largest(values: Tensor) -> float:
    return float(values.max()) if values.numel() else 0.0
