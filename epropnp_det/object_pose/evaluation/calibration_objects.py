"""The objects of a test or of a renderer, as a calibration takes them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from epropnp_det.calibration.objects import CalibrationObjects
from epropnp_det.engine.wrapping import to_device

from ..data.bop_targets import BopTargets
from ..data.rendered_crops import RenderedCrops
from ..estimator import ObjectPoseEstimator
from ..patches import ImageSource
from ..rigid_pose import RigidPose
from ..structures import PatchGeometry
from .pose_errors import nearest_symmetric_truth

GEOMETRY = ("origin", "side", "matrix", "half_extent", "object_index")


@torch.no_grad()
def known_objects(
    model: ObjectPoseEstimator, dataset: BopTargets | RenderedCrops, indices: Sequence[int]
) -> Iterator[CalibrationObjects]:
    """The objects of patches whose true poses are known and that have a solution. The true pose is
    the symmetric one whose orientation is nearest to the solution.

    Args:
        model: in evaluation mode; its temperatures are not used.
        dataset: patches.
        indices: numbers of the patches.
    """
    device = next(model.parameters()).device
    for index in indices:
        item = dataset[index]
        truth = _truth(dataset, index, item)
        if truth is None:
            continue
        names = ("img", *GEOMETRY, *(("image", "black") if "image" in item else ()))
        batch = to_device({name: item[name][None] for name in names}, device)
        geometry = PatchGeometry(**{name: batch[name] for name in GEOMETRY})
        source = ImageSource(batch["image"], batch["black"]) if "image" in item else None
        problem = model.correspond(batch["img"], geometry, source).problem
        estimate = model.solve(problem, torch.Generator(device).manual_seed(0))
        if not estimate.valid.all():
            continue
        known = dataset.models[dataset.objects[int(item["object_index"])]]
        solved = RigidPose.from_vector(estimate.pose[0].double().cpu().numpy())
        nearest = nearest_symmetric_truth(solved, truth, known.symmetries).to_vector()
        yield CalibrationObjects(
            problem=problem,
            pose=estimate.pose,
            truth=torch.from_numpy(nearest)[None].to(estimate.pose),
            label=geometry.object_index,
            image=torch.tensor([_image_number(dataset, index)]),
            symmetric=torch.tensor([known.is_symmetric]),
            oriented=torch.ones(1, dtype=torch.bool),
        ).to("cpu")


def _truth(
    dataset: BopTargets | RenderedCrops, index: int, item: dict[str, torch.Tensor]
) -> RigidPose | None:
    if isinstance(dataset, RenderedCrops):
        return RigidPose.from_vector(item["gt_pose"].double().numpy())
    instance = dataset.boxes[index].instance
    return None if instance is None else instance.pose.orthonormal()


def _image_number(dataset: BopTargets | RenderedCrops, index: int) -> int:
    return index if isinstance(dataset, RenderedCrops) else dataset.boxes[index].image.image_id
