"""The optimizer hook steps on finite gradients and on nothing else."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
import torch
from mmcv.runner import LogBuffer, OptimizerHook

from epropnp_det.engine.hooks.finite_optimizer import FiniteOptimizerHook

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
    assert log == dict(skipped_steps=1.0)
