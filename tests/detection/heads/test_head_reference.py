"""The head up to the correspondences against recorded numbers of the released programs."""

from __future__ import annotations

import pytest
import torch

from epropnp_det.detection.structures.queries import Queries
from epropnp_det.detection.structures.tensor_record import select_class
from tests.tolerances import HEAD

from ..small import geometry_of_recording, is_v1


def close(a, b):
    torch.testing.assert_close(a, b, rtol=HEAD, atol=HEAD)


@pytest.mark.parametrize(
    "ours, theirs",
    [
        ("cls_score", "cls_score"),
        ("centerness", "centerness"),
        ("offset", "center"),
        ("embedding", "obj_emb"),
        ("bbox", "bbox"),
    ],
)
@torch.no_grad()
def test_dense_outputs(head_of_recording, recorded_head, ours, theirs):
    outputs = head_of_recording.dense(recorded_head["feats"])
    assert (theirs in recorded_head) == (getattr(outputs, ours) is not None)
    for level, recorded in zip(
        getattr(outputs, ours) or (), recorded_head.get(theirs, ()), strict=True
    ):
        close(level, recorded)


@torch.no_grad()
def test_dense_maps(head_of_recording, recorded_head):
    geometry = geometry_of_recording(recorded_head)
    key, value = head_of_recording.objects.dense_maps(recorded_head["feats"], geometry)
    close(key, recorded_head["key"])
    close(value, recorded_head["value"])


@pytest.fixture(scope="module")
def predictions(head_of_recording, recorded_head):
    h, objects, geometry = (
        recorded_head,
        head_of_recording.objects,
        geometry_of_recording(recorded_head),
    )
    reference = select_class(h["query_center"].unflatten(1, (-1, 2)), h["query_label"])
    queries = Queries(
        h["query_img"], h["query_label"], reference, h["query_stride"], h["query_emb"]
    )
    with torch.no_grad():
        return objects(queries, objects.dense_maps(h["feats"], geometry), geometry)


@pytest.fixture(scope="module")
def mirror(recorded_head):
    """(M,) -1 for queries of the flipped image, else 1."""
    flipped = torch.tensor([meta["flip"] for meta in recorded_head["metas"]])
    return torch.where(flipped[recorded_head["query_img"]], -1.0, 1.0)


def test_object_coordinates(predictions, recorded_head, mirror):
    noc = predictions.noc.clone()
    noc[..., 2] *= mirror[:, None]
    close(noc, recorded_head["noc"])


def test_image_points(predictions, recorded_head):
    to_original = torch.linalg.inv(recorded_head["img_transform"])[recorded_head["query_img"]]
    homogeneous = torch.cat((predictions.x2d, torch.ones_like(predictions.x2d[..., :1])), -1)
    first_pixel = 0.0 if is_v1(recorded_head["cfg"]) else 0.5
    close((homogeneous @ to_original.mT)[..., :2] + first_pixel - 0.5, recorded_head["x2d"])


def test_weights(predictions, recorded_head):
    close(predictions.correspondences().w2d, recorded_head["w2d_scaled"])


def test_object_properties(predictions, recorded_head, mirror):
    velocity = torch.stack((predictions.velocity[:, 0] * mirror, predictions.velocity[:, 1]), 1)
    close(predictions.size, recorded_head["dims_lhw"])
    close(predictions.score.sigmoid(), recorded_head["score_3d"])
    close(velocity, recorded_head["velo"])
    close(predictions.attribute, recorded_head["attr"])


@torch.no_grad()
def test_the_camera_sees_what_the_recorded_transform_says(recorded_head):
    geometry, matrix = geometry_of_recording(recorded_head), recorded_head["cam_intrinsic"].clone()
    matrix[:, :2, 2] += 0.5 if is_v1(recorded_head["cfg"]) else 0
    point = torch.tensor([0.7, -0.3, 9.0])
    for image, meta in enumerate(recorded_head["metas"]):
        original = recorded_head["img_transform"][image] @ torch.cat(
            ((matrix[image] @ point)[:2] / 9, torch.ones(1))
        )
        seen = point * torch.tensor([-1.0 if meta["flip"] else 1.0, 1.0, 1.0])
        close(geometry.camera[image].project(seen), original[:2])
