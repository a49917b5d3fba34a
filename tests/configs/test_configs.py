"""Every config builds, says what it is, and the full one has the parameters of the released model."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
import torch
from mmcv import Config
from mmdet3d.models import build_model

from epropnp_det.models.released import translate
from epropnp_det.nuscenes_classes import CLASSES

CONFIGS = Path(__file__).parents[2] / "configs"
LEAVES = sorted(path for path in CONFIGS.rglob("*.py") if "_base_" not in path.parts)
FULL = CONFIGS / "epropnp" / "epropnp_v2_r101_12e_nuscenes.py"


def name(path: Path) -> str:
    return str(path.relative_to(CONFIGS))


@pytest.mark.parametrize("path", LEAVES, ids=name)
def test_config_builds(path):
    config = Config.fromfile(str(path))
    with torch.device("meta"):
        model = build_model(config.model)
    assert sum(parameter.numel() for parameter in model.parameters()) > 0
    assert tuple(config.class_names) == CLASSES


@pytest.mark.parametrize("path", LEAVES, ids=name)
def test_header_tells_command_hardware_and_result(path):
    header = ast.get_docstring(ast.parse(path.read_text()))
    assert header is not None and all(word in header for word in ("COMMAND", "HARDWARE", "RESULT"))


@pytest.mark.parametrize("path", LEAVES, ids=name)
def test_command_in_the_header_names_files_that_exist(path):
    root = CONFIGS.parent
    header = ast.get_docstring(ast.parse(path.read_text()))
    named = re.findall(r"(?:tools|configs|demo)/[\w./]+\.(?:py|sh)", header)
    assert named and all((root / file).exists() for file in named)


def test_full_model_has_the_parameters_of_the_released_one(reference_folder):
    lines = (reference_folder / "checkpoint_keys" / "epropnp_det_v2.txt").read_text().splitlines()
    shapes = {line.split(" ", 1)[0].removeprefix("bbox_head."): ast.literal_eval(line.split(" ", 1)[1]) for line in lines if line}
    with torch.device("meta"):
        head = build_model(Config.fromfile(str(FULL)).model).bbox_head
        released = translate({key: torch.empty(shape) for key, shape in shapes.items()})
    assert {key: value.shape for key, value in head.state_dict().items()} == {key: value.shape for key, value in released.items()}
