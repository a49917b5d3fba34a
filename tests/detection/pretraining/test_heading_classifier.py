"""The classifier of single objects, and the detector that starts from its backbone."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from mmdet3d.models.builder import build_backbone

from epropnp_det import detection  # noqa: F401, registers
from epropnp_det.detection.pretraining.heading_classifier import heading_bin
from epropnp_det.engine.registry import MODELS

BACKBONE = dict(
    type="ResNet",
    depth=18,
    num_stages=2,
    strides=(1, 2),
    dilations=(1, 1),
    out_indices=(0, 1),
    base_channels=8,
)


@pytest.fixture
def model():
    torch.manual_seed(0)
    return MODELS.build(
        dict(type="HeadingClassifier", backbone=BACKBONE, channels=(8, 16), num_classes=10)
    )


def test_bins_cover_the_circle():
    angles = torch.tensor([0.0, 0.1, math.pi, -0.1, 2 * math.pi, -1e-9])
    assert heading_bin(angles, 12).tolist() == [0, 0, 6, 11, 0, 11]


def test_it_learns_a_handful_by_heart(model):
    torch.manual_seed(0)
    data = dict(
        img=torch.randn(8, 3, 32, 32), label=torch.arange(8), heading=torch.linspace(-3, 3, 8)
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(60):
        optimizer.zero_grad()
        model.train_step(data, None)["loss"].backward()
        optimizer.step()
    found = model.train_step(data, None)["log_vars"]
    assert found["label_accuracy"] == 1 and found["heading_accuracy"] == 1


def test_objects_without_a_heading(model):
    data = dict(
        img=torch.randn(2, 3, 32, 32),
        label=torch.tensor([8, 9]),
        heading=torch.full((2,), math.nan),
    )
    step = model.train_step(data, None)
    step["loss"].backward()
    assert step["log_vars"]["loss_heading"] == 0
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


def test_a_backbone_starts_from_its_weights(model, tmp_path: Path):
    torch.save(dict(state_dict=model.state_dict()), tmp_path / "latest.pth")
    pretrained = dict(
        type="Pretrained", checkpoint=str(tmp_path / "latest.pth"), prefix="backbone."
    )
    backbone = build_backbone(dict(BACKBONE, init_cfg=pretrained))
    backbone.init_weights()
    for name, value in model.backbone.state_dict().items():
        assert torch.equal(backbone.state_dict()[name], value)
