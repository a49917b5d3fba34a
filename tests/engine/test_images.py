"""Images from files: every common kind is read, anything else is one clear line."""

from __future__ import annotations

import io
import os
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from epropnp_det.engine.images import MAX_PIXELS, image_size, read_image
from epropnp_det.errors import ImageError, UserError
from tests.tolerances import CMYK_LEVELS


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_files_on_disk(tmp_path: Path, suffix: str):
    path = tmp_path / f"image{suffix}"
    noise = np.random.default_rng(0).integers(0, 255, (120, 160, 3), dtype=np.uint8)
    cv2.imwrite(str(path), noise)
    whole = path.read_bytes()
    assert read_image(str(path)).shape == (120, 160, 3)
    path.write_bytes(whole + b"\0" * 16)  # some cameras append to the file
    assert read_image(str(path)).shape == (120, 160, 3)
    for content in (whole[: len(whole) // 2], whole[:-40], b"", b"not an image"):
        path.write_bytes(content)
        with pytest.raises(UserError, match=rf"image\{suffix} is truncated or not an image"):
            read_image(str(path))
    with pytest.raises(UserError, match=r"nothing\.jpg cannot be read"):
        read_image(str(tmp_path / "nothing.jpg"))


def encoded(kind: str) -> bytes:
    noise = np.random.default_rng(0).integers(0, 255, (90, 160, 3), dtype=np.uint8)
    return cv2.imencode(kind, noise)[1].tobytes()


FILM = b"\x00\x00\x00\x18ftypmp42" + bytes(50_000)
# An APP1 segment with a whole small JPEG, as cameras write thumbnails.
THUMBNAIL = b"\xff\xe1\x00\x14" + b"\xff\xd8\xff\xda" + bytes(12) + b"\xff\xd9"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("motion_photo.jpg", encoded(".jpg") + FILM),
        ("film_without_end_marker.jpg", encoded(".jpg")[:-2] + FILM),
        ("png_inside.jpg", encoded(".png")),
        ("jpeg_inside.png", encoded(".jpg")),
        ("film_behind.png", encoded(".png") + FILM),
        ("thumbnail.jpg", b"\xff\xd8" + THUMBNAIL + encoded(".jpg")[2:]),
    ],
)
def test_content_decides_whether_an_image_is_whole(tmp_path: Path, name: str, content: bytes):
    (tmp_path / name).write_bytes(content)
    assert read_image(str(tmp_path / name)).shape == (90, 160, 3)


def test_a_chunk_of_a_png_takes_no_more_room_than_it_has(tmp_path: Path):
    content = encoded(".png")
    length = b"\x7f\x00\x00\x00"  # two gigabytes
    begin = content.index(b"IDAT") - len(length)
    (tmp_path / "a.png").write_bytes(content[:begin] + length + content[begin + len(length) :])
    with pytest.raises(UserError, match=r"a\.png is truncated"):
        read_image(str(tmp_path / "a.png"))


