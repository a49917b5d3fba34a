"""Wrong data sets through the commands that read them: one line with the remedy, exit code 2."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import trimesh
from mmcv.utils.logging import logger_initialized

from tests.object_pose import bop_factory
from tests.object_pose.small_run import write_network

SCENE = Path("test/000003")
LOGGER = "epropnp_det"
MESH = Path("models/obj_000001.ply")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a BOP data set, `small.py` and `small.pth`."""
    root = bop_factory.write_dataset(tmp_path_factory.mktemp("bop"))
    bop_factory.write_camera(root)
    return root


@pytest.fixture(autouse=True)
def fresh_log() -> Iterator[None]:
    """Each training of this process logs to the terminal of its own test."""
    yield
    logger = logging.getLogger(LOGGER)
    logger_initialized.pop(LOGGER, None)
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
        handler.close()


@pytest.fixture
def root(prepared: Path, tmp_path: Path) -> Path:
    copy = Path(shutil.copytree(prepared, tmp_path / "copy"))
    write_network(copy)
    return copy


def commands(root: Path) -> dict[str, tuple]:
    """Arguments of each command that reads the data set."""
    test = (root / "small.py", root / "small.pth", "--eval", "bop", "--device", "cpu")
    train = (root / "small.py", "--work-dir", root / "work", "--device", "cpu")
    return dict(
        check=("create_data", "bop", root),
        test=("test", *test, "--out-dir", root / "out"),
        train=("train", *train),
        render=("create_synthetic_bop", root / "new", "--models", root / "models"),
    )


def change(path: Path, edit: Callable) -> None:
    """Writes a JSON file again after `edit`."""
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))


def rewrite(path: Path, scale: float = 1.0, faces: slice = slice(None)) -> None:
    """Writes a mesh again in another size, or with some of its faces."""
    mesh = trimesh.load(path, process=False)
    trimesh.Trimesh(scale * mesh.vertices, mesh.faces[faces], process=False).export(path)


DAMAGES: dict[str, tuple[Callable[[Path], object], str, tuple[str, ...]]] = {
    "no models": (
        lambda root: shutil.rmtree(root / "models"),
        "models_info.json cannot be read",
        ("check", "test", "train", "render"),
    ),
    "missing mesh": (
        lambda root: (root / MESH).unlink(),
        "is missing; copy it there",
        ("check", "test", "train", "render"),
    ),
    "metres in a mm file": (
        lambda root: rewrite(root / MESH, scale=1e-3),
        "it seems to be in metres; scale it by 1000",
        ("check", "test", "train", "render"),
    ),
    "mesh that is not watertight": (
        lambda root: rewrite(root / MESH, faces=slice(1, None)),
        "is not watertight",
        ("check", "test", "train", "render"),
    ),
    "target without image": (
        lambda root: change(
            root / "test_targets_bop19.json", lambda targets: targets[0].update(im_id=55)
        ),
        "image 55 of scene 3 is not in the split",
        ("check", "test"),
    ),
    "object without model": (
        lambda root: change(
            root / SCENE / "scene_gt.json", lambda truth: truth["0"][0].update(obj_id=9)
        ),
        "obj_id 9",
        ("check",),
    ),
    "box outside the image": (
        lambda root: change(
            root / SCENE / "scene_gt_info.json",
            lambda info: info["0"][0].update(bbox_visib=[400, 20, 30, 30]),
        ),
        "bbox_visib lies in the image",
        ("check",),
    ),
    "mask of another size": (
        lambda root: cv2.imwrite(
            str(root / SCENE / "mask/000000_000000.png"), np.zeros((10, 20), np.uint8)
        ),
        "is 20x10 and its image 160x120",
        ("check",),
    ),
}
CASES = [
    pytest.param(command, damage, line, id=f"{command}, {name}")
    for name, (damage, line, users) in DAMAGES.items()
    for command in users
]


@pytest.mark.parametrize("command, damage, line", CASES)
def test_a_mistake_is_one_line(
    call: Callable, root: Path, command: str, damage: Callable[[Path], object], line: str
):
    damage(root)
    code, _, err = call(*commands(root)[command])
    errors = [each for each in err.splitlines() if each.startswith("error: ")]
    assert code == 2 and "Traceback" not in err
    assert any(line in each for each in errors), err


@pytest.mark.parametrize("command", ["check", "test", "train"])
def test_a_right_data_set_is_no_mistake(call: Callable, root: Path, command: str):
    code, _, err = call(*commands(root)[command])
    assert code == 0, err
