"""From the tables of nuScenes to annotation files (docs/reference/data.md)."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from nuscenes import NuScenes
from nuscenes.utils.splits import create_splits_scenes
from pydantic import Field, TypeAdapter, ValidationError
from tqdm import tqdm

from epropnp_det import __version__
from epropnp_det.engine.outside_files import read_json
from epropnp_det.engine.worker_processes import results_of
from epropnp_det.errors import UserError

from . import annotation_file, lidar_files, part_files
from .nuscenes_classes import CLASSES
from .nuscenes_records import SampleRecords, class_of_category, convert_sample
from .nuscenes_tables import TABLES, check_tables, open_database

# Version -> split as it is named in the file -> split as the devkit names it.
SPLITS = {
    "v1.0-mini": {"train": "mini_train", "val": "mini_val"},
    "v1.0-trainval": {"train": "train", "val": "val"},
    "v1.0-test": {"test": "test"},
}
_SAMPLES_PER_PART = 20
_NAMES_SHOWN = 10
SplitName = Annotated[str, Field(pattern=r"^[\w-]+$")]  # part of the name of a file


def write_annotation_files(
    data_root: str | Path,
    version: str,
    out: str | Path | None = None,
    lidar: bool = False,
    processes: int = 1,
    splits: Mapping[str, Sequence[str]] | None = None,
) -> list[Path]:
    """Writes one annotation file for every split of `version` that has scenes here, and returns
    their paths. An interrupted run resumes; the bytes do not depend on the number of processes.

    Recordings that are not nuScenes' own may have other cameras or a single one, no LiDAR, and
    categories, attributes and levels of visibility of their own. The output has the number of
    records of each kind that were left out.

    Args:
        data_root: folder with `samples/`, `maps/` and the folder of tables named `version`.
        version: name of the folder of tables; without `splits` one of `SPLITS`.
        out: folder for the files; the data root if None.
        lidar: also write the LiDAR points of the images (`object_points`) that are not there yet.
        processes: how many convert samples.
        splits: names of scenes by split, for scenes that no split of the devkit has.

    Raises:
        UserError: wrong data root, missing version folder, table or map, mistakes in the tables, no
            box of a known class, an image or a sweep that cannot be read, or a folder that cannot
            be written.
    """
    nusc = open_database(data_root, version)
    check_tables(nusc)
    folder = Path(out or data_root)
    written = []
    for split, (devkit_split, scenes) in _scenes_by_split(nusc, splits).items():
        samples = samples_of_scenes(nusc, scenes)
        if not samples:
            print(f"{version} has no scene of {devkit_split} here: no file for it")
            continue
        _check_classes(nusc, samples)
        path = folder / annotation_file.file_name(split, version)
        # Points serve training alone: a split without annotations needs none.
        points = lidar and any(sample["anns"] for sample in samples)
        _write_split(nusc, samples, devkit_split, path, points, processes)
        written.append(path)
    if not written:
        raise UserError(
            f"{data_root}/{version} has no scene that a split names; nothing was written; name the "
            f"scenes of each split with --splits ({_some(scene['name'] for scene in nusc.scene)})"
        )
    return written


def read_splits(path: str | Path) -> dict[str, list[str]]:
    """Names of scenes by split, from a JSON file.

    Raises:
        UserError: the file cannot be read, or holds something else.
    """
    remedy = 'name the scenes of each split, such as {"train": ["scene-a"], "val": ["scene-b"]}'
    content = read_json(path, "splits", remedy)
    try:
        return TypeAdapter(dict[SplitName, list[str]]).validate_python(content)
    except ValidationError as error:
        place = ".".join(map(str, error.errors()[0]["loc"])) or "the whole"
        raise UserError(
            f"splits {path} are not names of scenes by split (at {place!r:.60}); {remedy}"
        ) from error


def _scenes_by_split(
    nusc: NuScenes, splits: Mapping[str, Sequence[str]] | None
) -> dict[str, tuple[str, Sequence[str]]]:
    """For each split its name in the file and its scenes, from `splits` or else the devkit."""
    if splits is not None:
        unknown = {name for names in splits.values() for name in names}
        unknown -= {scene["name"] for scene in nusc.scene}
        if unknown:
            raise UserError(f"splits name scenes that table scene does not have: {_some(unknown)}")
        return {split: (split, names) for split, names in splits.items()}
    if nusc.version not in SPLITS:
        raise UserError(
            f"the devkit has no splits for version {nusc.version!r}, only for "
            f"{', '.join(SPLITS)}; name the scenes of each split with --splits "
            f"({_some(scene['name'] for scene in nusc.scene)})"
        )
    names = create_splits_scenes()
    return {split: (devkit, names[devkit]) for split, devkit in SPLITS[nusc.version].items()}


def _check_classes(nusc: NuScenes, samples: list[dict]) -> None:
    """Boxes that are all of unknown categories would make a file without boxes."""
    tokens = (token for sample in samples for token in sample["anns"])
    found = Counter(nusc.get("sample_annotation", token)["category_name"] for token in tokens)
    if found and not any(class_of_category(name) for name in found):
        counts = _some(f"{name} ({number})" for name, number in found.most_common())
        raise UserError(
            f"no box of {nusc.version} has a category of nuScenes or a name of the classes "
            f"{', '.join(CLASSES)}; rename those of table category: {counts}"
        )


def _some(names: Iterable[str]) -> str:
    """The first names of many."""
    listed = sorted(names)
    more = len(listed) - _NAMES_SHOWN
    return ", ".join(listed[:_NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _write_split(
    nusc: NuScenes, samples: list[dict], split: str, path: Path, lidar: bool, processes: int
) -> None:
    info = dict(schema=annotation_file.SCHEMA, version=nusc.version, split=split)
    point_folder = path.parent / lidar_files.FOLDER if lidar else None
    parts = math.ceil(len(samples) / _SAMPLES_PER_PART)
    with part_files.parts_of(path, dict(info, **_origin(nusc, samples, lidar))) as folder:
        finished = folder.finished(parts)
        done = min(len(finished) * _SAMPLES_PER_PART, len(samples))
        if done:
            print(f"{path}: resumed after {done} of {len(samples)} samples")
        jobs = [index for index in range(parts) if index not in finished]
        convert = partial(_convert_part, nusc, samples, folder, point_folder)
        bar = tqdm(total=len(samples), initial=done, desc=split, unit="sample", disable=None)
        files = 0
        with bar as progress:
            for result in results_of(convert, jobs, processes):
                files += result.point_files
                progress.update(result.samples)
        categories = [dict(id=index, name=name) for index, name in enumerate(CLASSES)]
        counts = folder.join(parts, info, categories)
    for reason, number in sorted(counts.left_out.items()):
        print(f"{path}: left out {number} {reason}")
    if counts.annotations == 0 and any(sample["anns"] for sample in samples):
        path.unlink()
        raise UserError(
            f"{path} would have no box: no image shows any of the boxes of {split}; check "
            "calibrated_sensor and ego_pose"
        )
    print(f"{path}: {counts.images} images, {counts.annotations} boxes")
    if point_folder is not None:
        print(f"{point_folder}: {files} files written, {counts.images - files} were there")


def _origin(nusc: NuScenes, samples: list[dict], lidar: bool) -> dict[str, Any]:
    """What the parts of a file follow from: those of another origin are not resumed."""
    tokens = " ".join(sample["token"] for sample in samples)
    return dict(
        program=__version__,
        tables=_table_states(nusc),
        samples=hashlib.sha256(tokens.encode()).hexdigest(),
        lidar=lidar,
    )


def _table_states(nusc: NuScenes) -> dict[str, list[int]]:
    """Size and time of change of each table: parts of other tables are not resumed."""
    states = {table: Path(nusc.table_root, f"{table}.json").stat() for table in TABLES}
    return {table: [state.st_size, state.st_mtime_ns] for table, state in states.items()}


@dataclass(frozen=True)
class _PartResult:
    samples: int
    point_files: int


def _convert_part(
    nusc: NuScenes,
    samples: list[dict],
    folder: part_files.PartFolder,
    point_folder: Path | None,
    index: int,
) -> _PartResult:
    """Converts the samples of one part, with their LiDAR points unless `point_folder` is None."""
    chosen = samples[index * _SAMPLES_PER_PART : (index + 1) * _SAMPLES_PER_PART]
    whole = SampleRecords([], [])
    point_files = 0
    for sample in chosen:
        records = convert_sample(nusc, sample)
        if point_folder is not None:
            point_files += lidar_files.write_points_of_sample(
                nusc,
                sample["token"],
                records.images,
                records.annotations,
                point_folder,
                folder.path,
            )
        whole.images.extend(records.images)
        whole.annotations.extend(records.annotations)
        whole.left_out.update(records.left_out)
    folder.write(index, whole.images, whole.annotations, whole.left_out)
    return _PartResult(len(chosen), point_files)


def samples_of_scenes(nusc: NuScenes, scenes: Collection[str]) -> list[dict]:
    """Sample records of the scenes with these names, in the order of the table."""
    names = set(scenes)
    tokens = {scene["token"] for scene in nusc.scene if scene["name"] in names}
    return [sample for sample in nusc.sample if sample["scene_token"] in tokens]
