"""The devkit's database without what lies between the keyframes."""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nuscenes import NuScenes

from epropnp_det.engine.outside_files import read_json


class KeyframeDatabase(NuScenes):
    """Without the files of sensors between keyframes, and the poses of the vehicle at them.

    They are nine tenths of the records of nuScenes and most of its memory, and neither annotations
    nor the official evaluation use them. They are dropped while the tables are read.
    """

    def __init__(self, *args: Any, **kwargs: Any):
        enabled = gc.isenabled()
        gc.disable()  # it would search the growing tables again and again, in half of the time
        try:
            super().__init__(*args, **kwargs)
        finally:
            if enabled:
                gc.enable()

    def __load_table__(self, table_name: str) -> list[dict]:
        if table_name == "ego_pose":  # which the devkit loads first
            self._keyframe_data = self._load(
                "sample_data", lambda row: row.get("is_key_frame", True)
            )
            used = {row.get("ego_pose_token") for row in self._keyframe_data}
            return self._load("ego_pose", lambda row: row.get("token") in used)
        if table_name == "sample_data":
            return self._keyframe_data
        return read_table(Path(self.table_root, f"{table_name}.json"))

    def _load(self, table: str, keep: Callable[[dict], bool]) -> list[dict]:
        path = Path(self.table_root, f"{table}.json")
        rows = read_table(path, lambda row: row if keep(row) else None)
        return [row for row in rows if row is not None]


def read_table(path: Path, object_hook: Callable[[dict], Any] | None = None) -> Any:
    """The records of a table.

    Raises:
        UserError: the file cannot be read, or is not JSON.
    """
    remedy = "unpack the metadata archive again"
    return read_json(path, "table", remedy, object_hook=object_hook)
