"""KITTI's labels in the form of the annotation file: frames, classes, counts, and broken files."""

from __future__ import annotations

import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from epropnp_det.detection.data.annotation_file import read_annotations
from epropnp_det.detection.data.kitti_convert import read_labels, write_kitti_file
from epropnp_det.detection.data.nuscenes_dataset import NuScenesCameraDataset
from epropnp_det.errors import UserError
from tests.tolerances import EXACT, STORED_PIXEL

FOCAL = 700.0
CENTER = (620.0, 190.0)
OFFSET = (45.0, -0.3, 0.004)  # last column of P2
SIZE = (1242, 375)
LABELS = """\
Car 0.00 0 1.55 500.0 170.0 560.0 210.0 1.50 1.60 3.90 -2.00 1.60 20.00 0.40
Van 0.00 1 1.55 500.0 170.0 560.0 210.0 2.10 1.90 5.00 3.00 1.70 25.00 -1.20
Pedestrian 0.00 2 0.00 1.0 1.0 50.0 50.0 1.80 0.60 0.70 1.00 1.60 9.00 2.00
Tram 0.00 0 0.00 1.0 1.0 50.0 50.0 3.00 2.50 15.00 9.00 1.60 30.00 2.00
Car 0.90 0 0.00 1.0 1.0 50.0 50.0 1.50 1.60 3.90 -2.00 1.60 -1.00 0.40
DontCare -1 -1 -10 800.38 163.67 825.45 184.07 -1 -1 -1 -1000 -1000 -1000 -10
"""


@pytest.fixture
def kitti(tmp_path: Path) -> Path:
    """Two images with the same labels."""
    root = tmp_path / "kitti"
    p2 = [FOCAL, 0, CENTER[0], OFFSET[0], 0, FOCAL, CENTER[1], OFFSET[1], 0, 0, 1, OFFSET[2]]
    p0 = [*p2[:3], 0, *p2[4:7], 0, *p2[8:11], 0]
    calibration = f"P0: {' '.join(map(str, p0))}\nP2: {' '.join(map(str, p2))}\nR0_rect: 1 0 0\n"
    for name in ("000007", "000003"):
        for folder, ending, text in (("calib", "txt", calibration), ("label_2", "txt", LABELS)):
            path = root / "training" / folder / f"{name}.{ending}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        (root / "training" / "image_2").mkdir(exist_ok=True)
        picture = np.full((SIZE[1], SIZE[0], 3), 90, np.uint8)
        cv2.imwrite(str(root / "training" / "image_2" / f"{name}.png"), picture)
    return root


def test_boxes_project_as_with_kittis_own_matrix(kitti: Path):
    """The middle of each box projected by P2, against its projection in the frame of camera 2."""
    data = read_annotations(write_kitti_file(kitti))
    p2 = np.array([[FOCAL, 0, CENTER[0], 0], [0, FOCAL, CENTER[1], 0], [0, 0, 1, 0.0]])
    p2[:, 3] = OFFSET
    objects = read_labels(kitti / "training" / "label_2" / "000003.txt")[:3]
    boxes = [each for each in data["annotations"] if each["image_id"] == "000003"]
    matrix = np.array(data["images"][0]["cam_intrinsic"])
    for each, record in zip(objects, boxes, strict=True):
        x, bottom, z, length, height, width, yaw = each.box
        rays = p2 @ (x, bottom - height / 2, z, 1)
        box = np.array(record["bbox_cam3d"])
        assert matrix @ box[:3] == pytest.approx(rays, abs=EXACT)
        assert box[3:] == pytest.approx([length, height, width, yaw], abs=EXACT)


def test_classes_visibility_and_names_of_objects(kitti: Path):
    data = read_annotations(write_kitti_file(kitti))
    assert [image["file_name"] for image in data["images"]] == [
        "training/image_2/000003.png",
        "training/image_2/000007.png",
    ]
    assert (data["images"][0]["width"], data["images"][0]["height"]) == SIZE
    mine = data["annotations"][:3]
    assert [each["category_name"] for each in mine] == ["car", "car", "pedestrian"]
    assert [each["visibility"] for each in mine] == [4, 3, 1]
    assert [each["instance_token"] for each in mine] == [
        "000003_0_Car",
        "000003_1_Van",
        "000003_2_Pedestrian",
    ]
    assert not any(each["velocity_known"] or each["attribute_known"] for each in mine)


def test_a_dataset_reads_the_file_and_is_evaluated_by_distance(kitti: Path):
    path = write_kitti_file(kitti)
    dataset = NuScenesCameraDataset(str(kitti), str(path), [], test_mode=True)
    assert dataset.check_evaluation() == ["distance"]
    assert len(dataset.get_ann_info(0)["labels"]) == 3


