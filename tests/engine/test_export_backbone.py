"""The exported weights are those of backbone and neck, and a detector with such parts loads them
whole.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from mmdet3d.models.builder import build_backbone, build_neck
from torch import nn

from epropnp_det.engine.checkpoint import load_matching_weights, read_checkpoint
from epropnp_det.engine.config import build_model, load_config
from tests.detection.released.released_states import CONFIGS, released_state

from .test_checkpoint import saved

SMALL = CONFIGS.parent / "synthetic" / "epropnp_r18_synthetic.py"


class OfSeveralCameras(nn.Module):
    """The part of a BEV detector that sees images, and one that does not."""

    def __init__(self, model: dict):
        super().__init__()
        self.img_backbone = build_backbone(model["backbone"])
        self.img_neck = build_neck(model["neck"])
        self.pts_bbox_head = nn.Linear(2, 2)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[nn.Module, Path]:
    torch.manual_seed(0)
    model = build_model(load_config(SMALL))
    return model, saved(
        tmp_path_factory.mktemp("trained") / "latest.pth",
        dict(state_dict=model.state_dict(), meta={}),
    )


def test_another_detector_loads_backbone_and_neck(trained, call, tmp_path: Path):
    model, path = trained
    code, out, _ = call("export_backbone", path, tmp_path / "new" / "backbone.pth")
    assert code == 0 and "img_backbone.conv1.weight" in out
    other = OfSeveralCameras(load_config(SMALL).model)
    match = load_matching_weights(other, tmp_path / "new" / "backbone.pth")
    assert match.missing == ("pts_bbox_head.weight", "pts_bbox_head.bias") and not match.unexpected
    image = torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = model.eval().extract_feat(image)
        found = other.eval().img_neck(other.img_backbone(image))
    assert all(torch.equal(*pair) for pair in zip(found, expected, strict=True))


def test_backbone_alone_under_another_name(trained, call, tmp_path: Path):
    assert (
        call(
            "export_backbone",
            trained[1],
            tmp_path / "a.pth",
            "--backbone-only",
            "--prefix",
            "camera_",
        )[0]
        == 0
    )
    names = read_checkpoint(tmp_path / "a.pth")["state_dict"]
    assert all(name.startswith("camera_backbone.") for name in names)


def test_released_checkpoints_need_no_conversion(call, reference_folder: Path, tmp_path: Path):
    path = saved(
        tmp_path / "v2.pth", dict(state_dict=released_state(reference_folder, "epropnp_det_v2"))
    )
    assert call("export_backbone", path, tmp_path / "a.pth")[0] == 0
    assert {name.split(".")[0] for name in read_checkpoint(tmp_path / "a.pth")["state_dict"]} == {
        "img_backbone",
        "img_neck",
    }


def test_nothing_to_export_is_one_line(call, tmp_path: Path):
    path = saved(
        tmp_path / "a.pth",
        dict(state_dict={"bbox_head.a": torch.ones(1), "img_backbone.b": torch.ones(1)}),
    )
    code, out, err = call("export_backbone", path, tmp_path / "b.pth")
    assert code == 2 and out == "" and err.count("\n") == 1
    assert "no weight called backbone.*; its names start with bbox_head, img_backbone" in err
