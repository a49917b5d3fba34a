"""Small models and random scenes, shared by the tests of this folder."""

from __future__ import annotations

from pathlib import Path

import torch
from mmcv import Config
from mmdet3d.models import build_head
from torch import Tensor

from epropnp_det.detection.heads.pnp_head import EProPnPHead
from epropnp_det.detection.image_geometry import ImageGeometry
from epropnp_det.detection.structures.ground_truth import GroundTruth
from epropnp_det.detection.structures.lidar import ImagePoints, LidarPoints, ObjectPoints
from epropnp_det.pnp import Camera, EProPnP4DoF, PnPProblem, YawPose

MODELS = Path(__file__).parents[2] / "configs" / "_base_" / "models"
V2 = Config.fromfile(str(MODELS / "epropnp_v2.py"))
NORM = dict(type="GN", num_groups=32)
PNP = dict(
    mc_samples=32, amis_rounds=4, lm_iterations=3, init=dict(proposals=8, points=8, iterations=2)
)


def is_v1(recorded: dict) -> bool:
    """Whether a recorded config is of v1 or v1b: they have no 2D box branch."""
    return "bbox_branch" not in recorded["detector"]


def auxiliary_config(recorded: dict) -> dict:
    """The shipped auxiliary losses of a recording's family."""
    settings = Config.fromfile(str(MODELS / f"auxiliary_{'v1' if is_v1(recorded) else 'v2'}.py"))
    losses = {name: settings.get(f"{name}_loss") for name in ("projection", "coordinate", "depth")}
    return dict(auxiliary=settings.auxiliary, losses=losses)


def head_config(recorded: dict, released_mask: bool = True) -> dict:
    """Our config of the small head of a recording, without its auxiliary losses."""
    dense = recorded["detector"]
    attention = recorded["attention_sampler"]
    points = recorded["pts_trans"]
    v1 = is_v1(recorded)
    return dict(
        type="EProPnPHead",
        num_classes=recorded["num_classes"],
        num_attributes=9,
        dense_head=dict(
            type="EProPnPDenseHead",
            in_channels=recorded["in_channels"],
            feat_channels=dense["feat_channels"],
            stacked_convs=dense["stacked_convs"],
            strides=dense["strides"],
            embedding_channels=dense["emb_channels"],
            cls_branch=dense["cls_branch"],
            centerness_branch=dense["centerness_branch"],
            offset_branch=dense["offset_branch"],
            embedding_branch=dense["emb_branch"],
            bbox_branch=dense.get("bbox_branch"),
            class_wise_offset=not dense.get("offset_cls_agnostic", True),
            norm_cfg=NORM,
        ),
        objects=dict(
            embed_dims=recorded["embed_dims"],
            heads=recorded["num_heads"],
            points=recorded["num_points"],
            stride=recorded["output_stride"],
            levels=recorded["dense_lvl_range"][1],
            level_channels=recorded["lvl_feat_channels"],
            dense_channels=recorded["dense_channels"],
            ffn_channels=attention["ffn_cfg"]["feedforward_channels"],
            point_ffn_channels=points["ffn_cfgs"]["feedforward_channels"],
            dropout=0.0,
            class_embedding=recorded.get("use_cls_emb", False),
            class_wise_size=not recorded.get("dim_cls_agnostic", False),
            legacy="v1" if v1 else "v2" if released_mask else None,
            norm_cfg=NORM,
        ),
        losses=V2.model.bbox_head.losses | (dict(bbox=None) if v1 else {}),
        train_cfg=dict(queries_per_image=48, assignment={}, pnp=PNP),
        test_cfg=dict(score_threshold=0.0, pnp=PNP),
    )


def build(recorded: dict, released_mask: bool = True, auxiliary: bool = False) -> EProPnPHead:
    """The small head of a recording, untrained."""
    config = head_config(recorded, released_mask)
    if auxiliary:
        extra = auxiliary_config(recorded)
        config = dict(
            config, auxiliary=extra["auxiliary"], losses=config["losses"] | extra["losses"]
        )
    return build_head(config)


def geometry_of_recording(recorded: dict) -> ImageGeometry:
    """Cameras and sizes of the recorded images; the recorded transform leads from original to
    network-input pixels.
    """
    matrices = recorded["cam_intrinsic"].expand(len(recorded["metas"]), 3, 3)
    first_pixel = 0.0 if is_v1(recorded["cfg"]) else 0.5
    images = zip(matrices, recorded["img_transform"], recorded["metas"])
    cameras = [
        camera_of(matrix, transform, meta, first_pixel) for matrix, transform, meta in images
    ]
    image_size = torch.tensor(
        [[float(meta["img_shape"][1]), float(meta["img_shape"][0])] for meta in recorded["metas"]]
    )
    return ImageGeometry(Camera.stack(cameras), image_size)


def camera_of(matrix: Tensor, transform: Tensor, meta: dict, first_pixel: float) -> Camera:
    """Camera of the network input.

    The transform (3, 3) crops the original image, and mirrors it where its first entry is negative;
    the intrinsics put the centre of the original's first pixel at `first_pixel`.
    """
    camera = Camera.for_image(matrix, (meta["ori_shape"][1], meta["ori_shape"][0])).crop(
        first_pixel - 0.5, first_pixel - 0.5
    )
    camera = camera.crop(0, -float(transform[1, 2]))
    return (
        camera.flip(float(transform[0, 2]))
        if transform[0, 0] < 0
        else camera.crop(-float(transform[0, 2]), 0)
    )


