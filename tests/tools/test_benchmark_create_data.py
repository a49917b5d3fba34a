"""The benchmark of the conversion measures runs of the real command, and runs each once."""

from __future__ import annotations

import json
from pathlib import Path

from epropnp_det.synthetic.repetition import VERSION, repeat_database
from tests.nuscenes_factory import write_database


def test_runs_are_measured_once_and_compared(call, tmp_path: Path) -> None:
    short = write_database(tmp_path / "short")
    repeat_database(short, tmp_path / "samples_80", 20)
    arguments = (tmp_path, "--samples", 80, "--processes", 1, 2)
    assert call("benchmark_create_data", *arguments)[0] == 0
    first = (tmp_path / "create_data.json").read_text()
    found = json.loads(first)
    assert [one["processes"] for one in found] == [1, 2]
    assert len({one["sha256"] for one in found}) == 1
    assert all(0 < one["start"] < one["seconds"] for one in found)
    assert all(0 < one["tables"] <= one["peak"] < 2000 for one in found)
    for picture in ("create_data_time.png", "create_data_memory.png"):
        assert (tmp_path / picture).stat().st_size > 1000
    assert (tmp_path / "samples_80" / VERSION).is_dir()
    call("benchmark_create_data", *arguments)
    assert (tmp_path / "create_data.json").read_text() == first
