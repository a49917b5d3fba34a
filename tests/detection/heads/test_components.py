"""Building blocks against recorded numbers of the released v2 program."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from epropnp_det.detection.heads.coders import SinePositionalEncoding, SizeCoder
from epropnp_det.losses.pose_losses import (
    MonteCarloPoseLoss,
    ReprojectionLoss,
    orientation_loss,
    position_loss,
)
from epropnp_det.pnp import PoseSamples
from tests.tolerances import COMPONENT


def close(a, b):
    torch.testing.assert_close(a, b, rtol=COMPONENT, atol=COMPONENT)


def test_size_coder(components):
    recorded, coder = components["dim_coder"], SizeCoder()
    close(coder.encode(recorded["dims"], recorded["labels"]), recorded["encode"])
    close(coder.decode(recorded["code"], recorded["labels"]), recorded["decode"])


def test_size_coder_round_trip():
    label = torch.arange(10)
    size = torch.rand(10, 3, generator=torch.Generator().manual_seed(0)) * 4 + 0.2
    close(SizeCoder().decode(SizeCoder().encode(size, label), label), size)


def test_positional_encoding(components):
    recorded = components["positional_encoding"]
    encoding = SinePositionalEncoding(recorded["num_feats"])
    close(
        encoding(recorded["points_xy"], recorded["img_shapes_hw"].flip(-1)), recorded["points_enc"]
    )
    close(encoding.of_map(~recorded["mask"]), recorded["enc"])


def test_a_cell_is_encoded_like_the_point_at_its_centre():
    encoding, valid = SinePositionalEncoding(8), torch.ones(1, 6, 9, dtype=torch.bool)
    centre = torch.tensor([4.5, 2.5])
    close(encoding.of_map(valid)[0, :, 2, 4], encoding(centre, torch.tensor([9.0, 6.0])))


def test_monte_carlo_pose_loss(components):
    recorded = components["monte_carlo_pose_loss"]
    loss = MonteCarloPoseLoss(recorded["loss_weight"], recorded["momentum"]).train()
    weights = recorded["logweights"]
    samples = PoseSamples(
        torch.zeros(*weights.shape, 4), weights, torch.ones(weights.shape[1], dtype=torch.bool)
    )
    value = loss(
        samples,
        recorded["cost_target"],
        recorded["norm_factor"],
        recorded["weight"],
        recorded["avg_factor"],
    )
    close(value, recorded["loss"])
    close(loss.scale, recorded["norm_factor_after"])


def test_running_scale_rests_in_eval_mode():
    loss = MonteCarloPoseLoss().eval()
    samples = PoseSamples(torch.zeros(4, 1, 4), torch.zeros(4, 1), torch.ones(1, dtype=torch.bool))
    loss(samples, torch.zeros(1), torch.tensor(5.0), torch.ones(1), 1.0)
    assert loss.scale == 1


def test_reprojection_loss_asks_for_the_true_pose_alone():
    samples = PoseSamples(
        torch.zeros(4, 3, 4), torch.full((4, 3), torch.nan), torch.zeros(3, dtype=torch.bool)
    )
    cost, weight = torch.tensor([2.0, torch.inf, 3.0]), torch.tensor([1.0, 1.0, 0.5])
    value = ReprojectionLoss(loss_weight=0.5).eval()(samples, cost, torch.tensor(1.0), weight, 4.0)
    close(value, torch.tensor(0.5 * (2.0 + 0.5 * 3.0) / 4.0))


def test_orientation_loss(components):
    recorded = components["cosine_angle"]
    close(orientation_loss(recorded["pred"] - recorded["target"]).mean(), recorded["loss"])


def test_position_loss(components):
    recorded = components["smooth_l1_on_norm"]
    error = F.pad(recorded["norm"][:, None], (0, 2))
    close(position_loss(error, recorded["beta"]).mean(), recorded["loss"])


def test_position_loss_has_a_gradient_at_zero():
    error = torch.zeros(1, 3, requires_grad=True)
    position_loss(error).sum().backward()
    assert error.grad.isfinite().all()
