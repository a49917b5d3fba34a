"""Images from files: whole, upright, in colour and of a sane size, or one clear line."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from epropnp_det.errors import ImageError

from .outside_files import read_bytes

MAX_FILE_BYTES = 2**30
MAX_PIXELS = 100_000_000

_JPEG_START = b"\xff\xd8"
_JPEG_END = b"\xff\xd9"
_JPEG_SCAN = 0xDA
_JPEG_2000_STARTS = (b"\x00\x00\x00\x0cjP  ", b"\xff\x4f\xff\x51")
_PNG_START = b"\x89PNG\r\n\x1a\n"
_PNG_END = b"IEND"
_EXIF_ORIENTATION = 0x0112
_UPRIGHT = 1
_SIDEWAYS = (5, 6, 7, 8)  # orientations that swap width and height
_TURNED_BY_READERS = "TIFF"  # Pillow's size and OpenCV's pixels are upright already
_AS_STORED = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION


@dataclass(frozen=True)
class _Header:
    """Width and height [px] as stored, and the EXIF orientation, 1 to 8, of Pillow alone: OpenCV
    finds one in damaged files where Pillow finds none.
    """

    stored_size: tuple[int, int]
    orientation: int

    @property
    def size(self) -> tuple[int, int]:
        """Width and height [px] after turning."""
        return self.stored_size[::-1] if self.orientation in _SIDEWAYS else self.stored_size


def read_image(filename: str | Path) -> np.ndarray:
    """A colour image (H, W, 3) from disk, BGR, uint8, turned upright by its EXIF orientation.

    The content decides the format, not the name. Bytes behind the end of the image are ignored.
    Of 16 bits the upper 8 are kept. Grey becomes three equal channels, CMYK and palettes become
    colours, and transparency is ignored. Of an animation the first picture counts.

    Raises:
        ImageError: missing, no regular file, unreadable, truncated, too large, or not an image.
    """
    data = _read_bytes(filename)
    header = _read_header(data, filename)
    try:
        whole = _is_whole(data)
        image = cv2.imdecode(np.frombuffer(data, np.uint8), _AS_STORED) if whole else None
    except cv2.error as error:
        raise ImageError(
            f"image {filename} cannot be decoded ({error.err}); save it as PNG or JPEG"
        ) from error
    if image is None:
        raise ImageError(
            f"image {filename} is truncated or not an image ({len(data)} bytes); copy it again, "
            "or save it as PNG or JPEG of 8 or 16 bits"
        )
    return image if header is None else _turned(image, header.orientation)


def read_grey_image(filename: str | Path) -> np.ndarray:
    """The image (H, W) as uint8, of colours their brightness; the rest is as in `read_image`.

    Raises:
        ImageError: see `read_image`.
    """
    return cv2.cvtColor(read_image(filename), cv2.COLOR_BGR2GRAY)


def image_size(filename: str | Path) -> tuple[int, int]:
    """Width and height [px] of what `read_image` returns, from the header of the file.

    Raises:
        ImageError: missing, no regular file, unreadable, too large, or not an image.
    """
    header = _read_header(_read_bytes(filename), filename)
    if header is not None:
        return header.size
    height, width = read_image(filename).shape[:2]
    return width, height


def whole_image_size(filename: str | Path) -> tuple[int, int]:
    """`image_size` of an image that is whole: a truncated one is refused.

    Raises:
        ImageError: see `read_image`.
    """
    data = _read_bytes(filename)
    header = _read_header(data, filename)
    if header is not None and _is_whole(data):
        return header.size
    height, width = read_image(filename).shape[:2]
    return width, height


def _read_bytes(filename: str | Path) -> bytes:
    remedy = "check its path, for a dataset data_root and img_prefix"
    return read_bytes(filename, "image", remedy, MAX_FILE_BYTES, ImageError)


def _read_header(data: bytes, filename: str | Path) -> _Header | None:
    """None where Pillow does not read the header.

    Raises:
        ImageError: too many pixels.
    """
    try:
        with warnings.catch_warnings(action="ignore", category=Image.DecompressionBombWarning):
            image = Image.open(io.BytesIO(data))
            orientation = image.getexif().get(_EXIF_ORIENTATION, _UPRIGHT)
    except Image.DecompressionBombError as error:
        raise ImageError(f"image {filename} has too many pixels: {error}") from error
    except Exception:  # Pillow's readers raise a dozen types, depending on the bytes
        _refuse_too_many_pixels(_png_size(data), filename)
        return None
    _refuse_too_many_pixels(image.size, filename)
    return _Header(image.size, _UPRIGHT if image.format == _TURNED_BY_READERS else orientation)


def _turned(image: np.ndarray, orientation: int) -> np.ndarray:
    """An image (H, W, 3) upright; orientations outside 1 to 8 mean nothing."""
    if orientation in _SIDEWAYS:
        image = image.transpose(1, 0, 2)
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    return np.ascontiguousarray(image)


def _refuse_too_many_pixels(size: tuple[int, int], filename: str | Path) -> None:
    if size[0] * size[1] > MAX_PIXELS:
        raise ImageError(
            f"image {filename} is {size[0]}x{size[1]}; give an image of less than "
            f"{MAX_PIXELS // 1_000_000} million pixels"
        )


def _png_size(data: bytes) -> tuple[int, int]:
    """Width and height [px] in the header of a PNG; 0, 0 for other content."""
    if not data.startswith(_PNG_START):
        return 0, 0
    return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")


def _is_whole(data: bytes) -> bool:
    """Whether a JPEG, JPEG 2000 or PNG is complete: OpenCV fills the missing part with grey, and
    reports no error.

    Some cameras append bytes or a film behind the end marker. A JPEG without the marker is whole if
    Pillow decodes all its rows, and so is a JPEG 2000: OpenCV crashes on some broken ones. Other
    formats are left to OpenCV.
    """
    if not data:
        return False
    if data.startswith(_PNG_START):
        return _has_all_chunks(data)
    if data.startswith(_JPEG_START):
        if _JPEG_END in data[_start_of_scan(data) :]:
            return True
    elif not data.startswith(_JPEG_2000_STARTS):
        return True
    try:
        Image.open(io.BytesIO(data)).load()
    except Exception:  # Pillow's readers raise a dozen types, depending on the bytes
        return False
    return True


def _has_all_chunks(data: bytes) -> bool:
    """Whether the chunks of a PNG follow each other up to its end. OpenCV makes room for whatever
    length a chunk claims to have, a gigabyte for a file of a hundred bytes.
    """
    offset = len(_PNG_START)
    while offset + 8 <= len(data):
        length = int.from_bytes(data[offset : offset + 4], "big")
        if data[offset + 4 : offset + 8] == _PNG_END:
            return True
        offset += 12 + length  # with the checksum
    return False


def _start_of_scan(data: bytes) -> int:
    """Offset of a JPEG's first scan, or its length. A thumbnail before it has markers of its own,
    so whole segments are skipped.
    """
    offset = len(_JPEG_START)
    while offset + 4 <= len(data) and data[offset] == 0xFF:
        if data[offset + 1] == _JPEG_SCAN:
            return offset
        is_fill_byte = data[offset + 1] == 0xFF
        length = int.from_bytes(data[offset + 2 : offset + 4], "big")
        offset += 1 if is_fill_byte else 2 + length
    return len(data)
