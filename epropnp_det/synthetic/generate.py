"""Writes a whole database, keyframes in parallel. Its bytes depend on preset and seed only."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from epropnp_det.engine.json_files import write_json
from epropnp_det.engine.output_files import write_pixels, write_text
from epropnp_det.engine.worker_processes import available_processes, spawned_results
from epropnp_det.errors import UserError

from .labels import Seen
from .presets import Preset, preset_named, with_scenes
from .recording import Job, record, scene_of
from .tables import MAP_FILE, VERSION, Sightings, Tables, make_tables, map_mask

# Names preset and seed of a database; only a folder with this file is ever replaced.
MARKER = "synthetic.json"


@dataclass(frozen=True)
class Summary:
    """Counts and size of a written database."""

    scenes: int
    samples: int
    images: int
    boxes: int
    megabytes: float


def write_database(
    out: str | Path,
    preset: str = "full",
    seed: int = 0,
    processes: int | None = None,
    overwrite: bool = False,
    scenes: Sequence[str] | None = None,
) -> Summary:
    """Writes a database of version v1.0-mini into `out`; the folder appears when it is complete.

    Args:
        out: a folder that is empty or absent, or with `overwrite` one that this function wrote.
        preset: a key of `PRESETS`.
        seed: start of all random numbers.
        processes: all cores if None.
        scenes: the preset's scenes to write; all if None. The images of a scene do not depend on
            the others; its time stamps and its place on the map follow its number among those
            written.

    Raises:
        UserError: unknown preset or scene, no process, or a folder that is not empty or cannot be
            written.
    """
    chosen = with_scenes(preset_named(preset), scenes)
    out = Path(out)
    if processes is not None and processes < 1:
        raise UserError(f"--processes is {processes}; it takes at least one")
    with _finished_folder(out, overwrite) as root:
        sightings = _record_all(root, chosen, seed, processes or available_processes())
        chosen_scenes = [scene_of(chosen, seed, name) for name in chosen.scenes]
        tables = make_tables(chosen, chosen_scenes, sightings)
        _write_tables(root, tables)
        write_pixels(root / MAP_FILE, map_mask(chosen_scenes))
        write_json(root / MARKER, dict(preset=preset, seed=seed, scenes=chosen.scenes))
        return _summary(root, tables)


def _record_all(root: Path, preset: Preset, seed: int, processes: int) -> dict[str, Sightings]:
    jobs = [
        Job(root, preset, seed, scene, keyframe)
        for scene in preset.scenes
        for keyframe in range(preset.keyframes)
    ]
    results = spawned_results(record, jobs, processes)
    progress = tqdm(results, total=len(jobs), desc="keyframes", unit="keyframe", disable=None)
    seen = list(progress)
    return {scene: _of_scene(scene, jobs, seen) for scene in preset.scenes}


def _of_scene(scene: str, jobs: list[Job], seen: list[dict[int, Seen]]) -> Sightings:
    return [result for job, result in zip(jobs, seen) if job.scene == scene]


def _write_tables(root: Path, tables: Tables) -> None:
    for name, rows in tables.items():
        path = root / VERSION / f"{name}.json"
        write_text(path, json.dumps(rows, indent=0, allow_nan=False) + "\n")


def _summary(root: Path, tables: Tables) -> Summary:
    size = sum(path.stat().st_size for path in root.rglob("*") if path.is_file())
    images = sum(row["fileformat"] == "jpg" for row in tables["sample_data"])
    return Summary(
        len(tables["scene"]),
        len(tables["sample"]),
        images,
        len(tables["sample_annotation"]),
        size / 1e6,
    )


@contextmanager
def _finished_folder(out: Path, overwrite: bool) -> Iterator[Path]:
    """A temporary folder that replaces `out` at the end; after an error it is removed and `out` is
    unchanged.
    """
    _check_free(out, overwrite)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        root = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    except OSError as error:
        raise UserError(f"{out.parent} cannot be written ({error.strerror})") from error
    try:
        root.chmod(0o755)
        yield root
        if out.exists():
            shutil.rmtree(out)
        root.rename(out)
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _check_free(out: Path, overwrite: bool) -> None:
    if not out.exists():
        return
    if not out.is_dir():
        raise UserError(f"{out} is a file; name a folder")
    if not any(out.iterdir()):
        return
    if not overwrite:
        raise UserError(
            f"{out} is not empty; name another folder, or give --overwrite to replace it"
        )
    if not (out / MARKER).is_file():
        raise UserError(
            f"{out} has no {MARKER}, so it was not written by this command; remove it yourself or "
            "name another folder"
        )
