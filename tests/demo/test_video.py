"""`demo/video.py` on a scene of two samples: the film, the tracked boxes, and one line for bad
input.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import pytest
from PIL import Image

from epropnp_det.detection.data.nuscenes_convert import write_annotation_files
from epropnp_det.detection.evaluation.scene_tracks import FRAME, read_scene
from epropnp_det.errors import USER_ERROR_EXIT_CODE
from epropnp_det.synthetic.generate import write_database

ROOT = Path(__file__).parents[2]
MODEL = ROOT / "configs/detection/synthetic/epropnp_r18_varied"
WIDTH = 96

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def annotations(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The annotation file of a database with a scene of two samples."""
    root = tmp_path_factory.mktemp("scene") / "data"
    write_database(root, "test", processes=1, scenes=["scene-0103"])
    (file,) = write_annotation_files(root, "v1.0-mini")
    return file


def options(out: Path, log: str = "synthetic-0103") -> list[object]:
    model = ["--config", f"{MODEL}.py", "--checkpoint", f"{MODEL}.pth"]
    return ["--log", log, "--width", WIDTH, "--out", out, *model]


def changed(file: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """A copy of an annotation file, in the same folder, after a change of its content."""
    content = json.loads(file.read_text())
    change(content)
    copy = file.with_name("changed.json")
    copy.write_text(json.dumps(content))
    return copy


@pytest.mark.slow
def test_a_scene_becomes_a_film_and_tracks(annotations: Path, tmp_path: Path, call: Call) -> None:
    out = tmp_path / "new" / "scene.gif"
    code, shown, _ = call("video", annotations, *options(out), folder=ROOT / "demo")
    assert code == 0 and shown.startswith("IDF1 0.")
    table = json.loads(out.with_suffix(".json").read_text())
    first, second = ([box["track"] for box in sample["boxes"]] for sample in table["samples"])
    assert first == list(range(len(first)))
    assert len(set(second)) == len(second) and set(first) & set(second)
    assert table["frame"] == FRAME and 0 < table["identity"]["idf1"] <= table["identity"]["f1"]
    with Image.open(out) as film:
        assert film.n_frames == 2 and film.info["duration"] == 500
        # Three cameras of 16:9, and a square as high as two rows of them.
        assert film.size == (3 * WIDTH + 2 * 54, 2 * 54)


@pytest.mark.slow
def test_images_without_annotations_become_an_mp4(
    annotations: Path, tmp_path: Path, call: Call
) -> None:
    out = tmp_path / "scene.mp4"
    bare = changed(annotations, lambda content: content["annotations"].clear())
    code, shown, _ = call("video", bare, *options(out), folder=ROOT / "demo")
    assert code == 0 and "IDF1" not in shown
    assert "identity" not in json.loads(out.with_suffix(".json").read_text())
    film = cv2.VideoCapture(str(out))
    assert film.get(cv2.CAP_PROP_FRAME_COUNT) == 2 and film.get(cv2.CAP_PROP_FPS) == 2


def without_pose(content: dict[str, Any]) -> None:
    del content["images"][3]["ego2global_rotation"]


def without_time(content: dict[str, Any]) -> None:
    content["images"][0]["file_name"] = "samples/synthetic-0103.jpg"


def with_numbers_of_frames(content: dict[str, Any]) -> None:
    tokens = sorted({image["token"] for image in content["images"]})
    for image in content["images"]:
        folder = Path(image["file_name"]).parent
        number = tokens.index(image["token"])
        image["file_name"] = f"{folder}/synthetic-0103__{number}.jpg"


def outside(content: dict[str, Any]) -> None:
    for image in content["images"]:
        image["file_name"] = f"../{image['file_name']}"


def test_numbers_of_frames_are_times(annotations: Path) -> None:
    file = changed(annotations, with_numbers_of_frames)
    scene = read_scene(file, file.parent, "synthetic-0103", tick=0.1)
    assert [sample.time for sample in scene.samples] == [0.0, 0.1] and scene.interval == 0.1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without_pose, "has no 'token' or no ego pose"),
        (without_time, "does not end in a time"),
        (with_numbers_of_frames, "1e-06 s apart; give the seconds"),
        (outside, "file_name is the path of an image"),
    ],
)
def test_wrong_annotations_are_one_line(
    change: Callable[[dict[str, Any]], None],
    message: str,
    annotations: Path,
    tmp_path: Path,
    call: Call,
) -> None:
    file = changed(annotations, change)
    arguments = options(tmp_path / "new" / "scene.gif")
    code, _, error = call("video", file, *arguments, folder=ROOT / "demo")
    (line,) = error.splitlines()
    assert code == USER_ERROR_EXIT_CODE and line.startswith("error: ") and message in line
    assert not (tmp_path / "new").exists()


def test_wrong_places_are_one_line(annotations: Path, tmp_path: Path, call: Call) -> None:
    (tmp_path / "file").write_text("x")
    cases = (
        (annotations, options(tmp_path / "a.gif", log="scene-9999"), "contains 'scene-9999'"),
        (tmp_path / "none.json", options(tmp_path / "a.gif"), "cannot be read"),
        (annotations, options(tmp_path / "file" / "a.gif"), "file cannot be a folder"),
    )
    for file, arguments, message in cases:
        code, _, error = call("video", file, *arguments, folder=ROOT / "demo")
        (line,) = error.splitlines()
        assert code == USER_ERROR_EXIT_CODE and line.startswith("error: ") and message in line


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "scene.avi"], "--out must end in .gif or .mp4"),
        (["--width", "8"], "--width must be at least 64"),
        (["--tick", "0"], "--tick must be positive"),
    ],
)
def test_wrong_arguments_are_named(
    arguments: Sequence[str], message: str, call: Call, capsys: pytest.CaptureFixture[str]
) -> None:
    required = ["file", "--log", "x", "--config", "c.py", "--checkpoint", "c.pth"]
    with pytest.raises(SystemExit) as exit_:
        call("video", *required, *arguments, folder=ROOT / "demo")
    assert exit_.value.code == 2 and message in capsys.readouterr().err.splitlines()[-1]


def test_help_has_an_example(call: Call, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        call("video", "--help", folder=ROOT / "demo")
    assert exit_.value.code == 0 and "python demo/video.py data/" in capsys.readouterr().out
