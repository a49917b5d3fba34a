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
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from epropnp_det.errors import UserError, main_guard

if TYPE_CHECKING:
    import numpy as np

    from epropnp_det.detection.boxes import Boxes3D
    from epropnp_det.detection.data.class_set import ClassSet
    from epropnp_det.detection.evaluation.camera_fusion import GlobalBoxes3D
    from epropnp_det.detection.evaluation.identity_metrics import IdentityScores, TrackedObjects

# Cameras of nuScenes in the order of the picture, two rows of three.
LAYOUT = (
    ("CAM_FRONT_LEFT", "CAM_FRONT", "CAM_FRONT_RIGHT"),
    ("CAM_BACK_LEFT", "CAM_BACK", "CAM_BACK_RIGHT"),
)
# Metres around the vehicle that the view from above shows on each side.
REACH = 45.0
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
        "--width", type=int, default=320, help="of each camera's picture (default: %(default)s)"
    )
    parser.add_argument(
        "--device", default="cpu", help="of the network, e.g. cuda (default: %(default)s)"
    )
    args = parser.parse_args()
    if args.out.suffix not in SUFFIXES:
        parser.error(f"--out must end in {' or '.join(SUFFIXES)}")
    if args.width < 64:
        parser.error("--width must be at least 64")
    return args


@dataclass(frozen=True)
class Sample:
    """Image records of one instant, and its time [s]."""

    images: list[dict[str, Any]]
    time: float


@dataclass(frozen=True)
class Tracked:
    """Fused boxes of a sample and the numbers (n,) of their tracks."""

    boxes: GlobalBoxes3D
    identity: np.ndarray


@main_guard
def main() -> None:
    args = parse_args()
    # Slow to import, so after --help and wrong arguments.
    import numpy as np
    from tqdm import tqdm

    from epropnp_det.detection.data.annotation_file import read_annotations
    from epropnp_det.detection.data.nuscenes_dataset import read_class_set
    from epropnp_det.detection.inference import detect
    from epropnp_det.engine.images import read_image
    from epropnp_det.engine.model import init_model

    content = read_annotations(args.annotations)
    samples = samples_of(content, args.log)
    root = args.data_root or args.annotations.parent
    model = init_model(args.config, args.checkpoint, args.device)

    def boxes_of(image: dict[str, Any]) -> Boxes3D:
        pixels = read_image(root / image["file_name"])
        return detect(model, pixels, np.array(image["cam_intrinsic"]))

    class_set = read_class_set(model.cfg)
    progress = tqdm(samples, desc="detecting", unit="sample", disable=None)
    found = [[boxes_of(image) for image in sample.images] for sample in progress]
    write(args, content, samples, track(samples, found, class_set, args.score_thr), class_set)


def samples_of(content: dict[str, Any], log: str) -> list[Sample]:
    """The samples of a scene in the order of time."""
    by_token: dict[str, list[dict[str, Any]]] = {}
    for image in content["images"]:
        if log in image["file_name"]:
            if "token" not in image or "ego2global_rotation" not in image:
                raise UserError(f"{image['file_name']} has no 'token' or no ego pose")
            by_token.setdefault(image["token"], []).append(image)
    if not by_token:
        raise UserError(f"no image's file name contains {log!r}; see --log")
    samples = [Sample(images, timestamp(images[0])) for images in by_token.values()]
    return sorted(samples, key=lambda sample: sample.time)


def timestamp(image: dict[str, Any]) -> float:
    """Seconds, from the microseconds at the end of a nuScenes file name."""
    text = Path(image["file_name"]).stem.rpartition("__")[2]
    if not text.isdigit():
        raise UserError(f"{image['file_name']} does not end in a time, as nuScenes' files do")
    return 1e-6 * int(text)


