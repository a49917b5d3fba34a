"""Known objects in whole images as a COCO data set, for the detectors of mmdet."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmdet.datasets import CocoDataset
from mmdet.datasets.builder import DATASETS
from pycocotools import mask as rle

from epropnp_det.engine.json_files import write_json
from epropnp_det.errors import UserError

from .detection_file import UNKNOWN_TIME

METRICS = ("bbox", "segm")
DETECTIONS_FILE = "detections.json"


@DATASETS.register_module()
class CocoObjects(CocoDataset):
    """Images and annotations of `tools/create_data.py bop DIR --coco`. The classes are the
    categories of the file, in its order.

    Args:
        ann_file: `coco_SPLIT.json`.
        pipeline: steps of mmdet.
        settings: arguments of mmdet's `CocoDataset`.

    Raises:
        UserError: the file is missing or has another form.
    """

    def __init__(self, ann_file: str, pipeline: Sequence[dict], **settings: Any):
        names = category_names(ann_file)
        super().__init__(ann_file, pipeline, classes=names, **settings)

    def check_evaluation(self, metric: str | Sequence[str] | None = None) -> list[str]:
        """The metrics to compute; None are all.

        Raises:
            UserError: an unknown name.
        """
        names = [metric] if isinstance(metric, str) else list(metric or METRICS)
        for name in names:
            if name not in METRICS:
                raise UserError(f"--eval {name}: the metrics of detections are {METRICS}")
        return names

    def format_results(
        self, results: Sequence[Any], jsonfile_prefix: str | None = None, **settings: Any
    ) -> tuple[Any, Any]:
        """Writes BOP's file of detections into the folder `jsonfile_prefix`; returns its path.
        Without a folder: as mmdet does.
        """
        if jsonfile_prefix is None:
            return super().format_results(results, **settings)
        path = Path(jsonfile_prefix) / DETECTIONS_FILE
        write_json(path, list(self.bop_detections(results)))
        return str(path), None

    def bop_detections(self, results: Sequence[Any]) -> Iterator[dict[str, Any]]:
        """The detections of all images in BOP's JSON form, with masks where the detector has
        some: uncompressed run lengths, column by column.
        """
        for info, result in zip(self.data_infos, results, strict=True):
            boxes, masks = result if isinstance(result, tuple) else (result, None)
            for label, found in enumerate(boxes):
                for index, (*corners, score) in enumerate(np.asarray(found, dtype=np.float64)):
                    low = np.array(corners[:2])
                    side = np.array(corners[2:]) - low
                    entry = dict(
                        scene_id=info.get("scene_id", 0),
                        image_id=info.get("im_id", info["id"]),
                        category_id=self.cat_ids[label],
                        bbox=[*low, *side],
                        score=score,
                        time=UNKNOWN_TIME,
                    )
                    if masks is not None:
                        entry["segmentation"] = plain_run_lengths(masks[label][index])
                    yield entry

    def evaluate(
        self,
        results: Sequence[Any],
        metric: str | Sequence[str] = METRICS,
        jsonfile_prefix: str | None = None,
        logger: Any = None,
        **settings: Any,
    ) -> dict[str, float]:
        """Average precisions of boxes and masks by name; BOP's file of detections in the folder
        `jsonfile_prefix`.
        """
        names = self.check_evaluation(metric)
        if not any(len(found) for result in results for found in _boxes_of(result)):
            return {f"{name}_mAP{suffix}": 0.0 for name in names for suffix in ("", "_50", "_75")}
        numbers = super().evaluate(list(results), metric=names, logger=logger, **settings)
        if jsonfile_prefix is not None:
            self.format_results(results, jsonfile_prefix)
        return {key: value for key, value in numbers.items() if isinstance(value, float)}


def category_names(ann_file: str) -> tuple[str, ...]:
    """Names of the categories of an annotation file.

    Raises:
        UserError: the file is missing or has another form.
    """
    remedy = "write it with: python tools/create_data.py bop DIR --coco"
    try:
        content = json.loads(Path(ann_file).read_text(encoding="utf-8"))
        return tuple(each["name"] for each in content["categories"])
    except OSError as error:
        raise UserError(f"{ann_file} cannot be read ({error.strerror}); {remedy}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{ann_file} has no categories ({error!r}); {remedy}") from error


def plain_run_lengths(encoded: Mapping[str, Any]) -> dict[str, Any]:
    """COCO's compressed mask as a list of run lengths, zeros first, column by column."""
    columns = rle.decode(encoded).ravel(order="F")
    changes = np.flatnonzero(np.diff(columns)) + 1
    edges = np.concatenate([[0], changes, [len(columns)]])
    lengths = np.diff(edges).tolist()
    counts = lengths if columns[0] == 0 else [0, *lengths]
    return dict(size=[int(value) for value in encoded["size"]], counts=counts)


def _boxes_of(result: Any) -> Sequence[np.ndarray]:
    return result[0] if isinstance(result, tuple) else result
