"""Intrinsics in the forms that calibration programs write; anything else is one clear line."""

from __future__ import annotations

import json
import math
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from epropnp_det.engine.intrinsics import Intrinsics, camera_faults, camera_matrix, read_intrinsics
from epropnp_det.errors import UserError
from tests.tolerances import EXACT

MATRIX = np.array([[721.5, 0.0, 609.6], [0.0, 720.25, 172.9], [0.0, 0.0, 1.0]])
LENS = (-0.28, 0.07, 0.0002, 1e-05, -0.012)
PROJECTION = np.hstack([MATRIX, [[44.857], [0.216], [0.00275]]])

ROS = """
image_width: 1242
image_height: 375
camera_name: narrow_stereo
camera_matrix:
  rows: 3
  cols: 3
  data: [721.5, 0, 609.6, 0, 720.25, 172.9, 0, 0, 1]
distortion_model: plumb_bob
distortion_coefficients:
  rows: 1
  cols: 5
  data: [-0.28, 0.07, 2e-4, 1e-5, -0.012]
projection_matrix:
  rows: 3
  cols: 4
  data: [700, 0, 600, 0, 0, 700, 170, 0, 0, 0, 1, 0]
"""
KITTI = "\n".join(
    f"P{index}: " + " ".join(f"{number:.12e}" for number in (PROJECTION * scale).ravel())
    for index, scale in enumerate([[[1], [1], [1]]] * 4)
)
KITTI += "\nR0_rect: 1 0 0 0 1 0 0 0 1\nTr_velo_to_cam: 0 -1 0 0 0 0 -1 0 1 0 0 0\n"


def write(folder: Path, name: str, content: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def opencv_yaml(folder: Path) -> Path:
    storage = cv2.FileStorage(str(folder / "opencv.yml"), cv2.FILE_STORAGE_WRITE)
    storage.write("image_width", 1242)
    storage.write("image_height", 375)
    storage.write("camera_matrix", MATRIX)
    storage.write("distortion_coefficients", np.array(LENS)[:, None])
    storage.release()
    return folder / "opencv.yml"


@pytest.mark.parametrize(
    "given",
    [
        MATRIX,
        MATRIX.tolist(),
        tuple(map(tuple, MATRIX)),
        torch.tensor(MATRIX, requires_grad=True),
        list(torch.tensor(MATRIX)),
        PROJECTION,
        PROJECTION.ravel().tolist(),
        MATRIX.ravel(),
        (721.5, 720.25, 609.6, 172.9),
        list(np.array([721.5, 720.25, 609.6, 172.9])),
    ],
)
def test_every_form_is_one_matrix(given: object):
    np.testing.assert_array_equal(camera_matrix(given), MATRIX)
    assert Intrinsics.of(given)[0, 2] == 609.6
    assert type(Intrinsics.of(given)[0, 2]) is float


def test_the_value_is_frozen_and_keeps_what_it_was_given():
    given = MATRIX.copy()
    camera = Intrinsics(given, (1242, 375), LENS)
    given[0, 0] = 1.0
    assert camera[0, 0] == 721.5
    assert (camera.size, camera.distortion) == ((1242, 375), LENS)
    with pytest.raises(ValueError, match="read-only"):
        camera.matrix[0, 0] = 1.0
    np.asarray(camera)[0, 0] = 1.0
    assert camera[0, 0] == 721.5
    assert Intrinsics.of(camera) is camera
    assert Intrinsics(camera.matrix, (1242, 375), LENS).equals(camera)
    assert not Intrinsics(camera.matrix).equals(camera)


@pytest.mark.parametrize(
    "given",
    [
        None,
        True,
        "721.5",
        {},
        [],
        [True, True, True, True],
        [721.5, 720.25, 609.6, "172.9"],
        [721.5, 720.25, 609.6, None],
        [721.5, 720.25, 609.6, math.nan],
        [721.5, 720.25, math.inf, 172.9],
        [721.5, 720.25, 609.6, 10**400],
        [1e300, 1e300, 609.6, 172.9],
        [721.5j, 720.25, 609.6, 172.9],
        [0, 720.25, 609.6, 172.9],
        [-721.5, 720.25, 609.6, 172.9],
        [1, 2, 3, 4, 5],
        [[721.5, 720.25], [609.6, 172.9]],
        [[721.5, 0, 609.6], [0, 720.25], [0, 0, 1]],
        [[MATRIX.tolist()]],
        MATRIX > 0,
        MATRIX.T,
        2 * MATRIX,
        MATRIX[[1, 0, 2]],
        np.zeros((3, 3)),
        PROJECTION.T,
    ],
    ids=lambda given: str(given)[:20],
)
def test_anything_else_is_one_line(given: object):
    with pytest.raises(UserError, match=r"got .*; give fx,fy,cx,cy") as raised:
        camera_matrix(given)
    assert len(str(raised.value)) < 500
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "size",
    [(0, 375), (-1242, 375), (1242.5, 375), (math.nan, 375), (10**400, 1), (True, 1), 5, (1,)],
)
def test_an_absurd_image_size_is_one_line(size: object):
    with pytest.raises(UserError, match=r"image size of a camera is .*whole pixels"):
        Intrinsics(MATRIX, size)


