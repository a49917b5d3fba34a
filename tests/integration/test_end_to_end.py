"""The commands one after another, as a user runs them: annotation file, training, test, submission,
pictures, demo.

The detector is too small to find anything, on two keyframes of plain colours. The tests check that
the commands fit together, that results do not depend on the number of processes, and that a seed
determines a training.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
import torch

from epropnp_det.engine.checkpoint import read_checkpoint
from epropnp_det.engine.config import build_model, load_config
from epropnp_det.errors import UserError
from tests.engine.tiny_training import assert_same
from tests.nuscenes_factory import VERSION, write_database

ROOT = Path(__file__).parents[2]
CONFIG = """
from epropnp_det.detection.data.pipelines import make_test_pipeline, make_train_pipeline
_base_ = ['BASE']
# A fifth of the resolution, few queries and samples; a threshold that untrained scores pass.
train_pipeline = make_train_pipeline({{_base_.class_names}}, scale=0.2)
test_pipeline = make_test_pipeline({{_base_.class_names}}, scale=0.2)
mini = dict(data_root='DATA/', ann_file='DATA/nuscenes_mini_infos_train_mono3d.coco.json')
data = dict(
    samples_per_gpu=1, workers_per_gpu=0,
    train=dict(pipeline=train_pipeline, **mini),
    val=dict(pipeline=test_pipeline, **mini),
    test=dict(pipeline=test_pipeline, **mini))
small_pnp = dict(mc_samples=16, lm_iterations=2, init=dict(proposals=4, points=8, iterations=1))
model = dict(
    train_cfg=dict(queries_per_image=4, pnp=small_pnp),
    test_cfg=dict(score_threshold=0.0, max_queries=12, nms_bev=0.9, pnp=small_pnp))
