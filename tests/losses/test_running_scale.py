"""The running scale of losses."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest
import torch
import torch.distributed as dist

from epropnp_det.losses.running_scale import RunningScale
from tests.forked_processes import forked
from tests.tolerances import COMPONENT


def updated(*values: tuple[float, float], training: bool = True) -> float:
    running = RunningScale(momentum=0.1).train(training)
    for total, count in values:
        running.update_scale(torch.tensor(total), count)
    return running.scale.item()


def test_it_moves_by_its_momentum():
    assert updated((6.0, 2.0)) == pytest.approx(0.9 + 0.3, rel=COMPONENT)
    assert updated((6.0, 2.0), (6.0, 2.0)) == pytest.approx(0.81 + 0.27 + 0.3, rel=COMPONENT)


@pytest.mark.parametrize("total, count", [(0.0, 0.0), (torch.nan, 1.0), (torch.inf, 1.0)])
def test_nothing_to_count_and_broken_values_leave_it(total: float, count: float):
    assert updated((total, count)) == 1.0


def test_it_rests_in_evaluation_mode():
    assert updated((6.0, 2.0), training=False) == 1.0


def test_its_state_is_one_number_called_scale():
    assert list(RunningScale(0.1).state_dict()) == ["scale"]


def work(rank: int, store: Path, answers: multiprocessing.SimpleQueue) -> None:
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    running = RunningScale(momentum=0.5).train()
    running.update_scale(torch.tensor((0.0, 12.0)[rank]), (0.0, 3.0)[rank])
    answers.put(running.scale.item())
    dist.barrier()


def test_processes_share_the_mean_over_all_that_they_count(tmp_path: Path):
    """One of two processes counts nothing: the mean is that of the other on both."""
    answers = multiprocessing.SimpleQueue()
    with forked(work, 2, tmp_path / "store", answers):
        assert [answers.get(), answers.get()] == [2.5, 2.5]
