"""The detector: backbone, neck and the EPro-PnP head, with mmdet's interface."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from mmdet.models.detectors.base import BaseDetector
from mmdet3d.models.builder import DETECTORS, build_backbone, build_head, build_neck
from torch import Tensor

from epropnp_det.calibration.stored import Calibration
from epropnp_det.pnp import Camera, PnPProblem, PoseEstimate

from .boxes import Boxes3D, from_mmdet3d, in_camera_frame
from .heads.flip_tta import mirror_images
from .image_geometry import ImageGeometry
from .structures.ground_truth import GroundTruth
from .structures.lidar import LidarPoints
from .structures.predictions import ScoredObjects
from .training.targets import volume_center


@DETECTORS.register_module()
class EProPnPDet(BaseDetector):
    """Monocular 3D detector.

    Args:
        backbone, neck, bbox_head: configs.
        train_cfg, test_cfg: handed to the head.
    """

    # Running means of losses, and the auxiliary head.
    TRAINING_KEYS = ("bbox_head.losses.", "bbox_head.auxiliary.")

    def __init__(
        self,
        backbone: dict,
        neck: dict,
        bbox_head: dict,
        train_cfg: dict,
        test_cfg: dict,
        init_cfg: dict | None = None,
    ):
        super().__init__(init_cfg)
        self.backbone = build_backbone(backbone)
        self.neck = build_neck(neck)
        self.bbox_head = build_head(dict(bbox_head, train_cfg=train_cfg, test_cfg=test_cfg))

    def read_calibration(self, checkpoint: Mapping[str, Any]) -> None:
        """Takes the calibration of a checkpoint, see `engine.checkpoint.HasCalibration`."""
        self.bbox_head.calibration = Calibration.from_checkpoint(checkpoint)

    def forward(self, img: Tensor, img_metas: list[dict], return_loss: bool = True, **kwargs):
        """Losses with `return_loss`, see `forward_train`, else `simple_test`. Inputs are plain, not
        lists of augmentations.
        """
        if return_loss:
            return self.forward_train(img, img_metas, **kwargs)
        return self.simple_test(img, img_metas, **kwargs)

    def extract_feat(self, img: Tensor) -> list[Tensor]:
        """(B, 3, H, W) -> features of each pyramid level."""
        return self.neck(self.backbone(img))

    def class_wise_keys(self) -> set[str]:
        """Names of the weights that have a part for each class, or for each attribute."""
        return {f"bbox_head.{key}" for key in self.bbox_head.class_wise_keys()}

    def train_step(
        self,
        data: dict,
        optimizer: torch.optim.Optimizer | None = None,
        generator: torch.Generator | None = None,
    ) -> dict:
        """Losses of a batch in the form of mmcv's runners.

        Args:
            data: arguments of `forward_train`.
            generator: see `EProPnPHead.loss`.
        """
        return super().train_step(dict(data, generator=generator), optimizer)

    def forward_train(
        self,
        img: Tensor,
        img_metas: list[dict],
        gt_bboxes_3d,
        gt_labels_3d: list[Tensor],
        gt_bboxes: list[Tensor],
        attr_labels: list[Tensor],
        generator: torch.Generator | None = None,
    ) -> dict[str, Tensor]:
        """Losses of B images; LiDAR points come in the `lidar_points` of `img_metas`, if at all.

        Args:
            img: (B, 3, H, W).
            img_metas: per image, `camera` and `img_shape`.
            gt_bboxes_3d, gt_labels_3d, gt_bboxes, attr_labels: ground truth per image.
            generator: see `EProPnPHead.loss`.
        """
        geometry = image_geometry_of(img_metas, img.device)
        objects = [
            projected_truth(boxes, label, box2d, attribute, geometry.camera[b], meta["img_shape"])
            for b, (meta, boxes, label, box2d, attribute) in enumerate(
                zip(img_metas, gt_bboxes_3d, gt_labels_3d, gt_bboxes, attr_labels)
            )
        ]
        visible = [seen(gt) for gt in objects]
        gts = [gt[keep] for gt, keep in zip(objects, visible)]
        lidar = lidar_of(img_metas, visible)
        return self.bbox_head.loss(self.extract_feat(img), geometry, gts, generator, lidar)

    def detect(
        self,
        img: Tensor,
        img_metas: list[dict],
        generators: Sequence[torch.Generator] | None = None,
        mc_samples: int | None = None,
        network: Callable[[Tensor, ImageGeometry], ScoredObjects] | None = None,
    ) -> list[Boxes3D]:
        """Detections of each image, in the frame of its camera; with `flip_tta` in the test
        settings, of the image and its mirror image.

        Args:
            img: (B, 3, H, W).
            img_metas: per image, `camera`, `img_shape` and, of a tilted camera, `level_rotation`.
            generators: one per image, see `EProPnPHead.detect`.
            mc_samples: number of weighted samples of every pose in the detections; None for none.
            network: takes the place of `find_objects`, such as `deploy.runtime.RuntimeNetwork`.
        """
        geometry = image_geometry_of(img_metas, img.device)
        objects = (network or self.find_objects)(img, geometry)
        found = self.bbox_head.detect_objects(objects, geometry, generators, mc_samples)
        return [in_camera_frame(boxes, meta) for boxes, meta in zip(found, img_metas)]

    @torch.no_grad()
    def find_objects(self, img: Tensor, geometry: ImageGeometry) -> ScoredObjects:
        """The objects of images (B, 3, H, W), before their poses are solved."""
        feats, mirrored = self._features(img, geometry)
        return self.bbox_head.find_objects(feats, geometry, mirrored)

    def solved_images(
        self, img: Tensor, img_metas: list[dict], generators: Sequence[torch.Generator]
    ) -> Iterator[tuple[Boxes3D, PnPProblem, PoseEstimate]]:
        """Detections of each image with their problems and solutions, in the level frame of its
        camera and not calibrated; arguments as of `detect`.
        """
        geometry = image_geometry_of(img_metas, img.device)
        feats, mirrored = self._features(img, geometry)
        return self.bbox_head.solved_images(feats, geometry, generators, mirrored)

    def _features(
        self, img: Tensor, geometry: ImageGeometry
    ) -> tuple[list[Tensor], list[Tensor] | None]:
        """Features of images, and of their mirror images where the test settings use them."""
        mirrored = None
        if self.bbox_head.postprocess.flip_tta:
            mirrored = self.extract_feat(mirror_images(img, geometry.image_size))
        return self.extract_feat(img), mirrored

    def simple_test(
        self,
        img: Tensor,
        img_metas: list[dict],
        generators: Sequence[torch.Generator] | None = None,
        **kwargs,
    ) -> list[Boxes3D]:
        """`detect`, with the results on the CPU. Without generators each image has one with seed
        0.
        """
        if generators is None:
            generators = [torch.Generator(img.device).manual_seed(0) for _ in img_metas]
        return [found.to("cpu") for found in self.detect(img, img_metas, generators)]

    def aug_test(self, imgs, img_metas, **kwargs):
        raise NotImplementedError(
            "set test_cfg.flip_tta=True and use the plain test pipeline: "
            "the detector mirrors the image itself"
        )


def image_geometry_of(img_metas: list[dict], device: torch.device) -> ImageGeometry:
    """Cameras and sizes of a batch of images."""
    image_size = torch.tensor(
        [meta["img_shape"][1::-1] for meta in img_metas], dtype=torch.float32, device=device
    )
    return ImageGeometry(
        Camera.stack([meta["camera"] for meta in img_metas]).to(device).to(torch.float32),
        image_size,
    )


def object_truth(
    boxes, label: Tensor, box2d: Tensor, attribute: Tensor, camera: Camera, shape: tuple[int, ...]
) -> GroundTruth:
    """Ground truth of one image; boxes whose volume meets no pixel are left out.

    Args:
        boxes: mmdet3d camera boxes; label, attribute: (n,); box2d: (n, 4) px.
        camera: unbatched; shape: height and width of the unpadded image.
    """
    truth = projected_truth(boxes, label, box2d, attribute, camera, shape)
    return truth[seen(truth)]


def projected_truth(
    boxes, label: Tensor, box2d: Tensor, attribute: Tensor, camera: Camera, shape: tuple[int, ...]
) -> GroundTruth:
    """All of `object_truth`; the centre of a box whose volume meets no pixel is NaN."""
    pose, size, velocity = (x.to(label.device) for x in from_mmdet3d(boxes))
    center = volume_center(pose, size, camera, (shape[1], shape[0]))
    return GroundTruth(label, pose, size, velocity, attribute, box2d, center)


def seen(truth: GroundTruth) -> Tensor:
    """(n,) bool: boxes whose volume meets a pixel."""
    return truth.center2d.isfinite().all(1)


def lidar_of(img_metas: list[dict], kept: list[Tensor]) -> LidarPoints | None:
    """LiDAR points of a batch on the boxes kept, bool for each box of each image; None where the
    pipeline loads none.
    """
    if "lidar_points" not in img_metas[0]:
        return None
    points = [
        meta["lidar_points"].to(keep.device).of_objects(keep) for meta, keep in zip(img_metas, kept)
    ]
    return LidarPoints.cat(points, [int(keep.sum()) for keep in kept])