runner = dict(_delete_=True, type='IterBasedRunner', max_iters=2)
checkpoint_config = dict(_delete_=True, interval=1)
evaluation = dict(_delete_=True, interval=2, metric='bbox')
log_config = dict(interval=1)
"""


def run(*arguments: object, code: int = 0) -> str:
    """Output of a command of the project, run as from a terminal; checks its exit code."""
    interpreter = [] if str(arguments[0]).endswith(".sh") else [sys.executable]
    environment = dict(
        os.environ, OMP_NUM_THREADS="1", PATH=f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    )
    done = subprocess.run(
        [*interpreter, *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=280,
        env=environment,
    )
    assert done.returncode == code, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = write_database(tmp_path_factory.mktemp("nuscenes") / "data")
    run("tools/create_data.py", "nuscenes", root, "--version", VERSION)
    return root


@pytest.fixture(scope="module")
def config(data: Path) -> Path:
    path = data.parent / "small.py"
    path.write_text(
        CONFIG.replace("BASE", str(ROOT / "configs/detection/debug/one_frame.py")).replace(
            "DATA", str(data)
        )
    )
    return path


@pytest.fixture(scope="module")
def trained(config: Path) -> Path:
    """The folder of a training of two iterations, evaluated at the end."""
    folder = config.parent / "trained"
    run("tools/train.py", config, "--work-dir", folder)
    return folder


@pytest.fixture(scope="module")
def tested(config: Path, trained: Path) -> Path:
    folder = config.parent / "tested"
    pictures = ("--show-dir", folder / "pictures", "--background", "none", "--score-thr", 0)
    run(
        "tools/test.py",
        config,
        trained / "iter_2.pth",
        "--eval",
        "bbox",
        "distance",
        "iou",
        "--out-dir",
        folder,
        *pictures,
    )
    return folder


def test_training_leaves_checkpoint_logs_and_config(trained: Path) -> None:
    assert (trained / "latest.pth").resolve().name == "iter_2.pth"
    assert (trained / "small.py").is_file()
    assert list((trained / "tf_logs").glob("events*"))
    lines = [json.loads(line) for line in next(trained.glob("*.log.json")).read_text().splitlines()]
    losses = [line["loss"] for line in lines if line.get("mode") == "train"]
    assert len(losses) == 2 and all(abs(loss) < 1e4 for loss in losses)


@pytest.mark.parametrize("seed, same", [(0, True), (1, False)])
def test_a_seed_determines_the_weights(config: Path, trained: Path, seed: int, same: bool) -> None:
    folder = config.parent / f"seed_{seed}"
    run("tools/train.py", config, "--work-dir", folder, "--no-validate", "--seed", seed)
    first, second = (
        read_checkpoint(path / "iter_2.pth")["state_dict"] for path in (trained, folder)
    )
    equal = [torch.equal(value, second[key]) for key, value in first.items()]
    assert all(equal) == same


def test_evaluation_while_training_is_that_of_the_checkpoint(trained: Path, tested: Path) -> None:
    lines = [json.loads(line) for line in next(trained.glob("*.log.json")).read_text().splitlines()]
    logged = next(line for line in lines if line.get("mode") == "val")
    metrics = json.loads((tested / "metrics.json").read_text())
    shared = {key for key, value in metrics.items() if key in logged and value is not None}
    assert len(shared) > 5
    assert all(
        logged[key] == pytest.approx(metrics[key], abs=1e-4) for key in shared
    )  # the log rounds to four or five digits


def test_metrics_of_the_annotation_file_stand_beside_the_official_ones(tested: Path) -> None:
    metrics = json.loads((tested / "metrics.json").read_text())
    assert {"mAP", "distance_mAP", "iou_3d_mAP_0.5"} <= metrics.keys()
    by_class = json.loads((tested / "distance_metrics.json").read_text())["classes"]
    assert by_class["car"]["AP"] == metrics["distance_car_AP"]


def test_submission_has_every_sample(data: Path, tested: Path) -> None:
    submission = json.loads((tested / "results_nusc.json").read_text())
    images = json.loads((data / "nuscenes_mini_infos_train_mono3d.coco.json").read_text())["images"]
    assert submission["results"].keys() == {image["token"] for image in images}
    assert submission["meta"]["use_camera"]
    assert sum(map(len, submission["results"].values())) > 0


def test_pictures_of_every_image(data: Path, tested: Path) -> None:
    images = json.loads((data / "nuscenes_mini_infos_train_mono3d.coco.json").read_text())["images"]
    assert {path.stem for path in (tested / "pictures").glob("*.png")} == {
        Path(image["file_name"]).stem for image in images
    }
    picture = cv2.imread(str(next((tested / "pictures").glob("*.png"))))
    assert picture.shape == (900, 1600 + 720, 3)
    assert (
        len(set(map(tuple, picture[::9, :1600:9].reshape(-1, 3).tolist()))) > 3
    )  # boxes on the plain ground


def test_two_processes_give_the_results_of_one(config: Path, trained: Path, tested: Path) -> None:
    folder = config.parent / "tested_by_two"
    run(
        "tools/dist_test.sh",
        config,
        trained / "iter_2.pth",
        2,
        "--eval",
        "bbox",
        "distance",
        "iou",
        "--out-dir",
        folder,
    )
    for name in ("results_nusc.json", "metrics.json"):
        assert (folder / name).read_text() == (tested / name).read_text()


def test_two_processes_train_together(config: Path) -> None:
    folder = config.parent / "trained_by_two"
    run("tools/dist_train.sh", config, 2, "--work-dir", folder, "--no-validate")
    assert "2 process(es)" in next(folder.glob("*.log")).read_text()
    state = read_checkpoint(folder / "iter_2.pth")["state_dict"]
    assert all(value.isfinite().all() for value in state.values())


def test_a_resumed_training_of_the_detector_is_the_one_that_went_through(config: Path) -> None:
    whole = config.parent / "whole"
    resumed = config.parent / "resumed"
    four = ("--no-validate", "--cfg-options", "runner.max_iters=4", "data.workers_per_gpu=1")
    run("tools/train.py", config, "--work-dir", whole, *four)
    resumed.mkdir()
    (resumed / "iter_2.pth").write_bytes((whole / "iter_2.pth").read_bytes())
    run("tools/train.py", config, "--work-dir", resumed, "--resume", *four)
    middle, first, second = map(
        read_checkpoint, (whole / "iter_2.pth", whole / "iter_4.pth", resumed / "iter_4.pth")
    )
    for part in ("state_dict", "optimizer"):
        assert_same(first[part], second[part])
    assert not all(
        torch.equal(value, first["state_dict"][key]) for key, value in middle["state_dict"].items()
    )


def test_demo_writes_pictures_and_numbers(config: Path, trained: Path, data: Path) -> None:
    intrinsics = data / "nuscenes_mini_infos_train_mono3d.coco.json"
    out = config.parent / "found"
    records = json.loads(intrinsics.read_text())["images"]
    images = [
        data / record["file_name"] for record in records if "/CAM_FRONT/" in record["file_name"]
    ]
    arguments = (
        "--config",
        config,
        "--checkpoint",
        trained / "iter_2.pth",
        "--out",
        out,
        "--score-thr",
        0,
    )
    run("demo/detect.py", *images, "--intrinsics", intrinsics, *arguments)
    assert len(images) > 0
    for image in images:
        assert cv2.imread(str(out / f"{image.stem}.png")).shape == (900, 1600 + 720, 3)
        content = json.loads((out / f"{image.stem}.json").read_text())
        assert content["image"] == str(image)
        scores = [found["score"] for found in content["detections"]]
        assert scores == sorted(scores, reverse=True) and len(scores) > 0
        first = content["detections"][0]
        assert (
            len(first["pose"]),
            len(first["size"]),
            len(first["velocity"]),
            len(first["covariance"]),
        ) == (4, 3, 2, 4)


def test_report_is_one_page_with_the_metrics(config: Path, trained: Path, tested: Path) -> None:
    page = config.parent / "page.html"
    arguments = (
        "--images",
        1,
        "--score-thr",
        0,
        "--mc-samples",
        16,
        "--metrics",
        tested / "metrics.json",
    )
    output = run("tools/make_report.py", config, trained / "iter_2.pth", page, *arguments)
    assert "NDS " in output and f"page: {page}" in output
    text = page.read_text()
    assert "UklGR" in text and 'src="http' not in text  # a WebP file in base64


def test_calibration_of_what_finds_nothing_is_one_line(config: Path, trained: Path) -> None:
    arguments = ("--score-thr", 1, "--mc-samples", 16)
    output = run(
        "tools/plot_calibration.py",
        config,
        trained / "iter_2.pth",
        config.parent / "calibration.png",
        *arguments,
        code=2,
    )
    assert "has a detection of score 1.0 or more; is the model trained?" in output.splitlines()[-1]


def test_demo_refuses_a_truncated_image(
    config: Path, trained: Path, data: Path, tmp_path: Path
) -> None:
    whole = next((data / "samples" / "CAM_FRONT").glob("*.jpg")).read_bytes()
    (tmp_path / "half.jpg").write_bytes(whole[: len(whole) // 2])
    arguments = ("--config", config, "--checkpoint", trained / "iter_2.pth", "--out", tmp_path)
    output = run(
        "demo/detect.py",
        tmp_path / "half.jpg",
        "--intrinsics",
        "1266,1266,800,450",
        *arguments,
        code=2,
    )
    assert "is truncated or not an image" in output.splitlines()[-1]
    assert "Traceback" not in output


def test_checkpoint_of_another_architecture(config: Path, trained: Path) -> None:
    from epropnp_det.engine.model import init_model

    other = load_config(config, {"model.bbox_head.objects.ffn_channels": 64})
    with pytest.raises(
        UserError, match=r"another architecture.* of another shape \(bbox_head\.objects"
    ):
        init_model(other, trained / "iter_2.pth")


@pytest.mark.parametrize(
    "key",
    ["model.train_cfg.pnp.mc_sample", "model.test_cfg.pnp.init.proposal", "model.test_cfg.nms"],
)
def test_unknown_setting_is_named(config: Path, key: str) -> None:
    with pytest.raises(UserError, match=rf"\b{key.rsplit('.', 1)[-1]}\b"):
        build_model(load_config(config, {key: 3}))
