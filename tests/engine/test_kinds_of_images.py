"""Each kind of image of docs/reference/bad-input.md is read, or refused in one line, by every
reader.
"""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from epropnp_det.engine.images import image_size, read_grey_image, read_image, whole_image_size
from epropnp_det.errors import ImageError

PIXELS = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)


def encoded(kind: str, mode: str = "RGB", pixels: np.ndarray = PIXELS, **settings: object) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(stream, kind, **settings)
    return stream.getvalue()


def exif(orientation: int) -> Image.Exif:
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


def bomb(side: int) -> bytes:
    """A PNG of black pixels, a thousand times smaller than they are."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    squeeze = zlib.compressobj(9)
    row = bytes(1 + side)
    content = b"".join(squeeze.compress(row) for _ in range(200)) + squeeze.flush()
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", content), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(kind, data) for kind, data in chunks)


def broken_header(side: int) -> bytes:
    """The same with a text chunk that Pillow refuses, so that it does not report the size."""
    data = bomb(side)
    return data[:33] + struct.pack(">I", 4) + b"zTXt" + b"\0\0\0\0" + b"\0\0\0\0" + data[33:]


READ: dict[str, tuple[bytes, tuple[int, int]]] = {
    "1x1": (encoded("PNG", pixels=PIXELS[:1, :1]), (1, 1)),
    "16 bits": (cv2.imencode(".png", PIXELS.astype(np.uint16) * 257)[1].tobytes(), (40, 30)),
    "grey": (encoded("JPEG", "L"), (40, 30)),
    "grey of 1 bit": (encoded("PNG", "1"), (40, 30)),
    "palette": (encoded("PNG", "P"), (40, 30)),
    "RGBA": (encoded("PNG", "RGBA"), (40, 30)),
    "CMYK": (encoded("JPEG", "CMYK"), (40, 30)),
    "turned by EXIF": (encoded("JPEG", exif=exif(6)), (30, 40)),
    "bytes behind the end": (encoded("JPEG") + b"more", (40, 30)),
}
REFUSED: dict[str, tuple[bytes, str]] = {
    "truncated JPEG": (encoded("JPEG", quality=95)[:-400], "truncated"),
    "truncated PNG": (encoded("PNG")[:-400], "truncated"),
    "zero bytes": (b"", "0 bytes"),
    "text": (b"no image\n", "not an image"),
    "bomb": (bomb(40_000), "pixels"),
    "bomb without a size": (broken_header(40_000), "40000x40000; give an image of less than 100"),
}
READERS = (read_image, read_grey_image, image_size, whole_image_size)


@pytest.mark.parametrize("kind", READ)
def test_images_that_are_read(tmp_path: Path, kind: str) -> None:
    content, size = READ[kind]
    path = tmp_path / "image"
    path.write_bytes(content)
    assert image_size(path) == whole_image_size(path) == size
    assert read_image(path).shape == (size[1], size[0], 3)
    assert read_grey_image(path).shape == (size[1], size[0])


@pytest.mark.parametrize("kind", REFUSED)
def test_images_that_are_refused(tmp_path: Path, kind: str) -> None:
    content, line = REFUSED[kind]
    path = tmp_path / "image"
    path.write_bytes(content)
    has_size = kind == "truncated JPEG"
    for read in READERS:
        if has_size and read is image_size:
            assert read(path) == (40, 30)
            continue
        with pytest.raises(ImageError, match=line) as error:
            read(path)
        assert str(path) in str(error.value) and "\n" not in str(error.value)


def pipe(path: Path) -> None:
    os.mkfifo(path)


@pytest.mark.parametrize("make", [pipe, Path.mkdir, lambda path: None])
def test_what_is_no_file_does_not_block(tmp_path: Path, make: Callable[[Path], object]) -> None:
    make(tmp_path / "image")
    for read in READERS:
        with pytest.raises(ImageError, match=r"is no regular file|No such file"):
            read(tmp_path / "image")
