"""Conversion in many processes, and after a kill: always the same bytes."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from nuscenes.utils.splits import create_splits_scenes

from epropnp_det.detection.data import nuscenes_convert
from epropnp_det.synthetic.repetition import VERSION, repeat_database
from tests.nuscenes_factory import THINGS

from .test_create_data_command import COMMAND, run

COPIES = 40  # of four samples


@pytest.fixture(scope="module")
def long_database(database: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return repeat_database(database, tmp_path_factory.mktemp("long") / "data", COPIES)


@pytest.fixture(scope="module")
def expected(long_database: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a run in one process."""
    out = tmp_path_factory.mktemp("expected")
    nuscenes_convert.write_annotation_files(long_database, VERSION, out, lidar=True)
    return content(out)


def content(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_repeated_database_has_the_records_of_the_short_one(long_database: Path):
    nusc = nuscenes_convert.open_database(long_database, VERSION)
    assert len(nusc.sample) == 4 * COPIES
    assert {len(sample["data"]) for sample in nusc.sample} == {7}
    assert {len(sample["anns"]) for sample in nusc.sample} == {len(THINGS) - 1, len(THINGS)}
    training = create_splits_scenes()["train"]
    assert len(nuscenes_convert.samples_of_scenes(nusc, training)) == 4 * COPIES


def test_processes_change_nothing(
    long_database: Path, expected: dict[str, bytes], tmp_path: Path, capsys: pytest.CaptureFixture
):
    nuscenes_convert.write_annotation_files(long_database, VERSION, tmp_path, True, processes=3)
    assert content(tmp_path) == expected
    assert f"{24 * COPIES} files written, 0 were there" in capsys.readouterr().out


def test_a_killed_run_resumes_and_ends_with_the_same_bytes(
    long_database: Path, expected: dict[str, bytes], tmp_path: Path
):
    arguments = ("nuscenes", long_database, "--version", VERSION, "--lidar", "--out", tmp_path)
    arguments += ("--processes", 2)
    killed = subprocess.Popen([sys.executable, str(COMMAND), *map(str, arguments)])
    while len(list(tmp_path.glob(".*.parts/*.jsonl"))) < 2:
        assert killed.poll() is None, "the run ended before it was killed"
        time.sleep(0.01)
    killed.kill()
    killed.wait()
    assert not list(tmp_path.glob("*.json"))
    result = run(*arguments)
    assert result.returncode == 0, result.stderr
    assert f"of {4 * COPIES} samples" in result.stdout and "resumed after" in result.stdout
    assert content(tmp_path) == expected
