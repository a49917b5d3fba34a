"""The shipped detector and its street."""

from __future__ import annotations

from pathlib import Path

import pytest
from torch import nn

from epropnp_det.apis import detect, init_model
from epropnp_det.console.detect import DEMO_IMAGE, DEMO_INTRINSICS, SHIPPED
from epropnp_det.detection.detections import Detections
from epropnp_det.engine.intrinsics import Intrinsics, read_intrinsics


@pytest.fixture(scope="module")
def model() -> nn.Module:
    return init_model(SHIPPED, SHIPPED.with_suffix(".pth"))


@pytest.fixture(scope="module")
def street() -> tuple[Path, Intrinsics]:
    return DEMO_IMAGE, read_intrinsics(DEMO_INTRINSICS, DEMO_IMAGE)


@pytest.fixture(scope="module")
def in_torch(model: nn.Module, street: tuple[Path, Intrinsics]) -> Detections:
    return detect(model, *street)
