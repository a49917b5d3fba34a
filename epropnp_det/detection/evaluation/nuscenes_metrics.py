"""The official nuScenes detection evaluation on a submission file: the right split, and every
number by name.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Collection
from pathlib import Path

import numpy as np
from nuscenes import NuScenes
from nuscenes.eval.common.loaders import add_center_dist, filter_eval_boxes, load_gt
from nuscenes.eval.detection.config import config_factory
from nuscenes.eval.detection.constants import TP_METRICS
from nuscenes.eval.detection.data_classes import DetectionBox, DetectionConfig, DetectionMetrics
from nuscenes.eval.detection.evaluate import NuScenesEval
from nuscenes.eval.detection.utils import category_to_detection_name
from nuscenes.utils.splits import create_splits_scenes

from epropnp_det.errors import UserError

CONFIG = "detection_cvpr_2019"
# The devkit's splits that a version may be evaluated on; it has no ground truth for the test
# version.
EVAL_SETS = {
    "v1.0-mini": ("mini_train", "mini_val"),
    "v1.0-trainval": ("train", "val", "train_detect", "train_track"),
}
# All splits of a version, those without ground truth included.
SPLITS = {**EVAL_SETS, "v1.0-test": ("test",)}
MEAN_ERROR_NAMES = dict(
    trans_err="mATE", scale_err="mASE", orient_err="mAOE", vel_err="mAVE", attr_err="mAAE"
)
# Errors that the devkit does not define: a cone is the same from all sides, cones and barriers
# neither move nor act.
_UNDEFINED = {
    "traffic_cone": ("orient_err", "vel_err", "attr_err"),
    "barrier": ("vel_err", "attr_err"),
}


def derive_eval_set(
    nusc: NuScenes, sample_tokens: Collection[str], eval_set: str | None = None
) -> str:
    """The devkit's split whose samples are exactly `sample_tokens`; the official evaluation accepts
    nothing else.

    Args:
        eval_set: check this one instead of searching.

    Raises:
        UserError: no split fits (or not the given one); the message names the missing samples and a
            split that would fit.
    """
    tokens = set(sample_tokens)
    splits = samples_by_split(nusc, EVAL_SETS.get(nusc.version, ()))
    if eval_set is not None:
        check_split(nusc, eval_set, splits)
    fitting = [name for name, samples in splits.items() if samples == tokens]
    if not fitting or (eval_set is not None and eval_set not in fitting):
        raise UserError(_mismatch(nusc, tokens, splits, fitting, eval_set))
    return eval_set or fitting[0]


def evaluate_submission(nusc: NuScenes, result_path: str | Path, eval_set: str) -> dict[str, float]:
    """Runs the official evaluation and returns its numbers by name.

    `NDS`, `mAP`, `mATE` [m], `mASE` [1 - IoU], `mAOE` [rad], `mAVE` [m/s], `mAAE` [1 - accuracy];
    per class `car_AP`, `car_trans_err` and so on (NaN where the devkit defines none); `mAP_present`
    and `mATE_present`: means over the classes that have ground truth in range (the official means
    count an absent class as AP 0 and error 1).

    Raises:
        UserError: the split has no ground truth box.
    """
    config = config_factory(CONFIG)
    present = classes_in_range(nusc, config, eval_set)
    # The devkit reads the kind of boxes off the first one and stops where no sample has any.
    if not any(json.loads(Path(result_path).read_text())["results"].values()):
        return _named(_nothing_found(config), present)
    with tempfile.TemporaryDirectory() as scratch:  # the devkit creates a folder for plots
        official = NuScenesEval(
            nusc, config, str(result_path), eval_set, output_dir=scratch, verbose=False
        )
        return _named(official.evaluate()[0], present)


def classes_in_range(nusc: NuScenes, config: DetectionConfig, eval_set: str) -> list[str]:
    """Classes with at least one ground truth box that the evaluation counts.

    Raises:
        UserError: the split has no ground truth box at all.
    """
    if not _has_boxes(nusc, eval_set):
        raise UserError(
            f"{eval_set} of {nusc.version} has no annotated box: there is nothing to evaluate "
            "against"
        )
    boxes = add_center_dist(nusc, load_gt(nusc, eval_set, DetectionBox))
    counted = filter_eval_boxes(nusc, boxes, config.class_range)
    names = {box.detection_name for box in counted.all}
    return [name for name in config.class_names if name in names]


def format_metrics_table(metrics: dict[str, float]) -> str:
    """The metrics as text: the means in one line, then a line per class."""
    names = [name.removesuffix("_AP") for name in metrics if name.endswith("_AP")]
    means = "  ".join(
        f"{name} {metrics[name]:.4f}" for name in ("NDS", "mAP", *MEAN_ERROR_NAMES.values())
    )
    present = (
        f"classes with ground truth in range: mAP {metrics['mAP_present']:.4f}  "
        f"mATE {metrics['mATE_present']:.4f}"
    )
    head = f"{'class':<22}" + "".join(
        f"{title:>8}" for title in ("AP", "ATE", "ASE", "AOE", "AVE", "AAE")
    )
    rows = [
        f"{name:<22}" + "".join(f"{metrics[f'{name}_{key}']:>8.3f}" for key in ("AP", *TP_METRICS))
        for name in names
    ]
    return "\n".join([means, present, head, *rows])


def samples_by_split(nusc: NuScenes, splits: Collection[str]) -> dict[str, set[str]]:
    """Tokens of the samples of each of the devkit's `splits` that the database has."""
    scenes = create_splits_scenes()
    name_of = {scene["token"]: scene["name"] for scene in nusc.scene}
    return {
        split: {
            sample["token"]
            for sample in nusc.sample
            if name_of[sample["scene_token"]] in set(scenes[split])
        }
        for split in splits
    }


