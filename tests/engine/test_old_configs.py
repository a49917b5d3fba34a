"""Configs, paths and names of the release before this one still work, with one clear warning."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from mmdet3d.datasets.builder import PIPELINES

from epropnp_det import apis
from epropnp_det.detection.data.pipelines import make_train_pipeline
from epropnp_det.detection.heads.object_head import ObjectSettings
from epropnp_det.engine.checkpoint import read_checkpoint
from epropnp_det.engine.config import build_model, load_config
from epropnp_det.engine.intrinsics import camera_matrix
from epropnp_det.errors import RenamedWarning

ROOT = Path(__file__).parents[2]
CONFIGS = ROOT / "configs"

OLD_CONFIG = """
_base_ = ['{base}']
custom_imports = dict(
    imports=['epropnp_det.models', 'epropnp_det.datasets'], allow_failed_imports=False)
meta_keys = {{{{_base_.meta_keys}}}}
train_pipeline = [
    {{{{_base_.load}}}}, {{{{_base_.annotate}}}}, dict(type='FaceAway'), {{{{_base_.crop}}}},
    {{{{_base_.keep_visible}}}}, {{{{_base_.half}}}}, {{{{_base_.flip}}}}, {{{{_base_.normalize}}}},
    {{{{_base_.pad}}}}, {{{{_base_.bundle}}}}, {{{{_base_.collect}}}}]
data = dict(train=dict(pipeline=train_pipeline))
"""


@pytest.fixture
def old_config(tmp_path: Path) -> Path:
    path = tmp_path / "old.py"
    base = CONFIGS / "synthetic" / "epropnp_r18_synthetic.py"
    path.write_text(OLD_CONFIG.format(base=base))
    return path


@pytest.mark.parametrize(
    "old, new",
    [
        ("epropnp/epropnp_v2_r101_12e_nuscenes.py", "nuscenes/epropnp_v2_r101_12e_nuscenes.py"),
        ("released/epropnp_det_v2.py", "released/epropnp_det_v2.py"),
        ("synthetic/quickstart.py", "synthetic/quickstart.py"),
        ("synthetic/ablation/kl.py", "synthetic/ablation/kl.py"),
        ("debug/one_frame.py", "debug/one_frame.py"),
    ],
)
def test_old_path_of_a_config_is_the_config(old: str, new: str) -> None:
    expected = load_config(CONFIGS / "detection" / new)
    assert load_config(CONFIGS / old)._cfg_dict == expected._cfg_dict


def test_shipped_weights_are_found_at_their_old_path() -> None:
    checkpoint = read_checkpoint(CONFIGS / "synthetic" / "epropnp_r18_varied.pth")
    assert len(checkpoint["state_dict"]) > 100


def test_old_imports_and_steps_make_the_pipeline_without_a_warp(old_config: Path) -> None:
    config = load_config(old_config)
    steps = config.data.train.pipeline
    assert steps[2] == dict(type="FaceAway")
    expected = make_train_pipeline(tuple(config.class_names), scale=0.5)
    assert [*steps[:2], *steps[3:]] == expected


def test_a_command_shows_the_warning_of_old_imports_once_in_one_line(old_config: Path) -> None:
    command = ("tools/train.py", old_config, "--data-root", "/nowhere", "--device", "cpu")
    done = subprocess.run(
        [sys.executable, *map(str, command), "--work-dir", str(old_config.parent)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    lines = done.stderr.splitlines()
    warnings = [line for line in lines if line.startswith("warning: ")]
    assert done.returncode == 2
    assert lines[-1].startswith("error: ") and "/nowhere/" in lines[-1]
    assert len(warnings) == 1 and "Warning" not in done.stderr
    assert "epropnp_det.models and epropnp_det.datasets moved to" in warnings[0]


def test_face_away_is_the_canonical_yaw_with_a_warning() -> None:
    with pytest.warns(RenamedWarning, match="FaceAway is now CanonicalizeSymmetricYaw"):
        old = PIPELINES.build(dict(type="FaceAway"))
    assert isinstance(old, PIPELINES.get("CanonicalizeSymmetricYaw"))


@pytest.mark.parametrize(
    "old, new",
    [
        (dict(by_rays=True), dict(ray_encoding=True)),
        (dict(cell_maps=True), dict(legacy="v1")),
        (dict(shrunk_mask=True), dict(legacy="v2")),
    ],
)
def test_old_keys_of_the_object_head_are_the_new_settings(old: dict, new: dict) -> None:
    common = dict(norm_cfg=dict(type="GN", num_groups=8))
    with pytest.warns(RenamedWarning, match="^objects: .* is now "):
        settings = ObjectSettings.from_config(common | old)
    assert settings == ObjectSettings.from_config(common | new)


def test_old_numbers_of_classes_and_attributes_make_the_same_head() -> None:
    config = load_config(CONFIGS / "detection" / "synthetic" / "epropnp_r18_synthetic.py")
    expected = build_model(config).bbox_head.state_dict()
    del config.model.bbox_head["classes"]
    config.model.bbox_head.update(num_classes=10, num_attributes=9)
    found = build_model(config).bbox_head.state_dict()
    assert {key: value.shape for key, value in found.items()} == {
        key: value.shape for key, value in expected.items()
    }


def test_never_evaluating_by_a_huge_interval_still_builds() -> None:
    config = load_config(
        CONFIGS / "detection" / "synthetic" / "quickstart.py", {"evaluation.interval": 1000000}
    )
    assert config.evaluation.interval == 1000000
    build_model(config)


def test_old_functions_of_apis_are_the_moved_ones() -> None:
    with pytest.warns(DeprecationWarning, match=r"moved to epropnp_det\.engine\.intrinsics"):
        assert apis.camera_matrix is camera_matrix
