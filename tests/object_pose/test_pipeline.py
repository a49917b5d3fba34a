"""From whole images to poses: the detector of mmdet and the network together."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from epropnp_det import apis
from epropnp_det.console.command import main
from epropnp_det.errors import UserError
from epropnp_det.object_pose.data.coco_annotations import write_coco_files
from epropnp_det.object_pose.data.detection_file import read_detections
from epropnp_det.object_pose.pipeline import PipelineSettings
from tests.object_pose import bop_factory
from tests.object_pose.small_detector import write_detector
from tests.object_pose.small_run import write_network

IMAGE = Path("test/000003/rgb/000007.png")
MATRIX = np.array([[150.0, 0, 80], [0, 150, 60], [0, 0, 1]])


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a data set of two objects, an untrained detector and an untrained network."""
    root = bop_factory.write_dataset(tmp_path_factory.mktemp("pipeline"))
    list(write_coco_files(root))
    write_network(root, objects=2)
    write_detector(root, objects=2)
    return root


def arguments(root: Path, out: Path, *images: Path, **changes: object) -> list[str]:
    options: dict[str, object] = {
        "intrinsics": "150,150,80,60",
        "models": root / "models",
        "config": root / "small.py",
        "checkpoint": root / "small.pth",
        "detector": root / "detector.py",
        "detector-checkpoint": root / "detector.pth",
        "device": "cpu",
        "score-thr": 0.05,
        "out": out,
    }
    pairs = [(f"--{key}", str(value)) for key, value in (options | changes).items()]
    return ["pose", *map(str, images), *(word for pair in pairs for word in pair)]


def test_an_image_gives_scored_poses_best_first(prepared: Path) -> None:
    detector = apis.init_detector(prepared / "detector.py", prepared / "detector.pth")
    network = apis.init_pose_network(
        prepared / "small.py", prepared / "small.pth", prepared / "models"
    )
    image = cv2.imread(str(prepared / IMAGE))
    settings = PipelineSettings(threshold=0.05, mc_samples=64)
    found = apis.estimate_poses(detector, network, image, MATRIX, settings)
    assert found.detections and found.evidence.poses.sample_pose.shape[1] == 64
    assert len(found.evidence.poses.pose) == len(found.detections)
    scores = [each.score for each in found.detections]
    assert scores == sorted(scores, reverse=True) and scores[-1] >= 0 and scores[0] <= 1
    before = max(each.score for each in detector.detect(image, 0.05))
    assert scores[0] <= before


def test_folder_with_an_image_of_nothing_and_a_video(prepared: Path, tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    shutil.copy(prepared / IMAGE, folder / "a.png")
    assert main(arguments(prepared, tmp_path / "out", folder, **{"score-thr": 0.999})) == 0
    content = json.loads((tmp_path / "out/a.json").read_text())
    assert content["objects"] == [] and cv2.imread(str(tmp_path / "out/a.png")) is not None
    film = tmp_path / "film.avi"
    writer = cv2.VideoWriter(str(film), cv2.VideoWriter.fourcc(*"MJPG"), 10.0, (160, 120))
    for _ in range(2):
        writer.write(cv2.imread(str(prepared / IMAGE)))
    writer.release()
    assert main(arguments(prepared, tmp_path / "out", film)) == 0
    frames = json.loads((tmp_path / "out/film.json").read_text())["frames"]
    assert [each["frame_number"] for each in frames] == [0, 1]
    assert all(each["objects"] for each in frames)
    assert cv2.VideoCapture(str(tmp_path / "out/film.mp4")).read()[1].shape == (120, 160, 3)


def test_mistakes_are_one_line(
    prepared: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    out = tmp_path / "out"
    cases = [
        (prepared / IMAGE, dict(detector=prepared / "none.py"), "give --detector, or --boxes"),
        (
            prepared / IMAGE,
            {"detector-checkpoint": prepared / "none.pth"},
            "give --detector-checkpoint, or --boxes",
        ),
        (
            prepared / IMAGE,
            {"detector": prepared / "small.py", "detector-checkpoint": prepared / "small.pth"},
            "data.test.pipeline does not begin with",
        ),
    ]
    (tmp_path / "empty.mp4").write_bytes(b"no video")
    cases.append((tmp_path / "empty.mp4", {}, "is no film but text"))
    for image, changes, line in cases:
        assert main(arguments(prepared, out, image, **changes)) == 2
        assert line in capsys.readouterr().err.strip().splitlines()[-1]
    checkpoint = torch.load(prepared / "detector.pth", weights_only=True)
    torch.save(dict(checkpoint, meta=dict(CLASSES=("car", "van"))), tmp_path / "cars.pth")
    with pytest.raises(UserError, match=r"are \['car', 'van'\], not obj_000001"):
        apis.init_detector(prepared / "detector.py", tmp_path / "cars.pth")


def test_the_detector_trains_and_writes_its_detections(
    prepared: Path, call: Callable, tmp_path: Path
) -> None:
    where = ("--work-dir", tmp_path / "work", "--device", "cpu")
    code, _, error = call("train", prepared / "detector.py", *where)
    assert code == 0, error
    out = tmp_path / "out"
    test = (prepared / "detector.py", prepared / "detector.pth", "--eval", "bbox", "segm")
    code, _, error = call("test", *test, "--out-dir", out, "--device", "cpu")
    assert code == 0, error
    assert {"bbox_mAP_50", "segm_mAP_50"} <= json.loads((out / "metrics.json").read_text()).keys()
    for each in read_detections(out / "detections.json"):
        assert each.object_id in (1, 2) and each.box[2:].min() > 0
