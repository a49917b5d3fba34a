"""Targets, query weights and losses of one recorded training step of the released programs."""

from __future__ import annotations

import pytest
import torch

from epropnp_det.detection.heads.pnp_head import gather_queries
from epropnp_det.detection.structures.ground_truth import GroundTruth
from epropnp_det.detection.training.object_losses import mean_scale
from epropnp_det.detection.training.targets import importance_weights
from tests.tolerances import HEAD

from ..small import geometry_of_recording, is_v1, lidar_of_recording, truths_of_recording


def close(a, b):
    torch.testing.assert_close(a.squeeze(), b.squeeze(), rtol=HEAD, atol=HEAD)


@pytest.fixture(scope="module")
def step(head_of_step, recorded_step):
    """Our side of the recorded step; the recording counts points level-major, we count
    image-major.
    """
    head, recorded, truths = head_of_step, recorded_step, truths_of_recording(recorded_step)
    outputs = head.dense(recorded["feats"])
    points = head.dense_head.flatten(outputs)
    assignment = head.assign(outputs, points, truths)
    order = level_major([m[0, 0].numel() for m in outputs.cls_score], len(truths))
    sampling = recorded["sampling"]
    uniform = min(len(sampling["drawn_point"]) // 2, int(sampling["foreground"].sum()))
    draw = importance_weights(assignment, order[sampling["drawn_point"]], uniform)
    truth = GroundTruth.cat(truths)
    own = truth[assignment.truth[draw.point]]
    queries, view = gather_queries(points, draw.point, own.label), geometry_of_recording(recorded)
    predictions, problem = head.correspondences(recorded["feats"], view, queries)
    return dict(
        points=points,
        assignment=assignment,
        order=order,
        draw=draw,
        truth=truth,
        own=own,
        queries=queries,
        view=view,
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
    ours, foreground = step["assignment"].truth[order], sampling["foreground"]
    assert torch.equal(ours >= 0, foreground)
    assert torch.equal(ours[foreground], sampling["gt_index"][foreground])
    close(
        step["assignment"].centerness[order][foreground], sampling["centerness_target"][foreground]
    )


def test_query_weights(step, recorded_step):
    close(step["draw"].weight, recorded_step["sampling"]["weight"])
    close(step["draw"].uniform_weight, recorded_step["sampling"]["uniform_weight"])


def test_dense_losses(step, head_of_step, recorded_step):
    losses = head_of_step.dense_losses(step["points"], step["assignment"], step["truth"])
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
    losses = head_of_step.object_losses.property_losses(
        step["predictions"], step["own"], step["draw"].weight, len(step["draw"].point)
    )
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
    head, truth, draw = head_of_step, step["truth"], step["draw"]
    for loss in (
        head.losses[name] for name in ("projection", "coordinate", "depth") if name in head.losses
    ):
        if hasattr(loss, "scale"):
            loss.scale.fill_(1.0)
    regions, present = head.regions(
        step["queries"],
        step["predictions"],
        truth,
        step["assignment"].truth[draw.point],
        draw.weight,
        step["view"],
    )
    assert present.all()
    maps = head.objects.dense_maps(recorded_step["feats"], step["view"])
    return head.auxiliary_losses(
        maps, regions, step["view"].camera, lidar_of_recording(recorded_step)
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
