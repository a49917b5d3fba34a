"""Targets, query weights and losses of one recorded training step of the released programs."""

from __future__ import annotations

import pytest
import torch

from epropnp_det.detection.heads.pnp_head import gather_queries
from epropnp_det.detection.structures.ground_truth import GroundTruth
from epropnp_det.detection.training.auxiliary_losses import auxiliary_losses
from epropnp_det.detection.training.dense_losses import dense_losses
from epropnp_det.detection.training.object_losses import mean_scale, property_losses
from epropnp_det.detection.training.targets import importance_weights
from tests.tolerances import HEAD

from ..small import geometry_of_recording, gts_of_recording, is_v1, lidar_of_recording


def close(a, b):
    torch.testing.assert_close(a.squeeze(), b.squeeze(), rtol=HEAD, atol=HEAD)


@pytest.fixture(scope="module")
def step(head_of_step, recorded_step):
    """Our side of the recorded step; the recording counts points level-major, we count
    image-major.
    """
    head = head_of_step
    recorded = recorded_step
    gts = gts_of_recording(recorded_step)
    outputs = head.dense(recorded["feats"])
    points = head.dense_head.flatten(outputs)
    assignment = head.assign(outputs, points, gts)
    order = level_major([m[0, 0].numel() for m in outputs.cls_score], len(gts))
    sampling = recorded["sampling"]
    uniform = min(len(sampling["drawn_point"]) // 2, int(sampling["foreground"].sum()))
    draw = importance_weights(assignment, order[sampling["drawn_point"]], uniform)
    gt = GroundTruth.cat(gts)
    targets = head.query_targets(gt[assignment.gt_index[draw.point]], draw, len(draw.point))
    queries = gather_queries(points, draw.point, targets.gt.label)
    geometry = geometry_of_recording(recorded)
    maps = head.objects.dense_maps(recorded["feats"], geometry)
    predictions, problem = head.correspondences(maps, geometry, queries)
    return dict(
        points=points,
        assignment=assignment,
        order=order,
        draw=draw,
        gt=gt,
        targets=targets,
        queries=queries,
        geometry=geometry,
        maps=maps,
        predictions=predictions,
        problem=problem,
    )


def level_major(sizes: list[int], batch: int) -> torch.Tensor:
    """Index of our image-major point for each level-major one."""
    starts = torch.tensor([0, *sizes[:-1]]).cumsum(0)
    return torch.cat(
        [
            torch.arange(n) + start + image * sum(sizes)
            for n, start in zip(sizes, starts)
            for image in range(batch)
        ]
    )


def test_assignment(step, recorded_step):
    sampling, order = recorded_step["sampling"], step["order"]
    ours, foreground = step["assignment"].gt_index[order], sampling["foreground"]
    assert torch.equal(ours >= 0, foreground)
    assert torch.equal(ours[foreground], sampling["gt_index"][foreground])
    close(
        step["assignment"].centerness[order][foreground], sampling["centerness_target"][foreground]
    )


def test_query_weights(step, recorded_step):
    close(step["draw"].weight, recorded_step["sampling"]["weight"])
    close(step["draw"].uniform_weight, recorded_step["sampling"]["uniform_weight"])


def test_dense_losses(step, head_of_step, recorded_step):
    losses = dense_losses(head_of_step.losses, step["points"], step["assignment"], step["gt"])
    names = dict(
        loss_cls="loss_cls",
        loss_reference="loss_rp",
        loss_centerness="loss_centerness",
        loss_bbox="loss_bbox",
    )
    assert losses.keys() == {
        ours for ours, theirs in names.items() if theirs in recorded_step["losses"]
    }
    for ours, value in losses.items():
        close(value, recorded_step["losses"][names[ours]])


def test_property_losses(step, head_of_step, recorded_step):
    losses = property_losses(head_of_step.losses, step["predictions"], step["targets"])
    for ours, theirs in dict(
        loss_size="loss_dim", loss_velocity="loss_velo", loss_attribute="loss_attr"
    ).items():
        close(losses[ours], recorded_step["losses"][theirs])


def test_running_scale(step, head_of_step, recorded_step):
    scale = mean_scale(step["predictions"].w2d_scale, step["draw"].weight)
    close(
        1 + head_of_step.losses["pose"].momentum * (scale - 1),
        recorded_step["losses"]["norm_factor"],
    )


@pytest.fixture(scope="module")
def auxiliary(step, head_of_step, recorded_step):
    """Auxiliary losses of the step; their running means, which start at one, are left as they are
    after it.
    """
    head = head_of_step
    draw = step["draw"]
    for loss in (
        head.losses[name] for name in ("projection", "coordinate", "depth") if name in head.losses
    ):
        if hasattr(loss, "scale"):
            loss.scale.fill_(1.0)
    regions, present = head.regions(
        step["queries"],
        step["predictions"],
        step["gt"],
        step["assignment"].gt_index[draw.point],
        draw.weight,
        step["geometry"],
    )
    assert present.all()
    return auxiliary_losses(
        head.losses,
        head.auxiliary,
        step["maps"],
        regions,
        step["geometry"].camera,
        lidar_of_recording(recorded_step),
    )


def test_projection_loss(auxiliary, recorded_step):
    close(auxiliary["loss_projection"], recorded_step["losses"]["loss_proj"])


def test_coordinate_loss(auxiliary, recorded_step):
    close(auxiliary["loss_coordinate"], recorded_step["losses"]["loss_regr"])


def test_running_means_of_the_auxiliary_losses(auxiliary, head_of_step, recorded_step):
    names = dict(projection="loss_proj", coordinate="loss_regr", depth="loss_depth")
    recorded = {
        ours: recorded_step["state_dict"].get(f"{theirs}.mean_inv_std")
        for ours, theirs in names.items()
    }
    assert {name for name, value in recorded.items() if value is not None} == (
        {"projection"} if is_v1(recorded_step["cfg"]) else set(names)
    )
    for name, value in recorded.items():
        if value is not None:
            close(head_of_step.losses[name].scale, value)
