"""From features to detections, against the same thing written as plain loops over points, objects
and pairs of boxes.
"""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch

from epropnp_det.detection.heads.pnp_head import EProPnPHead
from epropnp_det.detection.heads.postprocess import PostprocessSettings
from epropnp_det.detection.image_geometry import ImageGeometry
from epropnp_det.detection.structures.queries import Queries
from tests.tolerances import EXACT

from .. import plain
from ..small import FacingCamera, geometry_of_recording

QUERIES = 50


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


@pytest.fixture(scope="module")
def precise(head_of_recording) -> EProPnPHead:
    """The recorded head in float64: two programs differ by rounding, which a solver stopped on its
    way would enlarge.
    """
    head = copy.deepcopy(head_of_recording).double()
    head.postprocess = PostprocessSettings(
        score_threshold=0.0, max_queries=QUERIES, nms_2d=0.2, nms_bev=0.02
    )
    return head


@pytest.fixture(scope="module")
def inputs(recorded_head) -> tuple[list[torch.Tensor], ImageGeometry]:
    geometry = geometry_of_recording(recorded_head)
    return [feature.double() for feature in recorded_head["feats"]], ImageGeometry(
        geometry.camera.to(torch.float64), geometry.image_size.double()
    )


def chosen(head: EProPnPHead, feats: list[torch.Tensor], image: int) -> list[tuple[float, Queries]]:
    """Class scores and queries of an image: point by point and class by class."""
    points = head.dense_head.flatten(head.dense(feats))
    found = []
    for row in (points.image == image).nonzero()[:, 0].tolist():
        for label, logit in enumerate(points.cls_score[row].tolist()):
            rank = sigmoid(logit) * sigmoid(points.centerness[row].item())
            found.append((rank, row, label, sigmoid(logit)))
    best = [
        entry
        for entry in sorted(found, reverse=True)[:QUERIES]
        if entry[0] >= head.postprocess.score_threshold
    ]
    return [(score, one_query(points, row, label)) for _, row, label, score in best]


def one_query(points, row: int, label: int) -> Queries:
    reference = points.offset[row, label if points.offset.shape[1] > 1 else 0]
    return Queries(
        points.image[row : row + 1],
        torch.tensor([label]),
        reference[None],
        points.stride[row, None],
        points.embedding[row, None],
    )


def detections(
    head: EProPnPHead, feats: list[torch.Tensor], geometry: ImageGeometry, image: int, solver: str
) -> list[tuple[float, int, np.ndarray]]:
    """Score, class and pose of each box, best first."""
    maps, camera, found = head.objects.dense_maps(feats, geometry), geometry.camera[image], []
    for class_score, query in chosen(head, feats, image):
        seen = head.objects(query, maps, geometry)
        points = seen.correspondences()
        x3d, x2d, w2d = (value[0].numpy() for value in (points.x3d, points.x2d, points.w2d))
        ray = np.linalg.solve(camera.matrix.numpy(), np.append(x2d.mean(axis=0), 1.0))
        pose = plain.solve(camera, x3d, x2d, w2d, np.append(10 * ray, math.pi / 2), 5, solver)
        middle = plain.moved(pose, x3d.mean(axis=0))
        size = seen.size[0].numpy()
        if camera.matrix.numpy()[2] @ middle[:3] > camera.z_min:
            found.append((class_score * sigmoid(seen.score.item()), query.label.item(), pose, size))
    scores, labels = [entry[0] for entry in found], [entry[1] for entry in found]
    image_size = geometry.image_size[image].numpy()
    rectangles = [plain.rectangle(camera, pose, size, image_size) for *_, pose, size in found]
    kept = plain.suppress(rectangles, scores, labels, head.postprocess.nms_2d)
    found, scores, labels = ([values[i] for i in kept] for values in (found, scores, labels))
    kept = plain.suppress(
        [plain.footprint(pose, size) for *_, pose, size in found],
        scores,
        labels,
        head.postprocess.nms_bev,
    )
    return [found[i][:3] for i in kept]


@pytest.mark.parametrize("solver", ["lm", "gauss_newton"])
@torch.no_grad()
def test_detections_are_those_of_the_plain_loops(precise, inputs, solver: str):
    feats, geometry = inputs
    precise.test_pnp = FacingCamera(init=None, lm_iterations=5, solver=solver)
    results = precise.detect(feats, geometry)
    assert 4 < sum(map(len, results)) < len(results) * QUERIES  # some boxes, and some suppressed
    for image, found in enumerate(results):
        expected = detections(precise, feats, geometry, image, solver)
        assert len(found) == len(expected)
        assert found.label.tolist() == [label for _, label, _ in expected]
        np.testing.assert_allclose(found.score, [score for score, *_ in expected], rtol=EXACT)
        for pose, (*_, other) in zip(found.pose.numpy(), expected):
            np.testing.assert_allclose(pose, other, rtol=EXACT, atol=EXACT * np.abs(other).max())
