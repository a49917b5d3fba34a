"""The learning rate follows the total batch by a rule, and only where that is switched on."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from mmcv import Config

from epropnp_det.engine.learning_rate import scaled_optimizer
from epropnp_det.errors import UserError

LOGGER = logging.getLogger("test")


def config(steps: int = 1, **scale: Any) -> Config:
    return Config(
        dict(
            optimizer=dict(type="AdamW", lr=0.1),
            optimizer_config=dict(cumulative_iters=steps),
            data=dict(samples_per_gpu=3),
            auto_scale_lr=scale,
        )
    )


@pytest.mark.parametrize(
    "rule, processes, steps, expected",
    [("linear", 8, 1, 0.2), ("linear", 2, 1, 0.05), ("linear", 4, 2, 0.2), ("sqrt", 16, 1, 0.2)],
)
def test_the_rate_grows_with_the_total_batch(
    rule: str, processes: int, steps: int, expected: float
) -> None:
    settings = config(steps, base_batch_size=12, rule=rule)
    scaled = scaled_optimizer(settings, processes, True, LOGGER)
    assert scaled == dict(type="AdamW", lr=pytest.approx(expected))
    assert settings.optimizer.lr == 0.1


def test_another_batch_is_a_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "test"):
        assert scaled_optimizer(config(base_batch_size=12), 8, False, LOGGER)["lr"] == 0.1
        assert scaled_optimizer(config(base_batch_size=12), 8, True, LOGGER)["lr"] == 0.2
        assert scaled_optimizer(config(base_batch_size=12), 4, True, LOGGER)["lr"] == 0.1
    first, second = caplog.messages
    assert "total batch 24 (8 processes x 3 images x 1 steps)" in first
    assert "--auto-scale-lr" in first and "0.2 instead of 0.1" in second


def test_a_scale_needs_the_batch_that_the_rate_is_for() -> None:
    with pytest.raises(UserError, match="base_batch_size"):
        scaled_optimizer(config(), 8, True, LOGGER)
    with pytest.raises(UserError, match="linear, sqrt"):
        scaled_optimizer(config(base_batch_size=12, rule="cubic"), 8, True, LOGGER)
