"""`demo/detect.py` gives each image outputs of its own and keeps every input."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from epropnp_det.errors import USER_ERROR_EXIT_CODE, UserError

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "configs/detection/synthetic/epropnp_r18_varied"


@pytest.fixture
def detect_demo(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(ROOT / "demo"))
    import detect

    return detect


def run(out: Path, *images: Path) -> subprocess.CompletedProcess[str]:
    options = ["--intrinsics", "1266.4,1266.4,816.3,491.5", "--config", f"{CONFIG}.py"]
    options += ["--checkpoint", f"{CONFIG}.pth", "--out", str(out)]
    command = [sys.executable, str(ROOT / "demo/detect.py"), *map(str, images), *options]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT)


@pytest.mark.parametrize(
    ("images", "names"),
    [
        (["a/1.png", "b/2.jpg"], ["1", "2"]),
        (["left/0.png", "right/0.png"], ["left_0", "right_0"]),
        (["a/x/0.png", "b/x/0.png"], ["a_x_0", "b_x_0"]),
        (["a/0.png", "a/0.jpg"], ["0.png", "0.jpg"]),
    ],
)
def test_each_image_has_a_name_of_its_own(detect_demo, images: list[str], names: list[str]):
    assert detect_demo.output_names([Path("/data", image) for image in images]) == names


def test_an_image_given_twice_is_refused(detect_demo):
    with pytest.raises(UserError, match="twice"):
        detect_demo.output_names([Path("/data/0.png"), Path("/data/0.png")])


def test_outputs_that_cannot_be_written_are_one_line_and_inputs_stay(tmp_path: Path):
    image = tmp_path / "0.png"
    cv2.imwrite(str(image), np.zeros((900, 1600, 3), np.uint8))
    before = image.read_bytes()
    (tmp_path / "file").write_text("x")
    (tmp_path / "blocked" / "0.png").mkdir(parents=True)
    for out in (tmp_path, tmp_path / "file", tmp_path / "blocked"):
        result = run(out, image)
        assert result.returncode == USER_ERROR_EXIT_CODE
        assert result.stderr.strip().splitlines()[-1].startswith("error: ")
        assert "Traceback" not in result.stderr
    assert image.read_bytes() == before
