"""From a whole image and its intrinsics to the poses of known objects, in one call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from epropnp_det.engine.model import init_model
from epropnp_det.errors import UserError

from .data.detection_file import Detection, box_outside
from .data.object_models import ObjectModel
from .data.procedural_models import load_models_or_procedural
from .estimator import ObjectPoseEstimator
from .inference import ObjectsInImage, PoseEvidence, estimate_with_evidence
from .localization import distinct_poses, localization_scores
from .network_objects import object_columns
from .object_detector import ObjectDetector


@dataclass(frozen=True)
class PoseNetwork:
    """A network and the objects that it was trained on.

    Args:
        model: in evaluation mode.
        models: by BOP's number of the object.
        columns: place of each object in the model's list.
    """

    model: ObjectPoseEstimator
    models: Mapping[int, ObjectModel]
    columns: Mapping[int, int]


@dataclass(frozen=True)
class PipelineSettings:
    """How poses are found in a whole image.

    Args:
        threshold: least score of a detection.
        mc_samples: samples of each posterior; None for the number of the config.
        seed: seed of each object's random numbers.
    """

    threshold: float = 0.3
    mc_samples: int | None = None
    seed: int = 0


@dataclass(frozen=True)
class FoundPoses:
    """The objects of one image, best score first.

    Args:
        detections: B boxes. A score is that of the detector times the localisation score, see
            `localization_scores`.
        evidence: (B,) their poses with samples, modes and correspondences; None where nothing was
            found.
    """

    detections: list[Detection]
    evidence: PoseEvidence | None


DEFAULT_SETTINGS = PipelineSettings()


def init_pose_network(
    config: str | Path,
    checkpoint: str | Path,
    models: str | Path | None = None,
    device: str | torch.device | None = "cpu",
) -> PoseNetwork:
    """A network with the models of its objects.

    Args:
        models: folder of BOP models; None for those of tools/create_synthetic_bop.py.

    Raises:
        UserError: a config of another model, a checkpoint that does not fit, or missing or broken
            models.
    """
    return pose_network(config, checkpoint, load_models_or_procedural(models), device)


def pose_network(
    config: str | Path,
    checkpoint: str | Path,
    models: Mapping[int, ObjectModel],
    device: str | torch.device | None = "cpu",
) -> PoseNetwork:
    """`init_pose_network` of models that are loaded already."""
    model = init_model(config, checkpoint, device)
    if not isinstance(model, ObjectPoseEstimator):
        raise UserError(f"config {config} has no ObjectPoseEstimator; give another config")
    return PoseNetwork(model, models, object_columns(model, Path(checkpoint), models))


def estimate_poses(
    detector: ObjectDetector,
    network: PoseNetwork,
    image: np.ndarray,
    camera_matrix: np.ndarray,
    settings: PipelineSettings = DEFAULT_SETTINGS,
) -> FoundPoses:
    """Poses of the known objects of one image.

    Args:
        image: (H, W, 3) uint8, blue first, without distortion.
        camera_matrix: (3, 3) intrinsics, pixel centres at half integers.

    Raises:
        UserError: the detector finds objects that the network does not know.
    """
    check_detector(detector, network)
    size = (image.shape[1], image.shape[0])
    found = detector.detect(image, settings.threshold)
    detections = [each for each in found if not box_outside(each.box, size)]
    if not detections:
        return FoundPoses([], None)
    evidence = poses_of_detections(network, image, camera_matrix, detections, settings)
    models = [network.models[each.object_id] for each in detections]
    scores = localization_scores(evidence.poses, models)
    scored = [
        replace(each, score=each.score * float(score)) for each, score in zip(detections, scores)
    ]
    kept = distinct_poses(scored, evidence.poses, network.models)
    return FoundPoses([scored[index] for index in kept], evidence[kept])


def poses_of_detections(
    network: PoseNetwork,
    image: np.ndarray,
    camera_matrix: np.ndarray,
    detections: list[Detection],
    settings: PipelineSettings = DEFAULT_SETTINGS,
) -> PoseEvidence:
    """Poses (B,) of the objects in B > 0 boxes, with samples.

    Raises:
        UserError: an object that the network was not trained on, or a box that shows nothing.
    """
    objects = ObjectsInImage(
        image,
        camera_matrix,
        np.array([each.box for each in detections]),
        np.array([network.models[each.object_id].half_extents for each in detections]),
        [column_of(network, each) for each in detections],
    )
    samples = settings.mc_samples or network.model.layer.settings.mc_samples
    return estimate_with_evidence(network.model, objects, samples, settings.seed)


def column_of(network: PoseNetwork, detection: Detection) -> int:
    """Place of the object of a detection in the model's list.

    Raises:
        UserError: the model was not trained on it.
    """
    if detection.object_id not in network.columns:
        raise UserError(
            f"the model was not trained on object {detection.object_id}; its objects are "
            f"{sorted(network.columns)}: drop the box"
        )
    return network.columns[detection.object_id]


def check_detector(detector: ObjectDetector, network: PoseNetwork) -> None:
    """Raises a UserError where the detector finds objects that the network was not trained on or
    that have no model.
    """
    missing = sorted(set(detector.objects) - (set(network.columns) & set(network.models)))
    if missing:
        raise UserError(
            f"the detector finds objects {missing}, which the network of the poses has not; "
            f"its objects are {sorted(network.columns)}: train both on the same objects"
        )
