from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import trimesh

from epropnp_det.object_pose.data.mesh_measures import diameter_of
from epropnp_det.object_pose.data.object_models import MeshColors, ObjectModel


@pytest.fixture(scope="session")
def lmo_folder() -> Path:
    """A folder with LM-O in BOP's layout; its images and models are no part of the project."""
    name = os.environ.get("EPROPNP_LMO")
    if not name:
        pytest.skip("EPROPNP_LMO does not name a folder with LM-O in BOP's layout")
    return Path(name)


def model_of(mesh: trimesh.Trimesh, object_id: int = 1, **info: object) -> ObjectModel:
    """A model of a mesh in metres, grey; `info` are symmetries in mm."""
    vertices = np.asarray(mesh.vertices, dtype=np.float64)
    low = vertices.min(axis=0)
    colors = MeshColors.of_mesh(mesh)
    size = np.ptp(vertices, axis=0)
    diameter = diameter_of(vertices)
    return ObjectModel(
        object_id, vertices, np.asarray(mesh.faces), colors, diameter, low, size, info
    )
