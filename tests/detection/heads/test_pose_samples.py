"""Detections with samples of their pose distributions: samples change nothing else and belong to
their object.
"""

from __future__ import annotations

import pytest
import torch

from epropnp_det.detection.boxes import Boxes3D
from epropnp_det.detection.image_geometry import ImageGeometry
from epropnp_det.pnp import Camera

from ..small import CAMERA, build

SAMPLES = 64


@pytest.fixture(scope="module")
def detect(recorded_step):
    torch.manual_seed(0)
    head = build(recorded_step["cfg"], released_mask=False)
    head.init_weights()
    geometry = ImageGeometry(
        Camera.stack([CAMERA] * 2), torch.tensor([[224.0, 128.0]]).expand(2, 2)
    )

    def run(mc_samples: int | None) -> list[Boxes3D]:
        return head.eval().detect(
            recorded_step["feats"],
            geometry,
            [torch.Generator().manual_seed(0) for _ in range(2)],
            mc_samples=mc_samples,
        )

    return run


def test_samples_change_nothing_else(detect):
    for plain, sampled in zip(detect(None), detect(SAMPLES)):
        assert len(plain) > 0
        assert plain.sample_pose is None and plain.sample_weight is None
        for name in ("pose", "size", "velocity", "score", "label", "attribute", "covariance"):
            torch.testing.assert_close(getattr(plain, name), getattr(sampled, name), rtol=0, atol=0)


def test_samples_lie_around_the_pose_of_their_object(detect):
    for found in detect(SAMPLES):
        assert found.sample_pose.shape == (
            len(found),
            SAMPLES,
            4,
        ) and found.sample_weight.shape == (len(found), SAMPLES)
        sound = found.sample_weight.isfinite().all(1)
        assert sound.float().mean() > 0.5
        torch.testing.assert_close(found.sample_weight[sound].sum(1), torch.ones(int(sound.sum())))
        position = found.sample_pose[sound, :, :3]
        inside = (position.amin(1) < found.pose[sound, :3]) & (
            found.pose[sound, :3] < position.amax(1)
        )
        assert (
            inside.all(1).float().mean() > 0.95
        )  # solver and sampler may disagree about a pose that hardly anything determines


def test_detections_with_samples_are_indexed_and_joined(detect):
    first, second = detect(SAMPLES)
    both = Boxes3D.cat([first, second])
    assert len(both) == len(both.sample_pose) == len(first) + len(second)
    torch.testing.assert_close(
        both[torch.tensor([len(first)])].sample_pose[0], second.sample_pose[0]
    )


def test_a_wrong_number_of_samples_is_refused(detect):
    with pytest.raises(
        ValueError, match=r"mc_samples=30 must be a multiple of amis_rounds=4; use 32"
    ):
        detect(30)
