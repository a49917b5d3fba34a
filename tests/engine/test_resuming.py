"""A resumed training is the one that was never interrupted, bit for bit."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
import torch

from epropnp_det.engine.checkpoint import read_checkpoint
from epropnp_det.engine.data_order import DataOrder, SeededSamples
from epropnp_det.engine.resuming import DataPlan

from .tiny_training import SCHEDULES, TinyImages, assert_same, start, wait, write_config

LAST = dict(iterations="iter_11.pth", epochs="epoch_3.pth")
# In the middle of an epoch, after the checkpoint of an earlier step.
KILL_AT = {("iterations", 1): 9, ("iterations", 2): 10, ("epochs", 1): 8, ("epochs", 2): 5}
RUNS = [(schedule, processes) for schedule in SCHEDULES for processes in (1, 2)]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, int], tuple[Path, Path]]:
    """Folders of whole trainings and of interrupted ones; all of them run at the same time."""
    folder = tmp_path_factory.mktemp("runs")
    configs = {schedule: write_config(folder, schedule) for schedule in SCHEDULES}
    found = {}
    started = []
    for schedule, processes in RUNS:
        whole = folder / f"{schedule}_{processes}"
        cut = folder / f"{schedule}_{processes}_cut"
        found[schedule, processes] = (whole, cut)
        kill = {"model.kill_at": KILL_AT[schedule, processes]}
        started.append((start(configs[schedule], processes, work_dir=whole), 0))
        killed = start(configs[schedule], processes, kill, work_dir=cut)
        started.append((killed, -signal.SIGKILL))
    for processes_of_run, code in started:
        assert wait(processes_of_run) == [code] * len(processes_of_run)
    resumed = [
        start(configs[schedule], processes, work_dir=cut, resume=True)
        for (schedule, processes), (_, cut) in found.items()
    ]
    for processes_of_run in resumed:
        assert wait(processes_of_run) == [0] * len(processes_of_run)
    return found


@pytest.mark.parametrize("schedule, processes", RUNS)
def test_a_killed_and_resumed_training_ends_with_the_same_checkpoint(
    runs: dict, schedule: str, processes: int
) -> None:
    whole, cut = (read_checkpoint(path / LAST[schedule]) for path in runs[schedule, processes])
    assert_same(whole["state_dict"], cut["state_dict"])
    assert_same(whole["optimizer"], cut["optimizer"])
    assert_same(whole["meta"]["progress"], cut["meta"]["progress"])


@pytest.mark.parametrize("length, processes, samples", [(11, 1, 2), (11, 2, 2), (3, 4, 1)])
def test_a_cut_epoch_goes_on_with_the_samples_that_are_left(
    length: int, processes: int, samples: int
) -> None:
    def order(rank: int, position: int = 0) -> list:
        return list(DataOrder(length, 7, rank, processes, 2, position))

    position = processes * samples if processes * samples < length else 0
    for rank in range(processes):
        assert order(rank)[position // processes :] == order(rank, position)
    everything = [place for rank in range(processes) for place in order(rank)]
    assert {place.sample for place in everything} == set(range(length))


def test_the_order_over_all_processes_does_not_depend_on_their_number() -> None:
    one = list(DataOrder(12, 7))
    two = [list(DataOrder(12, 7, rank, 2)) for rank in range(2)]
    assert one == [place for pair in zip(*two) for place in pair]


def test_draws_follow_from_the_place_and_leave_the_generators_as_they_are() -> None:
    data = SeededSamples(TinyImages(), 5)
    first, second = list(DataOrder(11, 7))[:2]
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    alone = data[second]["img"]
    data[first]
    assert torch.equal(data[second]["img"], alone)
    assert torch.equal(torch.rand(3), expected)
    assert not torch.equal(data[second._replace(epoch=1)]["img"], alone)


@pytest.mark.parametrize("steps, place", [(0, (0, 0)), (2, (0, 8)), (3, (1, 0)), (7, (2, 4))])
def test_the_place_of_an_old_checkpoint_follows_from_its_steps(
    steps: int, place: tuple[int, int]
) -> None:
    assert DataPlan(images=11, processes=2, samples_per_gpu=2, seed=0).place_after(steps) == place


def test_the_epochs_of_an_old_checkpoint_stay_with_another_number_of_processes(
    runs: dict, tmp_path: Path
) -> None:
    whole, _ = runs["epochs", 2]
    old = torch.load(whole / "epoch_1.pth", weights_only=True)
    del old["meta"]["progress"]
    torch.save(old, tmp_path / "old.pth")
    config = write_config(tmp_path, "epochs")
    work_dir = tmp_path / "one"
    assert wait(start(config, work_dir=work_dir, resume_from=tmp_path / "old.pth")) == [0]
    for epoch in (2, 3):
        meta = read_checkpoint(work_dir / f"epoch_{epoch}.pth")["meta"]
        assert meta["epoch"] == epoch
        assert meta["progress"]["position"] == 0


def test_the_log_names_what_is_not_exact(runs: dict, tmp_path: Path) -> None:
    whole, _ = runs["iterations", 2]
    checkpoint = whole / "iter_8.pth"
    config = write_config(tmp_path, "iterations")
    assert wait(start(config, work_dir=tmp_path / "one", resume_from=checkpoint)) == [0]
    log = next((tmp_path / "one").glob("*.log")).read_text()
    assert log.count("processes: 1 instead of 2") == 1

    old = torch.load(checkpoint, weights_only=True)
    del old["meta"]["progress"]
    torch.save(old, tmp_path / "old.pth")
    settings = dict(work_dir=tmp_path / "two", resume_from=tmp_path / "old.pth")
    assert wait(start(config, **settings)) == [0]
    log = next((tmp_path / "two").glob("*.log")).read_text()
    assert log.count("of an earlier version") == 1