def test_the_end_of_a_thumbnail_is_not_the_end_of_the_image(tmp_path: Path):
    content = b"\xff\xd8" + THUMBNAIL + encoded(".jpg")[2:]
    (tmp_path / "cut.jpg").write_bytes(content[: len(content) // 2])
    with pytest.raises(UserError, match=r"cut\.jpg is truncated"):
        read_image(str(tmp_path / "cut.jpg"))


def test_a_folder_is_no_image(tmp_path: Path):
    with pytest.raises(UserError, match=r"no regular file"):
        read_image(str(tmp_path))


NOISE = np.random.default_rng(1).integers(0, 255, (40, 60, 3), dtype=np.uint8)  # red first
ORIENTATION = 0x0112
MODES = ["L", "LA", "RGBA", "P", "1", "CMYK"]


def encoded_by_pillow(image: Image.Image, kind: str = "PNG", orientation: int = 1) -> bytes:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    stream = io.BytesIO()
    image.save(stream, kind, exif=exif, **(dict(quality=100) if kind == "JPEG" else {}))
    return stream.getvalue()


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_becomes_the_colours_that_pillow_gives(tmp_path: Path, mode: str):
    kind = "JPEG" if mode == "CMYK" else "PNG"
    image = Image.fromarray(np.full((40, 60, 3), (200, 120, 40), np.uint8)).convert(mode)
    (tmp_path / "image").write_bytes(encoded_by_pillow(image, kind))
    expected = np.array(image.convert("RGB"))[..., ::-1].astype(int)
    found = read_image(tmp_path / "image")
    assert found.dtype == np.uint8
    assert np.abs(found - expected).max() <= (CMYK_LEVELS if kind == "JPEG" else 0)


@pytest.mark.parametrize("channels", [1, 3])
def test_the_upper_bits_of_16_count(tmp_path: Path, channels: int):
    deep = NOISE[..., :channels].astype(np.uint16) * 257
    cv2.imwrite(str(tmp_path / "deep.png"), deep)
    expected = np.broadcast_to(NOISE[..., :channels], NOISE.shape)
    np.testing.assert_array_equal(read_image(tmp_path / "deep.png"), expected)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_an_image_is_turned_upright(tmp_path: Path, kind: str, orientation: int):
    image = Image.fromarray(NOISE)
    (tmp_path / "image").write_bytes(encoded_by_pillow(image, kind, orientation))
    (tmp_path / "upright").write_bytes(encoded_by_pillow(image, kind))
    plain = read_image(tmp_path / "upright")
    turned = read_image(tmp_path / "image")
    # Orientation 6: the first row is at the right, the first column at the top.
    expected = {
        1: plain,
        2: plain[:, ::-1],
        3: plain[::-1, ::-1],
        4: plain[::-1],
        5: plain.transpose(1, 0, 2),
        6: np.rot90(plain, -1),
        7: plain[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(plain),
    }
    np.testing.assert_array_equal(turned, expected[orientation])
    assert image_size(tmp_path / "image") == turned.shape[1::-1]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP", "BMP", "PPM"])
def test_the_header_has_the_size_of_the_image(tmp_path: Path, kind: str):
    stream = io.BytesIO()
    Image.fromarray(NOISE).save(stream, kind)
    (tmp_path / "image").write_bytes(stream.getvalue())
    assert image_size(tmp_path / "image") == (60, 40) == read_image(tmp_path / "image").shape[1::-1]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_opencv_turns_the_same_way(tmp_path: Path, orientation: int):
    data = encoded_by_pillow(Image.fromarray(NOISE), "JPEG", orientation)
    (tmp_path / "image").write_bytes(data)
    expected = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    np.testing.assert_array_equal(read_image(tmp_path / "image"), expected)


def test_pixels_and_size_have_one_orientation(tmp_path: Path):
    """OpenCV turns this image, and Pillow finds no orientation."""
    data = encoded_by_pillow(Image.fromarray(NOISE), "JPEG", 6).replace(b"Exif", b"\x00xif", 1)
    (tmp_path / "image").write_bytes(data)
    assert image_size(tmp_path / "image") == (60, 40) == read_image(tmp_path / "image").shape[1::-1]


def png_of_size(width: int, height: int) -> bytes:
    """A PNG whose header has this size and whose image data are empty."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(kind, data) for kind, data in chunks)


@pytest.mark.parametrize("side", [int(MAX_PIXELS**0.5) + 1, 20_000, 60_000, 2**31 - 1])
def test_an_image_of_too_many_pixels_is_refused_before_it_is_decoded(tmp_path: Path, side: int):
    (tmp_path / "huge.png").write_bytes(png_of_size(side, side))
    for read in (read_image, image_size):
        with pytest.raises(ImageError, match=r"huge\.png (is|has|cannot)"):
            read(tmp_path / "huge.png")


def float_tiff() -> bytes:
    stream = io.BytesIO()
    Image.fromarray(NOISE[..., 0].astype(np.float32)).save(stream, "TIFF")
    return stream.getvalue()


@pytest.mark.parametrize("content", [float_tiff(), b"GIF89a", b"%PDF-1.4", b"\xff\xd8\xff", b"II*"])
def test_other_content_is_one_line(tmp_path: Path, content: bytes):
    (tmp_path / "image.png").write_bytes(content)
    with pytest.raises(ImageError, match=r"image\.png is truncated or not an image .*8 or 16 bits"):
        read_image(tmp_path / "image.png")


def test_only_regular_files_are_read(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, "/dev/zero"):
        with pytest.raises(ImageError, match="is no regular file"):
            read_image(path)


@pytest.mark.parametrize("name", ["a" * 5000, "a\0b", "missing/deeper/image.png"])
def test_a_name_that_is_no_path_is_one_line(name: str):
    with pytest.raises(ImageError, match="cannot be read"):
        read_image(name)


def test_a_link_to_an_image_is_read(tmp_path: Path):
    (tmp_path / "image.png").write_bytes(encoded(".png"))
    (tmp_path / "link.png").symlink_to(tmp_path / "image.png")
    assert read_image(tmp_path / "link.png").shape == (90, 160, 3)
