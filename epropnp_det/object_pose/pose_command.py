"""What `epropnp pose` and `demo/object_pose.py` do."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from epropnp_det.engine.checkpoint import read_checkpoint
from epropnp_det.engine.images import read_image
from epropnp_det.engine.intrinsics import camera_faults, read_intrinsics
from epropnp_det.engine.json_files import write_json
from epropnp_det.engine.lens import Lens
from epropnp_det.engine.model import find_device, init_model
from epropnp_det.errors import CameraWarning, UserError

from .data.bop_dataset import CAMERA_FILE, CAMERAS_FILE, read_camera, read_matrix
from .data.detection_file import Detection, numbers_of_image, read_boxes
from .data.object_models import ObjectModel, load_models
from .data.procedural_models import load_procedural_models
from .data.ray_scenes import RayScenes
from .data.undistortion import undistorted_boxes, undistorted_image
from .estimator import ObjectPoseEstimator
from .inference import PoseEvidence, check_boxes, check_samples, estimate_with_evidence
from .reports.pictures import View, draw_poses
from .reports.records import FRAME, as_records


@dataclass(frozen=True)
class PoseRequest:
    """One image, its boxes, and the network that estimates their poses.

    Args:
        intrinsics: 4 numbers, or a file.
        models: folder of BOP models; None for the procedural ones.
        out: folder of the picture and the JSON file, both with the name of the image.
        samples: number of samples to write for each object; None for none.
        device: None for the first GPU, or the CPU where there is none.
    """

    image: Path
    intrinsics: str
    boxes: Path
    models: Path | None
    config: Path
    checkpoint: Path
    out: Path
    samples: int | None
    device: str | None


@dataclass(frozen=True)
class PoseInputs:
    """What a request names, read and checked.

    Args:
        image: (H, W, 3) uint8 BGR, without distortion.
        matrix: (3, 3) [px], pixel centres at half integers.
        detections: boxes of objects that have a model, in the image that was given.
        boxes: (B, 4) x, y, w, h [px] in the image without distortion.
        models: by BOP's number of the object.
    """

    image: np.ndarray
    matrix: np.ndarray
    detections: list[Detection]
    boxes: np.ndarray
    models: dict[int, ObjectModel]

    @property
    def half_extents(self) -> np.ndarray:
        """(B, 3) [m]."""
        return np.array([self.models[each.object_id].half_extents for each in self.detections])


def estimate_and_draw(request: PoseRequest) -> None:
    """Writes NAME.png and NAME.json, and prints a line for each.

    Raises:
        UserError: a file that is missing or has another form, a box outside the image, an object
            without a model, a number of samples that the layer refuses, or an output that would
            replace an input.
    """
    picture_file = request.out / f"{request.image.stem}.png"
    json_file = request.out / f"{request.image.stem}.json"
    refuse_to_overwrite(request, (picture_file, json_file))
    inputs = read_inputs(request)
    evidence = find_poses(request, inputs)
    content = dict(
        image=str(request.image),
        camera_matrix=inputs.matrix.tolist(),
        frame=FRAME,
        objects=as_records(inputs.detections, evidence, request.samples is not None),
    )
    view = View(inputs.image, inputs.matrix)
    drawn = draw_poses(view, RayScenes(inputs.models), inputs.detections, evidence)
    try:
        request.out.mkdir(parents=True, exist_ok=True)
        write_json(json_file, content, indent=1)
        picture_file.write_bytes(cv2.imencode(".png", drawn)[1].tobytes())
    except OSError as error:
        raise UserError(
            f"--out {request.out} cannot be written: {error.strerror}; choose another folder"
        ) from error
    print(f"picture: {picture_file}\nposes: {json_file}")


def read_inputs(request: PoseRequest) -> PoseInputs:
    """Reads image, camera, boxes and models.

    Raises:
        UserError: a file that is missing or has another form, a box outside the image, or an object
            without a model.

    Warns:
        CameraWarning: the camera matrix hardly belongs to the image.
    """
    image = read_image(request.image)
    size = (image.shape[1], image.shape[0])
    lens = lens_of_image(request.intrinsics, request.image)
    for fault in camera_faults(lens.matrix, size):
        warnings.warn(fault, CameraWarning, stacklevel=2)
    detections = read_boxes(request.boxes, request.image)
    boxes = np.array([each.box for each in detections])
    check_boxes(boxes, *size)
    models = load_procedural_models() if request.models is None else load_models(request.models)
    check_objects(detections, models, request.boxes)
    if not lens.is_pinhole:
        image = undistorted_image(image, lens)
        boxes = undistorted_boxes(boxes, lens)
    return PoseInputs(image, lens.matrix, detections, boxes, models)


def find_poses(request: PoseRequest, inputs: PoseInputs) -> PoseEvidence:
    """Poses of all boxes, with samples.

    Raises:
        UserError: a config of another model, a checkpoint that does not fit, an object that the
            model was not trained on, or a number of samples that the layer refuses.
    """
    model = init_model(request.config, request.checkpoint, find_device(request.device))
    if not isinstance(model, ObjectPoseEstimator):
        raise UserError(f"config {request.config} has no ObjectPoseEstimator; give another config")
    columns = object_columns(model, request.checkpoint, inputs.models)
    samples = model.layer.settings.mc_samples if request.samples is None else request.samples
    check_samples(model, samples)
    return estimate_with_evidence(
        model,
        inputs.image,
        inputs.matrix,
        inputs.boxes,
        inputs.half_extents,
        [_column(columns, each) for each in inputs.detections],
        samples,
    )


def refuse_to_overwrite(request: PoseRequest, outputs: Sequence[Path]) -> None:
    """Raises a UserError where an output would replace an input."""
    kept = {each.resolve() for each in (request.image, request.boxes, Path(request.intrinsics))}
    for output in outputs:
        if output.resolve() in kept:
            raise UserError(f"{output} is an input file; choose another --out")


def lens_of_image(intrinsics: str, image: Path) -> Lens:
    """Camera matrix with pixel centres at half integers, and coefficients of distortion.

    Raises:
        UserError: no numbers, or a file that is missing, has another form or has no such image.
    """
    if Path(intrinsics).name == CAMERA_FILE:
        return Lens(read_camera(Path(intrinsics).parent).matrix)
    if Path(intrinsics).name != CAMERAS_FILE:
        found = read_intrinsics(intrinsics, image)
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


def object_columns(
    model: ObjectPoseEstimator, checkpoint: Path, models: Mapping[int, ObjectModel]
) -> dict[int, int]:
    """Place of each object in the model's output channels, by BOP's number.

    The checkpoint of a training lists its objects; for another one they are `data.train.objects` of
    the config, or all models in the order of their numbers.

    Raises:
        UserError: the number of objects is not that of the output channels.
    """
    if model.head.objects is None:
        return dict.fromkeys(models, 0)
    names = read_checkpoint(checkpoint).get("meta", {}).get("CLASSES")
    listed = model.cfg.get("data", {}).get("train", {}).get("objects")
    if names:
        objects = [int(name.removeprefix("obj_")) for name in names]
    else:
        objects = sorted(models) if listed is None else list(listed)
    if len(objects) != model.head.objects:
        raise UserError(
            f"the model has output channels for {model.head.objects} objects and there are "
            f"{len(objects)}: {objects}; list those of its training in data.train.objects"
        )
    return {object_id: column for column, object_id in enumerate(objects)}


def _column(columns: Mapping[int, int], detection: Detection) -> int:
    if detection.object_id not in columns:
        raise UserError(
            f"the model was not trained on object {detection.object_id}; its objects are "
            f"{sorted(columns)}: drop the box"
        )
    return columns[detection.object_id]
