"""docs/how-to/add-a-dataset.md is followed to the letter: three own classes, with the
mandatory keys of an annotation file alone.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from .pages import ROOT, follow

PAGE = ROOT / "docs" / "how-to" / "add-a-dataset.md"
NAMES = ("sedan", "walker", "rider")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like the repository's root, in which every block of the page has run in order."""
    root = tmp_path_factory.mktemp("root")
    (root / "configs" / "detection").mkdir(parents=True)
    for name in ("_base_", "detection/synthetic"):
        (root / "configs" / name).symlink_to(ROOT / "configs" / name)
    for name in ("tools", "demo"):
        (root / name).symlink_to(ROOT / name)
    follow(PAGE, root)
    return root


def test_every_step_leaves_its_files(folder: Path):
    assert (folder / "work_dirs" / "my_street" / "latest.pth").exists()
    assert len(list((folder / "my_labels").glob("*.png"))) == 6
    assert len(list((folder / "my_pictures").glob("*"))) == 4
    assert (folder / "my_report.html").stat().st_size > 10_000
    metrics = json.loads((folder / "work_dirs/my_street/test/metrics.json").read_text())
    assert metrics["distance_mAP"] > 0.3 and "iou_bev_mAP_0.25" in metrics
    calibration = json.loads((folder / "my_calibration.json").read_text())
    assert calibration["objects"] > 0


def test_the_training_names_the_weights_of_single_classes_and_evaluates(folder: Path):
    (log,) = (folder / "work_dirs" / "my_street").glob("*.log")
    text = log.read_text()
    assert text.count("9 of other classes, which keep their initial values") == 1
    assert "distance_mAP" in text


def test_sizes_are_measured_and_written_with_the_config(folder: Path):
    config = (folder / "work_dirs" / "my_street" / "my_street.py").read_text()
    assert "4.5" in config and "measured_classes" not in config


def test_detections_have_the_names_of_the_classes(folder: Path):
    """The names in the file are those of the labels that the model predicts for the image."""
    script = """
import json, sys
from epropnp_det.apis import detect, init_model
model = init_model("configs/detection/my_street.py", "work_dirs/my_street/latest.pth")
image = json.load(open("my_data/val.json"))["images"][0]
found = detect(model, "my_data/val_00.png", image["cam_intrinsic"])
print(json.dumps(dict(label=found.label.tolist(), score=found.score.tolist())))
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        cwd=folder,
        env=os.environ | dict(PYTHONPATH=f"{folder}:{ROOT}"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    expected = json.loads(done.stdout.splitlines()[-1])
    found = json.loads((folder / "my_found" / "val_00.json").read_text())["detections"]
    assert [each["category"] for each in found] == [NAMES[label] for label in expected["label"]]
    assert [each["score"] for each in found] == pytest.approx(expected["score"])
    assert found and all(each["attribute"] == "" for each in found)


def test_labels_are_matched_by_the_names_of_the_categories(folder: Path):
    data = json.loads((folder / "my_data" / "train.json").read_text())
    script = """
import json
from epropnp_det.engine.config import build_dataset, load_config
config = load_config("configs/detection/my_street.py")
dataset = build_dataset(config.data.train, test_mode=True, config=config)
labels = [dataset.get_ann_info(index)["labels"].tolist() for index in range(len(dataset))]
print(json.dumps(dict(classes=list(dataset.CLASSES), labels=labels)))
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        cwd=folder,
        env=os.environ | dict(PYTHONPATH=f"{folder}:{ROOT}"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    read = json.loads(done.stdout.splitlines()[-1])
    assert read["classes"] == list(NAMES) and len(read["labels"]) == 20
    in_file = [annotation["category_name"] for annotation in data["annotations"]]
    assert [NAMES[label] for labels in read["labels"] for label in labels] == in_file
