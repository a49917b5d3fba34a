"""What `epropnp pose` and `demo/object_pose.py` do."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from epropnp_det.engine.film_frames import Film
from epropnp_det.engine.films import Mp4Film
from epropnp_det.engine.images import read_image
from epropnp_det.engine.intrinsics import camera_faults, read_intrinsics
from epropnp_det.engine.json_files import write_json
from epropnp_det.engine.lens import Lens
from epropnp_det.engine.output_files import write_pixels
from epropnp_det.engine.sources import is_film
from epropnp_det.errors import CameraWarning, ImageError, IncompleteError, UserError, one_line

from .data.bop_dataset import CAMERA_FILE, CAMERAS_FILE, read_camera, read_matrix
from .data.detection_file import Detection, numbers_of_image, read_boxes
from .data.object_models import ObjectModel
from .data.procedural_models import load_models_or_procedural
from .data.ray_scenes import RayScenes
from .data.undistortion import undistorted_boxes, undistorted_image
from .inference import check_boxes, check_samples
from .object_detector import ObjectDetector, init_detector
from .pipeline import (
    FoundPoses,
    PipelineSettings,
    PoseNetwork,
    estimate_poses,
    pose_network,
    poses_of_detections,
)
from .reports.pictures import View, draw_outlines, draw_poses
from .reports.records import FRAME, as_records

_UNDISTORTED = "boxes are in the image without distortion"


@dataclass(frozen=True)
class PoseRequest:
    """Images, and the networks that estimate the poses of their objects.

    Args:
        images: images and videos.
        names: name of the outputs of each.
        intrinsics: 4 numbers, or a file.
        boxes: file of boxes; None for those of the detector.
        detector: config of the detector.
        detector_checkpoint: its weights.
        threshold: least score of a detection.
        models: folder of BOP models; None for the procedural ones.
        out: folder of the pictures and JSON files.
        samples: number of samples to write for each object; None for none.
        device: None for the first GPU, or the CPU where there is none.
    """

    images: Sequence[Path]
    names: Sequence[str]
    intrinsics: str
    boxes: Path | None
    detector: Path
    detector_checkpoint: Path
    threshold: float
    models: Path | None
    config: Path
    checkpoint: Path
    out: Path
    samples: int | None
    device: str | None


@dataclass(frozen=True)
class PoseInputs:
    """One image, read and checked.

    Args:
        image: (H, W, 3) uint8 BGR, without distortion.
        lens: as it was given.
        detections: boxes of the request in the image that was given; None for the detector's.
    """

    image: np.ndarray
    lens: Lens
    detections: list[Detection] | None


class PoseCommand:
    """Models, network and detector of a request, each loaded when it is needed first: wrong inputs
    end the command before.
    """

    def __init__(self, request: PoseRequest):
        self.request = request

    @cached_property
    def models(self) -> Mapping[int, ObjectModel]:
        return load_models_or_procedural(self.request.models)

    @cached_property
    def scenes(self) -> RayScenes:
        return RayScenes(self.models)

    @cached_property
    def network(self) -> PoseNetwork:
        request = self.request
        network = pose_network(request.config, request.checkpoint, self.models, request.device)
        if request.samples is not None:
            check_samples(network.model, request.samples)
        return network

    @cached_property
    def detector(self) -> ObjectDetector:
        request = self.request
        return init_detector(request.detector, request.detector_checkpoint, request.device)

    def read(self, file: Path) -> PoseInputs:
        """An image file, its camera and its boxes.

        Raises:
            UserError: a file that is missing or has another form, a box outside the image, or an
                object without a model.

        Warns:
            CameraWarning: the camera matrix hardly belongs to the image.
        """
        image = read_image(file)
        lens = checked_lens(self.request.intrinsics, file, image)
        if self.request.boxes is None:
            return PoseInputs(image, lens, None)
        detections = read_boxes(self.request.boxes, file)
        check_boxes(np.array([each.box for each in detections]), image.shape[1], image.shape[0])
        check_objects(detections, self.models, self.request.boxes)
        return PoseInputs(image, lens, detections)

    def find(self, inputs: PoseInputs) -> tuple[View, FoundPoses]:
        """The image without distortion, and the poses in it."""
        lens = inputs.lens
        plain = inputs.image if lens.is_pinhole else undistorted_image(inputs.image, lens)
        view = View(plain, lens.matrix)
        settings = PipelineSettings(self.request.threshold, self.request.samples)
        if inputs.detections is None:
            found = estimate_poses(self.detector, self.network, plain, lens.matrix, settings)
            return view, found
        given = np.array([each.box for each in inputs.detections])
        boxes = given if lens.is_pinhole else undistorted_boxes(given, lens)
        moved = [replace(each, box=box) for each, box in zip(inputs.detections, boxes)]
        evidence = poses_of_detections(self.network, plain, lens.matrix, moved, settings)
        return view, FoundPoses(inputs.detections, evidence)

    def content(self, inputs: PoseInputs, found: FoundPoses) -> dict[str, Any]:
        """What the JSON file holds of one image."""
        content: dict[str, Any] = dict(camera_matrix=inputs.lens.matrix.tolist(), frame=FRAME)
        if inputs.detections is None and not inputs.lens.is_pinhole:
            content["note"] = _UNDISTORTED
        with_samples = self.request.samples is not None
        records = (
            []
            if found.evidence is None
            else as_records(found.detections, found.evidence, with_samples)
        )
        return dict(content, objects=records)


def estimate_and_draw(request: PoseRequest) -> None:
    """Writes NAME.png and NAME.json of each image, NAME.mp4 and NAME.json of each video, and prints
    a line for each.

    Raises:
        UserError: a file that is missing or has another form, a box outside the image, an object
            without a model, a number of samples that the layer refuses, an output that would
            replace an input, or images that had to be skipped.
    """
    refuse_to_overwrite(request)
    command = PoseCommand(request)
    skipped: list[ImageError] = []
    pairs = list(zip(request.images, request.names))
    for file, name in tqdm(pairs, desc="poses", unit="image", disable=None):
        work = write_video if is_film(file) else write_image
        try:
            work(command, file, name)
        except ImageError as error:
            if len(pairs) == 1:
                raise
            skipped.append(error)
            tqdm.write(f"skipped: {one_line(error)}", file=sys.stderr)
    if skipped:
        raise UserError(f"{len(skipped)} of {len(pairs)} images skipped; first: {skipped[0]}")


def write_image(command: PoseCommand, file: Path, name: str) -> None:
    """Writes the picture and the JSON file of an image."""
    inputs = command.read(file)
    view, found = command.find(inputs)
    content = dict(image=str(file), **command.content(inputs, found))
    drawn = draw_poses(view, command.scenes, found.detections, found.evidence)
    picture_file = command.request.out / f"{name}.png"
    json_file = command.request.out / f"{name}.json"
    write_json(json_file, content, indent=1)
    write_pixels(picture_file, drawn)
    print(f"picture: {picture_file}\nposes: {json_file}")


def write_video(command: PoseCommand, file: Path, name: str) -> None:
    """Writes a video with the outlines and a JSON file with a list of frames.

    Raises:
        UserError: boxes are given, which belong to single images.
        ImageError: the file is no video.
        IncompleteError: it ends early; the frames before are in the files.
    """
    if command.request.boxes is not None:
        raise UserError(f"--boxes has no boxes for the frames of {file}; leave it out")
    film = Film(file)
    video_file = command.request.out / f"{name}.mp4"
    json_file = command.request.out / f"{name}.json"
    frames: list[dict[str, Any]] = []
    fault: IncompleteError | None = None
    with Mp4Film(video_file, film.rate) as pictures:
        try:
            for frame in tqdm(film.frames(), desc=file.name, unit="frame", disable=None):
                lens = checked_lens(command.request.intrinsics, file, frame.pixels)
                inputs = PoseInputs(frame.pixels, lens, None)
                view, found = command.find(inputs)
                frames.append(dict(frame_number=frame.index, **command.content(inputs, found)))
                pictures.add(draw_outlines(view, command.scenes, found.detections, found.evidence))
        except IncompleteError as error:
            fault = error
    write_json(json_file, dict(video=str(file), frames=frames), indent=1)
    print(f"video: {video_file}\nposes: {json_file}")
    if fault is not None:
        raise fault


def refuse_to_overwrite(request: PoseRequest) -> None:
    """Raises a UserError where an output would replace an input."""
    boxes = [] if request.boxes is None else [request.boxes]
    inputs = [*request.images, Path(request.intrinsics), *boxes]
    kept = {each.resolve() for each in inputs}
    for name in request.names:
        for suffix in (".png", ".json", ".mp4"):
            output = request.out / f"{name}{suffix}"
            if output.resolve() in kept:
                raise UserError(f"{output} is an input file; choose another --out")


def checked_lens(intrinsics: str, file: Path, image: np.ndarray) -> Lens:
    """The lens of an image (H, W, 3), as of `lens_of_image`.

    Warns:
        CameraWarning: the camera matrix hardly belongs to the image.
    """
    lens = lens_of_image(intrinsics, file, (image.shape[1], image.shape[0]))
    for fault in camera_faults(lens.matrix, (image.shape[1], image.shape[0])):
        warnings.warn(fault, CameraWarning, stacklevel=2)
    return lens


def lens_of_image(intrinsics: str, image: Path, size: tuple[int, int] | None = None) -> Lens:
    """Camera matrix with pixel centres at half integers, and coefficients of distortion; `size` as
    of `read_intrinsics`.

    Raises:
        UserError: no numbers, or a file that is missing, has another form or has no such image.
    """
    if Path(intrinsics).name == CAMERA_FILE:
        return Lens(read_camera(Path(intrinsics).parent).matrix)
    if Path(intrinsics).name != CAMERAS_FILE:
        found = read_intrinsics(intrinsics, image, size)
        return Lens(found.matrix, found.distortion or ())
    numbers = numbers_of_image(image)
    if numbers is None:
        raise UserError(
            f"{image} is not in a BOP scene (SCENE/rgb/NUMBER.png), so {intrinsics} has no camera "
            "for it; give the 4 numbers"
        )
    return Lens(read_matrix(intrinsics, numbers[1]))


def check_objects(
    detections: Sequence[Detection], models: Mapping[int, ObjectModel], source: Path
) -> None:
    """Raises a UserError for the first box of an object without a model."""
    for detection in detections:
        if detection.object_id not in models:
            raise UserError(
                f"{source}: object {detection.object_id} has no model; the models are "
                f"{sorted(models)}: add its mesh and its entry of models_info.json, or drop the box"
            )
