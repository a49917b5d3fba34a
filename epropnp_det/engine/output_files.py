"""Files of results: a reader finds each whole or not at all, and one that the disk does not take is
one line.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from epropnp_det.errors import UserError

from .atomic_files import replacing

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Makes the folder of a file, for the code inside that writes the file.

    Raises:
        UserError: the disk is full or read-only, or `path` is a folder or below a file.
    """
    make_folder(path.parent)
    try:
        yield
    except OSError as error:
        raise UserError(
            f"{path} cannot be written: {error.strerror or error}; free some space or choose "
            "another folder"
        ) from error


def make_folder(folder: Path) -> None:
    """Makes a folder, and those above it.

    Raises:
        UserError: the disk is full or read-only, or a file is in the way.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"{folder} cannot be a folder: {error.strerror}; choose another one"
        ) from error


def write_bytes(path: Path, content: bytes) -> None:
    """Writes a file and the folders above it.

    Raises:
        UserError: as `writing`.
    """
    with writing(path), replacing(path, "wb") as file:
        file.write(content)


def write_text(path: Path, text: str) -> None:
    """Writes a file in UTF-8 and the folders above it.

    Raises:
        UserError: as `writing`.
    """
    write_bytes(path, text.encode())


def write_pixels(path: Path, pixels: np.ndarray, jpeg_quality: int | None = None) -> None:
    """Writes a picture of the kind that its suffix names, and the folders above it.

    Args:
        pixels: (H, W, 3) BGR or (H, W), uint8.
        jpeg_quality: 1 to 100; OpenCV's own if None.

    Raises:
        UserError: another suffix than those of OpenCV, or as `writing`.
    """
    import cv2

    settings = [] if jpeg_quality is None else [cv2.IMWRITE_JPEG_QUALITY, jpeg_quality]
    try:
        content = cv2.imencode(path.suffix, pixels, settings)[1].tobytes()
    except cv2.error as error:
        raise UserError(f"{path} is no name of a picture; end it in .png or .jpg") from error
    write_bytes(path, content)


def write_figure(path: Path, figure: Figure, dpi: int = 110) -> None:
    """Writes a figure of matplotlib as the kind of file that its suffix names, and the folders
    above it.

    Raises:
        UserError: another suffix than those of matplotlib, or as `writing`.
    """
    kinds: dict[str, Any] = figure.canvas.get_supported_filetypes()
    kind = path.suffix[1:].lower()
    if kind not in kinds:
        raise UserError(f"{path} is no name of a picture; end it in .png, .svg or .pdf")
    stream = io.BytesIO()
    figure.savefig(stream, format=kind, dpi=dpi)
    write_bytes(path, stream.getvalue())
