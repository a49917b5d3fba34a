"""Films: what is written is read again."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from epropnp_det.engine.films import Mp4Film, write_film
from epropnp_det.errors import UserError


def pictures(number: int) -> list[np.ndarray]:
    """Pictures (32, 48, 3) of one colour each, blue first."""
    return [np.full((32, 48, 3), (200, 20, 60 * index), np.uint8) for index in range(number)]


def test_a_gif_has_the_colours_and_the_time(tmp_path: Path) -> None:
    path = tmp_path / "film.gif"
    write_film(path, pictures(3), 0.25)
    with Image.open(path) as film:
        assert film.n_frames == 3
        for index, frame in enumerate(pictures(3)):
            film.seek(index)
            assert film.info["duration"] == 250
            np.testing.assert_array_equal(np.array(film.convert("RGB")), frame[..., ::-1])


def test_an_mp4_has_the_size_and_the_rate(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    write_film(path, pictures(4), 0.1)
    film = cv2.VideoCapture(str(path))
    assert film.get(cv2.CAP_PROP_FRAME_COUNT) == 4
    assert film.get(cv2.CAP_PROP_FPS) == pytest.approx(10)
    assert film.read()[1].shape == (32, 48, 3)


@pytest.mark.parametrize("name", ["film.gif", "film.mp4"])
def test_a_folder_is_made(tmp_path: Path, name: str) -> None:
    write_film(tmp_path / "new" / name, pictures(1), 0.1)
    assert [path.name for path in (tmp_path / "new").iterdir()] == [name]


@pytest.mark.parametrize(
    "name, line",
    [
        ("file/film.gif", "file cannot be a folder"),
        ("file/film.mp4", "file cannot be a folder"),
        ("film.odd", r"film\.odd cannot be written as a film"),
    ],
)
def test_a_film_that_cannot_be_written_is_one_line(tmp_path: Path, name: str, line: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=line) as error:
        write_film(tmp_path / name, pictures(1), 0.1)
    assert "\n" not in str(error.value)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_an_error_leaves_the_film_before(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    path.write_bytes(b"before")
    with pytest.raises(UserError, match="of the middle"), Mp4Film(path, 10.0) as film:
        film.add(pictures(1)[0])
        raise UserError("of the middle")
    assert path.read_bytes() == b"before" and len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("room", [0, 100_000])
@pytest.mark.parametrize("name", ["film.gif", "film.mp4"])
def test_a_full_disk_is_one_line_and_leaves_the_film_before(
    full_disk: Path, name: str, room: int
) -> None:
    path = full_disk / name
    path.touch()  # takes no room
    ballast = full_disk / "ballast"
    os.truncate(ballast, ballast.stat().st_size - room)
    frames = list(np.random.default_rng(0).integers(0, 256, (9, 240, 320, 3), np.uint8))
    with pytest.raises(UserError, match=rf"{name} cannot be written.*free some space"):
        write_film(path, frames, 0.1)
    assert path.read_bytes() == b""
    assert {each.name for each in full_disk.iterdir()} == {name, "ballast"}
