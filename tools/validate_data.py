#!/usr/bin/env python
"""Checks an annotation file against its images: one line for each kind of mistake. Draws the labels
on some images to look at.

Keys, types and ranges, ids; files and their sizes, camera matrices, quaternions; boxes: finite, in
front of the camera, the 3D box where the 2D box is, attributes that fit the class.
docs/reference/data.md has the keys, docs/reference/conventions.md frames and signs.

Example:
    python tools/validate_data.py data/synthetic/nuscenes_mini_infos_val_mono3d.coco.json
    --data-root data/synthetic --draw labels
"""

from __future__ import annotations

import argparse
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from epropnp_det.errors import USER_ERROR_EXIT_CODE, DataWarning, main_guard

if TYPE_CHECKING:
    from epropnp_det.detection.data.class_set import ClassSet


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("annotations", type=Path, metavar="ANNOTATIONS.json")
    parser.add_argument(
        "--data-root",
        type=Path,
        required=True,
        metavar="DIR",
        help="the folder that the file names start from",
    )
    parser.add_argument(
        "--draw", type=Path, metavar="DIR", help="write pictures with the labels there"
    )
    parser.add_argument(
        "--images",
        type=int,
        default=6,
        metavar="N",
        help="to draw, spread over the file (default: %(default)s)",
    )
    parser.add_argument(
        "--config",
        type=Path,
        metavar="CONFIG",
        help="the config whose classes and attributes the file has (default: those of nuScenes)",
    )
    args = parser.parse_args()
    if args.images < 0:
        parser.error("--images must be at least 0")
    return args


@main_guard
def main() -> int:
    args = parse_args()
    # Slow to import: not before --help and wrong arguments are dealt with.
    from epropnp_det.detection.data import annotation_check, annotation_file
    from epropnp_det.detection.data.annotation_completion import complete
    from epropnp_det.engine.file_checks import summarize

    classes = read_classes(args.config)
    data = annotation_file.parse_annotations(args.annotations)
    mistakes = summarize(annotation_check.find_faults(data, args.data_root, classes))
    for line in mistakes:
        print(f"error: {line}", file=sys.stderr)
    # Without sound entries there is nothing to draw.
    if args.draw is not None and not any(annotation_file.find_record_faults(data)):
        draw(complete(data, args.data_root), args, classes.class_names)
    if mistakes:
        return USER_ERROR_EXIT_CODE
    for doubt in annotation_check.find_doubts(data):
        warnings.warn(doubt, DataWarning, stacklevel=2)
    with warnings.catch_warnings(action="ignore"):  # of the boxes left out, which are counted here
        shown = len(complete(data, args.data_root)["annotations"])
    left_out = len(data["annotations"]) - shown
    print(
        f"{args.annotations}: valid: {len(data['images'])} images, {shown} boxes"
        + (f" and {left_out} of which the images show nothing" if left_out else "")
    )
    return 0


def read_classes(config: Path | None) -> ClassSet:
    """Classes of a config's test set, those of nuScenes without a config."""
    from epropnp_det.detection.data.class_set import NUSCENES
    from epropnp_det.detection.data.nuscenes_dataset import read_class_set
    from epropnp_det.engine.config import load_config

    return NUSCENES if config is None else read_class_set(load_config(config))


def draw(data: dict, args: argparse.Namespace, class_names: tuple[str, ...]) -> None:
    """Writes pictures of some images: the labels on them, and from above."""
    import numpy as np
    from tqdm import tqdm

    from epropnp_det.detection.reports.pictures import picture
    from epropnp_det.engine.confined_names import file_under
    from epropnp_det.engine.images import read_image
    from epropnp_det.engine.output_files import make_folder, write_pixels

    make_folder(args.draw)
    chosen = np.unique(np.linspace(0, len(data["images"]) - 1, args.images).round().astype(int))
    images = [data["images"][index] for index in chosen]
    for image in tqdm(images, desc="drawing", unit="image", disable=None):
        drawn = picture(
            read_image(str(file_under(args.data_root, image["file_name"]))),
            np.array(image["cam_intrinsic"]),
            select_boxes(data, image, class_names),
            class_names,
        )
        write_pixels(args.draw / f"{picture_name(image['file_name'])}.png", drawn)
    print(f"pictures with labels: {args.draw}")


def picture_name(file_name: str) -> str:
    """The path without its suffix, in one name: equal stems of two folders stay two pictures."""
    return "__".join(Path(file_name).with_suffix("").parts)


def select_boxes(data: dict, image: dict, class_names: tuple[str, ...]):
    """The annotated boxes (`Boxes3D`) of an image that are of these classes."""
    import torch

    from epropnp_det.detection.boxes import Boxes3D

    names = {category["id"]: category["name"] for category in data["categories"]}
    mine = [
        annotation
        for annotation in data["annotations"]
        if annotation["image_id"] == image["id"] and names[annotation["category_id"]] in class_names
    ]
    box = torch.tensor([annotation["bbox_cam3d"] for annotation in mine]).reshape(-1, 7)
    labels = [class_names.index(names[annotation["category_id"]]) for annotation in mine]
    return Boxes3D(
        pose=box[:, [0, 1, 2, 6]],
        size=box[:, 3:6],
        label=torch.tensor(labels, dtype=torch.long),
    )


if __name__ == "__main__":
    sys.exit(main())
