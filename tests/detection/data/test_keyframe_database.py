"""Without what lies between keyframes, the tables are those of a recording that has keyframes
alone.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from nuscenes import NuScenes

from epropnp_det.detection.data import nuscenes_convert
from epropnp_det.detection.data.keyframe_database import KeyframeDatabase
from tests.nuscenes_factory import VERSION, token

from .test_nuscenes_convert import edit


@pytest.fixture(scope="module")
def with_sweeps(database: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small database with two sweeps after each keyframe of each sensor."""
    root = tmp_path_factory.mktemp("sweeps") / "data"
    for name in (VERSION, "maps"):
        shutil.copytree(database / name, root / name)
    edit(root, "sample_data", lambda rows: add_sweeps(rows, "ego_pose_token"))
    edit(root, "ego_pose", lambda rows: add_sweeps(rows, "token"))
    return root


def add_sweeps(rows: list[dict], key: str) -> None:
    """Puts two rows after each, with tokens of their own, also where `key` names another row."""
    keyframes = list(rows)
    rows.clear()
    for row in keyframes:
        rows.append(row)
        for n in (0, 1):
            renamed = {name: token(row[name], n) for name in ("token", key)}
            rows.append({**row, **renamed, "is_key_frame": False})


def test_the_tables_are_those_of_the_keyframes(database: Path, with_sweeps: Path):
    assert len(NuScenes(VERSION, str(with_sweeps), verbose=False).sample_data) == 3 * 28
    keyframes = NuScenes(VERSION, str(database), verbose=False)
    found = KeyframeDatabase(VERSION, str(with_sweeps), verbose=False)
    for table in nuscenes_convert.TABLES[:-1]:
        assert getattr(found, table) == getattr(keyframes, table)


def test_the_annotation_files_are_the_same(database: Path, with_sweeps: Path, tmp_path: Path):
    for path in nuscenes_convert.write_annotation_files(with_sweeps, VERSION, tmp_path):
        assert path.read_bytes() == (database / path.name).read_bytes()
