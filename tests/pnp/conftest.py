from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext

import pytest
import torch

from epropnp_det.pnp import ops


@pytest.fixture(autouse=True)
def chosen_backend(request: pytest.FixtureRequest) -> Iterator[None]:
    name = request.config.getoption("--backend")
    with ops.use_backend(name) if name else nullcontext():
        yield


@pytest.fixture
def all_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test chooses its implementation, whatever --backend is."""
    monkeypatch.setattr(ops.backend, "_chosen", [])


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("gpu") and not torch.cuda.is_available():
        pytest.skip("needs a GPU")
