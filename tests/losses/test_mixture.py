"""The auxiliary mixture loss: against recorded numbers of the released program, and laws."""

from __future__ import annotations

import math

import pytest
import torch

from epropnp_det.losses.mixture import MixtureNLLLoss, add_overlapping, mixture_log_density
from epropnp_det.losses.projection import projection_error
from tests.tolerances import COMPONENT, EXACT


def close(a, b, tolerance=EXACT):
    torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance)


def inputs(*shape: int, seed: int = 0) -> dict:
    """Error and log_std of `shape`, log_weight of shape[:-1]."""
    generator = torch.Generator().manual_seed(seed)
    error, log_std = torch.randn(2, *shape, generator=generator, dtype=torch.float64)
    log_weight = torch.randn(shape[:-1], generator=generator, dtype=torch.float64).log_softmax(1)
    return dict(error=error, log_weight=log_weight, log_std=0.3 * log_std)


ROIS = torch.tensor(
    [[0, 0, 0, 40, 40], [0, 20, 10, 60, 50], [0, 100, 100, 140, 150], [1, 0, 0, 40, 40.0]],
    dtype=torch.float64,
)


def test_recorded_loss(components):
    recorded = components["projection_mixture_nll"]
    loss = MixtureNLLLoss(
        recorded["cfg"]["loss_weight"], recorded["cfg"].get("delta", math.inf)
    ).train()
    value = loss(recorded["error"], recorded["logmixweight"], recorded["logstd"], recorded["rois"])
    close(value, recorded["loss"], COMPONENT)
    close(loss.scale, recorded["mean_inv_std_after"], COMPONENT)


def test_recorded_projection_error(components):
    recorded = components["proj_error_coder"]
    distance, focal = recorded["distance"].squeeze(1), recorded["focal"].squeeze(1)
    close(
        projection_error(recorded["x2d_diff"], distance, recorded["dims_lhw"], focal),
        recorded["encode"],
        COMPONENT,
    )


def test_one_gaussian():
    given = inputs(3, 1, 5, 5, 2)
    normal = torch.distributions.Normal(0, given["log_std"].exp())
    expected = (normal.log_prob(given["error"]) + 0.5 * math.log(2 * math.pi)).sum(-1)[:, 0]
    close(mixture_log_density(**given), expected)
    within = (given["error"] / given["log_std"].exp()).norm(dim=-1)[:, 0] < 2
    assert within.any() and not within.all()
    close(mixture_log_density(**given, delta=2.0)[within], expected[within])
    assert (mixture_log_density(**given, delta=2.0)[~within] > expected[~within]).all()


def test_mixture_of_gaussians():
    given = inputs(3, 4, 2)
    components = torch.distributions.Independent(
        torch.distributions.Normal(given["error"], given["log_std"].exp()), 1
    )
    mixture = torch.distributions.MixtureSameFamily(
        torch.distributions.Categorical(logits=given["log_weight"]), components
    )
    close(mixture_log_density(**given), mixture.log_prob(torch.zeros(3, 2)) + math.log(2 * math.pi))


def test_far_errors_pull_with_a_constant_force():
    error = torch.tensor([[[30.0, 40.0]]], dtype=torch.float64, requires_grad=True)
    mixture_log_density(
        error, torch.zeros(1, 1), torch.zeros_like(error), delta=2.0
    ).sum().backward()
    close(error.grad, torch.tensor([[[-1.2, -1.6]]], dtype=torch.float64))


def test_order_of_components_does_not_matter():
    given = inputs(4, 3, 6, 6, 2)
    loss = MixtureNLLLoss(delta=2.0).double().eval()
    swapped = {name: value[:, [2, 0, 1]] for name, value in given.items()}
    close(loss(**given, rois=ROIS), loss(**swapped, rois=ROIS))


def test_order_of_objects_does_not_matter():
    density, order = (
        torch.randn(4, 6, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64),
        [2, 0, 3, 1],
    )
    close(add_overlapping(density[order], ROIS[order]), add_overlapping(density, ROIS)[order])


def test_only_cells_in_other_rois_of_the_image_change():
    density = torch.zeros(4, 6, 4, dtype=torch.float64)
    changed = add_overlapping(density, ROIS) != 0
    # Cell centres of the first: x = 5, 15, 25, 35 and y = 3.3, 10, 16.7, ...; of the second: x =
    # 25, 35, ... and y = 13.3, ..., 40, 46.7. Those at 10 and 40 lie on the border of the other.
    assert changed[0].nonzero().tolist() == [
        [row, column] for row in range(2, 6) for column in (2, 3)
    ]
    assert changed[1].nonzero().tolist() == [[row, column] for row in range(4) for column in (0, 1)]
    assert not changed[2:].any()


def test_two_objects_in_one_roi_add_up():
    density = torch.randn(2, 5, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    rois = ROIS[:1].expand(2, 5)
    close(add_overlapping(density, rois), density.logsumexp(0).expand(2, 5, 7))


def test_gradient_through_overlaps():
    density = torch.randn(
        4, 3, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64, requires_grad=True
    )
    assert torch.autograd.gradcheck(lambda density: add_overlapping(density, ROIS), density)


def test_gradient_is_finite_without_error():
    error = torch.zeros(2, 3, 2, requires_grad=True)
    MixtureNLLLoss(delta=2.0)(error, torch.zeros(2, 3), torch.zeros(2, 3, 2)).backward()
    assert error.grad.isfinite().all()


def test_learnt_sigma_is_a_log_std():
    given = inputs(3, 4, 5, 1)
    loss = MixtureNLLLoss(delta=2.0, sigma=0.3).double().train()
    value = loss(given["error"], given["log_weight"])
    # One in ten of the way from 1 to 1 / 0.3.
    close(loss.scale, torch.tensor(0.9 + 0.1 / 0.3, dtype=torch.float64), COMPONENT)
    log_std = torch.full_like(given["error"], math.log(0.3))
    close(
        value,
        -mixture_log_density(given["error"], given["log_weight"], log_std, 2.0).mean() / loss.scale,
        COMPONENT,
    )
    value.backward()
    assert loss.log_sigma.grad.abs() > 0


@pytest.mark.parametrize(("sigma", "given"), [(None, False), (0.3, True)])
def test_exactly_one_source_of_the_standard_deviation(sigma, given):
    error = torch.zeros(2, 3, 1)
    with pytest.raises(ValueError, match="sigma"):
        MixtureNLLLoss(sigma=sigma)(error, torch.zeros(2, 3), error if given else None)


@pytest.mark.parametrize("rois", [None, torch.zeros(0, 5)])
def test_no_objects(rois):
    loss = MixtureNLLLoss().train()
    error = torch.zeros(0, 4, 6, 6, 2, requires_grad=True)
    value = loss(error, torch.zeros(0, 4, 6, 6), torch.zeros(0, 4, 6, 6, 2), rois)
    value.backward()
    assert value == 0 and error.grad.shape == error.shape
    assert loss.scale == 1


def test_running_mean_rests_in_eval_mode():
    loss = MixtureNLLLoss().eval()
    loss(torch.zeros(2, 3, 2), torch.zeros(2, 3), torch.ones(2, 3, 2))
    assert loss.scale == 1