@pytest.mark.parametrize(
    "distortion", [(0.1,) * 3, (0.1,) * 8, (math.nan,) * 5, (10**400,) * 4, (True,) * 5, "abcde", 3]
)
def test_other_coefficients_are_one_line(distortion: object):
    with pytest.raises(UserError, match=r"distortion is .*; give OpenCV's k1, k2, p1, p2, k3 or"):
        Intrinsics(MATRIX, None, distortion)


def test_ros(tmp_path: Path):
    camera = read_intrinsics(write(tmp_path, "ros.yaml", ROS))
    assert camera.equals(Intrinsics(MATRIX, (1242, 375), LENS))


def test_opencv(tmp_path: Path):
    path = opencv_yaml(tmp_path)
    assert path.read_text().startswith("%YAML:1.0")
    assert read_intrinsics(path).equals(Intrinsics(MATRIX, (1242, 375), LENS))


def test_opencv_as_json(tmp_path: Path):
    content = dict(
        camera_matrix=MATRIX.tolist(), dist_coeffs=[LENS], image_width=1242, image_height=375
    )
    camera = read_intrinsics(write(tmp_path, "a.json", json.dumps(content)))
    assert camera.equals(Intrinsics(MATRIX, (1242, 375), LENS))


def test_camera_info_message(tmp_path: Path):
    content = dict(
        height=375, width=1242, distortion_model="plumb_bob", D=[0.0] * 5, K=MATRIX.ravel().tolist()
    )
    camera = read_intrinsics(write(tmp_path, "info.json", json.dumps(content)))
    assert camera.equals(Intrinsics(MATRIX, (1242, 375)))


def test_kalibr(tmp_path: Path):
    lines = "cam0:\n  camera_model: pinhole\n  intrinsics: [721.5, 720.25, 609.6, 172.9]\n"
    lines += "  distortion_model: equidistant\n  distortion_coeffs: [0.1, 0.2, 0.3, 0.4]\n"
    lines += "  resolution: [1242, 375]\n"
    camera = read_intrinsics(write(tmp_path, "camchain.yaml", lines))
    assert camera.equals(Intrinsics(MATRIX, (1242, 375), (0.1, 0.2, 0.3, 0.4)))


@pytest.mark.parametrize("names", [("fx", "fy", "width", "height"), ("fl_x", "fl_y", "w", "h")])
def test_numbers_by_name(tmp_path: Path, names: tuple[str, ...]):
    content = dict(zip(names, (721.5, 720.25, 1242, 375)), cx=609.6, cy=172.9)
    for nested in (content, dict(intrinsics=content)):
        camera = read_intrinsics(write(tmp_path, "a.json", json.dumps(nested)))
        np.testing.assert_array_equal(camera.matrix, MATRIX)


@pytest.mark.parametrize(
    ("coefficients", "expected"),
    [
        (LENS[:4], (*LENS[:4], 0.0)),
        ((*LENS, 0.0, 0.0, 0.0), LENS),
        ((0.0,) * 14, None),
        ((), None),
    ],
)
def test_other_numbers_of_coefficients(tmp_path: Path, coefficients: tuple, expected: tuple | None):
    content = dict(K=MATRIX.tolist(), D=coefficients)
    camera = read_intrinsics(write(tmp_path, "a.json", json.dumps(content)))
    assert camera.distortion == expected


