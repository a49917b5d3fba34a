"""Known objects in whole images as a COCO data set, for the detectors of mmdet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmdet.datasets import CocoDataset
from mmdet.datasets.builder import DATASETS
from pycocotools import mask as rle

from epropnp_det.engine.confined_names import file_under
from epropnp_det.engine.json_files import write_json
from epropnp_det.engine.outside_files import read_json
from epropnp_det.errors import UserError

from .detection_file import Detection, as_entry

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
        UserError: the file is missing or has another form, or a file name in it leaves the folder
            of the images.
    """

    def __init__(self, ann_file: str, pipeline: Sequence[dict], **settings: Any):
        names = category_names(ann_file)
        super().__init__(ann_file, pipeline, classes=names, **settings)

    def load_annotations(self, ann_file: str) -> list[dict[str, Any]]:
        """mmdet's records of the images.

        Raises:
            UserError: a file name leaves the folder of the images.
        """
        records = super().load_annotations(ann_file)
        for record in records:
            try:
                file_under(self.img_prefix or "", record["filename"])
            except UserError as error:
                raise UserError(f"annotation file {ann_file}: {error}") from error
        return records

    def check_evaluation(self, metric: str | Sequence[str] | None = None) -> list[str]:
        """The metrics to compute; None are all that the annotations have.

        Raises:
            UserError: an unknown name, or masks that the annotations do not have.
        """
        available = METRICS if self.has_masks else METRICS[:1]
        names = [metric] if isinstance(metric, str) else list(metric or available)
        for name in names:
            if name not in METRICS:
                raise UserError(f"--eval {name}: the metrics of detections are {METRICS}")
            if name not in available:
                raise UserError(f"--eval {name}: {self.ann_file} has no masks; use --eval bbox")
        return names

    @property
    def has_masks(self) -> bool:
        """Whether all annotations have masks."""
        return all("segmentation" in each for each in self.coco.anns.values())

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
            numbers = (info.get("scene_id", 0), info.get("im_id", info["id"]))
            boxes, masks = boxes_and_masks(result)
            for label, found in enumerate(boxes):
                for index, (*corners, score) in enumerate(np.asarray(found, dtype=np.float64)):
                    low = np.array(corners[:2])
                    box = np.concatenate([low, np.array(corners[2:]) - low])
                    entry = as_entry(Detection(*numbers, self.cat_ids[label], box, score))
                    if masks is not None:
                        entry["segmentation"] = plain_run_lengths(masks[label][index])
                    yield entry

    def evaluate(
        self,
        results: Sequence[Any],
        metric: str | Sequence[str] | None = None,
        jsonfile_prefix: str | None = None,
        logger: Any = None,
        **settings: Any,
    ) -> dict[str, float]:
        """Average precisions of boxes and masks by name; BOP's file of detections in the folder
        `jsonfile_prefix`.
        """
        names = self.check_evaluation(metric)
        if not any(len(found) for result in results for found in boxes_and_masks(result)[0]):
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
    content = read_json(ann_file, "annotation file", remedy)
    try:
        return tuple(each["name"] for each in content["categories"])
    except (KeyError, TypeError) as error:
        raise UserError(f"{ann_file} has no categories ({error!r}); {remedy}") from error


def plain_run_lengths(encoded: Mapping[str, Any]) -> dict[str, Any]:
    """COCO's compressed mask as a list of run lengths, zeros first, column by column."""
    columns = rle.decode(encoded).ravel(order="F")
    changes = np.flatnonzero(np.diff(columns)) + 1
    edges = np.concatenate([[0], changes, [len(columns)]])
    lengths = np.diff(edges).tolist()
    counts = lengths if columns[0] == 0 else [0, *lengths]
    return dict(size=[int(value) for value in encoded["size"]], counts=counts)


def boxes_and_masks(result: Any) -> tuple[Sequence[np.ndarray], Sequence[Any] | None]:
    """What a detector of mmdet returns of one image: for each class boxes (n, 5) x, y of two
    corners [px] and score, and n masks; None for a detector without masks.
    """
    return result if isinstance(result, tuple) else (result, None)
