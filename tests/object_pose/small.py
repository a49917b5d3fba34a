"""A small object-pose network on patches of 64 px, and patches with their ground truth."""

from __future__ import annotations

from typing import Any

import torch
from mmcv import ConfigDict
from torch import Tensor

from epropnp_det.engine.training import init_weights
from epropnp_det.object_pose.estimator import ObjectPoseEstimator
from epropnp_det.object_pose.structures import CorrespondenceMaps, PatchGeometry
from epropnp_det.pnp import SE3Pose

# [px] of a patch, cells in a row of its maps, objects.
PATCH, CELLS, OBJECTS = 64, 16, 3
MATRIX = ((570.0, 0.0, 320.0), (0.0, 570.0, 240.0), (0.0, 0.0, 1.0))


def small_config(**changes: Any) -> ConfigDict:
    """Settings of an estimator with a ResNet-18 and 128 training points."""
    settings = dict(
        backbone=dict(type="ResNet", depth=18, base_channels=8, norm_eval=False),
        neck=dict(type="FinestPyramidLevel", in_channels=(8, 16, 32, 64), out_channels=16),
        head=dict(type="CorrespondenceHead", in_channels=16, objects=OBJECTS),
        points=dict(train_points=128),
        losses=dict(
            pose=dict(type="MonteCarloPoseLoss", loss_weight=0.2),
            coordinate=dict(loss_weight=1.0),
            position=0.1,
            orientation=0.1,
        ),
        train_cfg=dict(pnp=dict(mc_samples=64, lm_iterations=5, init=dict(proposals=8))),
        test_cfg=dict(start="random", pnp=dict(mc_samples=64, lm_iterations=5)),
    )
    return ConfigDict(settings | changes)


def small_estimator(seed: int = 0, **changes: Any) -> ObjectPoseEstimator:
    torch.manual_seed(seed)
    estimator = ObjectPoseEstimator(**small_config(**changes))
    init_weights(estimator)
    return estimator


def poses(number: int) -> Tensor:
    """True poses (B, 7), a metre away in the middle of the image."""
    generator = torch.Generator().manual_seed(number)
    turned = SE3Pose.random_rotation((number,), torch.zeros(()), generator)
    return turned + torch.tensor((0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0))


def geometry(number: int) -> PatchGeometry:
    return PatchGeometry(
        torch.tensor((280.0, 200.0)).expand(number, 2),
        torch.full((number,), 80.0),
        torch.tensor(MATRIX).expand(number, 3, 3),
        torch.tensor((0.05, 0.06, 0.07)).expand(number, 3),
        torch.arange(number) % OBJECTS,
    )


def batch(number: int = 4) -> dict[str, Tensor]:
    """What a data loader gives a training: patches of noise, coordinates of an ellipsoid."""
    where = geometry(number)
    pose = poses(number)
    noc, mask = ellipsoid_maps(pose, where)
    generator = torch.Generator().manual_seed(0)
    return dict(
        img=torch.rand(number, 3, PATCH, PATCH, generator=generator),
        origin=where.origin,
        side=where.side,
        matrix=where.matrix,
        half_extent=where.half_extent,
        object_index=where.object_index,
        gt_pose=pose,
        gt_noc=noc,
        gt_mask=mask,
    )


def ellipsoid_maps(pose: Tensor, where: PatchGeometry) -> tuple[Tensor, Tensor]:
    """Normalised coordinates (B, 3, h, w) and mask (B, 1, h, w) of the ellipsoid in the object's
    box, seen through the cell centres.
    """
    place = (torch.arange(CELLS) + 0.5) / CELLS
    y, x = torch.meshgrid(place, place, indexing="ij")
    pixel = (
        where.origin[:, None]
        + torch.stack((x.flatten(), y.flatten()), -1) * where.side[:, None, None]
    )
    ray = torch.cat((pixel, torch.ones_like(pixel[..., :1])), -1)
    ray = ray @ torch.linalg.inv(where.matrix).mT
    back = SE3Pose.rotation(pose)
    direction = (ray @ back) / where.half_extent[:, None]
    eye = (SE3Pose.camera_centre(pose) / where.half_extent)[:, None]
    a = direction.square().sum(-1)
    b = (direction * eye).sum(-1)
    inside = b.square() - a * (eye.square().sum(-1) - 1)
    depth = (-b - inside.clamp(min=0).sqrt()) / a
    hit = (inside > 0)[..., None]
    noc = (eye + depth[..., None] * direction) * hit
    shape = (CELLS, CELLS)
    return noc.mT.unflatten(2, shape), hit.mT.unflatten(2, shape).float()


def perfect_maps(number: int, scale: float = 20.0) -> CorrespondenceMaps:
    """True coordinates, equal weights inside the mask."""
    noc, mask = ellipsoid_maps(poses(number), geometry(number))
    logit = (mask - 1).expand(-1, 2, -1, -1) * 30
    return CorrespondenceMaps(noc, logit, torch.full((number, 2), scale))
