"""Models without images, for tests of patches that are rendered."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.object_pose import bop_factory


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BOP data set of models and a camera alone."""
    folder = tmp_path_factory.mktemp("models")
    bop_factory.write_models(folder / "models")
    bop_factory.write_camera(folder)
    return folder
