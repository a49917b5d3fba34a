"""Frames of films: what is written is read, and what is missing is one line."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import numpy as np
import pytest

from epropnp_det.engine.film_frames import DEFAULT_RATE, Film
from epropnp_det.engine.films import write_film
from epropnp_det.engine.sources import Stream
from epropnp_det.errors import ImageError

LEVELS = [20 * (index + 1) for index in range(10)]


def grey_film(path: Path, code: str | None = None) -> Path:
    """A film at 10 frames per second whose frames have a mean brightness of `LEVELS`."""
    noise = np.random.default_rng(0).integers(-15, 16, (48, 64, 3))
    frames = [(level + noise).astype(np.uint8) for level in LEVELS]
    if code is None:
        write_film(path, frames, 0.1)
        return path
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*code), 10.0, (64, 48))
    for frame in frames:
        writer.write(frame)
    writer.release()
    return path


@pytest.mark.parametrize("name, code", [("a.mp4", None), ("a.avi", "MJPG"), ("a 01.mkv", "mp4v")])
def test_frames_come_in_order_with_their_times(tmp_path: Path, name: str, code: str) -> None:
    film = Film(grey_film(tmp_path / name, code))
    assert film.rate == pytest.approx(10) and film.expected == 10 and film.size == (64, 48)
    frames = list(film.frames())
    assert [frame.index for frame in frames] == list(range(10))
    np.testing.assert_allclose([frame.time for frame in frames], np.arange(10) / 10, atol=1e-3)
    # The codec keeps brightness to a few levels; neighbours are twenty apart.
    np.testing.assert_allclose([frame.pixels.mean() for frame in frames], LEVELS, atol=6)


@pytest.mark.parametrize("name, code", [("a.avi", "MJPG"), ("a.mkv", "mp4v")])
def test_a_film_that_is_cut_off_gives_its_frames_and_then_one_line(
    tmp_path: Path, name: str, code: str
) -> None:
    path = grey_film(tmp_path / name, code)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    levels = []
    with pytest.raises(ImageError, match=rf"{name} ends after \d of 10 frames.*cut off or damaged"):
        for frame in Film(path).frames():
            levels.append(frame.pixels.mean())
    assert 1 <= len(levels) < 10
    np.testing.assert_allclose(levels, LEVELS[: len(levels)], atol=6)


def test_what_is_no_film_is_one_line_and_opencv_is_silent(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    whole = grey_film(tmp_path / "whole.mp4").read_bytes()
    playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{tmp_path}/whole.mp4\n"
    contents = {
        "cut.mp4": (whole[: len(whole) // 2], "is cut off, or no film"),
        "binary.mp4": (b"\0\1" * 500, "is cut off, or no film"),
        "empty.mp4": (b"", "is empty; copy it again"),
        "list.mp4": (playlist.encode(), "is no film but text"),
    }
    for name, (content, line) in contents.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ImageError, match=f"{name} {line}"):
            Film(tmp_path / name)
    os.mkfifo(tmp_path / "pipe.mp4")
    for name, line in (("pipe.mp4", "a pipe or a device"), ("none.mp4", "cannot be read")):
        with pytest.raises(ImageError, match=line):
            Film(tmp_path / name)
    assert capfd.readouterr() == ("", "")


def test_an_unknown_codec_has_its_name_in_the_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = grey_film(tmp_path / "a.avi", "MJPG")
    path.write_bytes(path.read_bytes().replace(b"MJPG", b"ZZZZ"))
    with pytest.raises(ImageError, match=r"has the codec 'ZZZZ', which OpenCV lacks; .* ffmpeg -i"):
        Film(path)
    assert capfd.readouterr() == ("", "")


def test_a_film_without_frames_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "a.avi"
    cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10.0, (64, 48)).release()
    with pytest.raises(ImageError, match=r"a\.avi has no frame that can be read"):
        Film(path)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """Address of a server of the files in `tmp_path`."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=tmp_path)) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def test_a_stream_has_frames_and_no_expected_number(tmp_path: Path, server: str) -> None:
    grey_film(tmp_path / "a.avi", "MJPG")
    film = Film(Stream(f"{server}/a.avi"))
    assert film.expected is None
    assert len(list(film.frames())) == 10


def test_a_stream_that_cannot_be_reached_is_one_line(
    server: str, capfd: pytest.CaptureFixture[str]
) -> None:
    address = server.replace("http://", "http://me:secret@") + "/none.mp4"
    with pytest.raises(ImageError, match=r"stream http://127.* cannot be opened") as error:
        Film(Stream(address))
    assert "secret" not in str(error.value)
    with pytest.raises(ImageError, match="camera 99 cannot be opened"):
        Film(Stream("99"))
    assert capfd.readouterr() == ("", "")


def test_a_rate_that_no_camera_has_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 1000.0, (64, 48))
    for level in LEVELS:
        writer.write(np.full((48, 64, 3), level, np.uint8))
    writer.release()
    film = Film(path)
    assert film.rate == DEFAULT_RATE
    times = [frame.time for frame in film.frames()]
    np.testing.assert_allclose(times, np.arange(10) / 1000, atol=1e-6)
