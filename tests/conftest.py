from __future__ import annotations

import os
from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--kernels", help="implementation that does all of the layer's work in tests/pnp (default: the first that can)")


@pytest.fixture(scope="session")
def reference_folder() -> Path:
    """Recorded numbers of the released programs; EPROPNP_REFERENCE names a folder with other recordings of the same form."""
    return Path(os.environ.get("EPROPNP_REFERENCE", Path(__file__).parent / "data" / "reference"))
