"""From the poses of a test to a result file, a table and numbers."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

from epropnp_det.engine.json_files import write_json
from epropnp_det.engine.output_files import write_pixels, write_text

from ..data.bop_dataset import BopImage, BopTarget, TargetTruth, target_truths
from ..data.object_models import ObjectModel, load_models
from ..data.target_boxes import TargetBox
from ..localization import distinct_poses, localization_scores
from ..rigid_pose import RigidPose
from ..structures import ObjectPoses
from .bop_recalls import evaluate
from .bop_results import BopResult, write_results
from .bop_tables import PoseScores
from .coverage import PoseLevels, draw_coverage, pose_levels
from .judged_pose import JudgedPose
from .mode_shares import mode_shares

TABLE_FILE = "table.md"
LEVELS_FILE = "levels.json"
COVERAGE_FILE = "coverage.png"


@dataclass(frozen=True)
class PoseGoal:
    """What a test is to find.

    Args:
        root: folder of the BOP data set.
        split: folder of its scenes.
        source: where the boxes come from, for the report.
        targets: objects that are to be found in the images.
        images: all images of the split.
        boxes: the boxes, in the order of the results.
    """

    root: Path
    split: str
    source: str
    targets: Sequence[BopTarget]
    images: Sequence[BopImage]
    boxes: Sequence[TargetBox]

    @cached_property
    def truths(self) -> list[TargetTruth]:
        """The ground truth of the targets.

        Raises:
            UserError: an image has no ground truth, or shows fewer objects than are wanted.
        """
        return target_truths(self.targets, self.images)

    @property
    def result_file(self) -> str:
        """Name of BOP's result file: METHOD_DATASET-SPLIT.csv, without further underscores."""
        return f"epropnp_{self.root.resolve().name.replace('_', '')}-{self.split}.csv"


def report(
    goal: PoseGoal,
    poses: Sequence[ObjectPoses],
    out_dir: str | None = None,
    logger: logging.Logger | None = None,
) -> dict[str, float]:
    """Recalls by name: the mean over the objects, `NAME/targets` over all targets; coverage where
    the poses have samples; the number of invalid poses. With a folder also `NAME/obj_NNNNNN`.

    Args:
        poses: a batch of one for each box.
        out_dir: folder for the result file of BOP, the table and the levels; None writes nothing.
        logger: prints the table; None prints it to the terminal.
    """
    folder = goal.root / "models_eval"
    models = load_models(folder if folder.is_dir() else goal.root / "models")
    results = bop_results(goal.boxes, poses, models)
    judged = judged_poses(goal.boxes, poses, models)
    scores = PoseScores(
        evaluate(results, goal.truths, models),
        pose_levels(judged),
        mode_shares(judged),
        sum(not is_usable(pose) for pose in poses),
    )
    table = scores.markdown(f"{goal.root} {goal.split}: {len(poses)} boxes ({goal.source})")
    print(table) if logger is None else logger.info("\n%s", table)
    if out_dir is None:
        return scores.numbers()
    write_files(goal, Path(out_dir), results, table, scores.levels)
    return scores.numbers() | scores.numbers_by_object()


def write_files(
    goal: PoseGoal,
    folder: Path,
    results: Sequence[BopResult],
    table: str,
    levels: Sequence[PoseLevels],
) -> None:
    """Writes the result file, the table, and where there are levels those and their picture."""
    write_results(results, folder / goal.result_file)
    write_text(folder / TABLE_FILE, table)
    write_json(folder / LEVELS_FILE, [asdict(each) for each in levels], indent=0)
    if levels:
        title = f"{goal.root.resolve().name}, {goal.split}: {len(levels)} objects"
        write_pixels(folder / COVERAGE_FILE, draw_coverage({title: levels}))


def bop_results(
    boxes: Sequence[TargetBox],
    poses: Sequence[ObjectPoses],
    models: Mapping[int, ObjectModel],
) -> list[BopResult]:
    """The valid poses of the boxes; their times are unknown. Of a detector's boxes that lead to the
    same pose the best stays, see `distinct_poses`.
    """
    usable = [(box, pose) for box, pose in zip(boxes, poses) if is_usable(pose)]
    results = [bop_result(box, pose, models[box.object_id]) for box, pose in usable]
    if all(box.instance is not None for box in boxes):
        return results
    return [
        results[index]
        for index in distinct_in_images(results, [pose for _, pose in usable], models)
    ]


def is_usable(pose: ObjectPoses) -> bool:
    """Whether a pose (1,) is valid and finite."""
    return bool(pose.valid[0]) and bool(pose.pose.isfinite().all())


def bop_result(box: TargetBox, pose: ObjectPoses, model: ObjectModel) -> BopResult:
    """The pose (1,) of a box, with the score of the box times the certainty of the pose."""
    return BopResult(
        box.image.scene_id,
        box.image.image_id,
        box.object_id,
        box.score * certainty(pose, model),
        RigidPose.from_vector(pose.pose[0].double().numpy()),
    )


def certainty(pose: ObjectPoses, model: ObjectModel) -> float:
    """Factor of the score of a pose (1,): its localisation score where it has samples, else its
    consensus, else 1.
    """
    if pose.sample_pose is not None:
        return float(localization_scores(pose, [model])[0])
    return 1.0 if pose.consensus is None else float(pose.consensus[0])


def distinct_in_images(
    results: Sequence[BopResult],
    poses: Sequence[ObjectPoses],
    models: Mapping[int, ObjectModel],
) -> list[int]:
    """Places of the results that stay where each image keeps distinct poses, in their order; see
    `distinct_poses`.

    Args:
        poses: a batch of one for each result.
    """
    places = defaultdict(list)
    for index, each in enumerate(results):
        places[each.scene_id, each.image_id].append(index)
    kept = []
    for own in places.values():
        together = ObjectPoses.cat([poses[index] for index in own])
        stay = distinct_poses([results[index] for index in own], together, models)
        kept += [own[each] for each in stay]
    return sorted(kept)


def judged_poses(
    boxes: Sequence[TargetBox],
    poses: Sequence[ObjectPoses],
    models: Mapping[int, ObjectModel],
) -> list[JudgedPose]:
    """The poses of the boxes whose object is known: those of a detector are left out."""
    return [
        JudgedPose(pose, box.instance.pose.orthonormal(), models[box.object_id])
        for box, pose in zip(boxes, poses)
        if box.instance is not None
    ]
