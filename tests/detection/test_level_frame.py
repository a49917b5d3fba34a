"""Boxes of a tilted camera, in its own frame and in its level frame."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
import torch
from torch import Tensor

from epropnp_det.detection.boxes import Boxes3D, in_camera_frame
from epropnp_det.detection.level_frame import FrameChange, rotation_of_down, rotation_of_tilt
from tests.tolerances import EXACT

ROTATIONS = {
    "level": rotation_of_tilt(0.0, 0.0),
    "up": rotation_of_tilt(10.0, 0.0),
    "rolled": rotation_of_tilt(0.0, 7.0),
    "both": rotation_of_tilt(-20.0, -12.0),
}


def make_boxes(count: int = 6) -> Boxes3D:
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    pose = draw(count, 4) * torch.tensor([5.0, 1.0, 5.0, 1.0]) + torch.tensor([0.0, 0.0, 30.0, 0.0])
    factor = draw(count, 4, 4)
    return Boxes3D(
        pose=pose,
        size=draw(count, 3).exp(),
        label=torch.arange(count),
        velocity=draw(count, 2),
        covariance=factor @ factor.mT,
        sample_pose=pose[:, None] + 0.1 * draw(count, 20, 4),
        sample_weight=torch.full((count, 20), 0.05, dtype=torch.float64),
    )


def test_the_axes_of_a_tilted_camera():
    """Pitch turns the optical axis up, roll turns the right-hand side down; y points down."""
    forward = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)
    right = torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64)
    assert (rotation_of_tilt(10.0, 0.0) @ forward)[1] < 0
    assert (rotation_of_tilt(0.0, 10.0) @ right)[1] > 0
    torch.testing.assert_close(rotation_of_tilt(0.0, 0.0), torch.eye(3, dtype=torch.float64))


@pytest.mark.parametrize("name", ROTATIONS)
def test_gravity_gives_the_level_frame(name: str):
    """The heading of the level frame is that of the camera, whatever frame gravity came from."""
    rotation = ROTATIONS[name]
    found = rotation_of_down(rotation.mT @ torch.tensor([0.0, 1.0, 0.0], dtype=torch.float64))
    torch.testing.assert_close(found, rotation, rtol=EXACT, atol=EXACT)


def test_a_camera_without_a_heading_is_refused():
    with pytest.raises(ValueError, match="no level frame"):
        rotation_of_down(torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64))


@pytest.mark.parametrize("name", ROTATIONS)
def test_there_and_back_is_the_same(name: str):
    boxes = make_boxes()
    moved = in_camera_frame(boxes, dict(level_rotation=ROTATIONS[name].numpy()))
    back = moved.in_level_frame()
    for field in fields(Boxes3D):
        expected = getattr(boxes, field.name)
        if expected is None:
            assert getattr(back, field.name) is None
            continue
        torch.testing.assert_close(
            _with_wrapped_yaw(getattr(back, field.name), field.name),
            _with_wrapped_yaw(expected, field.name),
            rtol=EXACT,
            atol=EXACT,
        )


def _with_wrapped_yaw(value: Tensor, name: str) -> Tensor:
    if not name.endswith("pose"):
        return value
    return torch.cat((value[..., :3], value[..., 3:].sin(), value[..., 3:].cos()), -1)


def test_a_level_camera_changes_nothing():
    boxes = make_boxes()
    assert in_camera_frame(boxes, {}) is boxes
    assert in_camera_frame(boxes, dict(level_rotation=torch.eye(3))) is boxes
    assert boxes.in_level_frame() is boxes


def test_the_covariance_follows_the_derivative():
    change = FrameChange.from_level(ROTATIONS["both"])
    boxes = make_boxes()
    jacobian = torch.stack([torch.func.jacrev(change.pose)(pose) for pose in boxes.pose])
    expected = jacobian @ boxes.covariance @ jacobian.mT
    found = change.covariance(boxes.pose, boxes.covariance)
    torch.testing.assert_close(found, expected, rtol=EXACT, atol=EXACT)


def test_velocity_and_heading_stay_on_the_ground():
    """A box that drives the way it heads does so in both frames."""
    boxes = make_boxes()
    yaw = boxes.pose[:, 3]
    driving = replace(boxes, velocity=3 * torch.stack((yaw.cos(), -yaw.sin()), 1))
    moved = in_camera_frame(driving, dict(level_rotation=ROTATIONS["both"].numpy()))
    heading = torch.stack((moved.pose[:, 3].cos(), -moved.pose[:, 3].sin()), 1)
    assert moved.velocity is not None
    cross = moved.velocity[:, 0] * heading[:, 1] - moved.velocity[:, 1] * heading[:, 0]
    torch.testing.assert_close(cross, torch.zeros_like(cross), rtol=0, atol=EXACT)
    assert ((moved.velocity * heading).sum(1) > 0).all()
