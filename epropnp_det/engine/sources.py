"""Images, films and streams from the arguments of a command: files, folders, patterns, addresses
and numbers of cameras.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
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

FILM_SUFFIXES = (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm", ".wmv")
MEDIA_SUFFIXES = IMAGE_SUFFIXES + FILM_SUFFIXES
STREAM_SCHEMES = ("http", "https", "rtmp", "rtsp", "rtsps", "udp")


@dataclass(frozen=True)
class Stream:
    """A stream by its address, such as rtsp://HOST/PATH, or a camera of this machine by its number.

    As text it has no user and no password.
    """

    address: str = field(repr=False)

    @property
    def is_camera(self) -> bool:
        """Whether the address is the number of a camera."""
        return self.address.isdecimal()

    @property
    def path(self) -> Path:
        """Stands for a file: outputs are named after its end, /QUERY/HOST/PATH."""
        if self.is_camera:
            return Path(f"/camera_{self.address}")
        place, _, query = str(self).partition("://")[2].partition("?")
        names = [query, *place.split("/")]
        return Path("/", *(re.sub(r"[^\w.-]+", "_", name) for name in names if name))

    def __str__(self) -> str:
        scheme, separator, rest = self.address.partition("://")
        host, slash, path = rest.partition("/")
        return f"{scheme}{separator}{host.rpartition('@')[2]}{slash}{path}"


def is_stream(source: str) -> bool:
    """Whether a source is an address of `STREAM_SCHEMES`, or the number of a camera where no file
    or folder has this name.
    """
    if source.isdecimal():
        return len(source) <= 3 and not Path(source).exists()
    return source.lower().startswith(tuple(f"{scheme}://" for scheme in STREAM_SCHEMES))


def is_film(path: Path) -> bool:
    """Whether a file has the name of a film."""
    return path.suffix.lower() in FILM_SUFFIXES


def find_media(sources: Sequence[str]) -> list[Path | Stream]:
    """The images, films and streams that are named, in the order of the sources: `find_images`,
    and in addition films of folders and patterns, and streams.

    Raises:
        UserError: a source does not exist, or has no image and no film.
    """
    found: list[Path | Stream] = []
    for source in sources:
        if is_stream(source):
            found.append(Stream(source))
        else:
            found += _files_of_source(Path(source), MEDIA_SUFFIXES)
    return found


def find_images(sources: Sequence[str | Path]) -> list[Path]:
    """The image files that are named, in the order of the sources.

    Args:
        sources: files, taken whatever their name is; folders, of which the images count, not those
            of their folders; patterns such as "drive/**/*.jpg". The images of a folder or a pattern
            are sorted by name.

    Raises:
        UserError: a source does not exist, or has no image.
    """
    return [image for source in sources for image in _files_of_source(Path(source), IMAGE_SUFFIXES)]


def other_files(
    sources: Sequence[str | Path], suffixes: tuple[str, ...] = IMAGE_SUFFIXES
) -> list[Path]:
    """The files of folders and patterns whose names do not end in one of the suffixes, hidden ones
    excepted, in the order of `find_images`.
    """
    found = []
    for source in map(Path, sources):
        if source.is_dir():
            files = sorted(source.iterdir())
        elif not source.exists() and glob.has_magic(str(source)):
            files = sorted(map(Path, glob.glob(str(source), recursive=True)))
        else:
            continue
        named = set(_with_suffix(files, suffixes))
        found += [
            path
            for path in files
            if path not in named and path.is_file() and not path.name.startswith(".")
        ]
    return found


def _files_of_source(source: Path, suffixes: tuple[str, ...]) -> list[Path]:
    with_films = suffixes == MEDIA_SUFFIXES
    try:
        if source.is_dir():
            files = _with_suffix(sorted(source.iterdir()), suffixes)
        elif source.exists():
            return [source]
        elif glob.has_magic(str(source)):
            paths = sorted(map(Path, glob.glob(str(source), recursive=True)))
            files = _with_suffix(paths, suffixes)
        else:
            kind = "film" if with_films and is_film(source) else "image"
            raise UserError(f"{kind} {source} does not exist")
    except OSError as error:
        raise UserError(f"image {str(source)[:200]} cannot be read: {error.strerror}") from error
    if not files:
        films = f", of films in {', '.join(FILM_SUFFIXES)}" if with_films else ""
        raise UserError(
            f"{source} has no image{' and no film' if with_films else ''}; the names of images end "
            f"in {', '.join(IMAGE_SUFFIXES)}{films}"
        )
    return files


def _with_suffix(paths: Sequence[Path], suffixes: tuple[str, ...]) -> list[Path]:
    """Those whose names end in one of the suffixes; hidden ones and folders are left out. A link
    that leads nowhere and a pipe are among them: who reads them names them.
    """
    return [
        path
        for path in paths
        if path.suffix.lower() in suffixes and not path.name.startswith(".") and not path.is_dir()
    ]
