"""docs/how-to/own-objects.md is followed to the letter, from CAD files to poses in an image."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import trimesh

from .pages import ROOT, follow, run_script

PAGE = ROOT / "docs" / "how-to" / "own-objects.md"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like the repository's root, in which every block of the page has run in order."""
    root = tmp_path_factory.mktemp("root")
    (root / "configs" / "object_pose").mkdir(parents=True)
    for name in ("configs/_base_", "configs/object_pose/_base_"):
        (root / name).symlink_to(ROOT / name)
    config = "configs/object_pose/embedded_lite0.py"
    (root / config).symlink_to(ROOT / config)
    for name in ("tools", "demo"):
        (root / name).symlink_to(ROOT / name)
    write_cad_files(root / "my_cad")
    follow(PAGE, root)
    return root


def write_cad_files(folder: Path) -> None:
    """A bracket in millimetres with its corner at the origin, a knob in metres."""
    folder.mkdir()
    foot = trimesh.creation.box((100, 20, 40))
    back = trimesh.creation.box((20, 20, 80))
    back.apply_translation((-40, 0, 50))
    bracket = trimesh.util.concatenate([foot, back])
    bracket.apply_translation(-bracket.bounds[0])
    bracket.export(folder / "bracket.stl")
    trimesh.creation.cylinder(0.03, 0.05, sections=48).export(folder / "knob.obj")


def test_symmetries_and_sizes_are_found(folder: Path):
    info = json.loads((folder / "my_objects/models/models_info.json").read_text())
    assert [len(info[key].get("symmetries_continuous", [])) for key in ("1", "2")] == [0, 1]
    assert info["2"]["size_z"] == pytest.approx(50) and info["1"]["min_x"] == pytest.approx(-50)


def test_the_metrics_are_written(folder: Path):
    metrics = json.loads((folder / "my_test/metrics.json").read_text())
    assert 0 <= metrics["ADD(-S) 0.1d"] <= 1 and "AR_MSPD/obj_000002" in metrics
    assert list((folder / "my_test").glob("*.csv"))


def test_the_image_has_a_pose_for_each_box(folder: Path):
    boxes = json.loads((folder / "my_boxes.json").read_text())
    found = json.loads((folder / "my_found/000001.json").read_text())["objects"]
    assert [each["object_id"] for each in found] == [each["obj_id"] for each in boxes]
    assert found and all(np.shape(each["samples"]) == (512, 7) for each in found)
    assert (folder / "my_found/000001.png").is_file()


def test_the_last_script_prints_the_poses(folder: Path):
    lines = run_script("python my_look.py", folder).splitlines()
    assert lines[0].startswith("camera: x right") and lines[1].endswith(" 512")
