"""An annotation file that is written in parts: an interrupted run resumes, memory stays flat, and
the file has the bytes that `annotation_file.write_json` would write.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any

from epropnp_det.engine.atomic_files import replacing
from epropnp_det.engine.output_files import write_text
from epropnp_det.errors import UserError

_LOCK = "lock"
_ORIGIN = "origin.json"


@dataclass(frozen=True)
class Counts:
    """Images and annotations of a file, and by kind how many annotations were left out."""

    images: int
    annotations: int
    left_out: Counter[str]


@dataclass(frozen=True)
class PartFolder:
    """Folder `path` of the parts of the annotation file `target`, which lies next to it.

    A part has one JSON value a line: a header with the number of images and what was left out, the
    images, and the annotations without their ids.
    """

    path: Path
    target: Path

    def finished(self, parts: int) -> set[int]:
        """Which of the parts 0 to `parts` - 1 are complete."""
        return {index for index in range(parts) if self._part(index).is_file()}

    def write(
        self,
        index: int,
        images: Sequence[dict],
        annotations: Sequence[dict],
        left_out: Mapping[str, int],
    ) -> None:
        """Writes a part; it exists when it is complete.

        Raises:
            OSError: the disk is full or cannot be written.
        """
        with replacing(self._part(index), aside=self.path) as file:
            header = dict(images=len(images), left_out=left_out)
            for value in (header, *images, *annotations):
                file.write(_dumps(value) + "\n")
            file.flush()
            os.fsync(file.fileno())  # a later run relies on it, even after a power cut

    def join(self, parts: int, info: Mapping[str, Any], categories: Sequence[dict]) -> Counts:
        """Writes the target from all parts, with annotation ids in their order, and removes the
        folder.

        Raises:
            OSError: the disk is full or cannot be written.
        """
        with replacing(self.target, aside=self.path) as file:
            file.write(f'{{"info": {_dumps(info)}, "images": [')
            images = _write_joined(file, self._images(parts))
            file.write('], "annotations": [')
            annotations = _write_joined(file, self._annotations(parts))
            file.write(f'], "categories": {_dumps(categories)}}}')
        left_out: Counter[str] = Counter()
        for index in range(parts):
            with open(self._part(index)) as file:
                left_out.update(json.loads(next(file))["left_out"])
        shutil.rmtree(self.path)
        return Counts(images, annotations, left_out)

    def _part(self, index: int) -> Path:
        return self.path / f"{index:06d}.jsonl"

    def _images(self, parts: int) -> Iterator[str]:
        for index in range(parts):
            with open(self._part(index)) as file:
                images = json.loads(next(file))["images"]
                yield from (line.rstrip("\n") for line in islice(file, images))

    def _annotations(self, parts: int) -> Iterator[str]:
        number = 0
        for index in range(parts):
            with open(self._part(index)) as file:
                images = json.loads(next(file))["images"]
                for line in islice(file, images, None):
                    yield f'{line.rstrip()[:-1]}, "id": {number}}}'
                    number += 1


@contextmanager
def parts_of(target: Path, origin: Mapping[str, Any]) -> Iterator[PartFolder]:
    """The folder of parts of an annotation file, locked for this process.

    Args:
        target: the annotation file.
        origin: all that the parts depend on, as JSON; parts of another origin are removed.

    Raises:
        UserError: another run writes the same file, or the disk is full or cannot be written.
    """
    folder = PartFolder(target.with_name(f".{target.name}.parts"), target)
    try:
        folder.path.mkdir(parents=True, exist_ok=True)
        with open(folder.path / _LOCK, "w") as lock:
            # The lock is this process's own: workers that outlive it for a moment do not hold it.
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _remove_others(folder.path, _dumps(origin))
            yield folder
    except BlockingIOError as error:
        raise UserError(f"another run is writing {target}; wait until it has ended") from error
    except OSError as error:
        raise UserError(
            f"{error.filename or target} cannot be written: {error.strerror}; make room or name "
            "another folder"
        ) from error


def _remove_others(path: Path, origin: str) -> None:
    """Removes temporary files of runs that were killed, and parts of another origin."""
    same = (path / _ORIGIN).is_file() and (path / _ORIGIN).read_text() == origin
    for entry in path.iterdir():
        part = entry.suffix == ".jsonl"
        if entry.name != _LOCK and not (same and part):
            entry.unlink()
    write_text(path / _ORIGIN, origin)


def _write_joined(file: IO[str], records: Iterable[str]) -> int:
    number = 0
    for record in records:
        file.write(", " * (number > 0) + record)
        number += 1
    return number


def _dumps(value: Any) -> str:
    return json.dumps(value, allow_nan=False)