def track(
    samples: Sequence[Sample],
    found: Sequence[Sequence[Boxes3D]],
    class_set: ClassSet,
    threshold: float,
) -> list[Tracked]:
    """Boxes of each sample's cameras as one list, with the numbers of their tracks."""
    import numpy as np

    from epropnp_det.detection.evaluation.camera_fusion import (
        FusionSettings,
        GlobalBoxes3D,
        fuse,
        to_global_frame,
        usable,
    )
    from epropnp_det.detection.tracking import GroundDetections, TrackerSettings, Tracks, update

    tracks = Tracks.none()
    tracked = []
    for sample, boxes in zip(samples, found):
        parts = [to_global_frame(one, image) for one, image in zip(boxes, sample.images)]
        every = GlobalBoxes3D.concatenate(parts)
        good = every[usable(every) & (every.score >= threshold)]
        origin = np.array(sample.images[0]["ego2global_translation"])
        fused = fuse(good, origin, class_set.ranges(), FusionSettings())
        detections = GroundDetections.of_global(fused)
        tracks, identity = update(tracks, detections, sample.time, TrackerSettings())
        tracked.append(Tracked(fused, identity))
    return tracked


# --- results ---


def write(
    args: argparse.Namespace,
    content: dict[str, Any],
    samples: Sequence[Sample],
    tracked: Sequence[Tracked],
    class_set: ClassSet,
) -> None:
    """The film, and the boxes as JSON next to it."""
    from epropnp_det.engine.json_files import write_json

    args.out.parent.mkdir(parents=True, exist_ok=True)
    table: dict[str, Any] = dict(frame=FRAME, samples=records(samples, tracked, class_set))
    if content.get("annotations"):
        scores = identity(content, samples, tracked, class_set)
        table["identity"] = vars(scores)
        print(f"IDF1 {scores.idf1:.3f}; with perfect tracks of the same boxes {scores.f1:.3f}")
    write_json(args.out.with_suffix(".json"), table)
    root = args.data_root or args.annotations.parent
    frames = draw(root, samples, tracked, class_set, args.width)
    seconds = (samples[-1].time - samples[0].time) / max(len(samples) - 1, 1) or 0.5
    save(args.out, frames, seconds)
    print(f"film: {args.out}; boxes: {args.out.with_suffix('.json')}")


FRAME = (
    "global: x east, y north, z up; centre of gravity [m]; size = width, length, height [m]; "
    "yaw about z [rad]; velocity [m/s]"
)


def records(
    samples: Sequence[Sample], tracked: Sequence[Tracked], class_set: ClassSet
) -> list[dict[str, Any]]:
    """The boxes of each sample as plain values."""
    import numpy as np

    result = []
    for sample, one in zip(samples, tracked):
        boxes = one.boxes
        heading = boxes.rotation[:, :, 0]
        columns = dict(
            track=one.identity.tolist(),
            category=[class_set.class_names[label] for label in boxes.label],
            score=boxes.score.tolist(),
            center=boxes.center.tolist(),
            size=boxes.wlh.tolist(),
            yaw=np.arctan2(heading[:, 1], heading[:, 0]).tolist(),
            velocity=np.where(np.isfinite(boxes.velocity), boxes.velocity, None).tolist(),
            covariance=boxes.covariance.tolist(),
        )
        rows = [dict(zip(columns, values)) for values in zip(*columns.values())]
        result.append(dict(token=sample.images[0]["token"], time=sample.time, boxes=rows))
    return result


def identity(
    content: dict[str, Any],
    samples: Sequence[Sample],
    tracked: Sequence[Tracked],
    class_set: ClassSet,
) -> IdentityScores:
    """Scores against the annotated tracks that a camera sees at 40 % or more (visibility 2 and
    above) within the range of their class.
    """
    from epropnp_det.detection.evaluation.identity_metrics import TrackedObjects, identity_scores

    by_image: dict[str, list[dict[str, Any]]] = {}
    for annotation in content["annotations"]:
        if annotation.get("visibility", 4) >= 2:
            by_image.setdefault(annotation["image_id"], []).append(annotation)
    numbers: dict[str, int] = {}
    truth = [true_objects(sample, by_image, numbers, class_set) for sample in samples]
    found = [
        TrackedObjects(one.boxes.center[:, :2], one.boxes.label, one.identity) for one in tracked
    ]
    return identity_scores(truth, found)


