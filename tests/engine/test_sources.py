"""Files, folders and patterns name images."""

from __future__ import annotations

from pathlib import Path

import pytest

from epropnp_det.engine.sources import (
    MEDIA_SUFFIXES,
    Stream,
    find_images,
    find_media,
    is_stream,
    other_files,
)
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


def test_images_films_and_streams_are_one_list_in_the_order_of_the_sources(
    drive: Path, monkeypatch: pytest.MonkeyPatch
):
    (drive / "a.MP4").touch()
    (drive / "left/b.avi").touch()
    (drive / "7").touch()
    monkeypatch.chdir(drive)
    sources = ["left/*", "rtsp://camera/1", "2.jpg", "0", ".", "7"]
    found = find_media(sources)
    assert list(map(str, found)) == [
        *["left/0.png", "left/b.avi", "rtsp://camera/1", "2.jpg", "0"],
        *["1.PNG", "2.jpg", "a.MP4", "7"],
    ]
    assert [isinstance(each, Stream) for each in found] == [each in (2, 4) for each in range(9)]
    assert [path.name for path in other_files(["."], MEDIA_SUFFIXES)] == [
        *["7", "calib.txt", "picture"]
    ]


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("none.mp4", "film none.mp4 does not exist"),
        ("ftp://camera/a.mp4", "film ftp:/camera/a.mp4 does not exist"),
        ("folder.png", "has no image and no film; .*, of films in .avi"),
    ],
)
def test_a_missing_film_is_one_line(
    drive: Path, monkeypatch: pytest.MonkeyPatch, source: str, line: str
):
    monkeypatch.chdir(drive)
    with pytest.raises(UserError, match=line):
        find_media([source])


def test_numbers_and_addresses_are_streams():
    for source in ("0", "12", "rtsp://camera/1", "HTTP://[", "https://a/b.mp4", "udp://@:1234"):
        assert is_stream(source)
    for source in ("0.png", "20260101", "-1", "", "file:///etc/passwd", "concat:a|b"):
        assert not is_stream(source)


@pytest.mark.parametrize(
    ("address", "shown", "path"),
    [
        ("rtsp://me:secret@host:554/live/1", "rtsp://host:554/live/1", "/host_554/live/1"),
        ("https://host/cam?channel=1&x=2", "https://host/cam?channel=1&x=2", None),
        ("http://[", "http://[", "/_"),
        ("3", "3", "/camera_3"),
    ],
)
def test_a_stream_shows_no_password_and_stands_for_a_path(
    address: str, shown: str, path: str | None
):
    stream = Stream(address)
    assert str(stream) == shown and "secret" not in repr(stream)
    assert str(stream.path) == (path or "/channel_1_x_2/host/cam")
