"""A calibration changes distributions alone: poses and scores stay as they are."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch

from epropnp_det.calibration.stored import Calibration
from epropnp_det.calibration.temperature import Temperatures
from epropnp_det.detection.boxes import Boxes3D
from epropnp_det.detection.evaluation.calibration_objects import nearest_truth
from epropnp_det.detection.image_geometry import ImageGeometry
from epropnp_det.pnp import Camera
from epropnp_det.posterior.quantities import YAW_POSE

from ..small import CAMERA, build

SAMPLES = 64
KEPT = ("pose", "size", "velocity", "score", "label", "attribute")
LEVELS = dict.fromkeys(YAW_POSE, np.linspace(0, 1, 200))
Detect = Callable[[Calibration | None], Boxes3D]


@pytest.fixture(scope="module")
def detect(recorded_step) -> Iterator[Detect]:
    torch.manual_seed(0)
    head = build(recorded_step["cfg"], released_mask=False)
    head.init_weights()
    size = torch.tensor([[224.0, 128.0]]).expand(2, 2)
    geometry = ImageGeometry(Camera.stack([CAMERA] * 2), size)

    def run(calibration: Calibration | None) -> Boxes3D:
        head.eval().calibration = calibration
        generators = [torch.Generator().manual_seed(0) for _ in range(2)]
        return head.detect(recorded_step["feats"], geometry, generators, mc_samples=SAMPLES)[0]

    return run


def test_temperature_one_is_bit_equal(detect: Detect) -> None:
    plain = detect(None)
    same = detect(Calibration(Temperatures(), LEVELS))
    assert len(plain) > 0 and plain.temperature is None
    for name in (*KEPT, "covariance", "sample_pose", "sample_weight"):
        torch.testing.assert_close(
            getattr(same, name), getattr(plain, name), rtol=0, atol=0, equal_nan=True
        )


def test_poses_and_scores_stay_and_covariances_grow(detect: Detect) -> None:
    plain = detect(None)
    found = detect(Calibration(Temperatures(base=math.log(4.0)), LEVELS))
    for name in KEPT:
        assert torch.equal(getattr(found, name), getattr(plain, name))
    assert found.temperature is not None
    torch.testing.assert_close(found.temperature, torch.full_like(found.temperature, 4.0))
    assert (found.require("covariance")[:, 3, 3] > plain.require("covariance")[:, 3, 3]).all()


def test_regions_of_detections(detect: Detect) -> None:
    found = detect(Calibration(Temperatures(tail_share=0.2, tail_factor=3.0), LEVELS))
    assert found.sample_pose is not None and found.sample_pose.shape[1] == SAMPLES
    first, *_ = found.region(0.9, "yaw")
    # The levels of the calibration are uniform: conformal and credible regions agree.
    again, *_ = found.region(0.9, "yaw", kind="credible")
    assert first is not None and again is not None
    assert abs(first.level - again.level) < 0.01
    with pytest.raises(ValueError, match="calibrated checkpoint"):
        detect(None).region(0.9, kind="conformal")


def test_true_headings_of_symmetric_classes() -> None:
    truth = torch.tensor([[0.0, 0, 9, 3.0], [0, 0, 9, 3.0], [0, 0, 9, 3.0]])
    pose = torch.tensor([[0.0, 0, 8, 0.1], [0, 0, 8, 0.1], [0, 0, 8, 0.1]])
    half_turn = torch.tensor([False, True, False])
    round_shape = torch.tensor([False, False, True])
    found = nearest_truth(truth, pose, half_turn, round_shape)
    torch.testing.assert_close(found[:, 3], torch.tensor([3.0, 3.0 + math.pi, 0.1]))
    assert torch.equal(found[:, :3], truth[:, :3])
