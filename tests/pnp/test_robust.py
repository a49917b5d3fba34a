from __future__ import annotations

import pytest
import torch

from epropnp_det.pnp import adaptive_threshold
from epropnp_det.pnp.ops.robust import ROBUST, huber_cost
from tests.tolerances import EXACT

from .scenes import seeded, uniform


def test_huber_cost_is_equation_12() -> None:
    squared = torch.tensor([0.0, 1.0, 4.0, 9.0, 100.0], dtype=torch.float64)
    delta = torch.tensor(2.0, dtype=torch.float64)
    rho = torch.tensor([0.0, 1.0, 4.0, 2 * (2 * 3 - 2), 2 * (2 * 10 - 2)], dtype=torch.float64)
    torch.testing.assert_close(huber_cost(squared, delta), rho / 2)


@pytest.mark.parametrize("name", ROBUST)
def test_gradients_are_finite_at_zero_and_at_the_threshold(name: str) -> None:
    squared = torch.tensor([0.0, 4.0], dtype=torch.float64, requires_grad=True)
    delta = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    value = ROBUST[name].cost(squared, delta) + ROBUST[name].scale(squared, delta)
    gradients = torch.autograd.grad(value.sum() + 0 * delta, (squared, delta))
    assert all(gradient.isfinite().all() for gradient in gradients)


@pytest.mark.parametrize("name", ROBUST)
def test_scaled_residuals_have_the_gradient_of_the_cost(name: str) -> None:
    residual = uniform((50, 2), -5.0, 5.0, seeded(0)).requires_grad_()
    delta = torch.tensor(2.0, dtype=torch.float64)
    squared = residual.square().sum(-1)
    expected = torch.autograd.grad(ROBUST[name].cost(squared, delta).sum(), residual)[0]
    torch.testing.assert_close(
        ROBUST[name].scale(squared, delta).square()[:, None] * residual,
        expected,
        rtol=EXACT,
        atol=EXACT,
    )


def test_small_residuals_count_alike_and_large_ones_less_and_less() -> None:
    delta = torch.tensor(2.0, dtype=torch.float64)
    small, large = torch.tensor(1e-6, dtype=torch.float64), torch.tensor(1e4, dtype=torch.float64)
    for kernel in ROBUST.values():
        torch.testing.assert_close(kernel.cost(small, delta), small / 2, rtol=1e-6, atol=0)
    cauchy, huber, none = (ROBUST[name].cost(large, delta) for name in ("cauchy", "huber", "none"))
    assert cauchy < 0.2 * huber and huber < 0.2 * none


def test_threshold_of_a_mask_is_that_of_the_points_left() -> None:
    x2d, w2d = uniform((4, 10, 2), 0.0, 100.0, seeded(0)), uniform((4, 10, 2), 0.0, 1.0, seeded(1))
    mask = torch.arange(10) < 6
    left = adaptive_threshold(x2d[:, :6], w2d[:, :6])
    torch.testing.assert_close(adaptive_threshold(x2d, w2d, mask.expand(4, -1)), left)
    spread = (x2d[:, :6].var(1).sum(-1)).sqrt()
    torch.testing.assert_close(left, 0.5 * w2d[:, :6].mean((1, 2)) * spread)


def test_threshold_of_coincident_points_has_finite_gradients() -> None:
    x2d = torch.full((3, 5, 2), 7.0, requires_grad=True)
    w2d = torch.ones(3, 5, 2, requires_grad=True)
    gradients = torch.autograd.grad(adaptive_threshold(x2d, w2d).sum(), (x2d, w2d))
    assert all(gradient.isfinite().all() for gradient in gradients)