def test_the_command_counts_what_it_leaves_out(kitti: Path, tmp_path: Path, call):
    names = tmp_path / "val.txt"
    names.write_text("000007\n")
    out = tmp_path / "out" / "val.json"
    code, text, _ = call(
        "create_data", "kitti", kitti, out, "--frames", names, "--classes", "Car=sedan", "Tram=tram"
    )
    assert code == 0
    assert "1 images, 2 boxes" in text
    assert "Car behind the camera 1, DontCare 1, Pedestrian 1, Van 1" in text
    data = json.loads(out.read_text())
    assert [each["category_name"] for each in data["annotations"]] == ["sedan", "tram"]


def break_label(kitti: Path, text: str) -> None:
    (kitti / "training" / "label_2" / "000003.txt").write_text(text)


@pytest.mark.parametrize(
    "text, fault",
    [
        ("Car 0 0 0", "line 1 has 4 fields"),
        (LABELS.replace("1.50", "high", 1), "line 1, height: 'high' is no finite number"),
        (LABELS.replace("20.00", "nan", 1), "line 1, z: 'nan' is no finite number"),
        (LABELS.replace("0.00 0", "0.00 5", 1), "occlusion 5"),
        (
            LABELS.replace("3.90", "-3.90", 1),
            r"000003\.txt, line 1: the size l, h, w of bbox_cam3d",
        ),
        (LABELS.replace("3.90", "390", 1), r"000003\.txt, line 1: the size l, h, w of bbox_cam3d"),
    ],
)
def test_a_broken_label_is_one_line_with_its_place(kitti: Path, text: str, fault: str):
    break_label(kitti, text)
    with pytest.raises(UserError, match=fault):
        write_kitti_file(kitti)


def test_missing_and_broken_files_are_named(kitti: Path, tmp_path: Path):
    with pytest.raises(UserError, match="no folder training/image_2"):
        write_kitti_file(tmp_path)
    with pytest.raises(UserError, match=r"no image '000009' \(1 of 2 are missing\)"):
        write_kitti_file(kitti, frames=["000003", "000009"])
    with pytest.raises(UserError, match=r"no image '0+\.\.\.0+' "):
        write_kitti_file(kitti, frames=["0" * 5000])
    with pytest.raises(UserError, match=r"no box of .*label_2 is of the types Truck"):
        write_kitti_file(kitti, classes=dict(Truck="truck"))
    calibration = kitti / "training" / "calib" / "000003.txt"
    calibration.write_text("P0: 1 2 3\n")
    with pytest.raises(UserError, match=r"000003\.txt.*3 numbers"):
        write_kitti_file(kitti)
    calibration.write_text("nothing")
    with pytest.raises(UserError, match="no line P2"):
        write_kitti_file(kitti)
    (kitti / "training" / "label_2" / "000007.txt").unlink()
    with pytest.raises(UserError, match=r"000007\.txt cannot be read"):
        write_kitti_file(kitti, frames=["000007"])


@pytest.mark.parametrize("classes", [["Car"], ["Bus=bus"], ["Car="]])
def test_wrong_classes_of_the_command_are_one_line(kitti: Path, classes: list[str], call):
    code, _, error = call("create_data", "kitti", kitti, "--classes", *classes)
    assert code == 2
    assert error.startswith("error: --classes takes TYPE=CLASS") and error.count("\n") == 1


def test_the_real_labels(tmp_path: Path):
    """EPROPNP_KITTI names a folder with KITTI's training/ and kitti_mono3d.json."""
    if "EPROPNP_KITTI" not in os.environ:
        pytest.skip("EPROPNP_KITTI does not name a folder with real labels")
    root = Path(os.environ["EPROPNP_KITTI"])
    data = json.loads(write_kitti_file(root, tmp_path).read_text())
    expected = json.loads((root / "kitti_mono3d.json").read_text())
    for mine, other in zip(data["images"], expected["images"], strict=True):
        for key in ("file_name", "width", "height"):
            assert mine[key] == other[key]
        assert mine["cam_intrinsic"] == other["cam_intrinsic"]
    for mine, other in zip(data["annotations"], expected["annotations"], strict=True):
        for key in ("file_name", "category_name", "visibility", "instance_token"):
            assert mine[key] == other[key]
        assert mine["bbox_cam3d"] == pytest.approx(other["bbox_cam3d"], abs=EXACT)
        assert mine["bbox"] == pytest.approx(other["bbox"], abs=STORED_PIXEL)
        assert mine["truncation"] == pytest.approx(other["truncation"], abs=EXACT)