def true_objects(
    sample: Sample,
    by_image: dict[str, list[dict[str, Any]]],
    numbers: dict[str, int],
    class_set: ClassSet,
) -> TrackedObjects:
    """Annotated objects of a sample, each once; new tracks get the next of the `numbers`."""
    import numpy as np

    from epropnp_det.detection.data.frames import RigidTransform
    from epropnp_det.detection.evaluation.identity_metrics import TrackedObjects

    objects = {}
    for image in sample.images:
        to_global = RigidTransform.camera_to_global(image)
        for annotation in by_image.get(image["id"], []):
            place = to_global(np.array(annotation["bbox_cam3d"][:3]))[:2]
            label = class_set.class_names.index(annotation["category_name"])
            objects[annotation["instance_token"]] = (place, label)
    origin = np.array(sample.images[0]["ego2global_translation"])[:2]
    near = {
        token: (place, label)
        for token, (place, label) in objects.items()
        if np.linalg.norm(place - origin) < class_set.ranges()[label]
    }
    return TrackedObjects(
        np.array([place for place, _ in near.values()]).reshape(-1, 2),
        np.array([label for _, label in near.values()], int),
        np.array([numbers.setdefault(token, len(numbers)) for token in near], int),
    )


# --- pictures ---


def draw(
    root: Path,
    samples: Sequence[Sample],
    tracked: Sequence[Tracked],
    class_set: ClassSet,
    width: int,
) -> list[np.ndarray]:
    """A picture (H, W, 3) uint8 BGR of each sample."""
    import numpy as np
    from tqdm import tqdm

    ways: dict[int, list[np.ndarray]] = {}
    frames = []
    pairs = tqdm(list(zip(samples, tracked)), desc="drawing", unit="sample", disable=None)
    for sample, one in pairs:
        for number, center in zip(one.identity.tolist(), one.boxes.center):
            ways.setdefault(number, []).append(center[:2])
        cameras = {camera_of(image): image for image in sample.images}
        rows = [
            np.concatenate(
                [camera_picture(root, cameras.get(name), one, class_set, width) for name in row],
                axis=1,
            )
            for row in LAYOUT
        ]
        pictures = np.concatenate(rows)
        above = from_above(sample, one, ways, len(pictures))
        frames.append(np.concatenate((pictures, above), axis=1))
    return frames


def camera_of(image: dict[str, Any]) -> str:
    return Path(image["file_name"]).parent.name


def camera_picture(
    root: Path, image: dict[str, Any] | None, tracked: Tracked, class_set: ClassSet, width: int
) -> np.ndarray:
    """The image of a camera with the boxes in it, (9/16 width, width, 3); grey without a camera."""
    import cv2
    import numpy as np

    from epropnp_det.detection.data.frames import RigidTransform
    from epropnp_det.drawing.boxes import draw_boxes
    from epropnp_det.engine.images import read_image

    size = (width, round(width * 9 / 16))
    if image is None:
        return np.full((size[1], size[0], 3), 128, np.uint8)
    pixels = cv2.resize(read_image(root / image["file_name"]), size, interpolation=cv2.INTER_AREA)
    scale = np.array([[size[0] / image["width"]], [size[1] / image["height"]], [1.0]])
    to_global = RigidTransform.camera_to_global(image)
    corners = box_corners(tracked.boxes)
    seen = (corners - to_global.translation) @ to_global.rotation
    ahead = seen[:, :, 2].min(axis=1) > 0.5
    captions = [
        f"{class_set.class_names[label]} {number}"
        for label, number in zip(tracked.boxes.label[ahead], tracked.identity[ahead])
    ]
    matrix = scale * np.array(image["cam_intrinsic"])
    return draw_boxes(pixels, matrix, seen[ahead], tracked.boxes.label[ahead], captions=captions)


