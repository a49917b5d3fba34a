"""`epropnp detect` and `epropnp pose` read each kind of image of docs/reference/bad-input.md, or
name it and continue with the others.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from epropnp_det.console.command import main
from epropnp_det.engine.images import read_image
from tests.engine.test_kinds_of_images import READ, REFUSED
from tests.object_pose import bop_factory
from tests.object_pose.small_run import write_network

ROOT = Path(__file__).parents[2]
DETECTOR = ROOT / "configs/detection/synthetic/epropnp_r18_varied"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of each kind, and what is no file with the name of an image."""
    folder = tmp_path_factory.mktemp("kinds")
    for name, (content, _) in {**READ, **REFUSED}.items():
        (folder / f"{name}.png").write_bytes(content)
    os.mkfifo(folder / "pipe.png")
    (folder / "dead link.png").symlink_to(folder / "nowhere.png")
    (folder / "folder.png").mkdir()
    return folder


@pytest.fixture(scope="module")
def poses(tmp_path_factory: pytest.TempPathFactory) -> list[object]:
    """Arguments of `pose` with an untrained network and a box of a pixel."""
    root = bop_factory.write_dataset(tmp_path_factory.mktemp("pose"))
    bop_factory.write(root / "boxes.json", [dict(obj_id=1, bbox=[0, 0, 1, 1])])
    write_network(root, objects=2)
    options = ["--boxes", root / "boxes.json", "--models", root / "models"]
    return [*options, "--config", root / "small.py", "--checkpoint", root / "small.pth"]


def detect(images: Path, out: Path) -> int:
    network = ["--config", f"{DETECTOR}.py", "--checkpoint", f"{DETECTOR}.pth"]
    words = ["detect", images, "--intrinsics", "fov=60", *network, "--out", out]
    return main([str(word) for word in words])


def check_outputs(out: Path, error: str) -> None:
    """Two files of each image that is read, and one line for each of the others."""
    assert "Traceback" not in error
    skipped = [line for line in error.splitlines() if line.startswith("skipped: ")]
    names = [*REFUSED, "pipe", "dead link"]
    assert len(skipped) == len(names)
    for name in names:
        assert any(f"{name}.png" in line for line in skipped), name
    assert {path.name for path in out.iterdir()} == {
        f"{name}.{suffix}" for name in READ for suffix in ("png", "json")
    }
    last = error.strip().splitlines()[-1]
    assert last.startswith(f"error: {len(names)} of {len(names) + len(READ)} images skipped")


def test_detect_names_what_it_does_not_read(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    assert detect(folder, tmp_path / "out") == 2
    check_outputs(tmp_path / "out", capsys.readouterr().err)


def test_pose_names_what_it_does_not_read(
    folder: Path, poses: list[object], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    words = ["pose", folder, "--intrinsics", "40,40,20,15", *poses, "--out", tmp_path / "out"]
    assert main([*map(str, words), "--device", "cpu"]) == 2
    check_outputs(tmp_path / "out", capsys.readouterr().err)


def write_pipe(path: Path) -> None:
    os.mkfifo(path)


@pytest.mark.parametrize("make", [write_pipe, Path.mkdir, Path.touch])
@pytest.mark.parametrize("name", ["a.png", "a.mp4"])
def test_what_is_no_picture_alone_is_one_line(
    poses: list[object],
    tmp_path: Path,
    capsys: pytest.CaptureFixture,
    make: Callable[[Path], None],
    name: str,
) -> None:
    make(tmp_path / name)
    # A film has no file of boxes, so it needs a detector, which is not loaded here.
    options = poses[2:] + (["--detector-checkpoint", poses[-1]] if "mp4" in name else poses[:2])
    words = ["pose", tmp_path / name, "--intrinsics", "40,40,20,15", *options]
    assert main([*map(str, words), "--device", "cpu", "--out", str(tmp_path / "out")]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("error: ") and name in line
    assert not (tmp_path / "out").exists()


def test_colours_in_16_bits_and_a_grey_picture_are_those_in_8(folder: Path) -> None:
    plain = cv2.imdecode(np.frombuffer(READ["16 bits"][0], np.uint8), cv2.IMREAD_UNCHANGED) >> 8
    np.testing.assert_array_equal(read_image(folder / "16 bits.png"), plain)
    grey = read_image(folder / "grey.png")
    assert (grey == grey[..., :1]).all()
