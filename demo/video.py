#!/usr/bin/env python
"""A film of a scene with all its cameras: boxes with the numbers of their tracks, and the vehicle's
surroundings from above with the way of each track.

The detections of a sample's cameras become one list in the global frame. Tracks move at constant
velocity there, and one assignment per sample, which uses the predicted covariances, gives each
detection its number. NAME.json has all tracked boxes; where the images have annotations, IDF1
against their tracks too.

Example:
    python demo/video.py data/synthetic/nuscenes_mini_infos_val_mono3d.coco.json \\
        --data-root data/synthetic --log synthetic-0103 --out scene.gif \\
        --config configs/detection/synthetic/epropnp_r18_varied.py \\
        --checkpoint configs/detection/synthetic/epropnp_r18_varied.pth
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from epropnp_det.errors import main_guard

if TYPE_CHECKING:
    from epropnp_det.detection.boxes import Boxes3D
    from epropnp_det.detection.data.class_set import ClassSet
    from epropnp_det.detection.evaluation.scene_tracks import Scene, TrackedBoxes

SUFFIXES = (".gif", ".mp4")


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("annotations", type=Path, metavar="FILE", help="mono3d.coco.json")
    parser.add_argument(
        "--data-root", type=Path, metavar="DIR", help="of the images (default: that of FILE)"
    )
    parser.add_argument(
        "--log", required=True, metavar="TEXT", help="the scene: part of its images' file names"
    )
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument(
        "--out", type=Path, default=Path("scene.mp4"), help=".mp4 or .gif (default: %(default)s)"
    )
    parser.add_argument(
        "--score-thr", type=float, default=0.3, help="of tracked boxes (default: %(default)s)"
    )
    parser.add_argument(
        "--as-film",
        action="store_true",
        help="track without the ego poses, as in a film; --log has to name one camera: "
        "synthetic-0103__CAM_FRONT__",
    )
    parser.add_argument(
        "--tick",
        type=float,
        default=1e-6,
        metavar="SECONDS",
        help="what the number at the end of a file name counts: 0.1 for the numbers of frames at "
        "10 Hz (default: %(default)s, the microseconds of nuScenes)",
    )
    parser.add_argument(
        "--width", type=int, default=320, help="of each camera's picture (default: %(default)s)"
    )
    parser.add_argument(
        "--device", default="cpu", help="of the network, e.g. cuda (default: %(default)s)"
    )
    args = parser.parse_args()
    if args.out.suffix not in SUFFIXES:
        parser.error(f"--out must end in {' or '.join(SUFFIXES)}")
    if not args.tick > 0:
        parser.error("--tick must be positive")
    if args.width < 64:
        parser.error("--width must be at least 64")
    return args


@main_guard
def main() -> None:
    args = parse_args()
    # Slow to import, so after --help and wrong arguments.
    from epropnp_det.detection.data.nuscenes_dataset import read_class_set
    from epropnp_det.detection.evaluation.scene_tracks import read_scene, track_scene
    from epropnp_det.engine.model import init_model
    from epropnp_det.engine.output_files import make_folder

    root = args.data_root or args.annotations.parent
    scene = read_scene(args.annotations, root, args.log, args.tick)
    make_folder(args.out.parent)
    model = init_model(args.config, args.checkpoint, args.device)
    class_set = read_class_set(model.cfg)
    found = detections(model, scene, root)
    tracked = track_scene(scene, found, class_set, args.score_thr, args.as_film)
    write_boxes(args.out.with_suffix(".json"), scene, tracked, class_set)
    write_pictures(args, root, scene, tracked, class_set.class_names)
    print(f"film: {args.out}; boxes: {args.out.with_suffix('.json')}")


def detections(model: Any, scene: Scene, root: Path) -> list[list[Boxes3D]]:
    """Those of each image of each sample."""
    import numpy as np
    from tqdm import tqdm

    from epropnp_det.detection.data.canonical_camera import level_rotation_of
    from epropnp_det.detection.inference import detect
    from epropnp_det.engine.confined_names import file_under

    def boxes_of(image: dict[str, Any]) -> Boxes3D:
        return detect(
            model,
            file_under(root, image["file_name"]),
            np.array(image["cam_intrinsic"]),
            rotation=level_rotation_of(image, model.cfg.data.test.pipeline),
            distortion=image.get("distortion"),
        )

    progress = tqdm(scene.samples, desc="detecting", unit="sample", disable=None)
    return [[boxes_of(image) for image in sample.images] for sample in progress]


def write_boxes(
    file: Path, scene: Scene, tracked: Sequence[TrackedBoxes], class_set: ClassSet
) -> None:
    """The boxes as JSON, and the scores of their tracks where the true ones are known."""
    from epropnp_det.detection.evaluation.scene_tracks import FRAME, box_records, scene_identity
    from epropnp_det.engine.json_files import write_json

    table: dict[str, Any] = dict(frame=FRAME, samples=box_records(scene, tracked, class_set))
    scores = scene_identity(scene, tracked, class_set)
    if scores is not None:
        table["identity"] = vars(scores)
        print(f"IDF1 {scores.idf1:.3f}; with perfect tracks of the same boxes {scores.f1:.3f}")
    write_json(file, table)


def write_pictures(
    args: argparse.Namespace,
    root: Path,
    scene: Scene,
    tracked: Sequence[TrackedBoxes],
    class_names: Sequence[str],
) -> None:
    """The film, as long as the scene."""
    from epropnp_det.detection.reports.scene_pictures import draw_scene
    from epropnp_det.engine.films import write_film

    frames = draw_scene(scene, tracked, class_names, root, args.width)
    write_film(args.out, frames, scene.interval)


if __name__ == "__main__":
    sys.exit(main())
