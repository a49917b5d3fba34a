"""The optimizer hook steps on finite gradients and on nothing else."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
import torch
from mmcv.parallel import DataContainer
from mmcv.runner import LogBuffer, OptimizerHook

from epropnp_det.engine.hooks.finite_optimizer import FiniteOptimizerHook
from epropnp_det.errors import UserError

CLIP = dict(max_norm=0.5, norm_type=2)


def one_step(hook: OptimizerHook, factor: float) -> tuple[torch.Tensor, dict]:
    """Weight after one step of plain gradient descent on factor * sum(w), from w = (1, 1), and what
    was logged.
    """
    model = torch.nn.Linear(2, 1, bias=False)
    torch.nn.init.ones_(model.weight)
    runner = SimpleNamespace(
        model=model, optimizer=torch.optim.SGD(model.parameters(), lr=1.0), log_buffer=LogBuffer()
    )
    runner.outputs = dict(loss=factor * model.weight.sum(), num_samples=1)
    hook.after_train_iter(runner)
    runner.log_buffer.average()
    return model.weight.detach(), runner.log_buffer.output


def test_a_finite_gradient_steps_as_mmcvs_hook_does():
    ours, log = one_step(FiniteOptimizerHook(CLIP), 3.0)
    theirs, _ = one_step(OptimizerHook(CLIP), 3.0)
    torch.testing.assert_close(ours, theirs)
    assert log["skipped_steps"] == 0 and log["grad_norm"] == pytest.approx(3 * math.sqrt(2))


@pytest.mark.parametrize("factor", [math.nan, math.inf])
def test_a_broken_gradient_leaves_the_weights_alone_and_is_counted(factor):
    weight, log = one_step(FiniteOptimizerHook(CLIP), factor)
    assert torch.equal(weight, torch.ones(1, 2))
    assert {name for name in log if not name.endswith("_time")} == {"skipped_steps"}
    assert log["skipped_steps"] == 1


def runner_of(model: torch.nn.Module, max_iters: int) -> SimpleNamespace:
    return SimpleNamespace(
        model=model,
        optimizer=torch.optim.SGD(model.parameters(), lr=1.0),
        log_buffer=LogBuffer(),
        max_iters=max_iters,
        data_batch=dict(img_metas=DataContainer([[dict(filename=name) for name in ("a", "b")]])),
    )


def test_several_steps_make_one_with_their_mean_gradient():
    """Groups of three steps; the last one of the run has two."""
    model = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.ones_(model.weight)
    runner = runner_of(model, 5)
    hook = FiniteOptimizerHook(dict(max_norm=100.0, norm_type=2), cumulative_iters=3)
    weights = []
    for runner.iter, factor in enumerate((1.0, 2.0, 6.0, 4.0, 8.0)):
        runner.outputs = dict(loss=factor * model.weight.sum(), num_samples=1)
        hook.after_train_iter(runner)
        weights.append(model.weight.item())
    assert weights == [1, 1, -2, -2, -8]


def test_too_many_broken_gradients_in_a_row_end_the_training_and_name_images():
    model = torch.nn.Linear(1, 1, bias=False)
    runner = runner_of(model, 10)
    hook = FiniteOptimizerHook(CLIP, max_skipped=2)
    with pytest.raises(UserError, match=r"2 steps in a row .* with a, b;"):
        for factor in (math.nan, 1.0, math.nan, math.nan):
            runner.outputs = dict(loss=factor * model.weight.sum(), num_samples=1)
            hook.after_train_iter(runner)
    assert hook.skipped == 2
