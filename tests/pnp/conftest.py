from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext

import pytest

from epropnp_det.pnp import kernels


@pytest.fixture(autouse=True)
def chosen_kernels(request: pytest.FixtureRequest) -> Iterator[None]:
    name = request.config.getoption("--kernels")
    with kernels.only(name) if name else nullcontext():
        yield
