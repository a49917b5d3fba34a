from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def reference_folder() -> Path:
    """Recorded numbers of the released programs; EPROPNP_REFERENCE names a folder with other recordings of the same form."""
    return Path(os.environ.get("EPROPNP_REFERENCE", Path(__file__).parent / "data" / "reference"))