def box_corners(boxes: GlobalBoxes3D) -> np.ndarray:
    """(n, 8, 3) in the global frame, in the order of `UNIT_CORNERS`, whose y axis points down."""
    import numpy as np

    from epropnp_det.detection.boxes import UNIT_CORNERS

    # From x ahead, y down, z right to the devkit's x ahead, y left, z up.
    unit = np.array(UNIT_CORNERS)[:, [0, 2, 1]] * (1, -1, -1)
    local = unit * boxes.wlh[:, None, [1, 0, 2]]
    return local @ boxes.rotation.transpose(0, 2, 1) + boxes.center[:, None]


def from_above(
    sample: Sample, tracked: Tracked, ways: dict[int, list[np.ndarray]], side: int
) -> np.ndarray:
    """The surroundings of the vehicle, which faces up: footprints, two standard deviations of their
    positions, and where each track has been.
    """
    import cv2
    import numpy as np

    from epropnp_det.detection.data.frames import RigidTransform
    from epropnp_det.drawing.palette import bgr, class_rgb

    image = sample.images[0]
    ego = RigidTransform.from_quaternion(
        image["ego2global_rotation"], image["ego2global_translation"]
    )
    # Ego x ahead is up in the picture, ego y to the left is left.
    axes = -side / (2 * REACH) * ego.rotation[:2, [1, 0]]

    def pixel(points: np.ndarray) -> np.ndarray:
        return (points - ego.translation[:2]) @ axes + side / 2

    picture = np.full((side, side, 3), 255, np.uint8)
    for reach in (20, 40):
        cv2.circle(picture, (side // 2, side // 2), round(side * reach / (2 * REACH)), (225,) * 3)
    for index, number in enumerate(tracked.identity.tolist()):
        color = bgr(class_rgb(tracked.boxes.label[index]))
        way = pixel(np.array(ways[number]))
        cv2.polylines(picture, [np.round(way).astype(int)], False, color, 1, cv2.LINE_AA)
        footprint = pixel(box_corners(tracked.boxes[[index]])[0][[0, 1, 5, 4], :2])
        cv2.polylines(picture, [np.round(footprint).astype(int)], True, color, 2, cv2.LINE_AA)
        draw_ellipse(
            picture, way[-1], axes.T @ tracked.boxes.covariance[index][:2, :2] @ axes, color
        )
        place = tuple(np.round(way[-1] + 4).astype(int).tolist())
        cv2.putText(
            picture, str(number), place, cv2.FONT_HERSHEY_SIMPLEX, 0.35, color, 1, cv2.LINE_AA
        )
    nose = np.array([[0, -6], [-4, 5], [4, 5]]) + side // 2
    cv2.fillPoly(picture, [nose], (0, 0, 0))
    return picture


def draw_ellipse(
    picture: np.ndarray, center: np.ndarray, covariance: np.ndarray, color: tuple[int, int, int]
) -> None:
    """Two standard deviations of a covariance (2, 2) [px^2], where it is known."""
    import cv2
    import numpy as np

    if not np.isfinite(covariance).all():
        return
    values, vectors = np.linalg.eigh(covariance)
    lengths = 2 * np.sqrt(np.maximum(values, 0))
    angle = np.degrees(np.arctan2(vectors[1, 0], vectors[0, 0]))
    box = (tuple(map(float, center)), tuple(map(float, 2 * lengths)), float(angle))
    cv2.ellipse(picture, box, color, 1, cv2.LINE_AA)


def save(path: Path, frames: Sequence[np.ndarray], seconds: float) -> None:
    """A GIF or an MP4 film, each frame for so many seconds."""
    import cv2
    from PIL import Image

    if path.suffix == ".gif":
        colors = [
            Image.fromarray(frame[..., ::-1].copy()).quantize(96, dither=Image.Dither.NONE)
            for frame in frames
        ]
        duration = round(1000 * seconds)
        colors[0].save(path, save_all=True, append_images=colors[1:], duration=duration, loop=0)
        return
    size = frames[0].shape[1::-1]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 1 / seconds, size)
    if not writer.isOpened():
        raise UserError(f"{path} cannot be written as a film; choose another --out")
    for frame in frames:
        writer.write(frame)
    writer.release()


if __name__ == "__main__":
    sys.exit(main())
