"""Image files from the arguments of a command: files, folders and patterns."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from pathlib import Path

from epropnp_det.errors import UserError

IMAGE_SUFFIXES = (
    ".bmp",
    ".jp2",
    ".jpeg",
    ".jpg",
    ".pgm",
    ".png",
    ".ppm",
    ".tif",
    ".tiff",
    ".webp",
)

FILM_SUFFIXES = (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm")


def find_images(sources: Sequence[str | Path]) -> list[Path]:
    """The image files that are named, in the order of the sources.

    Args:
        sources: files, taken whatever their name is; folders, of which the images count, not those
            of their folders; patterns such as "drive/**/*.jpg". The images of a folder or a pattern
            are sorted by name.

    Raises:
        UserError: a source does not exist, or has no image.
    """
    return [image for source in sources for image in _images_of_source(Path(source))]


def other_files(sources: Sequence[str | Path]) -> list[Path]:
    """The files of folders and patterns that `find_images` leaves out, hidden ones excepted, in
    the same order.
    """
    found = []
    for source in map(Path, sources):
        if source.is_dir():
            files = sorted(source.iterdir())
        elif not source.exists() and glob.has_magic(str(source)):
            files = sorted(map(Path, glob.glob(str(source), recursive=True)))
        else:
            continue
        images = set(_only_images(files))
        found += [
            path
            for path in files
            if path not in images and path.is_file() and not path.name.startswith(".")
        ]
    return found


def _images_of_source(source: Path) -> list[Path]:
    try:
        if source.is_dir():
            images = _only_images(sorted(source.iterdir()))
        elif source.exists():
            return [source]
        elif glob.has_magic(str(source)):
            images = _only_images(sorted(map(Path, glob.glob(str(source), recursive=True))))
        else:
            raise UserError(f"image {source} does not exist")
    except OSError as error:
        raise UserError(f"image {str(source)[:200]} cannot be read: {error.strerror}") from error
    if not images:
        raise UserError(
            f"{source} has no image; the names of images end in {', '.join(IMAGE_SUFFIXES)}"
        )
    return images


def _only_images(paths: Sequence[Path]) -> list[Path]:
    """Those with the name of an image; hidden ones and folders are left out. A link that leads
    nowhere and a pipe are among them: who reads them names them.
    """
    return [
        path
        for path in paths
        if path.suffix.lower() in IMAGE_SUFFIXES
        and not path.name.startswith(".")
        and not path.is_dir()
    ]
