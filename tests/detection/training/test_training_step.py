"""One training step at its limits: images without boxes, boxes behind the camera, unknown
velocities, broken features.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from epropnp_det.detection.boxes import to_mmdet3d
from epropnp_det.detection.data.class_set import UNKNOWN_ATTRIBUTE, class_set
from epropnp_det.detection.detector import object_truth
from epropnp_det.detection.heads.coders import SizeCoder
from epropnp_det.detection.heads.pnp_head import build_problem
from epropnp_det.detection.image_geometry import ImageGeometry
from epropnp_det.detection.structures.ground_truth import GroundTruth
from epropnp_det.detection.structures.queries import Queries
from epropnp_det.detection.training.loss_functions import build_losses
from epropnp_det.detection.training.object_losses import (
    PoseTraining,
    QueryTargets,
    object_losses,
    property_losses,
)
from epropnp_det.pnp import Camera
from tests.tolerances import COMPONENT, HEAD

from ..heads.test_flip_tta import predictions
from ..small import CAMERA, PNP, V2, build, scene

NOTHING = scene(0)


@pytest.fixture()
def head(recorded_step):
    torch.manual_seed(0)
    head = build(recorded_step["cfg"], released_mask=False)
    head.init_weights()
    return head.train()


@pytest.fixture()
def feats(recorded_step):
    return [feature.clone().requires_grad_() for feature in recorded_step["feats"]]


def geometry(batch: int = 2) -> ImageGeometry:
    return ImageGeometry(
        Camera.stack([CAMERA] * batch), torch.tensor([[224.0, 128.0]]).expand(batch, 2)
    )


def step(head, feats, gts) -> dict[str, torch.Tensor]:
    """Losses of a step that has been back-propagated; all of them and all gradients must be
    finite.
    """
    losses = head.loss(feats, geometry(), gts, torch.Generator().manual_seed(0))
    total = sum(value.mean() for name, value in losses.items() if "loss" in name)
    total.backward()
    assert all(value.isfinite().all() for value in losses.values()), losses
    assert all(p.grad.isfinite().all() for p in head.parameters() if p.grad is not None)
    return losses


def test_ordinary_batch_reaches_every_parameter(head, feats):
    losses = step(head, feats, [scene(4), scene(3, seed=1)])
    assert losses["invalid_objects"] == 0
    assert losses["valid_objects"] == 1
    assert 1 <= losses["effective_sample_size"] <= PNP["mc_samples"]
    assert not [name for name, p in head.named_parameters() if p.grad is None]


def test_an_image_without_boxes_changes_the_class_loss_alone(head, feats):
    """All other losses are those of the image with boxes alone, with as many queries."""
    losses = step(head, feats, [scene(4), NOTHING])
    head.losses["pose"].scale.fill_(1.0)
    head.queries_per_image *= 2
    first = [level[:1] for level in feats]
    alone = head.loss(first, geometry(1), [scene(4)], torch.Generator().manual_seed(0))
    for name, value in alone.items():
        if name != "loss_cls":
            torch.testing.assert_close(losses[name], value, rtol=HEAD, atol=HEAD)
    assert losses["loss_cls"] > alone["loss_cls"] * (1 + HEAD)


def test_batch_without_any_box(head, feats):
    losses = step(head, feats, [NOTHING, NOTHING])
    silent = [name for name in losses if "loss" in name and name != "loss_cls"]
    assert losses["loss_cls"] > 0
    assert all(losses[name] == 0 for name in silent)


def test_the_same_names_are_logged_with_and_without_boxes(head, feats):
    """Distributed training averages the log over processes, so every process must have the same
    names.
    """
    assert (
        step(head, feats, [NOTHING, NOTHING]).keys()
        == step(head, feats, [scene(4), NOTHING]).keys()
    )


def test_box_behind_the_camera(head, feats):
    truth = scene(4)
    behind = replace(truth, pose=truth.pose * truth.pose.new_tensor([1, 1, -1, 1]))
    step(head, feats, [behind, NOTHING])


def test_box_behind_the_camera_has_no_centre_and_is_left_out():
    pose = torch.tensor([[0.0, 1.0, 10.0, 0.3], [0.0, 1.0, -10.0, 0.3]])
    size = torch.tensor([4.0, 1.5, 2.0]).expand(2, 3)
    boxes = to_mmdet3d(pose, size, torch.zeros(2, 2))
    truth = object_truth(
        boxes,
        torch.tensor([0, 0]),
        torch.tensor([[80.0, 60, 140, 100]]).expand(2, 4),
        torch.tensor([6, 6]),
        CAMERA,
        (128, 224, 3),
    )
    torch.testing.assert_close(truth.pose, pose[:1])


def test_unknown_velocity_has_no_loss(head, feats):
    truth = scene(4)
    unknown = replace(truth, velocity=torch.full_like(truth.velocity, torch.nan))
    assert step(head, feats, [unknown, NOTHING])["loss_velocity"] == 0


def test_unknown_attributes_have_no_loss(head, feats):
    truth = scene(4)
    unknown = replace(truth, attribute=torch.full_like(truth.attribute, UNKNOWN_ATTRIBUTE))
    losses = step(head, feats, [unknown, NOTHING])
    assert losses["loss_attribute"] == 0
    assert not head.objects.branches.attribute.weight.grad.any()


def test_an_unknown_attribute_leaves_the_known_ones_their_loss():
    losses = build_losses(V2.model.bbox_head.losses, auxiliary=False)
    gt = scene(5).to(torch.float64)
    unknown = torch.tensor([False, True, False, False, True])
    half = replace(gt, attribute=torch.where(unknown, UNKNOWN_ATTRIBUTE, gt.attribute))
    weight = torch.tensor([0.5, 1.0, 2.0, 0.7, 0.8], dtype=torch.float64)
    predicted = predictions()
    value = property_losses(losses, predicted, query_targets(half, weight))["loss_attribute"]
    log_likelihood = predicted.attribute.log_softmax(1).gather(1, gt.attribute[:, None])[:, 0]
    expected = 0.5 * -(log_likelihood * weight)[~unknown].sum() / len(weight)
    # mmdet adds the float32 epsilon to the divisor.
    torch.testing.assert_close(value, expected, rtol=COMPONENT, atol=0)


def query_targets(gt: GroundTruth, weight: torch.Tensor) -> QueryTargets:
    coder = SizeCoder(class_set().size_mean, class_set().size_std).double()
    return QueryTargets(gt, coder.encode(gt.size, gt.label), weight, weight, len(weight))


def test_an_unknown_velocity_leaves_the_known_ones_their_loss():
    """The loss is the mean over the objects whose velocity is known."""
    losses = build_losses(V2.model.bbox_head.losses, auxiliary=False)
    gt = scene(5).to(torch.float64)
    unknown = torch.tensor([False, True, False, False, True])
    half = replace(gt, velocity=torch.where(unknown[:, None], torch.nan, gt.velocity))
    weight = torch.tensor([0.5, 1.0, 2.0, 0.7, 0.8], dtype=torch.float64)
    predicted = predictions()
    value = property_losses(losses, predicted, query_targets(half, weight))["loss_velocity"]
    error = (predicted.velocity - gt.velocity)[~unknown].abs()
    smooth = torch.where(error < 1, error.square() / 2, error - 0.5)
    known = weight[~unknown]
    expected = 0.05 * (smooth * known[:, None]).sum() / (2 * known.sum())
    # mmdet adds the float32 epsilon to the divisor.
    torch.testing.assert_close(value, expected, rtol=COMPONENT, atol=0)


def test_broken_objects_leave_the_others_their_pose_losses():
    """Two of five objects have NaN points: they are counted, and the pose losses are those of the
    other three, to the last bit.
    """
    losses = build_losses(V2.model.bbox_head.losses, auxiliary=False).eval()
    weights = dict(position=0.05, orientation=0.05)
    training = PoseTraining.from_config(PNP, weights, {})
    gt = scene(5).to(torch.float64)
    camera = CAMERA[None].expand(5).to(torch.float64)
    healthy = predictions()
    broken = torch.tensor([False, True, False, False, True])
    noc = torch.where(broken[:, None, None], torch.nan, healthy.noc)
    weight = torch.tensor([0.5, 1.0, 2.0, 0.7, 0.8], dtype=torch.float64)

    def pose_losses(predicted, weight) -> dict[str, torch.Tensor]:
        return object_losses(
            losses,
            training,
            predicted,
            build_problem(predicted, camera),
            query_targets(gt, weight),
            torch.Generator().manual_seed(0),
        )

    found = pose_losses(replace(healthy, noc=noc), weight)
    expected = pose_losses(healthy, weight.masked_fill(broken, 0.0))
    assert found["invalid_objects"] == expected["invalid_objects"] + 2 == 2
    for name in ("loss_pose", "loss_position", "loss_orientation", "loss_score"):
        assert found[name] != 0
        assert torch.equal(found[name], expected[name]), name


def test_broken_objects_are_counted_and_give_no_pose_loss(head, feats):
    """A network that predicts NaN points: every object is flagged, none of the pose losses becomes
    NaN.
    """
    head.objects.points.out_bias.data.fill_(torch.nan)
    losses = head.loss(feats, geometry(), [scene(4), NOTHING], torch.Generator().manual_seed(0))
    assert losses["invalid_objects"] == 96
    assert losses["valid_objects"] == losses["effective_sample_size"] == 0
    assert all(
        losses[name] == 0
        for name in ("loss_pose", "loss_position", "loss_orientation", "loss_score")
    )


def test_weights_without_denominator_follow_their_own_logit_alone(head, feats):
    """With equal logits they are the normalised ones; raising one head's logits raises its weights
    and leaves the others alone.
    """
    objects = head.objects
    sampler = objects.sampler.eval()
    queries = some_queries(head)
    seen = geometry()
    maps = objects.dense_maps(feats, seen)
    objects.points.out_weight.data.zero_()
    equal = objects(queries, maps, seen).w2d_share
    objects.settings = replace(objects.settings, normalized_weights=False)
    torch.testing.assert_close(objects(queries, maps, seen).w2d_share, equal)
    objects.points.out_bias.data[0, 3:] += 1.0
    first = torch.arange(equal.shape[1]) < sampler.points
    raised = objects(queries, maps, seen).w2d_share
    torch.testing.assert_close(raised, torch.where(first[:, None], equal * torch.e, equal))


def some_queries(head) -> Queries:
    generator = torch.Generator().manual_seed(0)
    reference = torch.rand(5, 2, generator=generator) * torch.tensor([224.0, 128.0])
    embedding = torch.randn(5, head.objects.query.in_features, generator=generator)
    return Queries(
        torch.tensor([0, 0, 1, 1, 1]),
        torch.tensor([0, 3, 5, 7, 9]),
        reference,
        torch.full((5,), 8.0),
        embedding,
    )


def test_the_generator_is_the_only_source_of_randomness(head, feats):
    """The same one gives the same losses, another one others, and torch's own is left alone."""
    head.losses["pose"].eval()  # its running scale would move from step to step
    state = torch.get_rng_state()
    first, second, other = (
        head.loss(feats, geometry(), [scene(4), NOTHING], torch.Generator().manual_seed(seed))
        for seed in (3, 3, 4)
    )
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(first[name], second[name]) for name in first)
    differ = {name for name in first if not torch.equal(first[name], other[name])}
    dense = {"loss_cls", "loss_reference", "loss_centerness", "loss_bbox"}
    assert differ == first.keys() - dense - {"invalid_objects", "valid_objects"}


