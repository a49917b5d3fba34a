"""From the poses of a test to a result file, a table and numbers."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import cv2

from epropnp_det.engine.json_files import write_json
from epropnp_det.posterior.credible_regions import NOMINAL

from ..data.bop_dataset import BopImage, BopTarget, TargetTruth, target_truths
from ..data.object_models import ObjectModel, load_models
from ..data.target_boxes import TargetBox
from ..rigid_pose import RigidPose
from ..structures import ObjectPoses
from .bop_recalls import Recall, evaluate
from .bop_results import BopResult, write_results
from .coverage import QUANTITIES, PoseLevels, coverage_table, draw_coverage, pose_levels

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
    results = list(bop_results(goal.boxes, poses))
    recalls = evaluate(results, goal.truths, models)
    levels = true_pose_levels(goal.boxes, poses, models)
    table = recall_table(recalls, goal, len(poses) - len(results), levels)
    print(table) if logger is None else logger.info("\n%s", table)
    numbers = {name: each.mean for name, each in recalls.items()}
    numbers |= {f"{name}/targets": each.of_targets for name, each in recalls.items()}
    numbers |= coverage_table(levels) if levels else {}
    numbers["invalid poses"] = float(len(poses) - len(results))
    if out_dir is None:
        return numbers
    write_files(goal, Path(out_dir), results, table, levels)
    for name, each in recalls.items():
        numbers |= {f"{name}/obj_{key:06d}": value for key, value in each.by_object.items()}
    return numbers


def write_files(
    goal: PoseGoal,
    folder: Path,
    results: Sequence[BopResult],
    table: str,
    levels: Sequence[PoseLevels],
) -> None:
    """Writes the result file, the table, and where there are levels those and their picture."""
    write_results(results, folder / goal.result_file)
    (folder / TABLE_FILE).write_text(table, encoding="utf-8")
    write_json(folder / LEVELS_FILE, [asdict(each) for each in levels], indent=0)
    if levels:
        title = f"{goal.root.resolve().name}, {goal.split}: {len(levels)} objects"
        cv2.imwrite(str(folder / COVERAGE_FILE), draw_coverage({title: levels}))


def bop_results(boxes: Sequence[TargetBox], poses: Sequence[ObjectPoses]) -> list[BopResult]:
    """The valid poses of the boxes; their times are unknown."""
    return [
        BopResult(
            box.image.scene_id,
            box.image.image_id,
            box.object_id,
            box.score,
            RigidPose.from_vector(pose.pose[0].double().numpy()),
        )
        for box, pose in zip(boxes, poses)
        if bool(pose.valid[0]) and bool(pose.pose.isfinite().all())
    ]


def true_pose_levels(
    boxes: Sequence[TargetBox],
    poses: Sequence[ObjectPoses],
    models: Mapping[int, ObjectModel],
) -> list[PoseLevels]:
    """Levels of the true poses in the samples; none for boxes of a detector, whose object is not
    known, and none where the poses have no samples.
    """
    known = [
        (pose, box.instance.pose.orthonormal(), models[box.object_id])
        for box, pose in zip(boxes, poses)
        if box.instance is not None and pose.sample_pose is not None
    ]
    return pose_levels(*zip(*known)) if known else []


def recall_table(
    recalls: Mapping[str, Recall], goal: PoseGoal, invalid: int, levels: Sequence[PoseLevels]
) -> str:
    """The recalls by object in percent, and the coverage, as Markdown."""
    head = ["object", *recalls]
    lines = [f"{goal.root} {goal.split}: {len(goal.boxes)} boxes ({goal.source})", ""]
    lines += [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    rows: dict[str, list[float]] = {}
    for key in next(iter(recalls.values())).by_object:
        rows[str(key)] = [each.by_object[key] for each in recalls.values()]
    rows["mean of objects"] = [each.mean for each in recalls.values()]
    rows["all targets"] = [each.of_targets for each in recalls.values()]
    for name, values in rows.items():
        lines.append(f"| {name} | {' | '.join(f'{100 * value:.1f}' for value in values)} |")
    lines += ["", f"invalid poses: {invalid}"]
    if levels:
        lines += ["", *coverage_lines(levels)]
    return "\n".join(lines) + "\n"


def coverage_lines(levels: Sequence[PoseLevels]) -> list[str]:
    """Coverage [%] of the regions of the poses, of all objects and of those without symmetries."""
    groups = {"all": levels, "without symmetries": [each for each in levels if not each.symmetric]}
    nominal = " | ".join(f"{100 * share:g}" for share in NOMINAL)
    lines = [f"| coverage [%] | objects | value | {nominal} |", f"|{'---|' * (3 + len(NOMINAL))}"]
    for group, members in groups.items():
        if not members:
            continue
        table = coverage_table(members)
        for quantity in QUANTITIES:
            shares = [v for name, v in table.items() if name.startswith(f"coverage {quantity}")]
            cells = " | ".join(f"{100 * share:.0f}" for share in shares)
            lines.append(f"| {group} | {len(members)} | {quantity} | {cells} |")
    return lines
