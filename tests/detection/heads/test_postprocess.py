"""Query selection, attributes and duplicate removal."""

from __future__ import annotations

import torch

from epropnp_det.detection.boxes import Boxes3D
from epropnp_det.detection.data.class_set import ClassSet, class_set
from epropnp_det.detection.heads.postprocess import (
    PostprocessSettings,
    best_attribute,
    best_of,
    candidates,
    select_queries,
)
from epropnp_det.detection.image_geometry import ImageGeometry
from epropnp_det.detection.structures.dense import DensePoints
from epropnp_det.detection.structures.predictions import ObjectPredictions
from epropnp_det.pnp import PoseEstimate

from ..small import CAMERA, scene

GEOMETRY = ImageGeometry(CAMERA, torch.tensor([224.0, 128.0]))
ADMITTED = torch.tensor(class_set().admitted)


def dense_points(batch=2, points=30, seed=0) -> DensePoints:
    generator = torch.Generator().manual_seed(seed)
    n = batch * points
    return DensePoints(
        torch.arange(batch).repeat_interleave(points),
        torch.rand(n, 2, generator=generator),
        torch.full((n,), 8.0),
        torch.randn(n, 10, generator=generator),
        torch.randn(n, generator=generator),
        torch.randn(n, 10, 2, generator=generator),
        torch.randn(n, 4, generator=generator),
        None,
    )


def test_selected_queries_are_the_best_pairs_of_each_image():
    points, settings = dense_points(), PostprocessSettings(score_threshold=0.3, max_queries=12)
    queries, score = select_queries(points, 2, settings)
    rank = points.cls_score.sigmoid() * points.centerness.sigmoid()[:, None]
    for image in range(2):
        mine = points.image == image
        expected = sorted((r for r in rank[mine].flatten().tolist() if r >= 0.3), reverse=True)[:12]
        assert (queries.image == image).sum() == len(expected)
    # A query carries the class score, reference point and embedding of one dense point.
    for q in range(len(score)):
        row = (points.embedding == queries.embedding[q]).all(1).nonzero()[0, 0]
        torch.testing.assert_close(points.cls_score[row, queries.label[q]].sigmoid(), score[q])
        torch.testing.assert_close(points.offset[row, queries.label[q]], queries.reference[q])
        assert points.image[row] == queries.image[q]


def test_no_query_above_the_threshold():
    queries, score = select_queries(dense_points(), 2, PostprocessSettings(score_threshold=1.1))
    assert len(queries.image) == len(score) == 0


def test_attributes_are_those_the_class_admits():
    generator = torch.Generator().manual_seed(0)
    label = torch.arange(10).repeat(50)
    logits = torch.randn(500, 9, generator=generator)
    found = best_attribute(logits, label, ADMITTED)
    for index, attribute in zip(label.tolist(), found.tolist()):
        name = class_set().class_names[index]
        assert class_set().attributes[attribute] in class_set().admitted_attributes[name]


def test_a_class_without_attributes_has_the_last_one():
    classes = ClassSet(
        ("sedan", "walker"),
        ((4.0, 1.5, 1.8), (0.5, 1.7, 0.5)),
        ((0.5, 0.2, 0.2), (0.1, 0.1, 0.1)),
        ("standing", "walking", "none"),
        dict(walker=("standing", "walking")),
    )
    logits = torch.tensor([[3.0, 2.0, 1.0]]).expand(2, 3)
    found = best_attribute(logits, torch.arange(2), torch.tensor(classes.admitted))
    assert found.tolist() == [2, 0]


def solved(truth, copies=1, valid=None):
    """Perfect estimates of the boxes, each `copies` times."""
    truth = truth[torch.arange(len(truth)).repeat_interleave(copies)]
    n = len(truth)
    predicted = ObjectPredictions(
        *(torch.zeros(n, 4, d) for d in (3, 2, 2)),
        torch.ones(n, 2),
        torch.zeros(n, 10, 3),
        truth.size,
        torch.zeros(n),
        truth.velocity,
        torch.zeros(n, 9),
    )
    estimate = PoseEstimate(
        truth.pose,
        torch.zeros(n),
        torch.eye(4).expand(n, 4, 4),
        torch.ones(n, dtype=torch.bool) if valid is None else valid,
    )
    return predicted, estimate, truth


def finish(predicted, estimate, class_score, label) -> Boxes3D:
    """What an image of these queries gives."""
    found = candidates(predicted, estimate, class_score, label, ADMITTED)
    return found[best_of(found, estimate.valid, GEOMETRY, PostprocessSettings())]


def test_duplicates_go_and_the_best_stays():
    predicted, estimate, truth = solved(scene(3), copies=4)
    score = torch.rand(12, generator=torch.Generator().manual_seed(0))
    found = finish(predicted, estimate, score, truth.label)
    assert len(found) == 3
    torch.testing.assert_close(
        found.score, score.unflatten(0, (3, 4)).amax(1).sort(descending=True).values
    )


def test_a_single_box_survives():
    predicted, estimate, truth = solved(scene(1))
    assert len(finish(predicted, estimate, torch.ones(1), truth.label)) == 1


def test_invalid_poses_and_empty_images_give_no_detection():
    predicted, estimate, truth = solved(scene(3), valid=torch.tensor([True, False, False]))
    assert len(finish(predicted, estimate, torch.ones(3), truth.label)) == 1
    predicted, estimate, truth = solved(scene(0))
    assert len(finish(predicted, estimate, torch.ones(0), truth.label)) == 0
