"""A training step with all auxiliary losses: every parameter learns, and missing boxes or points
break nothing.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from mmcv import Config
from mmdet3d.models import build_model

from epropnp_det.detection.boxes import to_mmdet3d
from epropnp_det.detection.structures.ground_truth import GroundTruth
from epropnp_det.detection.structures.lidar import ImagePoints, LidarPoints, ObjectPoints
from epropnp_det.errors import UserError

from ..small import CAMERA, lidar_of_scene, scene

ROWS = Path(__file__).parents[3] / "configs" / "detection" / "synthetic" / "auxiliary"
LOSSES = {
    "projection": "loss_projection",
    "coordinate": "loss_coordinate",
    "depth": "loss_depth",
    "box2d": "loss_bbox",
}
NO_POINTS = LidarPoints(
    ObjectPoints(torch.zeros(0, dtype=torch.long), torch.zeros(0, 3), torch.zeros(0, 2)),
    ImagePoints(torch.zeros(0, dtype=torch.long), torch.zeros(0, 2), torch.zeros(0)),
)


def small(row: str):
    """The model of a row, with few queries and samples."""
    torch.manual_seed(0)
    config = Config.fromfile(str(ROWS / f"{row}.py")).model
    config.train_cfg.update(queries_per_image=12)
    config.train_cfg.pnp.update(
        mc_samples=16, lm_iterations=2, init=dict(proposals=4, points=8, iterations=1)
    )
    model = build_model(config)
    model.bbox_head.init_weights()
    return model.train()


def step(
    model, truths: list[GroundTruth], lidar: list[LidarPoints] | None
) -> dict[str, torch.Tensor]:
    """Losses of a step that has been back-propagated; all of them and all gradients must be
    finite.
    """
    metas = [dict(img_shape=(128, 224, 3), camera=CAMERA) for _ in truths]
    if lidar is not None:
        metas = [dict(meta, lidar_points=points) for meta, points in zip(metas, lidar)]
    image = torch.randn(len(truths), 3, 128, 224, generator=torch.Generator().manual_seed(0))
    boxes = dict(
        gt_bboxes_3d=[to_mmdet3d(truth.pose, truth.size, truth.velocity) for truth in truths],
        gt_labels_3d=[truth.label for truth in truths],
        gt_bboxes=[truth.box2d for truth in truths],
        attr_labels=[truth.attribute for truth in truths],
    )
    losses = model(image, metas, **boxes)
    sum(value.mean() for name, value in losses.items() if "loss" in name).backward()
    assert all(value.isfinite().all() for value in losses.values()), losses
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)
    return losses


@pytest.mark.parametrize("row", ["none", *LOSSES, "all"])
def test_each_row_has_its_losses_and_reaches_every_parameter(row: str):
    truths = [scene(4), scene(3, seed=1)]
    model = small(row)
    losses = step(model, truths, [lidar_of_scene(truth) for truth in truths])
    expected = set(LOSSES.values()) if row == "all" else {LOSSES[row]} if row in LOSSES else set()
    assert losses.keys() & set(LOSSES.values()) == expected
    assert all(losses[name] != 0 for name in expected)
    unreached = {name for name, p in model.named_parameters() if p.requires_grad and p.grad is None}
    # One loss alone reads a part of the head that they share.
    assert all(name.startswith("bbox_head.auxiliary.out_") for name in unreached), unreached
    assert not unreached or row == "depth"


@pytest.mark.parametrize(
    "boxes, points",
    [((4, 3), "none"), ((4, 0), "some"), ((0, 0), "some"), ((0, 0), "none")],
    ids=["no points", "an image without boxes", "no boxes", "neither"],
)
def test_missing_boxes_and_points_break_nothing(boxes: tuple[int, int], points: str):
    truths = [scene(number, seed) for seed, number in enumerate(boxes)]
    seen = scene(4)
    everywhere = LidarPoints(NO_POINTS.objects, lidar_of_scene(seen).image)
    lidar = [
        NO_POINTS if points == "none" else lidar_of_scene(truth) if len(truth) else everywhere
        for truth in truths
    ]
    step(small("all"), truths, lidar)


def test_losses_without_points_say_what_is_missing():
    with pytest.raises(UserError, match="add LoadLidarPoints to the pipeline"):
        step(small("all"), [scene(2)], None)
