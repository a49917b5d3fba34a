"""The shipped detector has the same boxes in every runtime."""

from __future__ import annotations

import copy
import json
import math
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from epropnp_det.apis import detect, init_model
from epropnp_det.console import command
from epropnp_det.console.detect import SHIPPED
from epropnp_det.detection.deploy import files
from epropnp_det.detection.deploy.comparison import differences, largest
from epropnp_det.detection.deploy.runtime import runtime_network
from epropnp_det.detection.detections import Detections
from epropnp_det.engine.config import load_config
from epropnp_det.engine.intrinsics import Intrinsics
from epropnp_det.errors import USER_ERROR_EXIT_CODE, UserError
from tests.tolerances import EXACT_FLOAT32, RUNTIME_METRES, RUNTIME_YAW_DEGREES

# A narrow image is another camera's.
pytestmark = pytest.mark.filterwarnings("ignore::epropnp_det.errors.OtherCameraWarning")

Street = tuple[Path, Intrinsics]


def assert_same_boxes(found: Detections, expected: Detections) -> None:
    difference = differences(found, expected)
    assert difference.boxes == len(found) == len(expected) > 5, str(difference)
    assert difference.position < RUNTIME_METRES, str(difference)
    assert difference.size < RUNTIME_METRES, str(difference)
    assert difference.yaw < RUNTIME_YAW_DEGREES, str(difference)


@pytest.fixture(scope="module")
def exported(model: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the network of the shipped detector in both formats."""
    folder = tmp_path_factory.mktemp("exported")
    files.export(model, "openvino", folder / "lite0.xml")
    files.export(model, "onnx", folder / "lite0.onnx")
    return folder


@pytest.mark.parametrize("name", ["lite0.xml", "lite0.onnx"])
def test_boxes_are_those_of_torch(
    name: str, exported: Path, model: nn.Module, street: Street, in_torch: Detections
):
    found = detect(model, *street, runtime=str(exported / name))
    assert_same_boxes(found, in_torch)
    # Another number of images, and images of another size.
    whole = cv2.imread(str(street[0]))
    narrow = np.ascontiguousarray(whole[:, 300:1300])
    cameras = [street[1], Intrinsics.of((1266.4, 1266.4, 516.3, 491.5))]
    images = [whole, whole, narrow]
    expected = detect(model, images, [*cameras[:1], *cameras])
    several = detect(model, images, [*cameras[:1], *cameras], runtime=str(exported / name))
    for one, other in zip(several, expected, strict=True):
        assert_same_boxes(one, other)


def test_a_runtime_by_name_converts_the_network_once(
    model: nn.Module, street: Street, in_torch: Detections
):
    found = detect(model, *street, mc_samples=64, runtime="openvino")
    assert_same_boxes(found, in_torch)
    assert found.sample_pose.shape == (len(found), 64, 4)
    assert runtime_network(model, "openvino") is runtime_network(model, "openvino")


def test_a_file_of_other_weights_is_refused(exported: Path, model: nn.Module):
    other = copy.deepcopy(model)
    with torch.no_grad():
        other.neck.lateral_convs[0].conv.weight.mul_(1.5)
    with pytest.raises(UserError, match=r"lite0\.xml has other weights than the checkpoint"):
        runtime_network(other, str(exported / "lite0.xml"))


@pytest.mark.parametrize("suffix", [".xml", ".onnx"])
def test_a_damaged_file_is_one_line(suffix: str, exported: Path, model: nn.Module, tmp_path: Path):
    path = tmp_path / f"half{suffix}"
    content = (exported / f"lite0{suffix}").read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(UserError, match=f"half{suffix} is damaged"):
        runtime_network(model, str(path))


def test_wrong_runtimes_are_one_line(model: nn.Module, tmp_path: Path):
    with pytest.raises(UserError, match="runtime tensorrt is not torch, openvino, onnxruntime, or"):
        runtime_network(model, "tensorrt")
    with pytest.raises(UserError, match=r"none\.xml does not exist; write it with epropnp export"):
        runtime_network(model, str(tmp_path / "none.xml"))
    with pytest.raises(UserError, match="a Linear has no export; use a config of EProPnPDet"):
        runtime_network(nn.Linear(1, 1), "openvino")


def test_a_missing_package_is_one_line(model: nn.Module, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "openvino.frontend", None)
    with pytest.raises(UserError, match=r"openvino is not installed: pip install 'epropnp_det\["):
        files.to_openvino(model)


def test_models_that_have_no_export_are_one_line(tmp_path: Path):
    deformable = {"model.bbox_head.dense_head.dcn_on_last_conv": True}
    model = init_model(load_config(SHIPPED.with_name("epropnp_r18_varied.py"), deformable))
    with pytest.raises(UserError, match="no deformable convolution; export this model with --to"):
        files.to_onnx(model)
    mirrored = {"model.test_cfg.flip_tta": True}
    model = init_model(load_config(SHIPPED, mirrored))
    with pytest.raises(UserError, match=r"set model\.test_cfg\.flip_tta=False"):
        files.export(model, "openvino", tmp_path / "network.xml")
    assert not list(tmp_path.iterdir())


def test_the_command_checks_the_name_of_its_file(capsys: pytest.CaptureFixture, tmp_path: Path):
    words = ["export", str(SHIPPED), str(SHIPPED.with_suffix(".pth")), "--to", "onnx"]
    assert command.main([*words, str(tmp_path / "lite0.xml")]) == USER_ERROR_EXIT_CODE
    assert "lite0.xml: a file for onnx ends in .onnx" in capsys.readouterr().err


def test_the_comparison_prints_the_largest_differences(
    call, exported: Path, street: Street, tmp_path: Path
):
    shutil.copy(street[0], tmp_path / "street.jpg")
    image = dict(
        id=0,
        file_name="street.jpg",
        width=1600,
        height=900,
        cam_intrinsic=street[1].matrix.tolist(),
    )
    categories = [dict(id=0, name="car")]
    annotations = tmp_path / "street.coco.json"
    annotations.write_text(json.dumps(dict(images=[image], annotations=[], categories=categories)))
    weights = SHIPPED.with_suffix(".pth")
    options = ("--runtime", exported / "lite0.xml")
    code, printed, _ = call("compare_runtimes", SHIPPED, weights, annotations, *options)
    assert code == 0
    assert "against torch, 1 images: " in printed
    assert ", 0 without a partner; largest differences: position " in printed
    assert call("compare_runtimes", SHIPPED, weights, annotations, "--images", 0)[0] == 2


def test_boxes_of_one_object_are_compared(in_torch: Detections):
    moved = replace(in_torch, pose=in_torch.pose + torch.tensor([0.3, 0.0, 0.4, 0.1]))
    found = differences(moved[torch.arange(len(moved) - 1, 0, -1)], in_torch)
    assert (found.boxes, found.unmatched) == (len(in_torch) - 1, 1)
    assert found.position == pytest.approx(0.5, abs=EXACT_FLOAT32)
    assert found.yaw == pytest.approx(math.degrees(0.1), abs=1e3 * EXACT_FLOAT32)
    total = largest([found, differences(in_torch, in_torch)])
    assert (total.boxes, total.position) == (2 * len(in_torch) - 1, found.position)
    empty = in_torch[:0]
    assert differences(empty, in_torch).unmatched == len(in_torch)