def check_split(nusc: NuScenes, eval_set: str, splits: Collection[str]) -> None:
    """Raises UserError for a split that is not one of `splits`."""
    if eval_set not in splits:
        raise UserError(
            f"eval_set '{eval_set}' does not exist in {nusc.version}; choose from "
            f"{', '.join(splits) or 'none'}"
        )


def nearest_split(tokens: set[str], splits: dict[str, set[str]]) -> str | None:
    """The split that shares most samples with `tokens`, those counted off that only one of the two
    has; None without splits.
    """
    return max(
        splits,
        key=lambda name: len(splits[name] & tokens) - len(splits[name] ^ tokens),
        default=None,
    )


def _mismatch(
    nusc: NuScenes,
    tokens: set[str],
    splits: dict[str, set[str]],
    fitting: list[str],
    eval_set: str | None,
) -> str:
    nearest = eval_set or nearest_split(tokens, splits)
    if nearest is None:
        return (
            f"{nusc.version} has no ground truth: write the submission only (--format-only) and "
            "upload it"
        )
    missing = sorted(splits[nearest] - tokens)
    extra = sorted(tokens - splits[nearest])
    parts = [
        _counted(group, what)
        for group, what in ((missing, "missing"), (extra, "too many"))
        if group
    ]
    remedy = (
        f"eval_set='{fitting[0]}' fits"
        if fitting
        else "no eval_set fits: write the annotation file anew with tools/create_data.py"
    )
    return (
        f"the annotation file has not the samples of {nearest} in {nusc.version}: "
        f"{' and '.join(parts)}; {remedy}"
    )


def _counted(tokens: list[str], what: str) -> str:
    return f"{len(tokens)} {what} ({', '.join(tokens[:3])}{', ...' if len(tokens) > 3 else ''})"


def _has_boxes(nusc: NuScenes, eval_set: str) -> bool:
    tokens = samples_by_split(nusc, (eval_set,))[eval_set]
    return any(
        record["sample_token"] in tokens
        and category_to_detection_name(record["category_name"]) is not None
        for record in nusc.sample_annotation
    )


def _nothing_found(config: DetectionConfig) -> DetectionMetrics:
    """What the devkit's metrics are without a single detection."""
    metrics = DetectionMetrics(config)
    for name in config.class_names:
        for distance in config.dist_ths:
            metrics.add_label_ap(name, distance, 0.0)
        for error in TP_METRICS:
            metrics.add_label_tp(
                name, error, float("nan") if error in _UNDEFINED.get(name, ()) else 1.0
            )
    return metrics


def _named(metrics: DetectionMetrics, present: Collection[str]) -> dict[str, float]:
    aps = {name: float(value) for name, value in metrics.mean_dist_aps.items()}
    named = dict(NDS=metrics.nd_score, mAP=metrics.mean_ap)
    named.update({MEAN_ERROR_NAMES[error]: value for error, value in metrics.tp_errors.items()})
    named["mAP_present"] = _mean([aps[name] for name in present])
    named["mATE_present"] = _mean([metrics.get_label_tp(name, "trans_err") for name in present])
    for name in metrics.cfg.class_names:
        named[f"{name}_AP"] = aps[name]
        named.update(
            {f"{name}_{error}": float(metrics.get_label_tp(name, error)) for error in TP_METRICS}
        )
    return named


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else float("nan")
