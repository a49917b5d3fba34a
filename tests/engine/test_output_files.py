"""Files of results are there whole or not at all, and what cannot be written is one line."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from epropnp_det.detection.detections import write_picture
from epropnp_det.engine.json_files import write_json
from epropnp_det.engine.output_files import (
    make_folder,
    output_names,
    write_bytes,
    write_figure,
    write_pixels,
    write_text,
)
from epropnp_det.errors import UserError

PIXELS = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)
WRITERS: dict[str, Callable[[Path], None]] = {
    "a.bin": lambda path: write_bytes(path, bytes(3000)),
    "a.txt": lambda path: write_text(path, 3000 * "é"),
    "a.json": lambda path: write_json(path, [math.nan, *range(3000)]),
    "a.png": lambda path: write_pixels(path, PIXELS),
    "a.jpg": lambda path: write_pixels(path, PIXELS, 90),
    "b.png": lambda path: write_figure(path, Figure()),
    "a.svg": lambda path: write_figure(path, Figure()),
    "c.png": lambda path: write_picture(path, Image.fromarray(PIXELS)),
}
names = pytest.mark.parametrize("name", WRITERS)


@names
def test_the_folder_is_made_and_nothing_else_is_in_it(tmp_path: Path, name: str) -> None:
    path = tmp_path / "new" / "deep" / name
    for _ in range(2):  # the second time in place of the first
        WRITERS[name](path)
    assert [each.name for each in path.parent.iterdir()] == [name]


def test_what_is_written_is_read(tmp_path: Path) -> None:
    for name, write in WRITERS.items():
        write(tmp_path / name)
    assert (tmp_path / "a.txt").read_text("utf-8") == 3000 * "é"
    assert json.loads((tmp_path / "a.json").read_text()) == [None, *range(3000)]
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / "a.png")), PIXELS)
    np.testing.assert_array_equal(np.array(Image.open(tmp_path / "c.png")), PIXELS)
    assert cv2.imread(str(tmp_path / "b.png")) is not None


def test_a_picture_has_the_bytes_of_opencv(tmp_path: Path) -> None:
    for name, settings in {"a.png": [], "a.jpg": [cv2.IMWRITE_JPEG_QUALITY, 90]}.items():
        WRITERS[name](tmp_path / name)
        cv2.imwrite(str(tmp_path / f"opencv_{name}"), PIXELS, settings)
        assert (tmp_path / name).read_bytes() == (tmp_path / f"opencv_{name}").read_bytes()


@names
def test_a_full_disk_is_one_line_and_leaves_the_file_before(full_disk: Path, name: str) -> None:
    (full_disk / name).touch()
    with pytest.raises(UserError, match=rf"{name} cannot be written: No space left") as error:
        WRITERS[name](full_disk / name)
    assert "\n" not in str(error.value)
    assert (full_disk / name).read_bytes() == b""
    assert {each.name for each in full_disk.iterdir()} == {name, "ballast"}


@names
def test_other_places_are_one_line(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / name).mkdir()
    with pytest.raises(UserError, match="file cannot be a folder: File exists"):
        WRITERS[name](tmp_path / "file" / name)
    with pytest.raises(UserError, match=rf"{name} cannot be written: Is a directory"):
        WRITERS[name](tmp_path / name)
    assert not list((tmp_path / name).iterdir())


@names
def test_a_read_only_disk_is_one_line(read_only_disk: Path, name: str) -> None:
    with pytest.raises(UserError, match=rf"{name} cannot be written: Read-only file system"):
        WRITERS[name](read_only_disk / name)
    with pytest.raises(UserError, match="new cannot be a folder: Read-only file system"):
        make_folder(read_only_disk / "new")


@pytest.mark.parametrize("name", ["picture", "picture.odd", "picture.txt"])
def test_a_name_of_no_picture_is_one_line(tmp_path: Path, name: str) -> None:
    for write in (WRITERS["a.png"], WRITERS["b.png"]):
        with pytest.raises(UserError, match=rf"{name} is no name of a picture"):
            write(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_names_of_the_longest_kind_are_written(tmp_path: Path) -> None:
    for name in ("x" * 251 + ".txt", "é" * 125 + ".txt"):
        write_text(tmp_path / name, "")
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize(
    ("images", "names"),
    [
        (["a/1.png", "b/2.jpg"], ["1", "2"]),
        (["left/0.png", "right/0.png"], ["left_0", "right_0"]),
        (["a/x/0.png", "b/x/0.png"], ["a_x_0", "b_x_0"]),
        (["a/0.png", "a/0.jpg"], ["0.png", "0.jpg"]),
    ],
)
def test_each_image_has_a_name_of_its_own(images: list[str], names: list[str]):
    assert output_names([Path("/data", image) for image in images]) == names


def test_an_image_given_twice_is_refused():
    with pytest.raises(UserError, match="twice"):
        output_names([Path("/data/0.png"), Path("/data/0.png")])
