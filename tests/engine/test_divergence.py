"""A training that diverges is one line of the log; one that does not is none."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from epropnp_det.engine.hooks.divergence import DivergenceHook

from .tiny_training import start, wait, write_config


def warnings_of(hook: DivergenceHook, **figures: np.ndarray) -> list[str]:
    """Messages of the hook in a training with these figures of each step."""
    messages = []
    logger = SimpleNamespace(warning=lambda text, *values: messages.append(text % values))
    for values in zip(*figures.values(), strict=True):
        log_vars = dict(zip(figures, map(float, values)))
        runner = SimpleNamespace(outputs=dict(log_vars=log_vars), logger=logger)
        hook.after_train_iter(runner)
    return messages


def noise(steps: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(steps)


@pytest.mark.parametrize("level", [-3.0, 0.0, 5.0])
def test_a_loss_that_falls_with_noise_and_outliers_is_silent(level: float) -> None:
    loss = level + 4 * np.exp(-np.arange(2000) / 300) + 0.3 * noise(2000)
    loss[::50] += 100
    assert warnings_of(DivergenceHook(), loss=loss) == []


@pytest.mark.parametrize("level", [-3.0, 0.0, 5.0])
@pytest.mark.parametrize("high", [8.0, math.nan, math.inf])
def test_a_loss_far_above_the_usual_one_is_one_line_until_it_has_recovered(
    level: float, high: float
) -> None:
    loss = level + 0.3 * noise(1500)
    loss[500:700] = level + high
    loss[1200:1300] = level + high
    hook = DivergenceHook()
    assert warnings_of(hook, loss=loss[:500]) == []
    (message,) = warnings_of(hook, loss=loss[500:540])  # while it happens
    assert message.startswith("the training may diverge: the loss is ")
    assert warnings_of(hook, loss=loss[540:1200]) == []
    assert len(warnings_of(hook, loss=loss[1200:])) == 1


@pytest.mark.parametrize("early", [math.nan, math.inf])
def test_an_early_loss_that_is_not_finite_does_not_count(early: float) -> None:
    loss = 0.3 * noise(1000)
    loss[5] = early
    loss[600:700] += 8
    hook = DivergenceHook()
    assert warnings_of(hook, loss=loss[:600]) == []
    assert len(warnings_of(hook, loss=loss[600:])) == 1


@pytest.mark.parametrize("samples, warned", [(1.0, True), (2.0, False)])
def test_samples_without_information_are_one_line(samples: float, warned: bool) -> None:
    figures = dict(loss=noise(200), effective_sample_size=np.full(200, samples))
    messages = warnings_of(DivergenceHook(), **figures)
    assert len(messages) == warned
    assert all("effective sample size is 1 " in message for message in messages)


def test_a_model_without_figures_is_silent() -> None:
    hook = DivergenceHook()
    hook.after_train_iter(SimpleNamespace(outputs=dict(loss=None)))
    assert hook.losses == []


def test_a_training_whose_learning_rate_explodes_says_so_in_its_log(tmp_path: Path) -> None:
    config = write_config(tmp_path, "iterations")
    rate = dict(policy="step", step=[60], gamma=1e4, by_epoch=False)
    options = {
        "lr_config": dict(rate, _delete_=True),
        "runner.max_iters": 100,
        "data.train.length": 200,
        "data.workers_per_gpu": 0,
        "custom_hooks": [dict(type="DivergenceHook", window=80, recent=10)],
    }
    assert wait(start(config, options=options, work_dir=tmp_path / "out")) == [0]
    (log,) = (tmp_path / "out").glob("*.log")
    (line,) = [line for line in log.read_text().splitlines() if "diverge" in line]
    assert "the loss is" in line
