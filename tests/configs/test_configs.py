"""Every config builds and has a header; the full one has the parameters of the released model."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
import torch
from mmcv import Config
from mmdet3d.models import build_model

from epropnp_det.detection.boxes import to_mmdet3d
from epropnp_det.detection.data.nuscenes_classes import CLASSES
from epropnp_det.detection.released.key_names import translate
from epropnp_det.engine.config import build_model as build_any_model
from tests.detection.released.released_states import head_shapes
from tests.detection.small import CAMERA, scene

CONFIGS = Path(__file__).parents[2] / "configs"
LEAVES = sorted(path for path in CONFIGS.rglob("*.py") if "_base_" not in path.parts)
FULL = CONFIGS / "detection" / "nuscenes" / "epropnp_v2_r101_12e_nuscenes.py"


def name(path: Path) -> str:
    return str(path.relative_to(CONFIGS))


@pytest.mark.parametrize("path", LEAVES, ids=name)
def test_config_builds(path):
    config = Config.fromfile(str(path))
    with torch.device("meta"):
        model = build_any_model(config)
    assert sum(parameter.numel() for parameter in model.parameters()) > 0
    if "object_pose" not in path.parts:
        assert tuple(config.class_names) == CLASSES


@pytest.mark.parametrize("path", LEAVES, ids=name)
def test_the_dump_of_a_config_is_the_config(path, tmp_path):
    """A training writes the whole config to its folder, which a later command reads instead."""
    config = Config.fromfile(str(path))
    config.dump(str(tmp_path / path.name))
    assert Config.fromfile(str(tmp_path / path.name))._cfg_dict == config._cfg_dict


def test_options_reach_a_step_of_a_pipeline():
    config = Config.fromfile(str(FULL))
    config.merge_from_dict({"data.train.pipeline.4.prob": 0.25})
    assert config.data.train.pipeline[4] == dict(type="FlipImage", prob=0.25)


@pytest.mark.parametrize("path", LEAVES, ids=name)
def test_header_has_command_hardware_and_result(path):
    header = ast.get_docstring(ast.parse(path.read_text()))
    assert header is not None and all(word in header for word in ("COMMAND", "HARDWARE", "RESULT"))


@pytest.mark.parametrize("path", LEAVES, ids=name)
def test_command_in_the_header_names_files_that_exist(path):
    root = CONFIGS.parent
    header = ast.get_docstring(ast.parse(path.read_text()))
    named = re.findall(r"(?:tools|configs|demo)/[\w./]+\.(?:py|sh)", header)
    assert named and all((root / file).exists() for file in named)


def test_full_model_has_the_parameters_of_the_released_one(reference_folder):
    with torch.device("meta"):
        head = build_model(Config.fromfile(str(FULL)).model).bbox_head
    assert shapes_of(head) == released_shapes(reference_folder, "epropnp_det_v2", auxiliary=False)


@pytest.mark.parametrize(
    "path", sorted((CONFIGS / "detection" / "released").glob("*.py")), ids=name
)
def test_released_models_have_their_parameters(path, reference_folder):
    recorded = path.stem.removesuffix("_trainval")
    with torch.device("meta"):
        head = build_model(Config.fromfile(str(path)).model).bbox_head
    assert shapes_of(head) == released_shapes(reference_folder, recorded, auxiliary=True)


@pytest.mark.parametrize(
    "path", sorted((CONFIGS / "detection" / "released").glob("*.py")), ids=name
)
def test_released_models_keep_their_pixel_convention(path):
    config = Config.fromfile(str(path))
    train = (
        config.data.train.datasets
        if config.data.train.type == "ConcatDataset"
        else [config.data.train]
    )
    first_pixels = {
        data.pipeline[0].get("first_pixel", 0.5)
        for data in (*train, config.data.val, config.data.test)
    }
    assert first_pixels == {0.5 if "_v2" in path.stem else 0.0}
    lidar = {"LoadLidarPoints" in [step.type for step in data.pipeline] for data in train}
    assert lidar == {config.model.bbox_head.losses.coordinate is not None}


@pytest.mark.parametrize(
    "path", sorted((CONFIGS / "detection" / "released").glob("*.py")), ids=name
)
def test_published_figures_are_marked_as_published(path):
    header = ast.get_docstring(ast.parse(path.read_text()))
    assert "not trained here" in header
    assert ("NDS" in header) == ("Published" in header)


def shapes_of(module: torch.nn.Module) -> dict[str, torch.Size]:
    return {key: value.shape for key, value in module.state_dict().items()}


def released_shapes(folder: Path, model: str, auxiliary: bool) -> dict[str, torch.Size]:
    """Recorded shapes of a released head under our names."""
    shapes = {
        key.removeprefix("bbox_head."): shape for key, shape in head_shapes(folder, model).items()
    }
    return {
        key: value.shape
        for key, value in translate(
            {k: torch.empty(v, device="meta") for k, v in shapes.items()}, auxiliary
        ).items()
    }


def test_full_model_trains_and_detects_on_a_small_image():
    """Weights at random, 224 x 128 pixels: the losses and all gradients that should exist are
    finite, and detection runs.
    """
    torch.manual_seed(0)
    model = build_model(Config.fromfile(str(FULL)).model).train()
    truth = scene(3)
    boxes = [to_mmdet3d(truth.pose, truth.size, truth.velocity)]
    meta = [dict(img_shape=(128, 224, 3), camera=CAMERA)]
    image = torch.randn(1, 3, 128, 224, generator=torch.Generator().manual_seed(0))
    losses = model(
        image,
        meta,
        gt_bboxes_3d=boxes,
        gt_labels_3d=[truth.label],
        gt_bboxes=[truth.box2d],
        attr_labels=[truth.attribute],
    )
    sum(value.mean() for name, value in losses.items() if "loss" in name).backward()
    silent = {name for name, p in model.named_parameters() if p.requires_grad and p.grad is None}
    assert all(value.isfinite().all() for value in losses.values())
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)
    assert not silent, silent
    result = model.eval()(image, meta, return_loss=False)[0]
    assert len(result.pose) == len(result.score) == len(result.covariance)
