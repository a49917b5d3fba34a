"""Films: what is written is read again."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from epropnp_det.drawing.film import write_film
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


def test_a_folder_that_is_missing_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be written as a film"):
        write_film(tmp_path / "none" / "film.mp4", pictures(1), 0.1)