@pytest.mark.parametrize(
    ("more", "fault"),
    [
        (dict(D=[0.1] * 8), "distortion has 8 coefficients"),
        (dict(D=[0.1] * 4, distortion_model="omnidirectional"), "the distortion model 'omni"),
        (dict(D=[0.1] * 5, distortion_model="equidistant"), "distortion has 5"),
        (dict(D=["a"] * 5), "distortion is"),
        (dict(D="a"), "distortion is"),
        (dict(width=0, height=375), "the image size of a camera"),
        (dict(width="1242", height="375"), "the image size of a camera"),
    ],
)
def test_a_fault_names_the_file(tmp_path: Path, more: dict, fault: str):
    path = write(tmp_path, "a.json", json.dumps(dict(K=MATRIX.tolist(), **more)))
    with pytest.raises(UserError, match=rf"a\.json: {fault}"):
        read_intrinsics(path)


def test_kitti_with_one_matrix_needs_no_folder(tmp_path: Path):
    camera = read_intrinsics(write(tmp_path, "000000.txt", KITTI), tmp_path / "000000.png")
    np.testing.assert_array_equal(camera.matrix, MATRIX)


def test_kitti_by_folder_and_by_name(tmp_path: Path):
    other = KITTI.replace("P3: 7.215", "P3: 9.215")
    path = write(tmp_path, "calib.txt", other)
    for folder, focal in (("image_2", 721.5), ("image_3", 921.5), ("image_03/data", 921.5)):
        assert read_intrinsics(path, tmp_path / folder / "000000.png")[0, 0] == focal
    assert read_intrinsics(f"{path}:P3")[0, 0] == 921.5
    assert read_intrinsics(f"{path}:P3", tmp_path / "image_2/000000.png")[0, 0] == 921.5
    with pytest.raises(UserError, match=r"no camera for .*photos/a\.png, but P0, P1, P2, P3; give"):
        read_intrinsics(path, tmp_path / "photos/a.png")
    with pytest.raises(UserError, match=r"has no camera 'P7', but P0, P1, P2, P3"):
        read_intrinsics(f"{path}:P7")


def test_kitti_raw_recordings_have_sizes(tmp_path: Path):
    lines = KITTI.replace("P2:", "P_rect_02:") + "S_rect_02: 1.242000e+03 3.750000e+02\n"
    camera = read_intrinsics(write(tmp_path, "calib_cam_to_cam.txt", lines), "/a/image_02/0.png")
    assert camera.size == (1242, 375)


def test_kitti_with_a_short_line(tmp_path: Path):
    path = write(tmp_path, "calib.txt", "P2: 721.5 0 609.6\n")
    with pytest.raises(UserError, match=r"calib\.txt, a calibration of KITTI: .*3 numbers, not 12"):
        read_intrinsics(path)


def test_a_folder_has_a_file_for_each_image(tmp_path: Path):
    write(tmp_path, "calib/a.txt", "721.5 720.25 609.6 172.9")
    write(tmp_path, "calib/b.json", "[800, 800, 600, 170]")
    assert read_intrinsics(tmp_path / "calib", tmp_path / "a.png")[0, 0] == 721.5
    assert read_intrinsics(tmp_path / "calib", tmp_path / "b.png")[0, 0] == 800
    with pytest.raises(UserError, match=r"needs one of c\.txt, c\.json, c\.yaml, c\.yml; it has 0"):
        read_intrinsics(tmp_path / "calib", tmp_path / "c.png")
    with pytest.raises(UserError, match="is a folder; give a file"):
        read_intrinsics(tmp_path / "calib")


def test_cameras_by_name(tmp_path: Path):
    cameras = dict(FRONT=MATRIX.tolist(), BACK=dict(K=(MATRIX * [[2], [1], [1]]).tolist()))
    path = write(
        tmp_path, "rig.json", json.dumps(dict(cameras, date="today", version=[1, 2, 3, 4]))
    )
    with pytest.raises(UserError, match=r"rig\.json: version: intrinsics|several"):
        read_intrinsics(path)
    path = write(tmp_path, "rig.json", json.dumps(dict(cameras, date="today")))
    assert read_intrinsics(path, "/drive/FRONT/0.png")[0, 0] == 721.5
    assert read_intrinsics(path, "/drive/BACK/0.png")[0, 0] == 1443
    assert read_intrinsics(f"{path}:BACK")[0, 0] == 1443
    with pytest.raises(UserError, match=r"several cameras \(FRONT, BACK\)"):
        read_intrinsics(path)


