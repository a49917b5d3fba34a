"""The checkpoints of one training in its folder: its own, those that can be resumed, and those that
are kept.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from epropnp_det.errors import UserError

from .atomic_files import replace_link, replacing
from .checkpoint import read_checkpoint

LATEST = "latest.pth"
LIST = "checkpoints.json"
_ASIDE = re.compile(r"\..+\.(?:pth|json)\.\d+")


@dataclass(frozen=True)
class Best:
    """The checkpoint of the best metric.

    Args:
        name: that of its file.
        score: value of the metric.
    """

    name: str
    score: float


class CheckpointFolder:
    """A folder with checkpoints, and a list of the checkpoints of this training, oldest first.

    The folder may hold checkpoints of earlier trainings too. They stay, and they are neither
    resumed nor removed.

    Args:
        path: the folder.
    """

    def __init__(self, path: Path):
        self.path = path

    def names(self) -> list[str]:
        """Names of the checkpoints of this training, oldest first. A folder without a list is of an
        earlier version: all its numbered checkpoints count.
        """
        names = self._read().get("checkpoints")
        if not isinstance(names, list):
            return self._unlisted()
        return [name for name in names if (self.path / name).is_file()]

    def best(self) -> Best | None:
        """The checkpoint of the best metric of this training, if any."""
        best = self._read().get("best")
        return Best(best["name"], best["score"]) if isinstance(best, dict) else None

    def set_best(self, best: Best) -> None:
        """Takes a written checkpoint as the best, and removes the one before.

        Raises:
            UserError: the folder cannot be written.
        """
        before = self.best()
        with _writing(self.path):
            self._write(self.names(), best)
            if before is not None and before.name != best.name:
                (self.path / before.name).unlink(missing_ok=True)

    def _unlisted(self) -> list[str]:
        names = [path.name for path in numbered_checkpoints(self.path)]
        latest = self.path / LATEST
        if not latest.is_file():
            return names
        last = latest.resolve().name if self._holds(latest) else LATEST
        return [name for name in names if name != last] + [last]

    def newest_whole(self, logger: logging.Logger) -> Path | None:
        """The newest checkpoint that can be read; None where there is none yet. The log names the
        damaged ones.

        Raises:
            UserError: there are checkpoints, and none can be read.
        """
        faults = []
        for name in reversed(self.names()):
            try:
                read_checkpoint(self.path / name)
            except UserError as error:
                logger.warning("%s; trying the one before", error)
                faults.append(error)
            else:
                return self.path / name
        if faults:
            raise faults[0]
        return None

    def begin(self, resumed: Path | None) -> None:
        """Makes and prepares the folder for a training: its list ends with the checkpoint that is
        resumed, if any, and so does `latest.pth`. Files that a killed process left half are
        removed.

        Raises:
            UserError: the folder cannot be written.
        """
        names = self.names()
        mine: list[str] = []
        if resumed is not None and resumed.name in names and self._holds(resumed):
            mine = names[: names.index(resumed.name) + 1]
        with _writing(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            self._write(mine, self.best() if mine else None)
            for path in self.path.iterdir():
                if _ASIDE.fullmatch(path.name):
                    path.unlink()
            if mine:
                replace_link(self.path / LATEST, mine[-1])
            else:
                (self.path / LATEST).unlink(missing_ok=True)

    def _holds(self, path: Path) -> bool:
        return path.resolve().parent == self.path.resolve()

    def add(self, name: str, keep: int, link: bool = True) -> None:
        """Takes a written checkpoint into the list, makes it `latest.pth`, and removes the oldest.

        Args:
            keep: number of checkpoints that stay; all if it is not positive.
            link: whether to write `latest.pth`.

        Raises:
            UserError: the folder cannot be written.
        """
        names = [other for other in self.names() if other != name] + [name]
        old = names[:-keep] if keep > 0 else []
        with _writing(self.path):
            self._write(names, self.best())
            if link:
                replace_link(self.path / LATEST, name)
            for other in old:
                (self.path / other).unlink(missing_ok=True)

    def _read(self) -> dict[str, Any]:
        try:
            content = json.loads((self.path / LIST).read_text())
        except (OSError, ValueError):
            return {}
        return content if isinstance(content, dict) else {}

    def _write(self, names: list[str], best: Best | None) -> None:
        content = dict(checkpoints=names, best=None if best is None else asdict(best))
        with replacing(self.path / LIST, durable=True) as file:
            json.dump(content, file, indent=1)


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(f"folder {folder} cannot be written: {error}") from error


def numbered_checkpoints(folder: Path) -> list[Path]:
    """The files `epoch_N.pth` or `iter_N.pth` of a folder, by their number."""
    names = (
        (re.fullmatch(r"(?:epoch|iter)_(\d+)", path.stem), path) for path in folder.glob("*.pth")
    )
    return [
        path for _, path in sorted((int(match.group(1)), path) for match, path in names if match)
    ]
