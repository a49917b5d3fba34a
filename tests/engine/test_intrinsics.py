"""Intrinsics from text and files; anything else is one clear line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from epropnp_det.engine.intrinsics import (
    camera_faults,
    camera_matrix,
    intrinsics_by_file_name,
    intrinsics_of_image,
    parse_intrinsics,
)
from epropnp_det.errors import UserError

MATRIX = np.array([[1266.4, 0.0, 816.3], [0.0, 1255.0, 491.5], [0.0, 0.0, 1.0]])


@pytest.mark.parametrize(
    "text", ["1266.4,1255,816.3,491.5", " 1266.4, 1255.0, 816.3, 491.5 ", "1266.4 1255 816.3 491.5"]
)
def test_text(text: str) -> None:
    np.testing.assert_array_equal(parse_intrinsics(text), MATRIX)


@pytest.mark.parametrize(
    "content",
    [
        json.dumps(MATRIX.tolist()),
        "[1266.4, 1255, 816.3, 491.5]",
        "1266.4 1255\n816.3 491.5\n",
        "\n".join(" ".join(map(str, row)) for row in MATRIX),
        ",".join(map(str, MATRIX.ravel())),
    ],
)
def test_file(content: str, tmp_path: Path) -> None:
    (tmp_path / "k.txt").write_text(content)
    np.testing.assert_array_equal(parse_intrinsics(tmp_path / "k.txt"), MATRIX)


@pytest.mark.parametrize(
    "text",
    ["", "1,2,3", "1,2,3,4,5", "a,b,c,d", "missing.json", "nan,1,2,3", "0,1,2,3", "-5,1,2,3"],
)
def test_bad_text_names_what_is_expected(text: str) -> None:
    with pytest.raises(UserError, match=r"give fx,fy,cx,cy or a JSON or text file"):
        parse_intrinsics(text)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{}",
        '{"K": 1}',
        "null",
        "[[1, 2], [3, 4]]",
        "[[1, 2, 3], [4, 5]]",
        "hello",
        '["a", 1, 2, 3]',
    ],
)
def test_bad_file(content: str, tmp_path: Path) -> None:
    (tmp_path / "k.json").write_text(content)
    with pytest.raises(UserError, match=r"give fx,fy,cx,cy or a JSON or text file"):
        parse_intrinsics(tmp_path / "k.json")


def test_binary_file(tmp_path: Path) -> None:
    (tmp_path / "k.png").write_bytes(b"\x89PNG\xff\xfe\x00")
    with pytest.raises(UserError, match="is not text in UTF-8"):
        parse_intrinsics(tmp_path / "k.png")


def test_a_matrix_with_another_last_row_is_no_camera() -> None:
    with pytest.raises(UserError, match="last row"):
        camera_matrix(MATRIX.T)


def test_annotation_file_gives_each_image_its_camera(tmp_path: Path) -> None:
    images = [
        dict(
            file_name=f"samples/CAM/{name}.jpg",
            cam_intrinsic=(MATRIX * scale + np.diag([0, 0, 1 - scale])).tolist(),
        )
        for name, scale in (("a", 1.0), ("b", 2.0))
    ]
    (tmp_path / "infos.json").write_text(json.dumps(dict(images=images, annotations=[])))
    matrices = intrinsics_by_file_name(tmp_path / "infos.json")
    assert matrices["a.jpg"][0, 0] == 1266.4
    assert matrices["b.jpg"][0, 0] == 2 * 1266.4


@pytest.mark.parametrize("content", ["{}", "[]", '{"images": [{"file_name": "a"}]}', "hello"])
def test_other_json_is_no_annotation_file(content: str, tmp_path: Path) -> None:
    (tmp_path / "infos.json").write_text(content)
    with pytest.raises(UserError, match="no annotation file"):
        intrinsics_by_file_name(tmp_path / "infos.json")


@pytest.fixture
def two_cameras(tmp_path: Path) -> Path:
    """An annotation file of two cameras whose images have one file name."""
    images = [
        dict(file_name=f"{folder}/000000.png", cam_intrinsic=[[f, 0, 6], [0, f, 2], [0, 0, 1]])
        for folder, f in (("image_2", 700.0), ("image_3", 1000.0))
    ]
    path = tmp_path / "infos.json"
    path.write_text(json.dumps(dict(images=images)))
    return path


@pytest.mark.parametrize(("folder", "focal"), [("image_2", 700.0), ("image_3", 1000.0)])
def test_folders_distinguish_images_of_one_name(
    two_cameras: Path, folder: str, focal: float
) -> None:
    image = Path("/recording", folder, "000000.png")
    assert intrinsics_of_image(two_cameras, image)[0, 0] == focal


def test_an_image_of_several_cameras_or_of_none_is_refused(two_cameras: Path) -> None:
    with pytest.raises(UserError, match=r"several cameras .*image_2/000000.png, image_3"):
        intrinsics_of_image(two_cameras, Path("/recording/image_4/000000.png"))
    with pytest.raises(UserError, match=r"no image named 1.png"):
        intrinsics_of_image(two_cameras, Path("/recording/image_2/1.png"))


@pytest.mark.parametrize(
    ("size", "focal", "center", "fault"),
    [
        ((1600, 900), 1266.4, (816.3, 491.5), None),
        ((800, 450), 1266.4, (816.3, 491.5), "principal point"),
        ((1600, 900), 400.0, (800.0, 450.0), "focal length"),
        ((1600, 900), 9000.0, (800.0, 450.0), "focal length"),
    ],
)
def test_a_matrix_of_another_resolution(
    size: tuple[int, int], focal: float, center: tuple[float, float], fault: str | None
) -> None:
    faults = camera_faults(camera_matrix((focal, focal, *center)), size)
    assert len(faults) == (fault is not None)
    assert all(fault in line for line in faults)