def test_cameras_by_image(tmp_path: Path):
    """Cameras of images, with as much of the path as it takes."""
    cameras = {
        f"{folder}/{name}": (focal, focal, 600, 170)
        for folder, name, focal in [("left", "0.png", 700), ("right", "0.png", 800)]
    }
    path = write(tmp_path, "k.json", json.dumps(cameras))
    for folder, focal in (("left", 700), ("right", 800)):
        assert read_intrinsics(path, f"/drive/{folder}/0.png")[0, 0] == focal
    with pytest.raises(UserError, match=r"several cameras for .*\(left/0\.png, right/0\.png\)"):
        read_intrinsics(path, "/drive/middle/0.png")


def test_an_annotation_file_has_sizes_and_lenses(tmp_path: Path):
    image = dict(file_name="a.png", cam_intrinsic=MATRIX.tolist(), width=1242, height=375)
    for lens in (LENS, None):
        content = dict(images=[dict(image, distortion=lens)])
        camera = read_intrinsics(write(tmp_path, "a.json", json.dumps(content)), "a.png")
        assert camera.equals(Intrinsics(MATRIX, (1242, 375), lens))


def test_field_of_view(tmp_path: Path):
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((90, 160, 3), np.uint8))
    camera = read_intrinsics("fov=70", tmp_path / "a.png")
    width, height = camera.size
    assert (width, height) == (160, 90)
    assert (camera[0, 2], camera[1, 2]) == (80, 45)
    np.testing.assert_allclose(
        2 * math.degrees(math.atan(width / 2 / camera[0, 0])), 70, rtol=EXACT
    )
    for text in ("fov=0", "fov=180", "fov=nan", "fov=wide", "fov=", "fov=-70"):
        with pytest.raises(UserError, match=r"field of view .* is not a number of degrees"):
            read_intrinsics(text, tmp_path / "a.png")
    with pytest.raises(UserError, match="needs the size of an image"):
        read_intrinsics("fov=70")


BOMB = "a: &a [1, 1]\n" + "".join(f"{b}: &{b} [*{a}, *{a}]\n" for a, b in zip("abcde", "bcdef"))
HOSTILE = {
    "deep.json": "[" * 100_000,
    "deep.yaml": "K: " + "[" * 20_000,
    "digits.json": f"[{'9' * 5000}, 1, 2, 3]",
    "digits.txt": f"{'9' * 400} 1 2 3",
    "digits.yaml": f"K: [{'9' * 5000}, 1, 2, 3]",
    "true.json": "[true, true, true, true]",
    "nan.json": "[NaN, 1, 2, 3]",
    "nan.yaml": "fx: .nan\nfy: 1\ncx: 2\ncy: 3",
    "python.yaml": "K: !!python/object/apply:os.system ['true']",
    "bomb.yaml": BOMB,
    "large.yaml": "a: b\n" * 300_000,
    "open.yaml": "K: [1, 2",
    "empty.yaml": "",
    "null.json": "null",
    "object.json": "{}",
    "images.json": '{"images": 3}',
    "entries.json": '{"images": [3]}',
    "matrix.yaml": "camera_matrix: {rows: 3, cols: 3, data: {}}",
    "nested.json": json.dumps(dict(k=dict(k=dict(k=None)))),
    "text.yaml": "K: text",
    "page.html": "<html></html>",
    "binary.txt": "\x00\x01",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_one_line(tmp_path: Path, name: str):
    path = write(tmp_path, name, HOSTILE[name])
    with pytest.raises(UserError, match=name) as raised:
        read_intrinsics(path, tmp_path / "image.png")
    assert len(str(raised.value)) < 700


@pytest.mark.parametrize(
    "text",
    ["9" * 400 + ",1,2,3", "1," * 3000, "\0", "1,2,3,nan", "inf,1,2,3", "k.yaml:P2", ":", ""],
)
def test_hostile_text_is_one_line(text: str):
    with pytest.raises(UserError, match="give fx,fy,cx,cy") as raised:
        read_intrinsics(text, "image.png")
    assert len(str(raised.value)) < 500


def test_a_calibration_of_another_resolution():
    camera = Intrinsics(MATRIX, (1242, 375))
    assert camera_faults(camera, (1242, 375)) == []
    (fault,) = camera_faults(Intrinsics((800, 800, 610, 180), (1280, 376)), (1242, 375))
    assert "calibrated for 1280x376, but the image is 1242x375" in fault


def test_a_file_that_changes_is_read_again(tmp_path: Path):
    path = write(tmp_path, "k.txt", "700 700 600 170")
    assert read_intrinsics(path)[0, 0] == 700
    write(tmp_path, "k.txt", "800 800 600 170")
    assert read_intrinsics(path)[0, 0] == 800