def test_no_argument_is_changed(head, feats):
    gt = scene(4)
    before = gt.map(torch.clone)
    step(head, feats, [gt, NOTHING])
    assert all(
        torch.equal(getattr(before, name), getattr(gt, name))
        for name in GroundTruth.__dataclass_fields__
    )


@pytest.mark.parametrize(
    "where, message",
    [
        ("pnp", "mc_sample"),
        ("init", "proposal"),
        ("assignment", "radios"),
        ("test_cfg", "nms_3d"),
        ("objects", "unknown setting 'embed_dim'"),
        ("losses", "unknown loss 'poses'"),
    ],
)
def test_unknown_setting_is_named(recorded_step, where, message):
    from mmdet3d.models import build_head

    from ..small import head_config

    config = head_config(recorded_step["cfg"])
    pnp = dict(config["train_cfg"]["pnp"])
    changed = dict(
        pnp=dict(train_cfg=dict(config["train_cfg"], pnp=dict(pnp, mc_sample=64))),
        init=dict(train_cfg=dict(config["train_cfg"], pnp=dict(pnp, init=dict(proposal=3)))),
        assignment=dict(train_cfg=dict(config["train_cfg"], assignment=dict(radios=1))),
        test_cfg=dict(test_cfg=dict(config["test_cfg"], nms_3d=0.2)),
        objects=dict(objects=dict(config["objects"], embed_dim=64)),
        losses=dict(losses=dict(config["losses"], poses=dict(type="MonteCarloPoseLoss"))),
    )[where]
    with pytest.raises(TypeError, match=message):
        build_head(dict(config, **changed))
