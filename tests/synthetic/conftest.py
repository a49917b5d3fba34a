from __future__ import annotations

from pathlib import Path

import pytest
from nuscenes import NuScenes

from epropnp_det.synthetic.generate import write_database
from epropnp_det.synthetic.presets import PRESETS
from epropnp_det.synthetic.recording import scene_of
from epropnp_det.synthetic.world import Scene

SEED = 0


@pytest.fixture(scope="session")
def scenes() -> dict[str, Scene]:
    """The scenes of the small preset by name, without pictures."""
    preset = PRESETS["test"]
    return {name: scene_of(preset, SEED, name) for name in preset.scenes}


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small preset on disk. Read only."""
    root = tmp_path_factory.mktemp("synthetic") / "data"
    write_database(root, "test", SEED, processes=2)
    return root


@pytest.fixture(scope="session")
def nusc(database: Path) -> NuScenes:
    return NuScenes("v1.0-mini", str(database), verbose=True)
