"""Intrinsics from text and files; anything else is one clear line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from epropnp_det.engine.intrinsics import camera_matrix, intrinsics_by_file_name, parse_intrinsics
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
    with pytest.raises(UserError, match="cannot be read as text"):
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
