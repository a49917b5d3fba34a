"""Commands whose files a full or a read-only disk does not take: one line with the file, exit code
2, and no part of a file.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from epropnp_det.console.command import main
from tests.demo.test_object_pose import pose
from tests.detection.data.test_kitti_convert import kitti  # noqa: F401  a fixture
from tests.object_pose import bop_factory
from tests.object_pose.small_run import write_network

from .test_plot_pose_coverage import write_levels
from .test_plot_training import write_log
from .test_validate_data import good, root  # noqa: F401  a fixture

ROOT = Path(__file__).parents[2]
DETECTOR = ROOT / "configs/detection/synthetic/epropnp_r18_varied"


@pytest.fixture(scope="module")
def poses(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BOP data set with an untrained network for its objects, and boxes in an image of it."""
    folder = bop_factory.write_dataset(tmp_path_factory.mktemp("poses"))
    bop_factory.write_camera(folder)
    bop_factory.write(folder / "boxes.json", [dict(obj_id=1, bbox=[62, 42, 36, 36])])
    write_network(folder)
    return folder


@pytest.fixture(params=["full_disk", "read_only_disk"])
def disk(request: pytest.FixtureRequest) -> Path:
    return request.getfixturevalue(request.param)


def check(disk: Path, code: int, error: str) -> None:
    """One line names a file of the disk, on which nothing is written."""
    (line,) = [line for line in error.splitlines() if line.startswith("error: ")]
    assert code == 2 and "Traceback" not in error
    assert str(disk) in line
    assert "No space left on device" in line or "Read-only file system" in line
    files = {path.name: path.stat().st_size for path in disk.rglob("*") if path.is_file()}
    assert sum(files.values()) == files.get("ballast", 0)


def test_plots(call: Callable, disk: Path, tmp_path: Path) -> None:
    write_log(tmp_path / "a.log.json", loss=[2.0, 1.0])
    code, _, error = call("plot_training", tmp_path, disk / "a.png")
    check(disk, code, error)
    levels = write_levels(tmp_path / "one" / "levels.json", False)
    code, _, error = call("plot_pose_coverage", disk / "a.png", levels)
    check(disk, code, error)


def test_pictures_of_labels(call: Callable, disk: Path, root: Path) -> None:  # noqa: F811
    (root / "annotations.json").write_text(json.dumps(good()))
    arguments = (root / "annotations.json", "--data-root", root, "--draw", disk)
    code, _, error = call("validate_data", *arguments)
    check(disk, code, error)


@pytest.mark.parametrize("tool", ["publish_checkpoint", "export_backbone"])
def test_weights(call: Callable, disk: Path, tmp_path: Path, tool: str) -> None:
    weights = {name: torch.ones(1) for name in ("backbone.a", "neck.a")}
    torch.save(dict(state_dict=weights, meta={}), tmp_path / "a.pth")
    code, _, error = call(tool, tmp_path / "a.pth", disk / "b.pth")
    check(disk, code, error)


@pytest.mark.parametrize("to_write", [("--eval", "bop", "--out-dir"), ("--show-dir",)])
def test_results_and_pictures_of_a_test(
    call: Callable, disk: Path, poses: Path, to_write: tuple[str, ...]
) -> None:
    network = (poses / "small.py", poses / "small.pth", "--device", "cpu")
    code, _, error = call("test", *network, *to_write, disk)
    check(disk, code, error)


def test_poses(disk: Path, poses: Path, capsys: pytest.CaptureFixture) -> None:
    check(disk, main(pose(poses, disk)), capsys.readouterr().err)


def test_a_synthetic_data_set(call: Callable, disk: Path, poses: Path) -> None:
    code, _, error = call("create_synthetic_bop", disk / "new", "--models", poses / "models")
    check(disk, code, error)


def test_annotations_of_kitti(call: Callable, disk: Path, kitti: Path) -> None:  # noqa: F811
    code, _, error = call("create_data", "kitti", kitti, disk / "a.json")
    check(disk, code, error)


def test_detections(disk: Path, capsys: pytest.CaptureFixture) -> None:
    options = ["--config", f"{DETECTOR}.py", "--checkpoint", f"{DETECTOR}.pth", "--out", str(disk)]
    words = ["detect", str(ROOT / "demo/street.jpg"), "--intrinsics", "fov=64.6", *options]
    check(disk, main(words), capsys.readouterr().err)
