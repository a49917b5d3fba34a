"""Known objects in whole images by a detector of mmdet."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmcv.parallel import collate
from mmdet.datasets.pipelines import Compose

from epropnp_det.engine.checkpoint import read_checkpoint
from epropnp_det.engine.model import init_model
from epropnp_det.engine.prediction import predict
from epropnp_det.errors import UserError

from .data.coco_objects import boxes_and_masks
from .data.detection_file import Detection
from .data.rendered_crops import objects_of_class_names

_ONE_IMAGE = partial(collate, samples_per_gpu=1)


class ObjectDetector:
    """A detector of mmdet, with or without masks, whose classes are objects of BOP.

    Args:
        model: in evaluation mode, with its config as `cfg`; the pipeline of `data.test` makes its
            inputs.
        objects: BOP's number of each class.

    Raises:
        UserError: the config has no pipeline that begins with LoadImageFromFile.
    """

    def __init__(self, model: Any, objects: Sequence[int]):
        self.model = model
        self.objects = tuple(objects)
        steps = copy.deepcopy(model.cfg.get("data", {}).get("test", {}).get("pipeline") or [{}])
        if steps[0].get("type") != "LoadImageFromFile":
            raise UserError(
                f"config {model.cfg.filename}: data.test.pipeline does not begin with "
                "LoadImageFromFile; give the config of a detector of mmdet"
            )
        steps[0] = dict(type="LoadImageFromWebcam")  # mmdet's name for images in memory
        self.pipeline = Compose(steps)

    def detect(self, image: np.ndarray, threshold: float) -> list[Detection]:
        """Objects of one image (H, W, 3), uint8, blue first, with at least this score, best first;
        scene and image have the number 0.
        """
        result = predict(self.model, _ONE_IMAGE([self.pipeline(dict(img=image))]), seed=0)
        boxes, _ = boxes_and_masks(result)
        found = [
            Detection(0, 0, object_id, np.array([x, y, right - x, low - y]), float(score))
            for object_id, own in zip(self.objects, boxes, strict=True)
            for x, y, right, low, score in np.asarray(own, dtype=np.float64)
            if score >= threshold and right > x and low > y
        ]
        return sorted(found, key=lambda each: -each.score)


def init_detector(
    config: str | Path, checkpoint: str | Path, device: str | torch.device | None = "cpu"
) -> ObjectDetector:
    """A detector with the weights of a training on `tools/create_data.py bop DIR --coco`.

    Raises:
        UserError: the config or the checkpoint is missing, wrong or of another architecture, or the
            classes of the checkpoint are no objects of BOP.
    """
    model = init_model(config, checkpoint, device)
    names = read_checkpoint(Path(checkpoint)).get("meta", {}).get("CLASSES") or ()
    objects = objects_of_class_names(names)
    if not objects:
        raise UserError(
            f"the classes of {checkpoint} are {list(names)}, not obj_000001 and so on; train the "
            "detector on the files of create_data.py bop --coco, or give its boxes by --boxes"
        )
    return ObjectDetector(model, objects)
