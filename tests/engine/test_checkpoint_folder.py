"""Which checkpoint of a folder a training resumes, and which it removes."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import torch

from epropnp_det.engine.checkpoint_folder import CheckpointFolder
from epropnp_det.errors import UserError

LOGGER = logging.getLogger("test")


def write(folder: Path, *names: str) -> None:
    for name in names:
        torch.save(dict(state_dict=dict(weight=torch.zeros(100))), folder / name)


def test_a_new_training_takes_no_checkpoint_of_an_earlier_one(tmp_path: Path) -> None:
    write(tmp_path, "iter_5.pth", "iter_10.pth")
    (tmp_path / "latest.pth").symlink_to("iter_10.pth")
    folder = CheckpointFolder(tmp_path)
    assert folder.newest_whole(LOGGER).name == "iter_10.pth"  # written by an earlier version
    folder.begin(None)
    assert folder.newest_whole(LOGGER) is None
    assert sorted(path.name for path in tmp_path.glob("*.pth")) == ["iter_10.pth", "iter_5.pth"]
    folder.add("iter_5.pth", keep=1)
    assert folder.newest_whole(LOGGER).name == "iter_5.pth"
    assert (tmp_path / "latest.pth").resolve().name == "iter_5.pth"
    assert (tmp_path / "iter_10.pth").is_file()


def test_the_last_checkpoints_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "out_dir" / "run"  # is not there yet
    folder = CheckpointFolder(path)
    folder.begin(None)
    for step in range(1, 6):
        write(path, f"iter_{step}.pth")
        folder.add(f"iter_{step}.pth", keep=2)
    assert folder.names() == ["iter_4.pth", "iter_5.pth"]
    assert {file.name for file in path.glob("iter_*")} == set(folder.names())


@pytest.mark.parametrize("fault", ["cut", "bit"])
def test_a_damaged_checkpoint_is_passed_over_with_a_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, fault: str
) -> None:
    folder = CheckpointFolder(tmp_path)
    folder.begin(None)
    for name in ("iter_1.pth", "iter_2.pth"):
        write(tmp_path, name)
        folder.add(name, keep=-1)
    data = bytearray((tmp_path / "iter_2.pth").read_bytes())
    middle = data.find(bytes(400)) + 200  # in the weights
    data[middle] ^= 1
    (tmp_path / "iter_2.pth").write_bytes(data if fault == "bit" else data[:middle])
    assert folder.newest_whole(LOGGER).name == "iter_1.pth"
    assert [record.message.count("iter_2.pth") for record in caplog.records] == [1]
    (tmp_path / "iter_1.pth").write_bytes(b"")
    with pytest.raises(UserError, match=r"iter_2\.pth"):
        folder.newest_whole(LOGGER)


def test_a_resumed_training_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path)
    folder.begin(None)
    for name in ("iter_1.pth", "iter_2.pth", "iter_3.pth"):
        write(tmp_path, name)
        folder.add(name, keep=-1)
    (tmp_path / ".iter_4.pth.123").write_bytes(b"half")
    folder.begin(tmp_path / "iter_2.pth")
    assert folder.names() == ["iter_1.pth", "iter_2.pth"]
    assert (tmp_path / "latest.pth").resolve().name == "iter_2.pth"
    assert not list(tmp_path.glob(".iter*"))


def test_a_folder_of_an_earlier_version_ends_with_its_latest(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path)
    assert folder.newest_whole(LOGGER) is None
    write(tmp_path, "epoch_9.pth", "epoch_10.pth", "best_mAP_epoch_99.pth")
    assert folder.names() == ["epoch_9.pth", "epoch_10.pth"]
    (tmp_path / "latest.pth").symlink_to("epoch_9.pth")
    assert folder.names() == ["epoch_10.pth", "epoch_9.pth"]
    (tmp_path / "epoch_9.pth").unlink()  # a link that leads nowhere does not count
    assert folder.names() == ["epoch_10.pth"]
