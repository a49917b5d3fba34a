"""Checks of a submission to the nuScenes detection benchmark, before it is uploaded.

The devkit stops at the first mistake, with an assertion; here all are found, a line for each kind.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nuscenes import NuScenes
from nuscenes.eval.detection.config import config_factory
from tqdm import tqdm

from epropnp_det.engine.file_checks import Fault
from epropnp_det.engine.outside_files import is_nested_deeply, read_json
from epropnp_det.engine.record_checks import shown
from epropnp_det.errors import UserError

from ..data.class_set import ClassSet
from .nuscenes_metrics import CONFIG, SPLITS, check_split, nearest_split, samples_by_split

META_FLAGS = ("use_camera", "use_lidar", "use_radar", "use_map", "use_external")
MAX_BOXES = config_factory(CONFIG).max_boxes_per_sample
_LENGTHS = dict(translation=3, size=3, rotation=4, velocity=2)
_KEYS = ("sample_token", *_LENGTHS, "detection_name", "detection_score", "attribute_name")
_LARGEST_NUMBER = 1e150  # squares are finite
_UNIT_NORM = (
    1e-3  # how far a quaternion's length may be from one: the devkit normalises what it reads
)


@dataclass(frozen=True)
class Split:
    """The samples that a submission must have."""

    name: str
    samples: frozenset[str]


def read_submission(path: str | Path) -> dict[str, Any]:
    """The content of a submission file.

    Raises:
        UserError: missing, not JSON, or without `meta` and `results`.
    """
    content = read_json(path, "submission", "write it with tools/test.py --out-dir")
    if not (
        isinstance(content, dict)
        and isinstance(content.get("meta"), dict)
        and isinstance(content.get("results"), dict)
    ):
        raise UserError(
            f"{path} is no submission: it needs 'meta' and 'results', with a list of boxes for "
            "every sample token"
        )
    return content


def find_split(nusc: NuScenes, content: Mapping[str, Any], eval_set: str | None = None) -> Split:
    """The split that a submission is for: `eval_set`, or the one of the database that shares most
    samples with it. Splits of which the database has no sample are no candidates.

    Raises:
        UserError: the database has no such split, or no sample of it.
    """
    splits = samples_by_split(nusc, SPLITS.get(nusc.version, ()))
    filled = {name: samples for name, samples in splits.items() if samples}
    name = eval_set or nearest_split(set(content["results"]), filled)
    if not splits:
        raise UserError(
            f"{nusc.version} is not a version with splits; choose from {', '.join(SPLITS)}"
        )
    if name is None:
        raise UserError(f"{nusc.version} has no sample of its splits {', '.join(splits)}")
    check_split(nusc, name, splits)
    if name not in filled:
        others = ", ".join(filled) or "none"
        raise UserError(f"{nusc.version} has no sample of {name} here; choose from {others}")
    return Split(name, frozenset(splits[name]))


def find_faults(
    content: Mapping[str, Any], class_set: ClassSet, split: Split | None = None
) -> Iterator[Fault]:
    """All mistakes of a submission, in the order of the file.

    Args:
        content: from `read_submission`.
        class_set: classes and attributes of the benchmark.
        split: the samples it must have; None leaves them unchecked.
    """
    yield from _meta_faults(content["meta"])
    if not content["results"]:
        yield Fault("results has a list of boxes for every sample", "results", "empty")
    if split is not None:
        yield from _sample_faults(content["results"].keys(), split)
    for token, boxes in tqdm(
        content["results"].items(), desc="checking", unit="sample", disable=None
    ):
        where = f"sample {token}"
        if not isinstance(boxes, list):
            yield Fault("a sample has a list of boxes", where, _shown(boxes))
            continue
        if len(boxes) > MAX_BOXES:
            yield Fault(f"a sample has at most {MAX_BOXES} boxes", where, f"{len(boxes)} boxes")
        for index, box in enumerate(boxes):
            yield from (
                Fault(rule, f"{where}, box {index}", found)
                for rule, found in _box_faults(box, token, class_set)
            )


def summary(content: Mapping[str, Any], class_set: ClassSet, split: Split | None) -> str:
    """Two lines about a valid submission."""
    samples = content["results"].values()
    classes = Counter(box["detection_name"] for boxes in samples for box in boxes)
    which = "not compared with a split" if split is None else f"all of {split.name}"
    used = (
        ", ".join(flag.removeprefix("use_") for flag in META_FLAGS if content["meta"][flag])
        or "nothing"
    )
    most = max(map(len, samples), default=0)
    head = (
        f"valid: {len(samples)} samples ({which}), {classes.total()} boxes, "
        f"at most {most} per sample; uses {used}"
    )
    return f"{head}\n{', '.join(f'{name} {classes[name]}' for name in class_set.class_names)}"


def _meta_faults(meta: Mapping[str, Any]) -> Iterator[Fault]:
    for flag in META_FLAGS:
        if not isinstance(meta.get(flag), bool):
            yield Fault(
                f"meta has the flags {', '.join(META_FLAGS)}, each true or false",
                flag,
                _shown(meta.get(flag, "missing")),
            )


def _sample_faults(tokens: Collection[str], split: Split) -> Iterator[Fault]:
    for token in sorted(split.samples - set(tokens)):
        yield Fault(
            f"every sample of {split.name} is there, an empty list where nothing was found",
            f"sample {token}",
            "missing",
        )
    for token in sorted(set(tokens) - split.samples):
        yield Fault(
            f"every sample belongs to {split.name}",
            f"sample {token}",
            "is of another split, or none",
        )


def _box_faults(box: Any, token: str, class_set: ClassSet) -> Iterator[tuple[str, str]]:
    """Pairs of a rule and the value that breaks it. A value of a wrong kind is reported once, not
    again by the rules about its range.
    """
    missing = [key for key in _KEYS if not isinstance(box, dict) or key not in box]
    if missing:
        yield f"a box has the keys {', '.join(_KEYS)}", f"without {', '.join(missing)}"
        return
    if box["sample_token"] != token:
        yield (
            "a box names the sample that it is listed under",
            f"sample_token {_shown(box['sample_token'])}",
        )
    yield from _number_faults(box)
    name = box["detection_name"]
    attribute = box["attribute_name"]
    if name not in class_set.class_names:
        yield f"detection_name is one of {', '.join(class_set.class_names)}", _shown(name)
        return
    admitted = class_set.attributes_of_class(name)
    if attribute != "" and attribute not in admitted:
        yield (
            "attribute_name fits the class, or is empty",
            f"{_shown(attribute)} for a {name}; it may be {', '.join(admitted) or 'empty alone'}",
        )


def _number_faults(box: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    sound = {key: _are_numbers(box[key], length) for key, length in _LENGTHS.items()}
    for key in (key for key, fine in sound.items() if not fine):
        yield f"{key} is {_LENGTHS[key]} finite numbers", _shown(box[key])
    if sound["size"] and min(box["size"]) <= 0:
        yield "size (width, length, height) is positive", _shown(box["size"])
    if sound["rotation"] and abs(math.hypot(*box["rotation"]) - 1) > _UNIT_NORM:
        yield (
            "rotation is a unit quaternion",
            f"{_shown(box['rotation'])} of length {math.hypot(*box['rotation']):.4g}",
        )
    score = box["detection_score"]
    if not (_is_number(score) and 0 <= score <= 1):
        yield "detection_score is a number from 0 to 1", _shown(score)


def _are_numbers(values: Any, length: int) -> bool:
    return isinstance(values, list) and len(values) == length and all(map(_is_number, values))


def _is_number(value: Any) -> bool:
    # A comparison: `math.isfinite` would raise for whole numbers beyond the range of floats.
    return (
        isinstance(value, (int, float))
        and not isinstance(value, bool)
        and abs(value) <= _LARGEST_NUMBER
    )


def _shown(value: Any) -> str:
    if is_nested_deeply(value):
        return shown(value)
    text = json.dumps(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
