"""Files, folders and patterns name images."""

from __future__ import annotations

from pathlib import Path

import pytest

from epropnp_det.engine.sources import find_images, other_files
from epropnp_det.errors import UserError


@pytest.fixture
def drive(tmp_path: Path) -> Path:
    names = ["2.jpg", "1.PNG", "calib.txt", ".1.png", "left/0.png", "left/deep/3.webp", "picture"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("sources", "names"),
    [
        (["."], ["1.PNG", "2.jpg"]),
        (["*"], ["1.PNG", "2.jpg"]),
        (["left/*.png", "."], ["left/0.png", "1.PNG", "2.jpg"]),
        (["**/*"], ["1.PNG", "2.jpg", "left/0.png", "left/deep/3.webp"]),
        (["picture", "2.jpg"], ["picture", "2.jpg"]),
    ],
)
def test_images_of_sources(drive: Path, sources: list[str], names: list[str]):
    found = find_images([drive / source for source in sources])
    assert [str(path.relative_to(drive)) for path in found] == names


def test_a_file_may_have_the_name_of_a_pattern(drive: Path):
    (drive / "a[1].png").touch()
    assert find_images([drive / "a[1].png"]) == [drive / "a[1].png"]


@pytest.mark.parametrize("source", ["folder.png", "*.gif", "left/deep/*.png"])
def test_a_source_without_images_is_one_line(drive: Path, source: str):
    with pytest.raises(UserError, match=r"has no image; the names of images end in \.bmp, \.jp2"):
        find_images([drive / source])


@pytest.mark.parametrize("source", ["missing.png", "missing/0.png", "a" * 5000])
def test_a_missing_source_is_one_line(drive: Path, source: str):
    with pytest.raises(UserError, match=r"does not exist|cannot be read: File name too long"):
        find_images([drive / source])


def test_other_files_are_those_that_are_no_images(drive: Path):
    others = other_files([drive, drive / "left/*.png", drive / "picture"])
    assert [path.name for path in others] == ["calib.txt", "picture"]
    assert [path.name for path in other_files([drive / "*"])] == ["calib.txt", "picture"]