def mirrored(pose: Tensor, velocity: Tensor) -> tuple[Tensor, Tensor]:
    """Poses and velocities in the mirrored world: x -> -x, yaw -> pi - yaw."""
    x, y, z, yaw = pose.unbind(-1)
    return torch.stack((-x, y, z, torch.pi - yaw), -1), velocity * velocity.new_tensor((-1.0, 1.0))


def gts_of_recording(recorded: dict) -> list[GroundTruth]:
    """Recorded boxes as the network sees them, mirrored where the image is."""
    gts = []
    for i, meta in enumerate(recorded["metas"]):
        box = recorded["boxes_3d_lhw_xyz_yaw"][i]
        pose = box[:, 3:]
        velocity = recorded["velocities"][i]
        if meta["flip"]:
            pose, velocity = mirrored(pose, velocity)
        gts.append(
            GroundTruth(
                recorded["labels"][i],
                pose,
                box[:, :3],
                velocity,
                recorded["attributes"][i],
                recorded["boxes_2d"][i],
                recorded["centres_2d"][i],
            )
        )
    return gts


def lidar_of_recording(recorded: dict) -> LidarPoints:
    """Recorded LiDAR points as the network sees them: cropped, mirrored where the image is, pixel
    centres at half-integers.
    """
    first_pixel = 0.0 if is_v1(recorded["cfg"]) else 0.5
    parts = []
    for i, (meta, transform) in enumerate(zip(recorded["metas"], recorded["img_transform"])):
        x3d = recorded["object_points_x3d"][i]
        x2d = recorded["object_points_x2d"][i]
        owner = torch.cat([torch.full((len(points),), index) for index, points in enumerate(x3d)])
        u, v, depth = recorded["image_points_uvz"][i].unbind(1)
        everywhere = ImagePoints(
            torch.zeros(len(u), dtype=torch.long), torch.stack((u, v), 1) + 0.5 - first_pixel, depth
        )
        points = LidarPoints(
            ObjectPoints(owner, torch.cat(x3d), torch.cat(x2d) + 0.5 - first_pixel), everywhere
        )
        points = points.crop(0, -float(transform[1, 2]))
        parts.append(points.flip(meta["ori_shape"][1]) if meta["flip"] else points)
    return LidarPoints.cat(parts, [len(labels) for labels in recorded["labels"]])


class FacingCamera(EProPnP4DoF):
    """Starts every object ten metres away behind the middle of its points, facing the camera: the
    mirrored problem has the mirrored start.
    """

    def solve(self, problem: PnPProblem, start=None, generator=None):
        middle = problem.points.x2d.mean(-2)
        ray = torch.linalg.solve(
            problem.camera.matrix, torch.cat((middle, torch.ones_like(middle[:, :1])), 1)
        )
        heading = torch.full_like(ray[:, :1], torch.pi / 2)
        return super().solve(problem, torch.cat((10 * ray, heading), 1))


def scene(boxes: int, seed: int = 0) -> GroundTruth:
    """Random visible objects of a 224 x 128 px image with a focal length of 210 px."""
    generator = torch.Generator().manual_seed(seed)
    u = torch.rand(boxes, 8, generator=generator)
    z = 8 + 20 * u[:, 2]
    pose = torch.stack(((u[:, 0] - 0.5) * 0.8 * z, 0.4 * u[:, 1] + 0.5, z, 6.28 * u[:, 3]), 1)
    size = torch.stack((3 + 2 * u[:, 4], 1 + u[:, 5], 1 + u[:, 6]), 1)
    center = CAMERA.project(pose[:, :3])
    half = 210 * size[:, :2] / z[:, None] / 2
    box2d = torch.cat((center - half, center + half), 1).clamp(0, 128)
    label = torch.randint(10, (boxes,), generator=generator)
    return GroundTruth(
        label, pose, size, torch.randn(boxes, 2, generator=generator), label % 9, box2d, center
    )


def lidar_of_scene(gt: GroundTruth, points: int = 20, seed: int = 0) -> LidarPoints:
    """Random points in the boxes of a `scene`, and the same points as points of the image."""
    owner = torch.arange(len(gt)).repeat_interleave(points)
    noc = torch.rand(len(owner), 3, generator=torch.Generator().manual_seed(seed)) - 0.5
    x3d = noc * gt.size[owner]
    seen = YawPose.transform(gt.pose[owner], x3d[:, None])[:, 0]
    x2d = CAMERA.each_point().project(seen)
    return LidarPoints(
        ObjectPoints(owner, x3d, x2d), ImagePoints(torch.zeros_like(owner), x2d, seen[:, 2])
    ).inside(224, 128)


CAMERA = Camera.for_image(
    torch.tensor([[210.0, 0.0, 112.0], [0.0, 210.0, 60.0], [0.0, 0.0, 1.0]]), (224, 128)
)
