"""Camera images with 3D boxes from annotation files, and the score of detections in them."""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from logging import Logger
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmcv import Config
from mmcv.utils import print_log
from mmdet3d.datasets import NuScenesMonoDataset
from mmdet3d.datasets.builder import DATASETS
from tqdm import tqdm

from epropnp_det.engine.json_files import write_json
from epropnp_det.errors import DataWarning, UserError

from ..boxes import Boxes3D, from_mmdet3d, to_mmdet3d
from ..evaluation import camera_fusion, camera_metrics, nuscenes_metrics
from . import annotation_file, nuscenes_tables
from .annotation_check import attribute_faults
from .annotation_completion import complete
from .annotation_selection import hide_unseen_boxes, select_file_numbers
from .camera_doubts import warn_of_cameras
from .class_set import UNKNOWN_ATTRIBUTE, ClassSet, class_set
from .nuscenes_classes import CLASSES
from .projection import clip_boxes
from .transforms import FilterObjects

METRICS = ("bbox", *camera_metrics.METRICS)
REMEDY = (
    "own data is evaluated with --eval distance (tools/test.py) or metric='distance' in the "
    "config's evaluation"
)
SUBMISSION_NAME = "results_nusc.json"
# nuScenes token of boxes of which at least 40 % are visible: those that training uses, so pictures
# and reliability consider no others.
MIN_VISIBILITY = 2


