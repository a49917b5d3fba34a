"""Files of results: a reader finds each whole or not at all, and one that the disk does not take is
one line.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
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


def output_names(images: Sequence[Path]) -> list[str]:
    """A name of its own for each image: its stem, or with as many folders in front as it takes to
    distinguish all, joined by "_"; suffixes stay where images differ in nothing else.

    Raises:
        UserError: an image is given twice.
    """
    paths = [image.absolute() for image in images]
    for files in ([path.with_suffix("") for path in paths], paths):
        for depth in range(1, max(len(path.parts) for path in paths)):
            names = ["_".join(path.parts[1:][-depth:]) for path in files]
            # File systems that ignore case would join names that differ in case only.
            if len({name.lower() for name in names}) == len(names):
                return names
    raise UserError("an image is given twice; give each image once")
