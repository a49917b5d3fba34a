"""The objects of a BOP split that a test is to find: a patch for each, and the scores of poses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from mmdet.datasets.builder import DATASETS
from torch import Tensor
from torch.utils.data import Dataset

from epropnp_det.errors import UserError

from ..evaluation.bop_report import PoseGoal, bop_results, report
from ..evaluation.bop_results import write_results
from ..patches import ImageSource, PatchSettings, cut_patch
from ..structures import ObjectPoses
from .bop_dataset import TARGETS_FILE, BopImage, read_image, read_split
from .object_models import load_models
from .rendered_crops import class_names, known_objects
from .target_boxes import all_targets, detected_boxes, targets_of_objects, true_boxes

METRIC = "bop"


@DATASETS.register_module()
class BopTargets(Dataset):
    """Patches of the targets of a BOP split, for tests.

    Args:
        root: folder of the data set, with `models` and, for the errors, `models_eval`.
        patch: fields of `PatchSettings`.
        split: folder of the scenes.
        objects: BOP's numbers of the objects, in the order of the model; None for all of `models`.
            Targets of other objects are left out.
        targets_file: file below `root`; None for every instance that is visible enough.
        detections: file of boxes in BOP's JSON form; None for the boxes of the ground truth.
        candidates: detections that are tried for each instance of a target. The poses of highest
            score count.
        jitter: largest relative change of the size of a true box, and of its centre in sides.
        every: only each n-th image that has targets.
        whole_image: the patches come with their images, for networks that cut patches of their own.
        seed: start of the random changes.
        test_mode: must be set.

    Raises:
        UserError: a file is missing, broken or does not fit the others, or a training.
    """

    def __init__(
        self,
        root: str,
        patch: Mapping[str, Any],
        split: str = "test",
        objects: Sequence[int] | None = None,
        targets_file: str | None = TARGETS_FILE,
        detections: str | None = None,
        candidates: int = 1,
        jitter: float = 0.0,
        every: int = 1,
        whole_image: bool = False,
        seed: int = 0,
        test_mode: bool = True,
    ):
        if not test_mode:
            raise UserError("BopTargets is for tests; name RenderedCrops in data.train")
        folder = Path(root)
        self.models = load_models(folder / "models")
        self.objects = known_objects(self.models, objects)
        self.CLASSES = class_names(self.objects)
        self.patch = PatchSettings(**patch)
        self.whole_image = whole_image
        images = read_split(root, split)
        targets = all_targets(folder, targets_file, images, every)
        targets = targets_of_objects(targets, self.models, objects)
        if detections is None:
            self.boxes = list(true_boxes(targets, images, jitter, seed))
            source = f"ground truth, changed by up to {jitter:g}" if jitter else "ground truth"
        else:
            self.boxes = detected_boxes(targets, images, detections, self.models, candidates)
            source = detections
        self.goal = PoseGoal(folder, split, source, targets, images, self.boxes)
        # The boxes of an image follow each other.
        self._latest: tuple[BopImage, np.ndarray] | None = None

    def __len__(self) -> int:
        return len(self.boxes)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """Arguments of `ObjectPoseEstimator.simple_test`, without the batch dim."""
        each = self.boxes[index]
        if self._latest is None or self._latest[0] is not each.image:
            self._latest = (each.image, cv2.cvtColor(read_image(each.image), cv2.COLOR_RGB2BGR))
        image = self._latest[1]
        img, origin, side = cut_patch(image, each.box, self.patch)
        source = ImageSource.of(image, self.patch) if self.whole_image else None
        more = {} if source is None else dict(image=source.image[0], black=source.black[0])
        return dict(
            **more,
            img=img,
            origin=torch.tensor(origin, dtype=torch.float32),
            side=torch.tensor(side, dtype=torch.float32),
            matrix=torch.tensor(each.image.camera_matrix, dtype=torch.float32),
            half_extent=torch.tensor(self.models[each.object_id].half_extents, dtype=torch.float32),
            object_index=torch.tensor(self.objects.index(each.object_id)),
        )

    def check_evaluation(self, metric: str | Sequence[str] | None = None) -> list[str]:
        """The metrics to compute; None are all.

        Raises:
            UserError: an unknown name, or the split has no ground truth of its targets.
        """
        names = [metric] if isinstance(metric, str) else metric or []
        unknown = [name for name in names if name != METRIC]
        if unknown:
            raise UserError(f"--eval {unknown[0]}: the only metric of object poses is {METRIC}")
        _ = self.goal.truths  # missing ground truth ends a test before its first image
        return [METRIC]

    def format_results(
        self, results: Sequence[Mapping[str, ObjectPoses]], jsonfile_prefix: str
    ) -> tuple[str, None]:
        """Writes the result file of BOP into the folder `jsonfile_prefix`; returns its path."""
        path = Path(jsonfile_prefix) / self.goal.result_file
        poses = [result["object_pose"] for result in results]
        write_results(bop_results(self.boxes, poses, self.models), path)
        return str(path), None

    def evaluate(
        self,
        results: Sequence[Mapping[str, ObjectPoses]],
        metric: str | Sequence[str] = METRIC,
        jsonfile_prefix: str | None = None,
        logger: Any = None,
    ) -> dict[str, float]:
        """Numbers of the metrics by name; files and a table in the folder `jsonfile_prefix`.

        Args:
            results: what the model returns for each box.
            metric: only 'bop'.
            jsonfile_prefix: folder for the result file, tables and levels; None writes nothing.
            logger: prints the table; None prints it to the terminal.
        """
        self.check_evaluation(metric)
        poses = [result["object_pose"] for result in results]
        return report(self.goal, poses, jsonfile_prefix, logger)