@DATASETS.register_module()
class NuScenesCameraDataset(NuScenesMonoDataset):
    """One item per camera image; six images of one sample are evaluated together.

    Reads the annotation files of `tools/create_data.py` and, with a warning, those of mmdet3d's own
    converter.

    Args:
        data_root: folder of the database; images are read from here unless `img_prefix` is given.
        ann_file: annotation file (docs/reference/data.md).
        pipeline: the steps, as config dicts.
        version: the database's version; the evaluation opens it.
        eval_set: split of the devkit to evaluate on; None finds the one whose samples the
            annotation file has.
        test_mode: no ground truth, every image in order. Otherwise images are dropped whose boxes
            all fail the pipeline's `FilterObjects`, unless `filter_empty_gt` is off.
        fusion: the fields of `camera_fusion.FusionSettings` to change.
        classes: class names in the order of the labels, or the fields of `ClassSet`; boxes of other
            categories are left out. None takes `CLASSES` of the dataset's type, here the ten of
            nuScenes.
        metrics: the fields of `camera_metrics.CameraMetricSettings` to change.
        file_numbers: first and last number that the names of the image files may end with, for a
            split by time; None takes all images.
        min_lidar_points: boxes with fewer LiDAR points count as hidden, with visibility 1.

    Raises:
        UserError: the annotation file is missing or has mistakes, or no image is left.
    """

    CLASSES = CLASSES
    data_infos: list[dict]

    def __init__(
        self,
        data_root: str,
        ann_file: str,
        pipeline: Sequence[dict],
        version: str = "v1.0-trainval",
        eval_set: str | None = None,
        test_mode: bool = False,
        fusion: dict | None = None,
        img_prefix: str | None = None,
        filter_empty_gt: bool = True,
        classes: Sequence[str] | Mapping[str, Any] | None = None,
        metrics: Mapping[str, Any] | None = None,
        file_numbers: tuple[int, int] | None = None,
        min_lidar_points: int = 0,
    ):
        self.class_set = class_set(self.CLASSES if classes is None else classes)
        self.eval_set = eval_set
        self.fusion = make_fusion_settings(fusion or {})
        self.metrics = camera_metrics.CameraMetricSettings.from_config(metrics or {})
        self.file_numbers = file_numbers
        self.min_lidar_points = min_lidar_points
        # Boxes that are not trained on, by reason; those in whole images, before any crop.
        self.left_out: Counter[str] = Counter()
        super().__init__(
            data_root=data_root,
            ann_file=ann_file,
            pipeline=pipeline,
            version=version,
            test_mode=test_mode,
            img_prefix=data_root if img_prefix is None else img_prefix,
            filter_empty_gt=filter_empty_gt,
            classes=self.class_set.class_names,
        )
        warn_of_cameras(self.data_infos, ann_file, whole_samples=test_mode)
        if not test_mode:
            images = len(self)
            self._keep_images([index for index in range(images) if self._is_trainable(index)])
            self._set_group_flag()
            self._log_what_is_left_out(images)

    def load_annotations(self, ann_file: str) -> list[dict]:
        """Image records of the file, in its order. Boxes are indexed by image, categories by their
        name.
        """
        data = annotation_file.read_annotations(ann_file)
        if annotation_file.has_lidar_poses(data):
            warnings.warn(
                f"{ann_file} was not written by tools/create_data.py: images carry the LiDAR's "
                "ego pose instead of the camera's own "
                "(up to half a metre off at speed), boxes have no visibility and count as visible",
                DataWarning,
                stacklevel=2,
            )
        self._has_official_metric = _is_nuscenes(data) and set(self.CLASSES) <= set(CLASSES)
        if self.min_lidar_points > 0:
            data = hide_unseen_boxes(data, self.min_lidar_points, ann_file)
        data = complete(data, self.img_prefix)
        if self.file_numbers is not None:
            data = select_file_numbers(data, self.file_numbers, ann_file)
        self.cat2label = self._labels_of_categories(data["categories"], ann_file)
        self.cat_ids = list(self.cat2label)
        self.img_ids = [image["id"] for image in data["images"]]
        self._annotations = self._by_image(data["annotations"])
        return [dict(image, filename=image["file_name"]) for image in data["images"]]

    def _labels_of_categories(
        self, categories: Sequence[Mapping[str, Any]], ann_file: str
    ) -> dict[int, int]:
        """Labels by the numbers of the categories that are classes."""
        labels = {
            category["id"]: self.CLASSES.index(category["name"])
            for category in categories
            if category["name"] in self.CLASSES
        }
        if not labels:
            raise UserError(
                f"{ann_file} has no category among the classes {', '.join(self.CLASSES)}; set the "
                "dataset's `classes` to names of its categories"
            )
        return labels

    def _by_image(self, annotations: Sequence[dict]) -> dict[str, list[dict]]:
        """The annotations of each image, without those of other categories, which are counted."""
        grouped: dict[str, list[dict]] = {index: [] for index in self.img_ids}
        for annotation in annotations:
            if annotation["category_id"] in self.cat2label:
                self._check_attribute(annotation)
                grouped[annotation["image_id"]].append(annotation)
            else:
                self.left_out[f"of category {annotation['category_name']}, which is no class"] += 1
        return grouped

    def get_ann_info(self, idx: int) -> dict:
        """Ground truth of an image, in new arrays: nothing done to them reaches the dataset.

        Returns:
            dict with `bboxes` (n, 4) x1, y1, x2, y2; `gt_bboxes_3d` mmdet3d's boxes
            (see `boxes.from_mmdet3d`), unknown velocity NaN; `labels`, `gt_labels_3d`,
            `attr_labels` (unknown: `UNKNOWN_ATTRIBUTE`), `visibility` (n,) int64;
            `truncation` (n,); `centers2d` (n, 2); `depths` (n,); `instance_tokens`, n.
        """
        records = self._annotations[self.data_infos[idx]["id"]]
        xywh = _column(records, "bbox", 4)
        labels = np.array(
            [self.cat2label[record["category_id"]] for record in records], dtype=np.int64
        )
        boxes = _column(records, "bbox_cam3d", 7)
        centers = boxes[:, :3] @ np.array(self.data_infos[idx]["cam_intrinsic"], dtype=np.float32).T
        return dict(
            bboxes=np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1),
            labels=labels,
            gt_bboxes_3d=to_mmdet3d(
                torch.from_numpy(boxes[:, [0, 1, 2, 6]]),
                torch.from_numpy(boxes[:, 3:6]),
                torch.from_numpy(_velocities(records)),
            ),
            gt_labels_3d=labels.copy(),
            attr_labels=np.array([_attribute(record) for record in records], dtype=np.int64),
            visibility=np.array([record["visibility"] for record in records], dtype=np.int64),
            truncation=np.array([record["truncation"] for record in records], dtype=np.float32),
            centers2d=centers[:, :2] / centers[:, 2:],
            depths=boxes[:, 2].copy(),
            instance_tokens=[record["instance_token"] for record in records],
            bboxes_ignore=np.zeros((0, 4), dtype=np.float32),
        )

    def get_visible_boxes(self, idx: int) -> Boxes3D:
        """Ground truth of an image with a visibility of at least `MIN_VISIBILITY`, frame of the
        camera.
        """
        info = self.get_ann_info(idx)
        return _true_boxes(info)[torch.from_numpy(info["visibility"] >= MIN_VISIBILITY)]

    def get_counted_boxes(self, idx: int) -> tuple[Boxes3D, np.ndarray]:
        """Ground truth of an image, frame of the camera, and which boxes the metrics of
        `camera_metrics` count, (n,) bool.
        """
        info = self.get_ann_info(idx)
        image = self.data_infos[idx]
        shown = clip_boxes(info["bboxes"], image["width"], image["height"])
        limits = self.metrics.counted
        return _true_boxes(info), limits.admit(shown, info["visibility"], info["truncation"])

    def pre_pipeline(self, results: dict) -> None:
        """mmdet3d's keys, and the class names for steps that take classes by name."""
        super().pre_pipeline(results)
        results["class_names"] = self.class_set.class_names

    def get_cat_ids(self, idx: int) -> list[int]:
        """Category ids of an image's boxes, as class-balancing wrappers ask for them."""
        return [record["category_id"] for record in self._annotations[self.data_infos[idx]["id"]]]

    def __getitem__(self, idx: int) -> dict:
        """Item `idx`; in training, the next one that has boxes after the pipeline."""
        if self.test_mode:
            return self.prepare_test_img(idx)
        for step in range(len(self)):
            item = self.prepare_train_img((idx + step) % len(self))
            if item is not None:
                return item
        raise UserError(
            f"no image of {self.ann_file} has a box left after the training pipeline; loosen its "
            "filters or its crop"
        )

    def prepare_train_img(self, idx: int) -> dict | None:
        """Item `idx` after the pipeline, None if it has no box left and `filter_empty_gt` is on."""
        item = super().prepare_train_img(idx)
        if item is None or (self.filter_empty_gt and len(_content(item["gt_labels_3d"])) == 0):
            return None
        return item

    def format_results(
        self, results: list[Boxes3D], jsonfile_prefix: str | None = None
    ) -> tuple[Path, Any]:
        """Writes the submission file `results_nusc.json` with every sample of the annotation file.

        Args:
            results: detections of every image, in the dataset's order.
            jsonfile_prefix: folder to write to; None makes a temporary one that goes with the
                second value returned.

        Returns:
            Path of the file, and the temporary folder or None.

        Raises:
            UserError: not one result per image.
        """
        self._check_number(results)
        scratch = None
        if jsonfile_prefix is None:
            scratch = tempfile.TemporaryDirectory()
            jsonfile_prefix = scratch.name
        path = Path(jsonfile_prefix) / SUBMISSION_NAME
        samples = self._boxes_by_sample(results)
        records = {
            token: camera_fusion.submission_records(boxes, token, self.class_set)
            for token, boxes in samples.items()
        }
        annotation_file.write_json(dict(meta=self.modality, results=records), path)
        return path, scratch

    def check_evaluation(self, metric: str | Sequence[str] | None = None) -> list[str]:
        """The metrics that `evaluate` computes, after a check of what they need: to be called
        before the first step of a training or a test.

        Args:
            metric: names; None means the official metrics of nuScenes ("bbox") for files of its
                converters and its classes, otherwise "distance".

        Raises:
            UserError: an unknown metric, or one that this dataset cannot have.
        """
        if metric is None:
            metric = "bbox" if self._has_official_metric else "distance"
        names = [metric] if isinstance(metric, str) else list(metric)
        for name in names:
            if name not in METRICS:
                raise UserError(f"metric {name!r} is not known; choose from {', '.join(METRICS)}")
        if "bbox" in names:
            self._check_official_metric()
        return names

    def _check_official_metric(self) -> None:
        unknown = [name for name in self.CLASSES if name not in CLASSES]
        if unknown:
            raise UserError(
                f"the official nuScenes evaluation has no class {', '.join(unknown)}; {REMEDY}"
            )
        try:
            nuscenes_tables.check_database(Path(self.data_root), self.version)
        except UserError as error:
            raise UserError(
                f"the metric bbox opens a nuScenes database: {error}; {REMEDY}"
            ) from error

    def evaluate(
        self,
        results: list[Boxes3D],
        metric: str | Sequence[str] | None = None,
        logger: Logger | str | None = None,
        jsonfile_prefix: str | None = None,
    ) -> dict[str, float]:
        """Metrics of the detections of every image, by name; logs a table of each.

        Args:
            metric: see `check_evaluation`. "bbox": the official nuScenes detection metrics, named
                as in `nuscenes_metrics.evaluate_submission`; "distance" and "iou": see
                `camera_metrics`.
            jsonfile_prefix: folder for the submission, and for `distance_metrics.json` and
                `iou_metrics.json` with all numbers by class and distance; None writes none.

        Raises:
            UserError: a metric that this dataset cannot have, wrong data root or version, or
                samples that are not those of a split.
        """
        metrics: dict[str, float] = {}
        for name in self.check_evaluation(metric):
            if name == "bbox":
                metrics |= self._evaluate_official(results, logger, jsonfile_prefix)
            else:
                metrics |= self._evaluate_images(name, results, logger, jsonfile_prefix)
        return metrics

    def _evaluate_official(
        self, results: list[Boxes3D], logger: Logger | str | None, folder: str | None
    ) -> dict[str, float]:
        nusc = nuscenes_tables.open_database(self.data_root, self.version)
        eval_set = nuscenes_metrics.derive_eval_set(
            nusc, {info["token"] for info in self.data_infos}, self.eval_set
        )
        path, scratch = self.format_results(results, folder)
        metrics = nuscenes_metrics.evaluate_submission(nusc, path, eval_set)
        print_log(
            f"\nnuScenes {self.version}, "
            f"{eval_set}\n{nuscenes_metrics.format_metrics_table(metrics)}",
            logger=logger,
        )
        if scratch is not None:
            scratch.cleanup()
        return metrics

    def _check_attribute(self, annotation: dict) -> None:
        """An attribute that does not exist would end the training far from its cause."""
        where = f"annotation {annotation['id']} in {annotation['file_name']}"
        for fault in attribute_faults(
            where, annotation, annotation["category_name"], self.class_set
        ):
            raise UserError(f"{self.ann_file}: {fault.rule}: {fault.where}: {fault.found}")

    def _evaluate_images(
        self, metric: str, results: list[Boxes3D], logger: Logger | str | None, folder: str | None
    ) -> dict[str, float]:
        self._check_number(results)
        result = camera_metrics.evaluate_images(
            metric,
            results,
            [self.get_counted_boxes(index) for index in range(len(self))],
            self.data_infos,
            self.class_set,
            self.metrics,
        )
        print_log(f"\n{len(self)} images, {result.table}", logger=logger)
        if folder is not None:
            write_json(Path(folder) / f"{metric}_metrics.json", result.full, indent=1)
        return dict(result.by_name)

    def _filter_imgs(self, min_size: int = 0) -> list[int]:
        """All images: which ones to train on is decided once the pipeline is known."""
        return list(range(len(self.data_infos)))

    def _is_trainable(self, idx: int) -> bool:
        info = self.get_ann_info(idx)
        kept = np.ones(len(info["labels"]), dtype=bool)
        for step in self.pipeline.transforms:
            if not isinstance(step, FilterObjects):
                continue
            seen = (info["bboxes"], info["visibility"], info["truncation"])
            for reason, dropped in step.limits.dropped(*seen).items():
                self.left_out[reason] += int((dropped & kept).sum())
                kept &= ~dropped
        return not self.filter_empty_gt or bool(kept.any())

    def _log_what_is_left_out(self, images: int) -> None:
        """One line in the log of the training: boxes by reason, and images without a box left."""
        boxes = sum(map(len, self._annotations.values()))
        reasons = [f"{count} {reason}" for reason, count in self.left_out.items() if count]
        logging.getLogger("epropnp_det").info(
            "%s: trains on %d of %d images; boxes not trained on: %s; %d boxes are of the classes",
            self.ann_file,
            len(self),
            images,
            ", ".join(reasons) or "none",
            boxes,
        )

    def _keep_images(self, indices: list[int]) -> None:
        if not indices:
            raise UserError(
                f"no image of {self.ann_file} has a box that the training pipeline keeps; is it a "
                "file of the test split?"
            )
        self.data_infos = [self.data_infos[index] for index in indices]
        self.img_ids = [info["id"] for info in self.data_infos]

    def _check_number(self, results: list[Boxes3D]) -> None:
        if len(results) != len(self):
            raise UserError(
                f"{len(results)} results for the {len(self)} images of {self.ann_file}: each "
                "image needs one"
            )

    def _boxes_by_sample(self, results: list[Boxes3D]) -> dict[str, camera_fusion.GlobalBoxes3D]:
        parts: dict[str, list[camera_fusion.GlobalBoxes3D]] = {}
        origins: dict[str, np.ndarray] = {}
        for info, result in zip(
            tqdm(self.data_infos, desc="camera to global", unit="image", disable=None), results
        ):
            parts.setdefault(info["token"], []).append(camera_fusion.to_global_frame(result, info))
            origins[info["token"]] = np.array(info["range_origin"])
        boxes = {
            token: camera_fusion.GlobalBoxes3D.concatenate(group) for token, group in parts.items()
        }
        masks = {token: camera_fusion.usable(group) for token, group in boxes.items()}
        dropped = sum(int((~mask).sum()) for mask in masks.values())
        if dropped:
            warnings.warn(
                f"{dropped} boxes are not finite or have no extent; they are left out of the "
                "submission",
                stacklevel=2,
            )
        return {
            token: camera_fusion.fuse(
                boxes[token][mask], origins[token], self.class_set.ranges(), self.fusion
            )
            for token, mask in masks.items()
        }


