"""Which output channels of a network belong to which object."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from epropnp_det.engine.checkpoint import read_checkpoint
from epropnp_det.errors import UserError

from .data.object_models import ObjectModel
from .data.rendered_crops import objects_of_class_names
from .estimator import ObjectPoseEstimator


def object_columns(
    model: ObjectPoseEstimator, checkpoint: Path, models: Mapping[int, ObjectModel]
) -> dict[int, int]:
    """Place of each object in the model's output channels, by BOP's number.

    The checkpoint of a training lists its objects; for another one they are `data.train.objects` of
    the config, or all models in the order of their numbers.

    Raises:
        UserError: the checkpoint lists classes that are no objects of BOP, or the number of
            objects is not that of the output channels.
    """
    if model.head.objects is None:
        return dict.fromkeys(models, 0)
    names = read_checkpoint(checkpoint).get("meta", {}).get("CLASSES")
    listed = model.cfg.get("data", {}).get("train", {}).get("objects")
    objects = objects_of_class_names(names or ())
    if objects is None:
        raise UserError(
            f"the classes of {checkpoint} are {list(names)}, not obj_000001 and so on; give the "
            "checkpoint of a training on models of BOP"
        )
    if not objects:
        objects = sorted(models) if listed is None else list(listed)
    if len(objects) != model.head.objects:
        raise UserError(
            f"the model has output channels for {model.head.objects} objects and there are "
            f"{len(objects)}: {objects}; list those of its training in data.train.objects"
        )
    return {object_id: column for column, object_id in enumerate(objects)}