def read_class_set(config: Config) -> ClassSet:
    """Class set of the test set of a config."""
    settings = config.data.test
    return class_set(settings.get("classes", DATASETS.get(settings.type).CLASSES))


def make_fusion_settings(settings: dict) -> camera_fusion.FusionSettings:
    """Settings from a config dict.

    Raises:
        UserError: a key that does not exist.
    """
    try:
        return camera_fusion.FusionSettings(**settings)
    except TypeError as error:
        raise UserError(f"fusion settings {settings}: {error}") from error


def _is_nuscenes(data: dict) -> bool:
    """Whether an annotation file is of nuScenes: ours with a version of it, or mmdet3d's own."""
    if annotation_file.is_ours(data):
        return data["info"].get("version") in nuscenes_metrics.SPLITS
    return annotation_file.has_lidar_poses(data)


def _true_boxes(info: dict) -> Boxes3D:
    """All boxes of `get_ann_info`."""
    pose, size, velocity = from_mmdet3d(info["gt_bboxes_3d"])
    return Boxes3D(
        pose=pose,
        size=size,
        label=torch.from_numpy(info["gt_labels_3d"]),
        velocity=velocity,
        attribute=torch.from_numpy(info["attr_labels"]),
    )


def _column(records: list[dict], key: str, width: int) -> np.ndarray:
    return np.array([record[key] for record in records], dtype=np.float32).reshape(-1, width)


def _attribute(record: dict) -> int:
    return record["attribute_id"] if record["attribute_known"] else UNKNOWN_ATTRIBUTE


def _velocities(records: list[dict]) -> np.ndarray:
    """Velocities (n, 2), NaN where unknown; a file may leave its numbers out (null) as well."""
    unknown = (float("nan"), float("nan"))
    values = [
        record["velo_cam3d"]
        if record["velocity_known"] and None not in record["velo_cam3d"]
        else unknown
        for record in records
    ]
    return np.array(values, dtype=np.float32).reshape(-1, 2)


def _content(value: Any) -> Any:
    """The content of a data container, or the value itself."""
    return value.data if hasattr(value, "stack") else value
